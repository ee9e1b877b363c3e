//! What the server itself answers.

use tower_xmpp::stanza::{Condition, Stanza, Type};

use super::client::*;
use super::friends::friends;

const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";

fn request(type_: &str, to: Option<&str>, payload: &str) -> String {
    let to = to.map(|to| format!("to='{to}'")).unwrap_or_default();
    format!("<iq type='{type_}' id='q' {to}>{payload}</iq>")
}

fn condition(answer: &Stanza) -> Option<Condition> {
    answer.error().map(|error| error.condition)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_refused_for_every_addressee() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    for to in [
        None,
        Some("alice@example.org"),
        Some("bob@example.org"),
        Some("nobody@example.org"),
        Some("example.org"),
        Some("example.org/resource"),
        Some("rooms.example.org"),
        Some("room@rooms.example.org"),
        Some("room@rooms.example.org/nick"),
    ] {
        for type_ in ["get", "set"] {
            let answer = alice
                .ask(&request(type_, to, "<x xmlns='some:thing'/>"))
                .await;
            assert!(condition(&answer).is_some(), "{to:?}");
            assert_eq!(answer.id(), Some("q"));
            assert_eq!(answer.from().map(jid::Jid::as_str), to);
        }
    }
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_account_is_meant_with_and_without_its_address() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    for to in [None, Some("alice@example.org")] {
        for (type_, payload) in [
            ("get", "<query xmlns='jabber:iq:roster'/>"),
            ("get", INFO),
            (
                "get",
                "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            ),
            (
                "get",
                "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
            ),
            (
                "set",
                "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
            ),
            ("get", PING),
        ] {
            let answer = alice.ask(&request(type_, to, payload)).await;
            assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_names_its_services() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let answer = alice.ask(&request("get", Some("example.org"), INFO)).await;
    let query = answer.payload().unwrap();
    let identity = query.first_child().unwrap();
    assert_eq!(
        (identity.attr("category"), identity.attr("type")),
        (Some("server"), Some("im"))
    );
    assert!(
        query
            .children()
            .any(|child| child.attr("var") == Some("urn:xmpp:ping"))
    );

    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let answer = alice.ask(&request("get", Some("example.org"), items)).await;
    let item = answer.payload().unwrap().first_child().unwrap();
    assert_eq!(item.attr("jid"), Some("rooms.example.org"));

    let node = "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>";
    let answer = alice.ask(&request("get", Some("example.org"), node)).await;
    assert_eq!(condition(&answer), Some(Condition::ItemNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_find_out_whether_an_account_exists() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    for payload in [INFO, PING] {
        for to in ["bob@example.org", "nobody@example.org"] {
            let answer = alice.ask(&request("get", Some(to), payload)).await;
            assert_eq!(condition(&answer), Some(Condition::ServiceUnavailable));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_told_what_the_account_can_and_can_do_it() {
    let server = server().await;
    let (mut alice, _bob) = friends(&server).await;
    let bob = Some("bob@example.org");
    let answer = alice.ask(&request("get", bob, INFO)).await;
    let mut announced = answer.payload().unwrap().children();
    assert!(announced.any(|child| child.attr("var") == Some("urn:xmpp:ping")));
    let answer = alice.ask(&request("get", bob, PING)).await;
    assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
}
