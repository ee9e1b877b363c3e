//! Stream management (XEP-0198 §5): sessions that outlive their connection.

use tower_xmpp::stanza::{Condition, Type, ns};

use super::acks::*;
use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_back_gets_what_it_has_not_and_knows_what_arrived() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    alice.send(&message("bob@example.org/desk", "a1")).await;
    hears(&mut bob, "a1").await;
    for id in ["1", "2"] {
        bob.send(&message("alice@example.org/phone", id)).await;
    }
    hears(&mut alice, "1").await;
    hears(&mut alice, "2").await;
    alice.vanish();
    // While nobody is there.
    bob.send(&message("alice@example.org/phone", "3")).await;
    bob.expect_nothing().await;

    let (mut alice, h) = come_back(&server, "alice", &id, 1).await;
    assert_eq!(h, "1");
    for id in ["2", "3"] {
        let again = hears(&mut alice, id).await;
        assert_eq!(again.to().unwrap().as_str(), "alice@example.org/phone");
    }
    bob.send(&message("alice@example.org/phone", "4")).await;
    hears(&mut alice, "4").await;
    alice.send(&message("bob@example.org/desk", "a2")).await;
    hears(&mut bob, "a2").await;
    assert_eq!(handled(&mut alice).await, "2");
    // And once more, with everything acknowledged.
    alice.send(&ack(4)).await;
    alice.expect_nothing().await;
    alice.vanish();
    let (mut alice, h) = come_back(&server, "alice", &id, 5).await;
    assert_eq!(h, "3");
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_do_not_notice_that_a_client_was_away() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    alice.send("<presence/>").await;
    alice.stanza().await;
    alice.stanza().await;
    desk.stanza().await;
    alice.vanish();
    let (mut alice, _) = come_back(&server, "alice", &id, 2).await;
    alice.expect_nothing().await;
    desk.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_switched_on_stays_on() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    let carbons = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
    assert!(alice.ask(carbons).await.is_type(&Type::Result));
    alice.vanish();
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    desk.send(&message("bob@example.org/desk", "1")).await;
    hears(&mut bob, "1").await;
    let (mut alice, _) = come_back(&server, "alice", &id, 1).await;
    assert!(alice.stanza().await.has_child("sent", ns::CARBONS));
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_come_back_before_the_server_knows_it_was_away() {
    let server = server().await;
    let (mut old, id) = resumable(&server, "alice", "phone").await;
    let (mut new, _) = come_back(&server, "alice", &id, 0).await;
    old.expect_end("conflict").await;
    new.expect_nothing().await;
    let (mut newest, h) = come_back(&server, "alice", &id, 1).await;
    new.expect_end("conflict").await;
    assert_eq!(h, "1");
    newest.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_back_in_time_is_gone_and_what_it_missed_goes_elsewhere() {
    let server = server_with("--resume-timeout 1").await;
    let (mut phone, id) = resumable(&server, "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    phone.send("<presence/>").await;
    desk.stanza().await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let to = "alice@example.org/phone";
    bob.send(&message(to, "m")).await;
    bob.send(&format!(
        "<iq type='get' id='q' to='{to}'><x xmlns='y'/></iq>"
    ))
    .await;
    bob.send(&format!("<message to='{to}' type='headline' id='h'/>"))
        .await;
    bob.expect_nothing().await;
    phone.vanish();
    let gone = desk.stanza().await;
    assert!(gone.is_type(&Type::Unavailable), "{}", gone.to_xml());
    assert_eq!(gone.from().unwrap().as_str(), to);
    // The message is for the account still, the question is not.
    hears(&mut desk, "m").await;
    let error = hears(&mut bob, "q").await.error().unwrap();
    assert_eq!(error.condition, Condition::ServiceUnavailable);
    desk.expect_nothing().await;
    bob.expect_nothing().await;

    // It is remembered how much arrived, for this account alone.
    for (name, h) in [("alice", Some("1")), ("bob", None)] {
        let mut late = Client::authenticated(server.address(), name).await;
        late.send(&resume(&id, 0)).await;
        let failed = sm(&mut late, "failed").await;
        assert!(failed.has_child("item-not-found", ns::STANZAS));
        assert_eq!(failed.attr("h"), h);
        late.bind("again").await;
        late.expect_nothing().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_waits_no_longer_than_its_client_wants_nor_than_the_server() {
    let server = server_with("--resume-timeout 60").await;
    for (wish, told) in [
        ("", "60"),
        ("max='1'", "1"),
        ("max='90'", "60"),
        ("max='x'", "60"),
    ] {
        let mut client = Client::bound(server.address(), "bob", "desk").await;
        client
            .send(&format!(
                "<enable xmlns='urn:xmpp:sm:3' resume='1' {wish}/>"
            ))
            .await;
        let enabled = sm(&mut client, "enabled").await;
        assert_eq!(enabled.attr("max"), Some(told), "{wish}");
    }
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    desk.stanza().await;
    phone
        .send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='1'/>")
        .await;
    phone.stanza().await;
    sm(&mut phone, "enabled").await;
    phone.vanish();
    // Long before a minute is over.
    assert!(desk.stanza().await.is_type(&Type::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_ask_for_it_cannot_come_back() {
    let server = server().await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    desk.stanza().await;
    phone.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    phone.stanza().await;
    let enabled = sm(&mut phone, "enabled").await;
    assert_eq!((enabled.attr("id"), enabled.attr("resume")), (None, None));
    phone.vanish();
    assert!(desk.stanza().await.is_type(&Type::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_on_with_somebody_elses_session() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    let mut bob = Client::authenticated(server.address(), "bob").await;
    assert_eq!(refused(&mut bob, &resume(&id, 0)).await, "item-not-found");
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumption_that_claims_too_much_ends_the_new_stream_only() {
    let server = server().await;
    let (mut alice, id) = resumable(&server, "alice", "phone").await;
    alice.expect_nothing().await;
    alice.vanish();
    let mut liar = Client::authenticated(server.address(), "alice").await;
    liar.send(&resume(&id, 7)).await;
    liar.expect_end("undefined-condition").await;
    let (mut alice, h) = come_back(&server, "alice", &id, 1).await;
    assert_eq!(h, "1");
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_away_cannot_make_the_server_keep_everything() {
    let server = server_with("--max-queue 50000 --rate 1000000000").await;
    let (alice, id) = resumable(&server, "alice", "phone").await;
    alice.vanish();
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let body = "x".repeat(1_000);
    for number in 0..100 {
        let to = "alice@example.org/phone";
        bob.send(&format!(
            "<message to='{to}' id='{number}'><body>{body}</body>{NO_STORE}</message>"
        ))
        .await;
    }
    for _ in 0..100 {
        let error = bob.stanza().await.error().unwrap();
        assert_eq!(error.condition, Condition::ServiceUnavailable);
    }
    let mut late = Client::authenticated(server.address(), "alice").await;
    assert_eq!(refused(&mut late, &resume(&id, 0)).await, "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_with_the_same_resource_ends_the_session_that_waits() {
    let server = server().await;
    let (alice, id) = resumable(&server, "alice", "phone").await;
    alice.vanish();
    let mut new = Client::bound(server.address(), "alice", "phone").await;
    let mut late = Client::authenticated(server.address(), "alice").await;
    assert_eq!(refused(&mut late, &resume(&id, 0)).await, "item-not-found");
    new.expect_nothing().await;
}
