//! Presence, subscriptions and the roster (RFC 6121 §2 to §4).

use tower_xmpp::stanza::{Condition, Stanza, Type, ns};

use super::client::*;

const ROSTER: &str = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";

fn items(answer: &Stanza) -> Vec<String> {
    let query = answer.child("query", ns::ROSTER).unwrap();
    let show = |item: tower_xmpp::stanza::ElementRef<'_>| {
        let attr = |name| item.attr(name).unwrap_or("-").to_owned();
        [attr("jid"), attr("subscription"), attr("ask")].join(" ")
    };
    query.children().map(show).collect()
}

async fn subscription(client: &mut Client, type_: &str) {
    client
        .send(&format!(
            "<presence to='{}@example.org' type='{type_}'/>",
            "bob"
        ))
        .await;
}

/// Alice and Bob, each with the roster asked for and available.
async fn both(server: &super::example::server::Server) -> (Client, Client) {
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    alice.ask(ROSTER).await;
    bob.ask(ROSTER).await;
    (alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_is_allowed_hears_when_the_other_comes_and_goes() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;

    subscription(&mut alice, "subscribe").await;
    assert_eq!(
        items(&alice.stanza().await),
        ["bob@example.org none subscribe"]
    );
    let asked = bob.stanza().await;
    assert!(asked.is_type(&Type::Subscribe));
    assert_eq!(asked.from().unwrap().as_str(), "alice@example.org");

    bob.send("<presence to='alice@example.org' type='subscribed'/>")
        .await;
    assert_eq!(items(&bob.stanza().await), ["alice@example.org from -"]);
    assert!(alice.stanza().await.is_type(&Type::Subscribed));
    assert_eq!(items(&alice.stanza().await), ["bob@example.org to -"]);
    let there = alice.stanza().await;
    assert_eq!(
        (there.type_(), there.from().unwrap().as_str()),
        (None, "bob@example.org/desk")
    );

    bob.send("<presence type='unavailable'/>").await;
    let own = bob.stanza().await;
    assert!(own.is_type(&Type::Unavailable) && own.from() == own.to());
    assert!(alice.stanza().await.is_type(&Type::Unavailable));
    bob.send("<presence><show>away</show></presence>").await;
    bob.stanza().await;
    assert!(alice.stanza().await.has_child("show", ns::CLIENT));

    // Who comes later is told what is.
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut heard = [desk.stanza().await, desk.stanza().await];
    heard.sort_by_key(|stanza| stanza.from().cloned());
    assert_eq!(heard[0].from().unwrap().as_str(), "alice@example.org/phone");
    assert_eq!(heard[1].from().unwrap().as_str(), "bob@example.org/desk");
    alice.stanza().await;

    bob.send("<presence to='alice@example.org' type='unsubscribed'/>")
        .await;
    assert!(alice.stanza().await.is_type(&Type::Unsubscribed));
    assert_eq!(items(&alice.stanza().await), ["bob@example.org none -"]);
    assert!(alice.stanza().await.is_type(&Type::Unavailable));
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_a_client_to_come() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    subscription(&mut alice, "subscribe").await;
    alice.expect_nothing().await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    assert!(bob.stanza().await.is_type(&Type::Subscribe));
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_is_removed_is_unsubscribed_both_ways() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    subscription(&mut alice, "subscribe").await;
    alice.stanza().await;
    bob.stanza().await;
    bob.send("<presence to='alice@example.org' type='subscribed'/>")
        .await;
    bob.stanza().await;
    for _ in 0..3 {
        alice.stanza().await;
    }

    bob.send(
        "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
         <item jid='alice@example.org' subscription='remove'/></query></iq>",
    )
    .await;
    assert_eq!(bob.stanza().await.id(), Some("s"));
    assert_eq!(items(&bob.stanza().await), ["alice@example.org remove -"]);
    assert!(alice.stanza().await.is_type(&Type::Unsubscribed));
    assert_eq!(items(&alice.stanza().await), ["bob@example.org none -"]);
    assert!(alice.stanza().await.is_type(&Type::Unavailable));
    assert_eq!(items(&bob.ask(ROSTER).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_set_is_pushed_to_all_clients_that_asked_for_the_roster() {
    let server = server().await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    desk.ask(&ROSTER.replace("<iq ", "<iq to='alice@example.org' "))
        .await;
    let set = "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
               <item jid='carol@example.org' name='C'><group>g</group></item></query></iq>";
    assert!(phone.ask(set).await.is_type(&Type::Result));
    let push = desk.stanza().await;
    assert!(push.is_type(&Type::Set));
    assert_eq!(items(&push), ["carol@example.org none -"]);
    phone.expect_nothing().await;
    assert_eq!(
        items(&phone.ask(ROSTER).await),
        ["carol@example.org none -"]
    );

    let none = set.replace("carol@example.org", "@");
    let error = phone.ask(&none).await.error().unwrap();
    assert_eq!(error.condition, Condition::JidMalformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_newest_roster_is_told_so_instead_of_all_contacts() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let get = |ver: &str| ROSTER.replace("<query ", &format!("<query ver='{ver}' "));
    let version = |stanza: &Stanza| stanza.payload().unwrap().attr("ver").unwrap().to_owned();
    // RFC 6121 §2.6.2: it keeps none yet.
    let empty = version(&alice.ask(&get("")).await);
    alice
        .send(
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
             <item jid='carol@example.org'/></query></iq>",
        )
        .await;
    assert_eq!(alice.stanza().await.id(), Some("s"));
    // §2.6.3: what is pushed names what the client has then.
    let now = version(&alice.stanza().await);
    let answer = alice.ask(&get(&now)).await;
    assert!(answer.is_type(&Type::Result) && answer.payload().is_none());
    for known in ["", &empty, "of another server"] {
        let answer = alice.ask(&get(known)).await;
        assert_eq!(items(&answer), ["carol@example.org none -"]);
        assert_eq!(version(&answer), now);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_shown_presence_in_particular_hears_when_it_ends() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    alice.send("<presence to='bob@example.org/desk'/>").await;
    assert_eq!(bob.stanza().await.type_(), None);
    alice.vanish();
    let gone = bob.stanza().await;
    assert!(gone.is_type(&Type::Unavailable));
    assert_eq!(gone.from().unwrap().as_str(), "alice@example.org/phone");
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_nothing_of_presence() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    alice
        .send("<presence to='bob@example.org' type='probe'/>")
        .await;
    alice.send("<presence/>").await;
    assert_eq!(
        alice.stanza().await.from().unwrap().as_str(),
        "alice@example.org/phone"
    );
    alice.expect_nothing().await;
    bob.expect_nothing().await;
}
