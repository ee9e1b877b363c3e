//! Archives over TCP, and what is left of them after `kill -9`.

use std::time::Duration;

use tower_xmpp::archive::computed_id;
use tower_xmpp::stanza::{Stanza, Type, ns};

use super::client::*;
use super::storage::Data;

/// The IDs and bodies that a query to `to` brings.
pub async fn query(client: &mut Client, to: &str, set: &str) -> Vec<(String, String)> {
    let query = format!(
        "<iq type='set' id='q' {to}><query xmlns='urn:xmpp:mam:2'>\
         <set xmlns='http://jabber.org/protocol/rsm'>{set}</set></query></iq>"
    );
    client.send(&query).await;
    let mut found = Vec::new();
    loop {
        let stanza = client.stanza().await;
        if stanza.id() == Some("q") {
            assert!(stanza.is_type(&Type::Result), "{}", stanza.to_xml());
            return found;
        }
        let Some(result) = stanza.child("result", ns::MAM) else {
            continue;
        };
        let forwarded = result.child("forwarded", ns::FORWARD).unwrap();
        let message = forwarded.child("message", ns::CLIENT).unwrap();
        if let Some(body) = message.child("body", ns::CLIENT) {
            found.push((result.attr("id").unwrap().to_owned(), body.text()));
        }
    }
}

async fn token(client: &mut Client, previous: &str) -> String {
    let ask =
        format!("<iq type='set' id='t'><token xmlns='tower-xmpp:archive-id:0' {previous}/></iq>");
    client.ask(&ask).await.payload().unwrap().text()
}

/// The next message with a body.
async fn message(client: &mut Client) -> Stanza {
    loop {
        let stanza = client.stanza().await;
        if stanza.has_body() {
            return stanza;
        }
    }
}

const HI: &str = "<message to='bob@example.org' type='chat' id='m1'><body>hi</body></message>";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_in_the_archive_after_a_kill_under_the_computed_id() {
    let data = Data::new();
    let mut server = data.server("--account alice:alice --account bob:bob");
    let address = server.address();
    let _bob = Client::available(address, "bob", "home").await;
    let mut alice = Client::bound(address, "alice", "phone").await;
    let first = token(&mut alice, "").await;
    alice.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(alice.nonza().await.name(), "enabled");
    alice.send(HI).await;
    alice.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    // The answer comes when it is on the disk, and counts it.
    loop {
        let answer = alice.nonza().await;
        if answer.attr("h") == Some("1") {
            break;
        }
        alice.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    }
    server.kill();

    let mut server = data.server("");
    let address = server.address();
    let _bob = Client::available(address, "bob", "home").await;
    let mut alice = Client::bound(address, "alice", "desk").await;
    let id = computed_id(&first, "m1").unwrap();
    assert_eq!(
        query(&mut alice, "", "").await,
        [(id.clone(), "hi".to_owned())]
    );

    // Its acknowledgement may have been lost: it is sent again, and is there once.
    token(&mut alice, &format!("previous='{first}'")).await;
    alice.send(HI).await;
    let told = alice.stanza().await;
    let archived = told.child("archived", ns::ARCHIVE_ID).unwrap();
    assert_eq!(archived.attr("as"), Some(&*id));
    assert_eq!(query(&mut alice, "", "").await.len(), 1);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_room_is_in_its_archive_under_the_id_that_everybody_saw() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    alice
        .send("<presence to='tea@rooms.example.org/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        .await;
    alice
        .send(
            "<message to='tea@rooms.example.org' type='groupchat' id='g'><body>hi</body></message>",
        )
        .await;
    let live = message(&mut alice).await;
    let stamp = live.child("stanza-id", ns::SID).unwrap();
    assert_eq!(stamp.attr("by"), Some("tea@rooms.example.org"));
    let id = stamp.attr("id").unwrap().to_owned();
    let found = query(&mut alice, "to='tea@rooms.example.org'", "<before/>").await;
    assert_eq!(found, [(id, "hi".to_owned())]);

    let mut bob = Client::bound(server.address(), "bob", "home").await;
    let at_room = "to='nowhere@rooms.example.org'";
    let asked = format!("<iq type='set' id='n' {at_room}><query xmlns='urn:xmpp:mam:2'/></iq>");
    let answer = bob.ask(&asked).await;
    assert_eq!(answer.error().unwrap().condition.as_str(), "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_only_the_roster_archived_has_only_the_roster_archived() {
    let server = server().await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::bound(server.address(), "bob", "home").await;
    let prefer = "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='roster'>\
                  <always/><never/></prefs></iq>";
    assert!(alice.ask(prefer).await.is_type(&Type::Result));
    let mut hears = async |body: &str| {
        bob.send(&format!(
            "<message to='alice@example.org' type='chat'><body>{body}</body></message>"
        ))
        .await;
        message(&mut alice).await;
        let item = "<item jid='bob@example.org'/>";
        let item =
            format!("<iq type='set' id='r'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
        assert!(alice.ask(&item).await.is_type(&Type::Result));
    };
    hears("of a stranger").await;
    hears("of a contact").await;
    let found = query(&mut alice, "", "<before/>").await;
    let bodies: Vec<_> = found.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(bodies, ["of a contact"]);
}

/// Alice says this to Bob, and it is on the disk.
async fn says(alice: &mut Client, body: &str) {
    let say = format!("<message to='bob@example.org'><body>{body}</body></message>");
    alice.send(&say).await;
    // A query sees what was accepted before it.
    query(alice, "", "<max>0</max>").await;
}

async fn bodies(client: &mut Client) -> Vec<String> {
    let found = query(client, "", "").await;
    found.into_iter().map(|(_, body)| body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_holds_as_many_messages_as_it_may_and_the_oldest_go() {
    let data = Data::new();
    for place in [String::new(), data.option()] {
        let server = server_with(&format!("--archive-messages 2 {place}")).await;
        let mut alice = Client::bound(server.address(), "alice", "phone").await;
        for body in ["1", "2", "3"] {
            says(&mut alice, body).await;
        }
        assert_eq!(bodies(&mut alice).await, ["2", "3"]);
        server.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_archives_are_kept_is_dropped_and_the_rest_stays() {
    let data = Data::new();
    let mut server = data.server("--account alice:alice --account bob:bob");
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    for body in ["old", "new"] {
        says(&mut alice, body).await;
    }
    server.kill();

    let archive = rusqlite::Connection::open(data.archive()).unwrap();
    let forty_days: i64 = 40 * 24 * 3600 * 1_000_000;
    let older = "UPDATE message SET at = at - ?1, latest = latest - ?1
                 WHERE position = (SELECT min(position) FROM message)";
    assert_eq!(archive.execute(older, [forty_days]), Ok(1));
    drop(archive);
    let mut server = data.server("--archive-days 50");
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    assert_eq!(bodies(&mut alice).await, ["old", "new"]);
    server.kill();

    let mut server = data.server("--archive-days 30");
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    // It is dropped beside what clients do; that it happens is waited for.
    let dropped = async { while bodies(&mut alice).await != ["new"] {} };
    let dropped = tokio::time::timeout(Duration::from_secs(20), dropped).await;
    dropped.expect("it is dropped");
    server.kill();
}
