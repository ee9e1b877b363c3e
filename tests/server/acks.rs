//! Stream management (XEP-0198): acknowledgements.

use tower_xmpp::stanza::{Condition, Element, Frame, Stanza, ns};

use super::client::*;
use super::example::server::Server;
use super::storage::Data;

/// What is not delivered comes back: it is not in the archive either.
pub const NO_STORE: &str = "<no-store xmlns='urn:xmpp:hints'/>";

pub const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
pub const ASK: &str = "<r xmlns='urn:xmpp:sm:3'/>";

pub fn ack(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

pub fn resume(id: &str, h: u32) -> String {
    format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")
}

pub fn message(to: &str, id: &str) -> String {
    format!("<message to='{to}' type='chat' id='{id}'><body>{id}</body></message>")
}

/// The next element, which must be this one of stream management.
pub async fn sm(client: &mut Client, name: &str) -> Element {
    let element = client.nonza().await;
    assert!(element.is(name, ns::SM), "{}", element.to_xml());
    element
}

/// How many stanzas the server has handled.
pub async fn handled(client: &mut Client) -> String {
    client.send(ASK).await;
    sm(client, "a").await.attr("h").unwrap().to_owned()
}

/// Why stream management was refused.
pub async fn refused(client: &mut Client, said: &str) -> String {
    client.send(said).await;
    let failed = sm(client, "failed").await;
    failed.first_child().unwrap().name().to_owned()
}

/// A client whose session can be resumed, and by which id.
pub async fn resumable(server: &Server, name: &str, resource: &str) -> (Client, String) {
    let mut client = Client::bound(server.address(), name, resource).await;
    client.send(ENABLE).await;
    let enabled = sm(&mut client, "enabled").await;
    assert_eq!(enabled.attr("resume"), Some("true"));
    let id = enabled.attr("id").unwrap().to_owned();
    (client, id)
}

/// Another connection of the same account, which goes on with the session.
pub async fn come_back(server: &Server, name: &str, id: &str, h: u32) -> (Client, String) {
    let mut client = Client::authenticated(server.address(), name).await;
    client.send(&resume(id, h)).await;
    let resumed = sm(&mut client, "resumed").await;
    assert_eq!(resumed.attr("previd"), Some(id));
    let h = resumed.attr("h").unwrap().to_owned();
    (client, h)
}

pub async fn hears(client: &mut Client, id: &str) -> Stanza {
    let stanza = client.stanza().await;
    assert_eq!(stanza.id(), Some(id), "{}", stanza.to_xml());
    stanza
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stanza_of_the_client_is_counted_and_nothing_else() {
    let server = server().await;
    let (mut alice, _) = resumable(&server, "alice", "phone").await;
    assert_eq!(handled(&mut alice).await, "0");
    alice.send(&message("nobody@example.org", "1")).await;
    hears(&mut alice, "1").await;
    // Refused, ignored, and none at all: what was sent counts.
    alice.send("<message to='@' id='2'/>").await;
    hears(&mut alice, "2").await;
    alice.send("<iq type='result' id='unasked'/>").await;
    alice.send(&ack(2)).await;
    alice.send("   ").await;
    assert_eq!(handled(&mut alice).await, "3");
    alice.expect_nothing().await;
    assert_eq!(handled(&mut alice).await, "4");
}

/// XEP-0198 §4 wants every question answered, and what is not in the archive yet
/// is not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_while_an_append_is_pending_is_answered_with_what_was_archived_before() {
    let data = Data::new();
    let server = server_with(&data.option()).await;
    let (mut alice, _) = resumable(&server, "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    let file = rusqlite::Connection::open(data.archive()).unwrap();
    let mut sent = 0;
    let mut was_pending = false;
    // The archive waits for the lock for two seconds; on a machine where all of
    // this takes longer, it is tried again.
    while !was_pending && sent < 20 {
        file.execute_batch("BEGIN IMMEDIATE").unwrap();
        alice.send(&message("bob@example.org/desk", "m")).await;
        sent += 1;
        hears(&mut bob, "m").await;
        was_pending = handled(&mut alice).await != sent.to_string();
        file.execute_batch("ROLLBACK").unwrap();
        // Now it can be archived, or its failure be known, and it counts.
        while handled(&mut alice).await != sent.to_string() {}
    }
    assert!(was_pending, "all was acknowledged before it was archived");
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_asks_whether_its_stanzas_arrived_one_question_at_a_time() {
    let server = server().await;
    let (mut alice, _) = resumable(&server, "alice", "phone").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    for id in ["1", "2", "3"] {
        bob.send(&message("alice@example.org/phone", id)).await;
        bob.expect_nothing().await;
    }
    let mut seen = vec![];
    for _ in 0..4 {
        seen.push(match alice.frame().await {
            Some(Frame::Stanza(stanza)) => stanza.id().unwrap().to_owned(),
            Some(Frame::Nonza(element)) => element.name().to_owned(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["1", "r", "2", "3"]);
    alice.send(&ack(1)).await;
    assert!(matches!(alice.frame().await, Some(Frame::Nonza(r)) if r.name() == "r"));
    alice.send(&ack(3)).await;
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledged_when_the_stream_was_closed_goes_elsewhere() {
    let server = server().await;
    let (mut phone, id) = resumable(&server, "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    for id in ["1", "2"] {
        bob.send(&message("alice@example.org/phone", id)).await;
        hears(&mut phone, id).await;
    }
    phone.send(&ack(1)).await;
    phone.send("</stream:stream>").await;
    assert_eq!(sm(&mut phone, "a").await.attr("h"), Some("0"));
    hears(&mut desk, "2").await;
    desk.expect_nothing().await;
    let mut late = Client::authenticated(server.address(), "alice").await;
    assert_eq!(refused(&mut late, &resume(&id, 1)).await, "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_management_out_of_place_is_refused_and_the_stream_lives() {
    let server = server().await;
    let mut stranger = Client::open(server.address()).await;
    for early in [ENABLE, &resume("x", 0)] {
        assert_eq!(refused(&mut stranger, early).await, "unexpected-request");
    }
    stranger.send(&plain("bob", "bob")).await;
    assert_eq!(stranger.nonza().await.name(), "success");
    let mut alice = Client::authenticated(server.address(), "alice").await;
    assert_eq!(refused(&mut alice, ENABLE).await, "unexpected-request");
    for nonsense in [
        resume("no-such-id", 0),
        "<resume xmlns='urn:xmpp:sm:3'/>".into(),
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>".into(),
    ] {
        assert_eq!(refused(&mut alice, &nonsense).await, "item-not-found");
    }
    alice.bind("phone").await;
    alice.send(ENABLE).await;
    sm(&mut alice, "enabled").await;
    assert_eq!(refused(&mut alice, ENABLE).await, "unexpected-request");
    assert_eq!(
        refused(&mut alice, &resume("x", 0)).await,
        "unexpected-request"
    );
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_acknowledges_what_was_not_sent_is_sent_away() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    alice.expect_nothing().await;
    alice.send(&ack(2)).await;
    let error = alice.nonza().await;
    let told = error.child("handled-count-too-high", ns::SM).unwrap();
    assert_eq!(
        (told.attr("h"), told.attr("send-count")),
        (Some("2"), Some("1"))
    );
    assert!(error.has_child("undefined-condition", ns::STREAM_ERRORS));
    let mut late = Client::authenticated(server.address(), "alice").await;
    assert_eq!(refused(&mut late, &resume(&id, 1)).await, "item-not-found");

    for (nonsense, condition) in [
        ("<a xmlns='urn:xmpp:sm:3'/>", "bad-format"),
        ("<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", "bad-format"),
        ("<b xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
    ] {
        let (mut alice, _) = resumable(&server, "alice", "phone").await;
        alice.send(nonsense).await;
        alice.expect_end(condition).await;
    }
    let mut without = Client::bound(server.address(), "alice", "desk").await;
    without.send(&ack(0)).await;
    without.expect_end("unsupported-stanza-type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_acknowledges_cannot_make_the_server_keep_everything() {
    let server = server_with("--max-queue 50000 --rate 1000000000").await;
    let (mut alice, _) = resumable(&server, "alice", "phone").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let body = "x".repeat(1_000);
    for number in 0..100 {
        let to = "alice@example.org/phone";
        bob.send(&format!(
            "<message to='{to}' id='{number}'><body>{body}</body>{NO_STORE}</message>"
        ))
        .await;
    }
    // It reads, and yet.
    let mut arrived = 0;
    while let Some(Frame::Stanza(_) | Frame::Nonza(_)) = alice.frame().await {
        arrived += 1;
    }
    assert!(arrived > 10);
    for _ in 0..100 {
        // What did not reach its account has come back.
        let error = bob.stanza().await.error().unwrap();
        assert_eq!(error.condition, Condition::ServiceUnavailable);
    }
    bob.expect_nothing().await;
}
