//! What an account publishes about itself (XEP-0163), above all its bookmarks
//! (XEP-0402).

use tower_xmpp::stanza::{Condition, Stanza, Type, ns};

use super::client::*;
use super::friends::friends;

pub const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
const NICK: &str = "http://jabber.org/protocol/nick";

/// As XEP-0402 §4.2 demands it.
const OPTIONS: [(&str, &str); 4] = [
    ("pubsub#persist_items", "true"),
    ("pubsub#max_items", "max"),
    ("pubsub#send_last_published_item", "never"),
    ("pubsub#access_model", "whitelist"),
];

pub fn pubsub(inside: &str) -> String {
    format!(
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         {inside}</pubsub></iq>"
    )
}

pub fn owner(type_: &str, inside: &str) -> String {
    format!(
        "<iq type='{type_}' id='o'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         {inside}</pubsub></iq>"
    )
}

fn form(fields: &[(&str, &str)]) -> String {
    let field =
        |(var, value): &(&str, &str)| format!("<field var='{var}'><value>{value}</value></field>");
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

fn bookmark(room: &str, options: &[(&str, &str)]) -> String {
    let publish = format!(
        "<publish node='{BOOKMARKS}'><item id='{room}'>\
         <conference xmlns='{BOOKMARKS}' autojoin='true'/></item></publish>"
    );
    let options = match options {
        [] => String::new(),
        options => format!("<publish-options>{}</publish-options>", form(options)),
    };
    pubsub(&(publish + &options))
}

fn nick(nick: &str) -> String {
    pubsub(&format!(
        "<publish node='{NICK}'><item id='current'><nick xmlns='{NICK}'>{nick}</nick></item>\
         </publish>"
    ))
}

pub fn items_of(account: &str, node: &str) -> String {
    format!(
        "<iq type='get' id='i' {account}><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <items node='{node}'/></pubsub></iq>"
    )
}

pub fn ids(answer: &Stanza) -> Vec<String> {
    assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
    let items = answer.payload().unwrap().first_child().unwrap();
    let ids = items.children().filter_map(|item| item.attr("id"));
    ids.map(str::to_owned).collect()
}

fn condition(stanza: &Stanza) -> Condition {
    stanza.error().expect("an error").condition
}

/// The event of a notification: from whom, of which node, `item` or
/// `retract` and its id.
pub fn event(message: &Stanza) -> String {
    assert!(message.is_type(&Type::Headline), "{}", message.to_xml());
    let event = message.child("event", ns::PUBSUB_EVENT).unwrap();
    let items = event.first_child().unwrap();
    let item = items.first_child();
    let item = item.map(|item| format!("{} {}", item.name(), item.attr("id").unwrap()));
    let (from, node) = (message.from().unwrap(), items.attr("node").unwrap());
    format!("{from} {node} {}", item.unwrap_or_default())
}

/// Says by its capabilities that it wants to hear of these nodes.
pub async fn interested(client: &mut Client, nodes: &[&str]) {
    client
        .send(
            "<presence><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='h'/>\
             </presence>",
        )
        .await;
    let question = loop {
        let stanza = client.stanza().await;
        if stanza.is_request() {
            break stanza;
        }
    };
    let query = question.payload().unwrap();
    assert_eq!(query.attr("node"), Some("n#v"));
    let feature = |node: &&str| format!("<feature var='{node}+notify'/>");
    let features: String = nodes.iter().map(feature).collect();
    client
        .send(&format!(
            "<iq type='result' id='{}' to='{}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'>{features}</query></iq>",
            question.id().unwrap(),
            question.from().unwrap(),
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookmarks_are_published_shown_and_retracted_and_interested_clients_hear_of_it() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    interested(&mut desk, &[BOOKMARKS]).await;
    desk.expect_nothing().await;
    phone.stanza().await;
    for room in ["tea@rooms.x", "cake@rooms.x"] {
        let published = phone.ask(&bookmark(room, &OPTIONS)).await;
        assert_eq!(ids(&published), [room]);
        let expected = format!("alice@example.org {BOOKMARKS} item {room}");
        assert_eq!(event(&desk.stanza().await), expected);
    }
    let get = items_of("", BOOKMARKS);
    assert_eq!(ids(&phone.ask(&get).await), ["tea@rooms.x", "cake@rooms.x"]);
    let retract = |room: &str| {
        pubsub(&format!(
            "<retract node='{BOOKMARKS}' notify='true'><item id='{room}'/></retract>"
        ))
    };
    assert!(phone.ask(&retract("tea@rooms.x")).await.payload().is_none());
    assert_eq!(
        event(&desk.stanza().await),
        format!("alice@example.org {BOOKMARKS} retract tea@rooms.x")
    );
    assert_eq!(
        condition(&phone.ask(&retract("tea@rooms.x")).await),
        Condition::ItemNotFound
    );
    let one = get.replace("/></pubsub>", "><item id='cake@rooms.x'/></items></pubsub>");
    assert_eq!(ids(&phone.ask(&one).await), ["cake@rooms.x"]);
    phone.expect_nothing().await;
    desk.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_a_precondition_of_a_node_that_is_there() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    ids(&alice.ask(&bookmark("a@x", &OPTIONS)).await);
    ids(&alice.ask(&bookmark("b@x", &OPTIONS)).await);
    ids(&alice.ask(&bookmark("c@x", &[])).await);
    let other = [("pubsub#access_model", "open")];
    let refused = alice.ask(&bookmark("d@x", &other)).await;
    assert_eq!(condition(&refused), Condition::Conflict);
    assert!(refused.to_xml().contains("precondition-not-met"));

    // What clients do then: they configure the node.
    let configure = format!("<configure node='{BOOKMARKS}'/>");
    let shown = alice.ask(&owner("get", &configure)).await;
    assert!(shown.to_xml().contains("<value>whitelist</value>"));
    let configure = format!("<configure node='{BOOKMARKS}'>{}</configure>", form(&other));
    let done = alice.ask(&owner("set", &configure)).await;
    assert!(done.is_type(&Type::Result));
    ids(&alice.ask(&bookmark("d@x", &other)).await);
    let all = alice.ask(&items_of("", BOOKMARKS)).await;
    assert_eq!(ids(&all), ["a@x", "b@x", "c@x", "d@x"]);

    let unknown = [("pubsub#access_model", "authorize")];
    let refused = alice.ask(&bookmark("e@x", &unknown)).await;
    assert_eq!(condition(&refused), Condition::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_hear_of_what_is_for_them_and_strangers_of_what_is_open() {
    let server = server().await;
    let mut stranger = Client::bound(server.address(), "bob", "desk").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    ids(&alice.ask(&nick("A")).await);
    let get = items_of("to='alice@example.org'", NICK);
    assert_eq!(
        condition(&stranger.ask(&get).await),
        Condition::NotAuthorized
    );
    stranger.vanish();
    alice.vanish();

    let (mut alice, mut bob) = friends(&server).await;
    interested(&mut bob, &[NICK, BOOKMARKS]).await;
    // The last item, as a greeting.
    let current = format!("alice@example.org {NICK} item current");
    assert_eq!(event(&bob.stanza().await), current);
    alice.stanza().await;
    ids(&alice.ask(&nick("B")).await);
    assert_eq!(event(&bob.stanza().await), current);
    assert_eq!(ids(&bob.ask(&get).await), ["current"]);

    ids(&alice.ask(&bookmark("a@x", &OPTIONS)).await);
    let private = items_of("to='alice@example.org'", BOOKMARKS);
    assert_eq!(condition(&bob.ask(&private).await), Condition::NotAllowed);
    let foreign = nick("C").replace("<iq ", "<iq to='alice@example.org' ");
    assert_eq!(condition(&bob.ask(&foreign).await), Condition::Forbidden);
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_listed_emptied_and_deleted() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    ids(&alice.ask(&nick("A")).await);
    let made = alice.ask(&pubsub("<create node='n'/>")).await;
    assert!(made.is_type(&Type::Result));
    let again = alice.ask(&pubsub("<create node='n'/>")).await;
    assert_eq!(condition(&again), Condition::Conflict);
    let list = "<iq type='get' id='d' to='alice@example.org'>\
                <query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
    let listed = alice.ask(list).await;
    let nodes = listed.payload().unwrap();
    let nodes: Vec<_> = nodes.children().filter_map(|it| it.attr("node")).collect();
    assert_eq!(nodes, [NICK, "n"]);

    let purge = owner("set", &format!("<purge node='{NICK}'/>"));
    assert!(alice.ask(&purge).await.is_type(&Type::Result));
    assert_eq!(ids(&alice.ask(&items_of("", NICK)).await), [""; 0]);
    let delete = purge.replace("purge", "delete");
    assert!(alice.ask(&delete).await.is_type(&Type::Result));
    let gone = alice.ask(&items_of("", NICK)).await;
    assert_eq!(condition(&gone), Condition::ItemNotFound);
    assert_eq!(
        condition(&alice.ask(&delete).await),
        Condition::ItemNotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_get_the_error_of_the_xep() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let long = "x".repeat(1_024);
    for (inside, expected) in [
        ("", Condition::FeatureNotImplemented),
        (
            "<subscribe node='n' jid='a@x'/>",
            Condition::FeatureNotImplemented,
        ),
        (
            "<publish><item><x xmlns='y'/></item></publish>",
            Condition::BadRequest,
        ),
        ("<publish node='n'/>", Condition::BadRequest),
        ("<publish node='n'><item/></publish>", Condition::BadRequest),
        (
            "<publish node='n'><item><x xmlns='y'/><x xmlns='y'/></item></publish>",
            Condition::BadRequest,
        ),
        ("<retract node='n'/>", Condition::BadRequest),
        (
            "<retract node='n'><item id='i'/></retract>",
            Condition::ItemNotFound,
        ),
        (
            &format!("<publish node='{long}'><item><x xmlns='y'/></item></publish>"),
            Condition::NotAcceptable,
        ),
    ] {
        let answer = alice.ask(&pubsub(inside)).await;
        assert_eq!(condition(&answer), expected, "{inside}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_does_not_publish_without_bound() {
    let server = server_with("--rate 100000000").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let publish = |node: usize, payload: &str| {
        pubsub(&format!(
            "<publish node='{node}'><item id='i'><x xmlns='y'>{payload}</x></item></publish>"
        ))
    };
    for node in 0..256 {
        ids(&alice.ask(&publish(node, "")).await);
    }
    let refused = alice.ask(&publish(256, "")).await;
    assert_eq!(condition(&refused), Condition::ResourceConstraint);
    let much = "x".repeat(250_000);
    for node in 0..16 {
        ids(&alice.ask(&publish(node, &much)).await);
    }
    let refused = alice.ask(&publish(17, &much)).await;
    assert_eq!(condition(&refused), Condition::ResourceConstraint);
}
