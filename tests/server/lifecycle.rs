//! How sessions and the server end.

use tower_xmpp::stanza::{Frame, Type};

use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_stream_sees_it_closed() {
    let server = server().await;
    let mut client = Client::available(server.address(), "alice", "phone").await;
    client.send("</stream:stream>").await;
    assert!(matches!(client.frame().await, Some(Frame::Close)));
    assert!(client.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_end_is_answered_before_it() {
    let server = server().await;
    let mut client = Client::bound(server.address(), "alice", "phone").await;
    client.send(&format!("{PING}</stream:stream>")).await;
    assert_eq!(client.stanza().await.id(), Some("nothing"));
    assert!(matches!(client.frame().await, Some(Frame::Close)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_is_gone_for_the_others() {
    let server = server().await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let phone = Client::available(server.address(), "alice", "phone").await;
    desk.stanza().await;
    phone.vanish();
    let gone = desk.stanza().await;
    assert!(gone.is_type(&Type::Unavailable));
    assert_eq!(gone.from().unwrap().as_str(), "alice@example.org/phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_pinged_and_kept_if_it_answers() {
    let server = server_with("--idle-timeout 1").await;
    let mut client = Client::bound(server.address(), "alice", "phone").await;
    for _ in 0..2 {
        let ping = client.stanza().await;
        assert!(ping.has_child("ping", "urn:xmpp:ping"));
        let id = ping.id().unwrap();
        client
            .send(&format!("<iq type='result' id='{id}' to='example.org'/>"))
            .await;
    }
    client.stanza().await;
    client.expect_end("connection-timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_says_so_after_all_else() {
    let server = server().await;
    let mut unborn = Client::open(server.address()).await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for _ in 0..100 {
        alice
            .send("<message to='bob@example.org/desk'><body>hi</body></message>")
            .await;
    }
    arrived(&server, &mut alice, "bob").await;
    let address = server.address();
    let ended = tokio::spawn(server.shut_down());
    for _ in 0..100 {
        assert!(bob.stanza().await.has_body());
    }
    bob.expect_end("system-shutdown").await;
    alice.expect_end("system-shutdown").await;
    unborn.expect_end("system-shutdown").await;
    ended.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_cannot_keep_the_server_from_ending() {
    let server = server_with("--rate 1000000000 --max-queue 100000000").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let deaf = Client::bound(server.address(), "bob", "deaf").await;
    // More than the buffers of both systems hold, so that it waits here.
    let body = "x".repeat(200_000);
    for _ in 0..100 {
        let message = format!("<message to='bob@example.org/deaf'><body>{body}</body></message>");
        alice.send(&message).await;
    }
    arrived(&server, &mut alice, "bob").await;
    server.shut_down().await;
    alice.expect_end("system-shutdown").await;
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_waits_for_what_follows_from_it() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let bob = Client::available(server.address(), "bob", "desk").await;
    alice.send("<message to='bob@example.org'/>").await;
    // Nobody reads any more, and nobody says goodbye.
    drop(bob);
    drop(alice);
    server.shut_down().await;
}
