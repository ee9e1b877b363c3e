//! What no client should send. Each gets the error that RFC 6120 names, the
//! stream ends where it must, and nobody else notices.

use tower_xmpp::stanza::{Condition, Type};

use super::client::*;
use super::example::server::Server;

/// Alice can still write to Bob.
async fn expect_unharmed(server: &Server) {
    let mut alice = Client::bound(server.address(), "alice", "well").await;
    let mut bob = Client::bound(server.address(), "bob", "well").await;
    alice
        .send("<message to='bob@example.org/well' id='fine'/>")
        .await;
    assert_eq!(bob.stanza().await.id(), Some("fine"));
}

/// Says it on a stream of its own, which ends with the condition.
async fn expect_end_after(server: &Server, said: &[u8], condition: &str) {
    let mut client = Client::bound(server.address(), "alice", "bad").await;
    client.send_bytes(said).await;
    client.expect_end(condition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_that_is_none_ends_the_stream() {
    let server = server().await;
    for (said, condition) in [
        (&b"<message></presence>"[..], "not-well-formed"),
        (b"<message<", "not-well-formed"),
        (b"<message a='1' a='2'/>", "not-well-formed"),
        (b"<message>&unknown;</message>", "restricted-xml"),
        (b"<message><u:x/></message>", "not-well-formed"),
        (b"<message>\xff</message>", "unsupported-encoding"),
        (b"<!-- hm --><message/>", "restricted-xml"),
        (b"<message><?php ?></message>", "restricted-xml"),
        (b"text", "bad-format"),
        (b"<message xmlns='jabber:server'/>", "invalid-namespace"),
    ] {
        expect_end_after(&server, said, condition).await;
    }
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_billion_laughs_end_the_stream_at_the_first() {
    let server = server().await;
    let mut client = Client::connect(server.address()).await;
    client
        .send("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><x>&b;</x>")
        .await;
    client.frame().await;
    client.expect_end("restricted-xml").await;
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_that_is_too_large_ends_the_stream() {
    let server = server_with("--max-stanza 10000").await;
    let body = "x".repeat(10_000);
    for said in [
        format!("<message><body>{body}</body></message>"),
        format!("<message to='{body}'/>"),
        format!("<message to='{body}"),
        format!("<message {}", "a='b' ".repeat(10_000)),
        format!("<{body}"),
    ] {
        let mut client = Client::bound(server.address(), "alice", "bad").await;
        // The server hangs up before it has read all.
        let _ = client.try_send(&said).await;
        client.expect_end("policy-violation").await;
    }
    let fits = format!(
        "<message to='nobody@example.org' id='m'><body>{}</body></message>",
        &body[..9_000]
    );
    let mut client = Client::bound(server.address(), "alice", "good").await;
    client.send(&fits).await;
    assert_eq!(client.stanza().await.id(), Some("m"));
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_say_little() {
    let server = server().await;
    let much = "x".repeat(10_000);
    for said in [
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{much}</auth>"),
        format!("<auth mechanism='{much}"),
        format!("<a>{}", "<b>x</b>".repeat(2_000)),
        format!("<{much}"),
    ] {
        let mut stranger = Client::open(server.address()).await;
        let _ = stranger.try_send(&said).await;
        stranger.expect_end("policy-violation").await;
    }
    let mut header = Client::connect(server.address()).await;
    let _ = header
        .try_send(&HEADER.replace("to=", &format!("a='{much}' to=")))
        .await;
    header.frame().await;
    header.expect_end("policy-violation").await;
    // Who has logged in may say more.
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let message = format!("<message to='nobody@example.org' id='m'><body>{much}</body></message>");
    alice.send(&message).await;
    assert_eq!(alice.stanza().await.id(), Some("m"));
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_that_is_too_deep_ends_the_stream() {
    let server = server_with("--max-depth 5").await;
    let nested = |depth: usize| {
        format!(
            "<message to='nobody@example.org' id='m'>{}{}</message>",
            "<a>".repeat(depth),
            "</a>".repeat(depth)
        )
    };
    let mut client = Client::bound(server.address(), "alice", "good").await;
    client.send(&nested(4)).await;
    assert_eq!(client.stanza().await.id(), Some("m"));
    expect_end_after(&server, nested(5).as_bytes(), "policy-violation").await;
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_children_than_allowed_end_the_stream_and_a_thousand_arrive() {
    let server = server().await;
    let with = |count: usize| {
        format!(
            "<message to='bob@example.org' id='m'>{}</message>",
            "<a/>".repeat(count)
        )
    };
    let mut alice = Client::bound(server.address(), "alice", "good").await;
    let mut bob = Client::available(server.address(), "bob", "good").await;
    alice.send(&with(1_000)).await;
    assert_eq!(bob.stanza().await.children().count(), 1_000);
    expect_end_after(&server, with(1_001).as_bytes(), "policy-violation").await;
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_never_closed_is_never_heard() {
    let server = server().await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    alice
        .send("<message to='bob@example.org/desk'><body>hi</body>")
        .await;
    // Nobody waits for the rest, and with the stream it is gone.
    expect_unharmed(&server).await;
    alice.vanish();
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    alice
        .send("<message to='bob@example.org/desk' id='whole'/>")
        .await;
    assert_eq!(bob.stanza().await.id(), Some("whole"));
    expect_end_after(&server, b"<message><body></message>", "not-well-formed").await;
    // What closes the stream too early closes it.
    expect_end_after(&server, b"<message></stream:stream>", "not-well-formed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_no_stanza_ends_the_stream() {
    let server = server().await;
    for said in ["<x xmlns='y'/>", "<messages/>"] {
        expect_end_after(&server, said.as_bytes(), "unsupported-stanza-type").await;
    }
    expect_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_to_be_somebody_else_ends_the_stream() {
    let server = server().await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for from in [
        "bob@example.org",
        "alice@example.org/other",
        "example.org",
        "@",
    ] {
        let said = format!("<message from='{from}' to='bob@example.org'/>");
        expect_end_after(&server, said.as_bytes(), "invalid-from").await;
    }
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_to_no_address_comes_back_and_the_stream_lives() {
    let server = server().await;
    let mut client = Client::bound(server.address(), "alice", "phone").await;
    for to in ["@", "bob@", "a b@example.org", "bob@example.org/", ""] {
        for stanza in ["message id='1'", "presence id='1'", "iq type='get' id='1'"] {
            client
                .send(&format!(
                    "<{stanza} to='{to}'><x xmlns='y'/></{}>",
                    &stanza[..stanza.find(' ').unwrap()]
                ))
                .await;
            let error = client.stanza().await;
            assert_eq!(error.id(), Some("1"));
            assert_eq!(
                error.error().unwrap().condition,
                Condition::JidMalformed,
                "{stanza} {to}"
            );
        }
    }
    client.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_types_and_missing_ids_are_bad_requests_where_it_matters() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for bad in [
        "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='ask' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1'/>",
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>",
        "<presence type='asleep'/>",
    ] {
        alice.send(bad).await;
        let error = alice.stanza().await;
        assert_eq!(
            error.error().unwrap().condition,
            Condition::BadRequest,
            "{bad}"
        );
    }
    alice
        .send("<message to='bob@example.org' type='odd'><body>hi</body></message>")
        .await;
    let message = bob.stanza().await;
    assert_eq!(
        (message.id(), message.type_()),
        (None, Some(&Type::from("odd")))
    );
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_loses_its_connection_and_holds_up_nobody() {
    let server = server_with("--max-queue 100000 --rate 1000000000").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let deaf = Client::available(server.address(), "bob", "deaf").await;
    let mut desk = Client::available(server.address(), "bob", "desk").await;
    desk.stanza().await; // deaf is there
    // More than the buffers of both systems hold.
    let body = "x".repeat(50_000);
    let mut bounced = 0;
    for number in 0..2_000 {
        let to = "bob@example.org/deaf";
        alice
            .send(&format!(
                "<message to='{to}' id='{number}'><body>{body}</body></message>"
            ))
            .await;
        if number % 10 == 9 {
            // An error for what the deaf one no longer takes, or the pong.
            alice.send(PING).await;
            loop {
                let stanza = alice.stanza().await;
                if stanza.id() == Some("nothing") {
                    break;
                }
                assert_eq!(
                    stanza.error().unwrap().condition,
                    Condition::ServiceUnavailable
                );
                bounced += 1;
            }
            if bounced > 0 {
                break;
            }
        }
    }
    assert!(bounced > 0, "the queue has no end");
    let gone = desk.stanza().await;
    assert!(gone.is_type(&Type::Unavailable));
    assert_eq!(gone.from().unwrap().as_str(), "bob@example.org/deaf");
    expect_unharmed(&server).await;
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_talks_too_fast_is_heard_more_slowly() {
    let server = server_with("--rate 10000").await;
    let mut alice = Client::bound(server.address(), "alice", "fast").await;
    // A burst of four seconds' worth is free, what is more is not.
    let much = " ".repeat(80_000);
    let before = std::time::Instant::now();
    alice.send(&much).await;
    expect_unharmed(&server).await;
    alice.expect_nothing().await;
    assert!(
        before.elapsed().as_millis() > 1_500,
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_sent_away() {
    let server = server_with("--max-streams 2").await;
    let mut one = Client::bound(server.address(), "alice", "one").await;
    let mut two = Client::bound(server.address(), "alice", "two").await;
    let mut three = Client::connect(server.address()).await;
    three.frame().await;
    three.expect_end("resource-constraint").await;
    one.expect_nothing().await;
    two.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_resources_of_one_account_are_too_many() {
    let server = server().await;
    let mut clients = vec![];
    for number in 0..64 {
        clients.push(Client::bound(server.address(), "alice", &number.to_string()).await);
    }
    let mut more = Client::authenticated(server.address(), "alice").await;
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    let error = more.ask(bind).await.error().unwrap();
    assert_eq!(error.condition, Condition::ResourceConstraint);
    clients.pop();
    expect_unharmed(&server).await;
}
