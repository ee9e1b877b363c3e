//! SASL2 (XEP-0388) with Bind 2 (XEP-0386): login, session and what belongs
//! to it in one round.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tower_xmpp::archive::computed_id;
use tower_xmpp::stanza::{Element, ElementRef, Frame, ns};

use super::archive::query;
use super::client::*;

fn authenticate(name: &str, password: &str, inside: &str) -> String {
    let response = BASE64_STANDARD.encode(format!("\0{name}\0{password}"));
    format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
         <initial-response>{response}</initial-response>{inside}</authenticate>"
    )
}

fn bind(inside: &str) -> String {
    format!("<bind xmlns='urn:xmpp:bind:0'>{inside}</bind>")
}

const CARBONS: &str = "<enable xmlns='urn:xmpp:carbons:2'/>";
const SM: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

/// Alice logs in; the success, and the features after it.
async fn log_in(client: &mut Client, inside: &str) -> (Element, Element) {
    client.send(&authenticate("alice", "alice", inside)).await;
    let success = client.nonza().await;
    assert!(success.is("success", ns::SASL2), "{}", success.to_xml());
    let features = client.nonza().await;
    assert!(
        features.is("features", ns::STREAMS),
        "{}",
        features.to_xml()
    );
    (success, features)
}

fn address(success: &Element) -> String {
    let address = success.child("authorization-identifier", ns::SASL2);
    address.unwrap().text()
}

fn names(features: &Element) -> Vec<String> {
    features
        .children()
        .map(|one| one.name().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_offered_beside_the_other_with_what_it_can_do_inline() {
    let server = server().await;
    let mut client = Client::connect(server.address()).await;
    client.send(HEADER).await;
    assert!(matches!(client.frame().await, Some(Frame::Open(_))));
    let features = client.nonza().await;
    assert_eq!(names(&features), ["mechanisms", "authentication"]);
    let offer = features.child("authentication", ns::SASL2).unwrap();
    let mechanisms = offer.children().filter(|one| one.name() == "mechanism");
    let mechanisms: Vec<_> = mechanisms.map(ElementRef::text).collect();
    assert_eq!(mechanisms, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    let inline = offer.child("inline", ns::SASL2).unwrap();
    assert!(inline.has_child("sm", ns::SM));
    let bind = inline.child("bind", ns::BIND2).unwrap();
    let bind = bind.child("inline", ns::BIND2).unwrap();
    let features: Vec<_> = bind.children().filter_map(|one| one.attr("var")).collect();
    for feature in [ns::CARBONS, ns::CSI, ns::SM, ns::ARCHIVE_ID] {
        assert!(features.contains(&feature), "{features:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_round_makes_a_session() {
    let server = server().await;
    let mut alice = Client::open(server.address()).await;
    let wish = bind("<tag>Phone</tag>");
    let (success, features) = log_in(&mut alice, &wish).await;
    let jid = address(&success);
    assert!(jid.starts_with("alice@example.org/Phone/"), "{jid}");
    assert!(success.has_child("bound", ns::BIND2));
    assert_eq!(names(&features), ["sm", "csi", "ver"]);
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    bob.send(&format!("<message to='{jid}' id='m'/>")).await;
    assert_eq!(alice.stanza().await.id(), Some("m"));
    alice
        .send("<message to='bob@example.org/desk' id='n'/>")
        .await;
    assert_eq!(bob.stanza().await.from().unwrap().as_str(), jid);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wishes_for_no_session_may_bind_in_the_old_way_without_a_new_stream() {
    let server = server().await;
    let mut alice = Client::open(server.address()).await;
    let (success, features) = log_in(&mut alice, "").await;
    assert_eq!(address(&success), "alice@example.org");
    assert!(!success.has_child("bound", ns::BIND2));
    assert!(features.has_child("bind", ns::BIND));
    assert_eq!(alice.bind("phone").await, "alice@example.org/phone");
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wished_for_inline_is_on_from_the_first_moment() {
    let server = server().await;
    let mut alice = Client::open(server.address()).await;
    let inactive = "<inactive xmlns='urn:xmpp:csi:0'/>";
    let (success, _) = log_in(&mut alice, &bind(&format!("{CARBONS}{SM}{inactive}"))).await;
    let bound = success.child("bound", ns::BIND2).unwrap();
    let enabled = bound.child("enabled", ns::SM).unwrap();
    assert_eq!(enabled.attr("resume"), Some("true"));

    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    desk.send("<message to='bob@example.org/desk' type='chat'><body>hi</body></message>")
        .await;
    bob.stanza().await;
    assert!(alice.stanza().await.has_child("sent", ns::CARBONS));
    alice.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(alice.nonza().await.attr("h"), Some("0"));
}

/// Where Alice's archive ends, as she is told while binding.
fn end(success: &Element) -> Option<String> {
    let bound = success.child("bound", ns::BIND2).unwrap();
    let metadata = bound.child("metadata", ns::MAM).unwrap();
    let end = metadata.child("end", ns::MAM)?;
    assert!(end.attr("timestamp").is_some());
    end.attr("id").map(str::to_owned)
}

fn from_bob(body: &str) -> String {
    format!("<message to='alice@example.org' type='chat'><body>{body}</body></message>")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_binds_is_told_where_its_archive_ends_and_hears_live_whatever_comes_after_it() {
    let server = server().await;
    let mut phone = Client::open(server.address()).await;
    let (success, _) = log_in(&mut phone, &bind("")).await;
    assert_eq!(end(&success), None, "there is nothing yet");
    phone.send("<presence/>").await;
    phone.stanza().await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    bob.send(&from_bob("first")).await;
    phone.stanza().await;

    // While Bob writes on and on, Alice's other client comes.
    let writing = tokio::spawn(async move {
        for number in 0..40 {
            bob.send(&from_bob(&number.to_string())).await;
            bob.expect_nothing().await;
        }
        bob
    });
    let mut desk = Client::open(server.address()).await;
    let (success, _) = log_in(&mut desk, &bind(CARBONS)).await;
    let end = end(&success).unwrap();
    let mut bob = writing.await.unwrap();
    bob.send(&from_bob("last")).await;
    let mut live = vec![];
    while live.last().is_none_or(|body| body != "last") {
        let copy = desk.stanza().await;
        let copy = copy.child("received", ns::CARBONS).unwrap();
        let copy = copy.child("forwarded", ns::FORWARD).unwrap();
        let message = copy.child("message", ns::CLIENT).unwrap();
        live.push(message.child("body", ns::CLIENT).unwrap().text());
    }
    let after = query(&mut desk, "", &format!("<after>{end}</after>")).await;
    let after: Vec<_> = after.into_iter().map(|(_, body)| body).collect();
    assert!(live.ends_with(&after), "{live:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_its_token_while_binding_knows_under_which_ids_it_is_archived() {
    let server = server().await;
    let token = async |client: &mut Client, previous: &str| {
        let wish = format!("<token xmlns='tower-xmpp:archive-id:0' {previous}/>");
        let (success, _) = log_in(client, &bind(&wish)).await;
        let bound = success.child("bound", ns::BIND2).unwrap();
        bound.child("token", ns::ARCHIVE_ID).unwrap().text()
    };
    let say = "<message to='bob@example.org' type='chat' id='m1'><body>hi</body></message>";
    let mut alice = Client::open(server.address()).await;
    let first = token(&mut alice, "").await;
    let ask = "<iq type='set' id='t'><token xmlns='tower-xmpp:archive-id:0'/></iq>";
    assert_eq!(alice.ask(ask).await.payload().unwrap().text(), first);
    alice.send(say).await;
    let id = computed_id(&first, "m1").unwrap();
    assert_eq!(
        query(&mut alice, "", "").await,
        [(id.clone(), "hi".to_owned())]
    );

    // Whether it arrived is not known on the other stream: it is sent again.
    alice.vanish();
    let mut alice = Client::open(server.address()).await;
    let second = token(&mut alice, &format!("previous='{first}'")).await;
    assert_ne!(second, first);
    alice.send(say).await;
    let told = alice.stanza().await;
    let archived = told.child("archived", ns::ARCHIVE_ID).unwrap();
    assert_eq!(archived.attr("as"), Some(&*id));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_archives_nothing_is_said_of_them_while_binding() {
    let server = server_with("--no-archive").await;
    let mut client = Client::connect(server.address()).await;
    client.send(HEADER).await;
    assert!(matches!(client.frame().await, Some(Frame::Open(_))));
    let features = client.nonza().await.to_xml();
    assert!(!features.contains(ns::ARCHIVE_ID), "{features}");
    let wish = bind("<token xmlns='tower-xmpp:archive-id:0'/>");
    let (success, _) = log_in(&mut client, &wish).await;
    let bound = success.child("bound", ns::BIND2).unwrap();
    assert!(bound.first_child().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_in_one_round_and_nothing_is_bound() {
    let server = server().await;
    let mut old = Client::open(server.address()).await;
    let (success, _) = log_in(&mut old, &bind(SM)).await;
    let jid = address(&success);
    let bound = success.child("bound", ns::BIND2).unwrap();
    let id = bound.first_child().unwrap().attr("id").unwrap().to_owned();
    old.expect_nothing().await;
    old.vanish();
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    bob.send(&format!("<message to='{jid}' id='m'/>")).await;
    bob.expect_nothing().await;

    let mut new = Client::open(server.address()).await;
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>");
    let (success, features) = log_in(&mut new, &format!("{resume}{}", bind(SM))).await;
    assert_eq!(address(&success), jid);
    let resumed = success.child("resumed", ns::SM).unwrap();
    assert_eq!(
        (resumed.attr("previd"), resumed.attr("h")),
        (Some(id.as_str()), Some("1"))
    );
    assert!(!success.has_child("bound", ns::BIND2));
    assert!(!features.has_child("bind", ns::BIND));
    assert_eq!(new.stanza().await.id(), Some("m"));
    new.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_a_session_cannot_be_resumed_one_is_bound() {
    let server = server().await;
    let mut alice = Client::open(server.address()).await;
    let resume = "<resume xmlns='urn:xmpp:sm:3' previd='gone' h='1'/>";
    let (success, _) = log_in(&mut alice, &format!("{resume}{}", bind(""))).await;
    let failed = success.child("failed", ns::SM).unwrap();
    assert!(failed.has_child("item-not-found", ns::STANZAS));
    assert!(success.has_child("bound", ns::BIND2));
    alice.expect_nothing().await;

    let mut alice = Client::open(server.address()).await;
    let (success, features) = log_in(&mut alice, resume).await;
    assert!(success.has_child("failed", ns::SM));
    assert!(features.has_child("bind", ns::BIND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_which_it_is_ends_its_own_earlier_session() {
    let server = server().await;
    let wish = format!("<user-agent id='d4565fa7'/>{}", bind("<tag>T</tag>"));
    let mut old = Client::open(server.address()).await;
    let one = address(&log_in(&mut old, &wish).await.0);
    let mut new = Client::open(server.address()).await;
    let other = address(&log_in(&mut new, &wish).await.0);
    assert_eq!(one, other);
    assert!(!one.contains("d4565fa7"));
    old.expect_end("conflict").await;
    new.expect_nothing().await;
}

/// The reason of a failure.
async fn failure(client: &mut Client, said: &str) -> String {
    client.send(said).await;
    let failure = client.nonza().await;
    assert!(failure.is("failure", ns::SASL2), "{}", failure.to_xml());
    let reason = failure.first_child().unwrap();
    assert!(reason.has_ns(ns::SASL));
    reason.name().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_attempt_is_named_does_nothing_and_another_may_follow() {
    let server = server().await;
    let mut elsewhere = Client::bound(server.address(), "alice", "phone").await;
    let wish = bind("");
    for (attempt, expected) in [
        (authenticate("alice", "wrong", &wish), "not-authorized"),
        (authenticate("nobody", "x", &wish), "not-authorized"),
        (authenticate("alice", "", &wish), "malformed-request"),
        (
            authenticate("alice", "alice", &wish).replace("PLAIN", "X"),
            "invalid-mechanism",
        ),
        (
            "<authenticate xmlns='urn:xmpp:sasl:2'/>".into(),
            "invalid-mechanism",
        ),
        (
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
             <initial-response>!</initial-response></authenticate>"
                .into(),
            "incorrect-encoding",
        ),
        (
            "<response xmlns='urn:xmpp:sasl:2'/>".into(),
            "malformed-request",
        ),
        ("<abort xmlns='urn:xmpp:sasl:2'/>".into(), "aborted"),
    ] {
        let mut client = Client::open(server.address()).await;
        assert_eq!(failure(&mut client, &attempt).await, expected, "{attempt}");
        log_in(&mut client, &wish).await;
    }
    elsewhere.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_an_initial_response_is_asked_for_it() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    client
        .send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>")
        .await;
    let challenge = client.nonza().await;
    assert!(challenge.is("challenge", ns::SASL2));
    let response = BASE64_STANDARD.encode("\0alice\0alice");
    client
        .send(&format!(
            "<response xmlns='urn:xmpp:sasl:2'>{response}</response>"
        ))
        .await;
    assert!(client.nonza().await.is("success", ns::SASL2));
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_else_during_a_login_ends_the_stream() {
    let server = server().await;
    for said in [
        PING,
        "<next xmlns='urn:xmpp:sasl:2' task='x'/>",
        "<x xmlns='y'/>",
    ] {
        let mut client = Client::open(server.address()).await;
        client
            .send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>")
            .await;
        client.nonza().await;
        client.send(said).await;
        client.expect_end("not-authorized").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_a_stream_in_one_name_does_not_log_in_with_another() {
    let server = server().await;
    for (from, succeeds) in [
        ("alice@example.org", true),
        ("alice@example.org/phone", true),
        ("bob@example.org", false),
        ("@", false),
    ] {
        let mut client = Client::connect(server.address()).await;
        client
            .send(&HEADER.replace(" to=", &format!(" from='{from}' to=")))
            .await;
        assert!(matches!(client.frame().await, Some(Frame::Open(_))));
        client.nonza().await;
        client.send(&authenticate("alice", "alice", "")).await;
        let answer = client.nonza().await;
        assert_eq!(answer.is("success", ns::SASL2), succeeds, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_too_often_is_sent_away() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    for _ in 0..3 {
        failure(&mut client, &authenticate("alice", "wrong", "")).await;
    }
    client.expect_end("policy-violation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sessions_of_one_account_are_too_many() {
    let server = server().await;
    let mut clients = vec![];
    for _ in 0..64 {
        let mut client = Client::open(server.address()).await;
        log_in(&mut client, &bind("")).await;
        clients.push(client);
    }
    let mut more = Client::open(server.address()).await;
    more.send(&authenticate("alice", "alice", &bind(""))).await;
    more.expect_end("resource-constraint").await;
}
