//! What a client switches on for its session: that it is not looked at
//! (XEP-0352), and how its account's messages fork.

use tower_xmpp::stanza::{Stanza, ns};

use super::client::*;
use super::example::server::Server;

const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:csi:0'/>";
const TYPING: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";

async fn both(server: &Server) -> (Client, Client) {
    (
        Client::bound(server.address(), "alice", "phone").await,
        Client::bound(server.address(), "bob", "desk").await,
    )
}

fn to_phone(id: &str, inside: &str) -> String {
    format!("<message to='alice@example.org/phone' type='chat' id='{id}'>{inside}</message>")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_wait_waits_until_the_client_is_looked_at() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    alice.send(INACTIVE).await;
    alice.expect_nothing().await;
    bob.send(&to_phone("typing", TYPING)).await;
    arrived(&server, &mut bob, "alice").await;
    alice.send(ACTIVE).await;
    let waited = alice.stanza().await;
    assert_eq!(waited.id(), Some("typing"));
    assert!(waited.has_child("delay", ns::DELAY));
    bob.send(&to_phone("more", TYPING)).await;
    assert!(!alice.stanza().await.has_child("delay", ns::DELAY));
    alice.send("<asleep xmlns='urn:xmpp:csi:0'/>").await;
    alice.expect_end("unsupported-stanza-type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_important_takes_what_waits_with_it() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    alice.send(INACTIVE).await;
    alice.expect_nothing().await;
    bob.send(&to_phone("typing", TYPING)).await;
    bob.send(&to_phone("said", "<body>hi</body>")).await;
    assert_eq!(alice.stanza().await.id(), Some("typing"));
    assert_eq!(alice.stanza().await.id(), Some("said"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_not_lost_when_the_client_is_away_for_a_while() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    alice
        .send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        .await;
    let id = alice.nonza().await.attr("id").unwrap().to_owned();
    alice.send(INACTIVE).await;
    alice.expect_nothing().await;
    bob.send(&to_phone("typing", TYPING)).await;
    arrived(&server, &mut bob, "alice").await;
    alice.vanish();
    let mut alice = Client::authenticated(server.address(), "alice").await;
    alice
        .send(&format!(
            "<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>"
        ))
        .await;
    assert_eq!(alice.nonza().await.name(), "resumed");
    // XEP-0352 §5.2: whoever is back is looked at.
    assert_eq!(alice.stanza().await.id(), Some("typing"));
}

/// What Alice's phone and desk get of a chat with Bob.
async fn chat(server: &Server, phone: &mut Client, desk: &mut Client) -> (Stanza, Stanza) {
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    bob.send("<message to='alice@example.org' type='chat' id='m'><body>hi</body></message>")
        .await;
    (phone.stanza().await, desk.stanza().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn message_routing_2_is_asked_for_between_login_and_binding() {
    let server = server().await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut phone = Client::authenticated(server.address(), "alice").await;
    phone.send("<enable xmlns='urn:xmpp:mr2:0'/>").await;
    assert!(phone.nonza().await.is("enabled", ns::MR2));
    phone.bind("phone").await;
    // Now it is too late, and the stream lives.
    phone.send("<enable xmlns='tower-xmpp:goal:0'/>").await;
    let failed = phone.nonza().await;
    assert!(failed.has_child("unexpected-request", ns::STANZAS));
    let (on_phone, on_desk) = chat(&server, &mut phone, &mut desk).await;
    assert_eq!((on_phone.id(), on_desk.id()), (Some("m"), Some("m")));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_routing_2_is_asked_for_inline() {
    let server = server().await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut phone = Client::open(server.address()).await;
    phone
        .send(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
             <initial-response>AGFsaWNlAGFsaWNl</initial-response>\
             <bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:mr2:0'/></bind></authenticate>",
        )
        .await;
    assert_eq!(phone.nonza().await.name(), "success");
    assert_eq!(phone.nonza().await.name(), "features");
    let (on_phone, on_desk) = chat(&server, &mut phone, &mut desk).await;
    assert_eq!((on_phone.id(), on_desk.id()), (Some("m"), Some("m")));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_login_nothing_can_be_asked_for() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    client.send("<enable xmlns='urn:xmpp:mr2:0'/>").await;
    client.expect_end("not-authorized").await;
}
