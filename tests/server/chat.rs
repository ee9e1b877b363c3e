//! Messages between clients (RFC 6121 §8).

use tower_xmpp::stanza::{Condition, Type, ns};

use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_sent_and_in_order() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for number in 0..100 {
        alice
            .send(&format!(
                "<message to='bob@example.org' type='chat' id='{number}' xml:lang='de'>\
                 <body>&lt;{number}></body><x xmlns='some:thing' a='&quot;'>y<z/></x></message>"
            ))
            .await;
    }
    for number in 0..100 {
        let message = bob.stanza().await;
        assert_eq!(message.id(), Some(number.to_string().as_str()));
        assert_eq!(message.from().unwrap().as_str(), "alice@example.org/phone");
        assert_eq!(message.body_text(), Some(format!("<{number}>")));
        assert_eq!(message.lang(), Some("de"));
        let other = message.child("x", "some:thing").unwrap();
        assert_eq!((other.attr("a"), other.text().as_str()), (Some("\""), "y"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_the_account_goes_to_the_most_available_client() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let mut high = Client::bound(server.address(), "bob", "high").await;
    high.send("<presence><priority>5</priority></presence>")
        .await;
    high.stanza().await;
    let mut low = Client::available(server.address(), "bob", "low").await;
    low.stanza().await;
    high.stanza().await;

    alice.send("<message to='bob@example.org' id='1'/>").await;
    assert_eq!(high.stanza().await.id(), Some("1"));
    high.send("<presence type='unavailable'/>").await;
    assert!(high.stanza().await.is_type(&Type::Unavailable));
    assert!(low.stanza().await.is_type(&Type::Unavailable));
    alice.send("<message to='bob@example.org' id='2'/>").await;
    assert_eq!(low.stanza().await.id(), Some("2"));
    // Connected, not available, and yet meant.
    alice
        .send("<message to='bob@example.org/high' id='3'/>")
        .await;
    assert_eq!(high.stanza().await.id(), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_takes_comes_back() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    for to in ["nobody@example.org", "bob@example.org/gone", "example.org"] {
        // Nor the archive.
        alice
            .send(&format!(
                "<message to='{to}' id='m'><body>hi</body><no-store xmlns='urn:xmpp:hints'/></message>"
            ))
            .await;
        let error = alice.stanza().await;
        assert_eq!(error.id(), Some("m"));
        assert_eq!(error.from().unwrap().as_str(), to);
        assert_eq!(
            error.error().unwrap().condition,
            Condition::ServiceUnavailable
        );
    }
    alice
        .send("<message to='x@elsewhere.example' id='m'><body>hi</body></message>")
        .await;
    let error = alice.stanza().await.error().unwrap();
    assert_eq!(error.condition, Condition::RemoteServerNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_ask_each_other_by_their_full_addresses() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    alice
        .send("<iq to='bob@example.org/desk' type='get' id='q'><x xmlns='y'/></iq>")
        .await;
    assert_eq!(bob.stanza().await.id(), Some("q"));
    bob.send("<iq to='alice@example.org/phone' type='result' id='q'/>")
        .await;
    assert_eq!(alice.stanza().await.id(), Some("q"));
    let to_nobody = "<iq to='bob@example.org/gone' type='get' id='r'><x xmlns='y'/></iq>";
    let error = alice.ask(to_nobody).await.error().unwrap();
    assert_eq!(error.condition, Condition::ServiceUnavailable);
}

const NO_STORE: &str = "<no-permanent-store xmlns='urn:xmpp:hints'/>";

/// What Alice says to Bob while he is away.
async fn while_away(server: &super::example::server::Server) {
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    for (id, inside) in [("1", ""), ("2", NO_STORE), ("3", "")] {
        alice
            .send(&format!(
                "<message to='bob@example.org' id='{id}' type='chat'>\
                 <body>hi</body>{inside}</message>"
            ))
            .await;
    }
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_messages_wait_for_the_first_client_that_takes_them() {
    let server = server_with("--no-archive").await;
    while_away(&server).await;
    let mut low = Client::bound(server.address(), "bob", "low").await;
    low.send("<presence><priority>-1</priority></presence>")
        .await;
    low.stanza().await;
    low.expect_nothing().await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    assert!(bob.stanza().await.has_child("priority", ns::CLIENT));
    for id in ["1", "2", "3"] {
        let message = bob.stanza().await;
        assert_eq!(message.id(), Some(id));
        assert_eq!(message.from().unwrap().as_str(), "alice@example.org/phone");
        let delay = message.child("delay", ns::DELAY).unwrap();
        assert_eq!(delay.attr("from"), Some("example.org"));
    }
    // Once is enough.
    low.stanza().await;
    low.send("<presence/>").await;
    low.stanza().await;
    low.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_archive_only_what_it_does_not_keep_waits() {
    let server = server().await;
    while_away(&server).await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    assert_eq!(bob.stanza().await.id(), Some("2"));
    bob.expect_nothing().await;
}
