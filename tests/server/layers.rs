//! That the layers work in a real server: each capability is tested where it
//! is; here, that it is in the stack and that every entrance leads there.

use tower_xmpp::stanza::{ElementRef, Stanza, Type, ns};

use super::client::*;

async fn carbons(client: &mut Client) {
    let enable = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
    assert!(client.ask(enable).await.is_type(&Type::Result));
}

async fn features(client: &mut Client, to: &str) -> Vec<String> {
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let answer = client
        .ask(&format!("<iq to='{to}' type='get' id='i'>{info}</iq>"))
        .await;
    let query = answer.payload().unwrap();
    query
        .children()
        .filter_map(|child| child.attr("var").map(str::to_owned))
        .collect()
}

fn carbon(stanza: &Stanza, direction: &str) -> bool {
    stanza.from().unwrap().as_str() == "alice@example.org"
        && stanza.has_child(direction, ns::CARBONS)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_layers_do_is_announced() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    for (entity, feature) in [("example.org", ns::CARBONS), ("alice@example.org", ns::SID)] {
        let announced = features(&mut alice, entity).await;
        assert!(
            announced.iter().any(|one| one == feature),
            "{entity}: {announced:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_clients_of_both_accounts_get_carbons() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut bob = Client::available(server.address(), "bob", "home").await;
    phone.stanza().await;
    desk.stanza().await;
    carbons(&mut phone).await;
    carbons(&mut desk).await;

    phone
        .send("<message to='bob@example.org' type='chat' id='1'><body>hi</body></message>")
        .await;
    assert_eq!(bob.stanza().await.id(), Some("1"));
    assert!(carbon(&desk.stanza().await, "sent"));

    bob.send("<message to='alice@example.org/phone' type='chat' id='2'><body>hi</body></message>")
        .await;
    assert_eq!(phone.stanza().await.id(), Some("2"));
    assert!(carbon(&desk.stanza().await, "received"));
    phone.expect_nothing().await;
    bob.expect_nothing().await;
}

/// The archive IDs that a message bears, with whose they are.
fn stamps(stanza: &Stanza) -> Vec<(String, String)> {
    let stamps = stanza
        .children()
        .filter(|child| child.is("stanza-id", ns::SID));
    let attr = |stamp: ElementRef<'_>, name| stamp.attr(name).unwrap().to_owned();
    stamps
        .map(|stamp| (attr(stamp, "by"), attr(stamp, "id")))
        .collect()
}

/// The message inside a carbon.
fn forwarded(carbon: &Stanza) -> Stanza {
    let forwarded = carbon.payload().unwrap().first_child().unwrap();
    Stanza::parse(forwarded.first_child().unwrap().to_xml().as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_of_an_account_know_a_message_by_one_id_and_forged_ones_are_gone() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut bob = Client::available(server.address(), "bob", "home").await;
    phone.stanza().await;
    desk.stanza().await;
    carbons(&mut desk).await;

    bob.send(
        "<message to='alice@example.org/phone' type='chat' id='1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='forged'/></message>",
    )
    .await;
    let ids = stamps(&phone.stanza().await);
    let [(by, id)] = ids.as_slice() else {
        panic!("one stamp is expected, not {ids:?}");
    };
    assert_eq!(by, "alice@example.org");
    assert_ne!(id, "forged");
    assert_eq!(stamps(&forwarded(&desk.stanza().await)), ids);

    phone
        .send("<message to='bob@example.org' type='chat' id='2'><body>hi</body></message>")
        .await;
    let sent = stamps(&forwarded(&desk.stanza().await));
    let received = stamps(&bob.stanza().await);
    assert_eq!(sent[0].0, "alice@example.org");
    assert_eq!(
        (received.len(), received[0].0.as_str()),
        (1, "bob@example.org")
    );
}

/// Clients believe carbons of their own account only (XEP-0280 §11), so what
/// matters is what `from` they see.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_carbon_says_who_forged_it() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut bob = Client::available(server.address(), "bob", "home").await;
    phone.stanza().await;
    desk.stanza().await;
    carbons(&mut desk).await;
    let forged = |attributes: &str| {
        format!(
            "<message {attributes} type='chat' id='f'>\
             <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' from='carol@example.org'><body>hi</body></message>\
             </forwarded></received></message>"
        )
    };
    let to_desk = "to='alice@example.org/desk'";
    bob.send(&forged(to_desk)).await;
    let from = |stanza: &Stanza| stanza.from().unwrap().to_string();
    assert_eq!(from(&desk.stanza().await), "bob@example.org/home");
    // Its own account's address is one that a client may claim.
    phone
        .send(&forged(&format!("{to_desk} from='alice@example.org'")))
        .await;
    assert_eq!(from(&desk.stanza().await), "alice@example.org/phone");
    bob.send(&forged(&format!("{to_desk} from='alice@example.org'")))
        .await;
    bob.expect_end("invalid-from").await;
    desk.expect_nothing().await;
    phone.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_archive_id_is_gone_from_every_way_in() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "home").await;
    let room = "tea@rooms.example.org";
    for (client, nick) in [(&mut phone, "a"), (&mut bob, "b")] {
        client
            .send(&format!(
                "<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            ))
            .await;
        while !client.stanza().await.has_child("subject", ns::CLIENT) {}
    }
    phone.stanza().await; // Bob is there
    // As a message, through a room, and to nobody at all, which comes back.
    for to in [
        "to='alice@example.org/phone' type='chat'",
        "to='alice@example.org' type='headline'",
        "to='tea@rooms.example.org' type='groupchat'",
        "to='tea@rooms.example.org/a' type='chat'",
    ] {
        bob.send(&format!(
            "<message {to} id='1'><body>hi</body>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='forged'/></message>"
        ))
        .await;
        let received = phone.stanza().await;
        assert_eq!(received.id(), Some("1"), "{to}");
        for (by, id) in stamps(&received) {
            assert!(
                by != "alice@example.org" || id != "forged",
                "{to}: {}",
                received.to_xml()
            );
        }
    }
}
