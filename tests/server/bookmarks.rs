//! What a client writes into its bookmarks (XEP-0402), the account does: with
//! `--account-rooms` the layer that joins rooms reads them. It acts when time
//! passes, some seconds later.

use tower_xmpp::stanza::{Kind, Stanza, Type, ns};

use super::client::*;
use super::pep::{BOOKMARKS, event, ids, interested, items_of, owner, pubsub};
use super::rooms::{ROOM, joins};
use super::storage::Data;

const EXTENSION: &str = "<pinned xmlns='urn:example:pins' order='3'>a &lt; b</pinned>";

fn bookmark(id: &str, autojoin: bool, inside: &str) -> String {
    let extensions = format!("<extensions>{EXTENSION}</extensions>");
    pubsub(&format!(
        "<publish node='{BOOKMARKS}'><item id='{id}'>\
         <conference xmlns='{BOOKMARKS}' autojoin='{autojoin}'>{inside}{extensions}</conference>\
         </item></publish><publish-options>\
         <x xmlns='jabber:x:data' type='submit'><field var='pubsub#max_items'>\
         <value>max</value></field></x></publish-options>"
    ))
}

fn retract(room: &str) -> String {
    pubsub(&format!(
        "<retract node='{BOOKMARKS}'><item id='{room}'/></retract>"
    ))
}

async fn does(client: &mut Client, iq: &str) {
    let answer = client.ask(iq).await;
    assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
}

/// Somebody of this nick is shown there, or is gone.
fn shown(presence: &Stanza) -> (&str, bool) {
    let from = presence.from().expect("from the room");
    assert_eq!(from.to_bare().as_str(), ROOM, "{}", presence.to_xml());
    let nick = from.resource().expect("an occupant").as_str();
    (nick, presence.type_().is_none())
}

/// Bob, who sees who comes and goes.
async fn bob(server: &super::example::server::Server) -> Client {
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    joins(&mut bob, "Bob").await;
    bob
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_joins_renames_and_leaves_and_its_extensions_survive() {
    let server = server_with("--account-rooms").await;
    let mut bob = bob(&server).await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    does(&mut phone, &bookmark(ROOM, true, "<nick>Ally</nick>")).await;
    assert_eq!(shown(&bob.stanza().await), ("Ally", true));
    // The client joins by its bookmark as well: it is told here, and nobody
    // else hears but that the account is not away any more.
    let heard = joins(&mut phone, "Ally").await;
    assert_eq!(heard.len(), 2);
    assert!(heard[1].has_muc_status(110));
    for client in [&mut bob, &mut phone] {
        let back = client.stanza().await;
        assert_eq!(shown(&back), ("Ally", true));
        assert!(!back.has_child("show", ns::CLIENT));
    }
    // Its nick is the account's.
    does(&mut phone, &bookmark(ROOM, true, "<nick>Alba</nick>")).await;
    for client in [&mut bob, &mut phone] {
        let gone = client.stanza().await;
        assert_eq!(shown(&gone), ("Ally", false));
        assert!(gone.has_muc_status(303));
        assert_eq!(shown(&client.stanza().await), ("Alba", true));
    }
    // The server has kept what it does not know.
    let kept = phone.ask(&items_of("", BOOKMARKS)).await.to_xml();
    assert!(kept.contains(EXTENSION), "{kept}");
    assert!(kept.contains("<nick>Alba</nick>"), "{kept}");

    does(&mut phone, &retract(ROOM)).await;
    for client in [&mut bob, &mut phone] {
        assert_eq!(shown(&client.stanza().await), ("Alba", false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_that_is_published_again_brings_back_who_was_kicked() {
    let server = server_with("--account-rooms").await;
    let mut bob = bob(&server).await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    does(&mut phone, &bookmark(ROOM, true, "<nick>Ally</nick>")).await;
    assert_eq!(shown(&bob.stanza().await), ("Ally", true));
    let kick = "<query xmlns='http://jabber.org/protocol/muc#admin'>\
        <item nick='Ally' role='none'/></query>";
    bob.send(&format!("<iq to='{ROOM}' type='set' id='k'>{kick}</iq>"))
        .await;
    assert!(bob.stanza().await.is_type(&Type::Result));
    assert_eq!(shown(&bob.stanza().await), ("Ally", false));
    does(&mut phone, &bookmark(ROOM, true, "<nick>Ally</nick>")).await;
    assert_eq!(shown(&bob.stanza().await), ("Ally", true));
    phone.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_autojoin_and_without_the_node_the_account_leaves() {
    let server = server_with("--account-rooms").await;
    let mut bob = bob(&server).await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    let delete = owner("set", &format!("<delete node='{BOOKMARKS}'/>"));
    for leave in [bookmark(ROOM, false, ""), delete] {
        // Without a nick it is the account's name.
        does(&mut phone, &bookmark(ROOM, true, "")).await;
        assert_eq!(shown(&bob.stanza().await), ("alice", true));
        does(&mut phone, &leave).await;
        assert_eq!(shown(&bob.stanza().await), ("alice", false));
    }
    phone.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_acts_on_its_own_bookmark_does_not_loop() {
    let server = server_with("--account-rooms").await;
    let mut bob = bob(&server).await;
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    interested(&mut desk, &[BOOKMARKS]).await;
    desk.expect_nothing().await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    let wanted = bookmark(ROOM, true, "<nick>Alice</nick>");
    does(&mut phone, &wanted).await;
    // It hears of its bookmark, joins at once, and bookmarks what it has joined.
    let told = format!("alice@example.org {BOOKMARKS} item {ROOM}");
    assert_eq!(event(&desk.stanza().await), told);
    joins(&mut desk, "Alice").await;
    desk.send(&wanted).await;
    ids(&besides_alice(&mut desk).await);
    assert_eq!(event(&besides_alice(&mut desk).await), told);
    // It is done with when the room of another bookmark is joined.
    let other = "cake@rooms.example.org";
    let mut carol = Client::bound(server.address(), "bob", "phone").await;
    carol
        .send(&format!(
            "<presence to='{other}/C'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
    // Herself, and the subject.
    for _ in 0..2 {
        carol.stanza().await;
    }
    does(&mut phone, &bookmark(other, true, "")).await;
    let joined = carol.stanza().await;
    assert_eq!(joined.from().unwrap().as_str(), format!("{other}/alice"));
    let told = format!("alice@example.org {BOOKMARKS} item {other}");
    assert_eq!(event(&besides_alice(&mut desk).await), told);
    for client in [&mut bob, &mut desk] {
        client.send(PING).await;
        assert!(besides_alice(client).await.is_response());
    }
}

/// What comes besides Alice's presence in the room: whether her account was
/// there before her client is a matter of chance, and so is whether it was away.
async fn besides_alice(client: &mut Client) -> Stanza {
    loop {
        let stanza = client.stanza().await;
        if stanza.kind() != Kind::Presence {
            return stanza;
        }
        assert_eq!(shown(&stanza), ("Alice", true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_is_in_the_bookmarked_rooms_and_broken_bookmarks_are_in_none() {
    let data = Data::new();
    let accounts = "--account alice:alice --account bob:bob";
    let mut server = data.server(accounts);
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    for (id, inside) in [
        ("@", ""),
        ("tea@rooms.example.org/Nick", ""),
        ("nick@rooms.example.org", "<nick>\u{e000}</nick>"),
        (ROOM, "<nick>Alice</nick>"),
    ] {
        assert_eq!(ids(&phone.ask(&bookmark(id, true, inside)).await), [id]);
    }
    server.kill();

    let mut server = data.server(&format!("{accounts} --account-rooms"));
    let address = server.address();
    let mut bob = Client::bound(address, "bob", "desk").await;
    joins(&mut bob, "Bob").await;
    let mut phone = Client::bound(address, "alice", "phone").await;
    assert_eq!(shown(&bob.stanza().await), ("Alice", true));
    phone.expect_nothing().await;
}

/// A request for the list of older clients (XEP-0048).
fn list(type_: &str, inside: &str) -> String {
    format!(
        "<iq type='{type_}' id='l'><query xmlns='jabber:iq:private'>\
         <storage xmlns='storage:bookmarks'>{inside}</storage></query></iq>"
    )
}

async fn listed(client: &mut Client) -> String {
    let answer = client.ask(&list("get", "")).await;
    answer.payload().unwrap().first_child().unwrap().to_xml()
}

#[tokio::test(flavor = "multi_thread")]
async fn older_clients_and_newer_ones_see_each_others_bookmarks() {
    let server = server_with("--account-rooms").await;
    let mut bob = bob(&server).await;
    let mut new = Client::available(server.address(), "alice", "new").await;
    interested(&mut new, &[BOOKMARKS]).await;
    let mut old = Client::bound(server.address(), "alice", "old").await;
    let url = "<url name='Site' url='https://example.org/'/>";
    let coffee = "<conference autojoin='false' jid='coffee@rooms.example.org' name='Coffee'/>";
    let tea = format!("<conference autojoin='true' jid='{ROOM}'><nick>Ally</nick></conference>");

    // What the old one sets, the new one hears of and finds, and the account does.
    does(&mut old, &list("set", &format!("{tea}{url}{coffee}"))).await;
    let told = new.stanza().await.to_xml();
    assert!(told.contains(ROOM) && told.contains("coffee@"), "{told}");
    assert_eq!(shown(&bob.stanza().await), ("Ally", true));
    let found = new.ask(&items_of("", BOOKMARKS)).await;
    assert_eq!(ids(&found), [ROOM, "coffee@rooms.example.org"]);
    let expected = format!("<storage xmlns='storage:bookmarks'>{tea}{coffee}{url}</storage>");
    assert_eq!(listed(&mut old).await, expected);

    // What the new one publishes and retracts, the old one finds.
    does(&mut new, &bookmark(ROOM, true, "<nick>Ally</nick>")).await;
    new.stanza().await;
    does(&mut new, &retract("coffee@rooms.example.org")).await;
    new.stanza().await;
    let expected = format!("<storage xmlns='storage:bookmarks'>{tea}{url}</storage>");
    assert_eq!(listed(&mut old).await, expected);

    // A list as it is changes nothing; another name keeps what the list cannot say.
    does(&mut old, &list("set", &format!("{tea}{url}"))).await;
    let named = tea.replace("<conference", "<conference name='Tea'");
    does(&mut old, &list("set", &named)).await;
    let told = new.stanza().await.to_xml();
    assert!(told.contains("Tea") && told.contains(EXTENSION), "{told}");
    assert_eq!(
        listed(&mut old).await,
        format!(
            "<storage xmlns='storage:bookmarks'>{}</storage>",
            named.replace(
                &format!("name='Tea' autojoin='true' jid='{ROOM}'"),
                &format!("autojoin='true' jid='{ROOM}' name='Tea'"),
            )
        )
    );

    // All of a list or nothing.
    let broken = format!("{coffee}<conference jid='@'/>");
    let error = old.ask(&list("set", &broken)).await.error().unwrap();
    assert_eq!(error.condition.as_str(), "jid-malformed");
    assert!(!listed(&mut old).await.contains("coffee"));
    does(&mut old, &list("set", "")).await;
    assert_eq!(shown(&bob.stanza().await), ("Ally", false));
}
