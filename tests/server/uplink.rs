//! The server as a component of another (XEP-0114), which is played here.

use tower_xmpp::stanza::{Condition, Frame, Kind, Stanza, ns};

use super::client::*;
use super::component::{Line, Other};
use super::example::server::Server;

impl Other {
    async fn server(&self, options: &str) -> Server {
        let address = self.0.local_addr().unwrap();
        server_with(&format!("--uplink component://secret@{address} {options}")).await
    }

    /// The lines of the accounts and of the rooms, both welcome.
    async fn lines(&self) -> [Line; 2] {
        let mut both = [self.line().await, self.line().await];
        both.sort_by(|one, other| one.1.cmp(&other.1));
        let names = [&both[0].1, &both[1].1].map(String::as_str);
        assert_eq!(names, ["example.org", "rooms.example.org"]);
        both.map(|(line, _)| line)
    }
}

fn from(stanza: &Stanza) -> &str {
    stanza.from().unwrap().as_str()
}

const TO_CAROL: &str =
    "<message to='carol@other.example' type='chat' id='m'><body>hi</body></message>";

fn condition(stanza: &Stanza) -> Option<Condition> {
    stanza.error().map(|error| error.condition)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_both_ways() {
    let other = Other::listen().await;
    let server = other.server("").await;
    let [mut line, _rooms] = other.lines().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    alice.send(TO_CAROL).await;
    let message = line.stanza().await;
    assert_eq!(from(&message), "alice@example.org/phone");
    assert_eq!(message.body_text().as_deref(), Some("hi"));
    line.send(
        "<message from='carol@other.example/x' to='alice@example.org' type='chat' id='c'>\
         <body>hello</body></message>",
    )
    .await;
    let message = alice.stanza().await;
    assert_eq!(from(&message), "carol@other.example/x");
    assert!(message.has_child("body", ns::CLIENT));
    // It was archived like any other.
    assert!(message.has_child("stanza-id", ns::SID));
    line.expect_nothing("example.org").await;
    line.send(
        "<iq type='get' id='d' from='carol@other.example/x' to='example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    )
    .await;
    // A layer announces that for the server.
    assert!(line.stanza().await.to_xml().contains(ns::BLOCKING));
    server.shut_down().await;
    assert!(matches!(
        line.frame().await,
        Some(Frame::Stanza(_) | Frame::Close)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_other_servers_come_to_our_rooms() {
    let other = Other::listen().await;
    let _server = other.server("").await;
    let [_accounts, mut rooms] = other.lines().await;
    rooms
        .send(
            "<presence from='carol@other.example/x' to='tea@rooms.example.org/Carol'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>",
        )
        .await;
    let own = rooms.stanza().await;
    assert_eq!(from(&own), "tea@rooms.example.org/Carol");
    assert_eq!(own.kind(), Kind::Presence);
    let subject = rooms.stanza().await;
    assert!(subject.has_child("subject", ns::CLIENT));
    rooms
        .send(
            "<message from='carol@other.example/x' to='tea@rooms.example.org' \
             type='groupchat' id='g'><body>hi</body></message>",
        )
        .await;
    assert_eq!(rooms.stanza().await.id(), Some("g"));
    rooms.expect_nothing("rooms.example.org").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_claims_to_be_us_or_means_somebody_else_is_not_heard() {
    let other = Other::listen().await;
    let server = other.server("").await;
    let [mut line, _rooms] = other.lines().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    for (from, to) in [
        ("bob@example.org/desk", "alice@example.org"),
        ("alice@example.org/phone", "alice@example.org"),
        ("tea@rooms.example.org/Bob", "alice@example.org/phone"),
        ("example.org", "alice@example.org/phone"),
        ("carol@other.example", "dan@third.example"),
        ("carol@other.example", "@"),
        ("@", "alice@example.org"),
    ] {
        let message = format!("<message from='{from}' to='{to}'><body>hi</body></message>");
        line.send(&message).await;
    }
    line.send("<message to='alice@example.org'><body>hi</body></message>")
        .await;
    line.expect_nothing("example.org").await;
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_drops_in_the_middle_of_a_stanza_comes_back_and_what_waits_leaves() {
    let other = Other::listen().await;
    let server = other.server("").await;
    let [mut line, _rooms] = other.lines().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    line.send("<message from='carol@other.example' to='alice@example.org'><bo")
        .await;
    drop(line);
    let (mut line, domain) = other.line().await;
    assert_eq!(domain, "example.org");
    alice.send(TO_CAROL).await;
    // Written to the line that was just lost, it would have come back.
    match line.frame().await {
        Some(Frame::Stanza(message)) => assert_eq!(message.id(), Some("m")),
        other => panic!("a stanza is expected, not {other:?}"),
    }
    line.expect_nothing("example.org").await;
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_comes_back() {
    let other = Other::listen().await;
    let server = other.server("--uplink-patience 1").await;
    // It connects, but nobody answers.
    let _silent = [other.knock().await, other.knock().await];
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    alice.send(TO_CAROL).await;
    let error = alice.stanza().await;
    assert_eq!(from(&error), "carol@other.example");
    assert_eq!(condition(&error), Some(Condition::RemoteServerTimeout));
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_line_would_carry_comes_back_at_once() {
    let other = Other::listen().await;
    let server = other.server("--uplink-patience 3600").await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    alice.send(TO_CAROL).await;
    for _ in 0..2 {
        let (mut line, _) = other.knock().await;
        line.send(
            "<stream:stream xmlns='jabber:component:accept' id='x' \
             xmlns:stream='http://etherx.jabber.org/streams'>\
             <stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             </stream:error></stream:stream>",
        )
        .await;
    }
    let error = alice.stanza().await;
    assert_eq!(condition(&error), Some(Condition::RemoteServerNotFound));
    alice.send(TO_CAROL).await;
    let error = alice.stanza().await;
    assert_eq!(condition(&error), Some(Condition::RemoteServerNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_comes_back() {
    let other = Other::listen().await;
    let server = other
        .server("--uplink-patience 3600 --rate 1000000000")
        .await;
    let _silent = [other.knock().await, other.knock().await];
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let body = "x".repeat(200_000);
    // Twenty of them are 4 MB, and some more than 4 MiB.
    for id in 0..21 {
        alice
            .send(&format!(
                "<message to='carol@other.example' id='{id}'><body>{body}</body></message>"
            ))
            .await;
    }
    let error = alice.stanza().await;
    assert_eq!(error.id(), Some("20"));
    assert_eq!(condition(&error), Some(Condition::ResourceConstraint));
    alice.expect_nothing().await;
}

const CAPS: &str = "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='h'/>";

/// Carol's client comes, is asked for its interests, and says nicks.
async fn carol_comes(line: &mut Line) {
    line.send(&format!(
        "<presence from='carol@other.example/x' to='alice@example.org'>{CAPS}</presence>"
    ))
    .await;
    let question = line.stanza().await;
    assert_eq!(from(&question), "alice@example.org");
    assert_eq!(question.payload().unwrap().attr("node"), Some("n#v"));
    line.send(&format!(
        "<iq type='result' id='{}' from='carol@other.example/x' to='alice@example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'>\
         <feature var='http://jabber.org/protocol/nick+notify'/></query></iq>",
        question.id().unwrap()
    ))
    .await;
}

fn nick(nick: &str) -> String {
    super::pep::pubsub(&format!(
        "<publish node='http://jabber.org/protocol/nick'><item id='current'>\
         <nick xmlns='http://jabber.org/protocol/nick'>{nick}</nick></item></publish>"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_elsewhere_hear_of_what_they_are_interested_in() {
    let other = Other::listen().await;
    let server = other.server("").await;
    let [mut line, _rooms] = other.lines().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    line.send("<presence from='carol@other.example' to='alice@example.org' type='subscribe'/>")
        .await;
    alice.stanza().await;
    alice
        .send("<presence to='carol@other.example' type='subscribed'/>")
        .await;
    line.stanza().await; // subscribed
    line.stanza().await; // and here is Alice
    alice.ask(&nick("Al")).await;

    // With the first presence the last item comes, with the next no question.
    carol_comes(&mut line).await;
    let last = line.stanza().await;
    assert_eq!(last.to().unwrap().as_str(), "carol@other.example/x");
    assert!(last.to_xml().contains(">Al</nick>"), "{}", last.to_xml());
    line.send(&format!(
        "<presence from='carol@other.example/x' to='alice@example.org'>{CAPS}</presence>"
    ))
    .await;
    line.expect_nothing("example.org").await;
    alice.send(&nick("Ally")).await;
    assert!(line.stanza().await.to_xml().contains(">Ally</nick>"));

    // Who has gone is not written to, and neither is who is no contact.
    line.send("<presence from='carol@other.example/x' to='alice@example.org' type='unavailable'/>")
        .await;
    line.send(&format!(
        "<presence from='dan@other.example/x' to='alice@example.org'>{CAPS}</presence>"
    ))
    .await;
    line.expect_nothing("example.org").await;
    alice.send(&nick("Alice")).await;
    alice.send(TO_CAROL).await;
    assert!(line.stanza().await.has_child("body", ns::CLIENT));
    // It comes again.
    carol_comes(&mut line).await;
    assert!(line.stanza().await.to_xml().contains(">Alice</nick>"));
}
