//! An account blocks another (XEP-0191).

use tower_xmpp::stanza::{Condition, Stanza, Type};

use super::client::*;
use super::friends::friends;

const LIST: &str = "<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>";

fn command(name: &str, jid: &str) -> String {
    let item = format!("<item jid='{jid}'/>");
    let item = if jid.is_empty() { "" } else { &item };
    format!("<iq type='set' id='b'><{name} xmlns='urn:xmpp:blocking'>{item}</{name}></iq>")
}

fn items(stanza: &Stanza) -> Vec<String> {
    let payload = stanza.payload().unwrap();
    let jids = payload.children().filter_map(|item| item.attr("jid"));
    jids.map(str::to_owned).collect()
}

fn condition(stanza: &Stanza) -> Option<Condition> {
    stanza.error().map(|error| error.condition)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_finds_nobody_and_is_not_written_to() {
    let server = server().await;
    let (mut alice, mut bob) = friends(&server).await;
    assert_eq!(items(&alice.ask(LIST).await), [""; 0]);
    let done = alice.ask(&command("block", "bob@example.org")).await;
    assert!(done.is_type(&Type::Result));
    assert_eq!(items(&alice.stanza().await), ["bob@example.org"]);
    assert!(bob.stanza().await.is_type(&Type::Unavailable));

    bob.send("<message to='alice@example.org' type='chat'><body>hi</body></message>")
        .await;
    assert_eq!(
        condition(&bob.stanza().await),
        Some(Condition::ServiceUnavailable)
    );
    bob.send("<presence><show>away</show></presence>").await;
    bob.stanza().await;
    bob.expect_nothing().await;
    alice.expect_nothing().await;

    alice
        .send("<message to='bob@example.org/desk' id='m'><body>hi</body></message>")
        .await;
    let refused = alice.stanza().await;
    assert_eq!(condition(&refused), Some(Condition::NotAcceptable));
    assert!(refused.to_xml().contains("urn:xmpp:blocking:errors"));
    alice.send("<presence/>").await;
    alice.stanza().await;
    alice.expect_nothing().await;
    bob.expect_nothing().await;

    // Whom one does not block one hears again.
    alice.ask(&command("unblock", "")).await;
    assert_eq!(items(&alice.stanza().await), [""; 0]);
    assert_eq!(bob.stanza().await.type_(), None);
    bob.send("<message to='alice@example.org' type='chat'><body>hi</body></message>")
        .await;
    assert!(alice.stanza().await.has_body());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_is_not_archived_and_not_copied() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let carbons = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
    alice.ask(carbons).await;
    alice.ask(&command("block", "example.org/desk")).await;
    bob.send("<message to='alice@example.org/gone' type='chat'><body>hi</body></message>")
        .await;
    assert_eq!(
        condition(&bob.stanza().await),
        Some(Condition::ServiceUnavailable)
    );
    alice.expect_nothing().await;
    let mut other = Client::bound(server.address(), "bob", "other").await;
    other
        .send("<message to='alice@example.org' type='chat'><body>hi</body></message>")
        .await;
    assert!(alice.stanza().await.has_body());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_none_get_the_error_of_the_xep() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    for (command, expected) in [
        (command("block", ""), Condition::BadRequest),
        (command("block", "@"), Condition::JidMalformed),
        (command("blocklist", ""), Condition::BadRequest),
        (
            command("block", "x").replace("item", "other"),
            Condition::BadRequest,
        ),
    ] {
        assert_eq!(condition(&alice.ask(&command).await), Some(expected));
    }
    assert_eq!(items(&alice.ask(LIST).await), [""; 0]);
}
