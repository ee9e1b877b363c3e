//! Members of rooms who are away, over the wire: what rooms write to them lies
//! in their archive, and what rooms ask their account is answered.

use tower_xmpp::stanza::{Condition, Stanza, Type, ns};

use super::client::*;
use super::component::{Line, Other};
use super::pep::{BOOKMARKS, pubsub};
use super::process::{LISTEN, Process, ask};
use super::rooms::{self, ROOM, joins};
use super::storage::Data;

async fn asks(client: &mut Client, iq: &str) -> Stanza {
    client.send(iq).await;
    loop {
        let stanza = client.stanza().await;
        if stanza.is_response() {
            return stanza;
        }
    }
}

/// The ids of what lies in this client's archive when all has arrived that another
/// has said: what is for one account arrives in order.
async fn archived(other: &mut Client, session: &str, client: &mut Client) -> Vec<String> {
    let now = format!("<message to='{session}' type='headline' id='now'/>");
    other.send(&now).await;
    while client.stanza().await.id() != Some("now") {}
    client
        .send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    let mut found = Vec::new();
    loop {
        let stanza = client.stanza().await;
        if stanza.id() == Some("q") {
            return found;
        }
        if let Some(result) = stanza.child("result", ns::MAM) {
            let forwarded = result.child("forwarded", ns::FORWARD).unwrap();
            let message = forwarded.child("message", ns::CLIENT).unwrap();
            found.push(message.attr("id").unwrap_or_default().to_owned());
        }
    }
}

fn register(offline: &str) -> String {
    format!(
        "<iq type='set' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/muc#register</value></field>\
         <field var='muc#register_roomnick'><value>Bob</value></field>\
         <field var='{{http://tigase.org/protocol/muc}}offline'><value>{offline}</value></field>\
         </x></query></iq>"
    )
}

const PERSISTENT: &str = "<iq type='set' id='c' to='tea@rooms.example.org'>\
    <query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>\
    <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
    <field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query></iq>";

/// Says it, and has heard itself.
async fn says(client: &mut Client, id: &str) {
    rooms::says(client, id).await;
    while client.stanza().await.id() != Some(id) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_one_was_away_lies_in_ones_archive_also_after_a_kill() {
    let data = Data::new();
    let mut server = data.server("--account alice:alice --account bob:bob");
    let address = server.address();
    let mut alice = Client::bound(address, "alice", "phone").await;
    joins(&mut alice, "Alice").await;
    assert!(asks(&mut alice, PERSISTENT).await.is_type(&Type::Result));
    let mut bob = Client::bound(address, "bob", "desk").await;
    assert!(asks(&mut bob, &register("1")).await.is_type(&Type::Result));
    says(&mut alice, "m1").await;
    assert_eq!(
        archived(&mut alice, "bob@example.org/desk", &mut bob).await,
        ["m1"]
    );
    server.kill();

    let mut server = data.server("");
    let address = server.address();
    let mut alice = Client::bound(address, "alice", "phone").await;
    joins(&mut alice, "Alice").await;
    says(&mut alice, "m2").await;
    let mut bob = Client::bound(address, "bob", "desk").await;
    assert_eq!(
        archived(&mut alice, "bob@example.org/desk", &mut bob).await,
        ["m1", "m2"]
    );
    // Whoever is there has it from the room, and the archive of the room.
    joins(&mut bob, "Bob").await;
    says(&mut alice, "m3").await;
    while bob.stanza().await.id() != Some("m3") {}
    bob.send(&format!("<presence type='unavailable' to='{ROOM}/Bob'/>"))
        .await;
    asks(&mut bob, &register("0")).await;
    says(&mut alice, "m4").await;
    assert_eq!(
        archived(&mut alice, "bob@example.org/desk", &mut bob).await,
        ["m1", "m2"]
    );
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_layer_the_field_is_not_offered() {
    let server = server_with("--no-muc-offline --no-muc-push").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    joins(&mut alice, "Alice").await;
    let form =
        format!("<iq type='get' id='f' to='{ROOM}'><query xmlns='jabber:iq:register'/></iq>");
    let form = asks(&mut alice, &form).await.to_xml();
    assert!(!form.contains("tigase.org"), "{form}");
}

/// A room elsewhere writes to Alice's account, and then asks something: what comes
/// before the answer to that came of the message.
async fn milk_writes(line: &mut Line, id: &str) -> Option<Stanza> {
    line.send(&format!(
        "<message type='groupchat' id='{id}' from='milk@muc.example/Bob' to='alice@example.org'>\
         <body>hi</body></message>\
         <iq type='get' id='q' from='milk@muc.example' to='alice@example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    ))
    .await;
    let first = line.stanza().await;
    if first.is_response() {
        return None;
    }
    assert!(line.stanza().await.is_response());
    Some(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_elsewhere_may_write_to_an_account_as_long_as_it_is_bookmarked() {
    let other = Other::listen().await;
    let address = other.0.local_addr().unwrap();
    let mut server = Process::start(&format!(
        "{LISTEN} --metrics 127.0.0.1:0 --uplink component://secret@{address}"
    ));
    let (address, figures) = server.addresses();
    let mut both = [other.line().await, other.line().await];
    both.sort_by(|one, other| one.1.cmp(&other.1));
    let [(mut line, _), _rooms] = both;
    let mut alice = Client::bound(address, "alice", "phone").await;
    let bookmark = format!(
        "<publish node='{BOOKMARKS}'><item id='milk@muc.example'>\
         <conference xmlns='{BOOKMARKS}'/></item></publish>"
    );
    let retract = format!("<retract node='{BOOKMARKS}'><item id='milk@muc.example'/></retract>");
    for (id, change, is_known) in [
        ("m1", None, false),
        ("m2", Some(bookmark), true),
        ("m3", Some(retract), false),
    ] {
        if let Some(change) = change {
            let changed = asks(&mut alice, &pubsub(&change)).await;
            assert!(changed.is_type(&Type::Result), "{}", changed.to_xml());
        }
        let came = milk_writes(&mut line, id).await;
        assert_eq!(came.is_none(), is_known, "{id}: {came:?}");
        if let Some(refused) = came {
            assert_eq!(refused.id(), Some(id));
            let error = refused.error().expect("an error");
            assert_eq!(error.condition, Condition::ServiceUnavailable);
        }
    }
    let mut bob = Client::bound(address, "bob", "desk").await;
    assert_eq!(
        archived(&mut bob, "alice@example.org/phone", &mut alice).await,
        ["m2"]
    );
    let figures = ask(figures, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(
        figures.contains("server_mail_of_rooms_total 1"),
        "{figures}"
    );
}

/// What comes next on the line of the accounts, but for presence.
async fn next(line: &mut Line) -> Stanza {
    loop {
        let stanza = line.stanza().await;
        if stanza.is_request() || stanza.is_response() {
            return stanza;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_a_room_elsewhere_registers_itself_and_looks_when_it_is_notified() {
    let other = Other::listen().await;
    let address = other.0.local_addr().unwrap();
    let uplink = format!("--account-rooms --uplink component://secret@{address}");
    let server = server_with(&uplink).await;
    let mut both = [other.line().await, other.line().await];
    both.sort_by(|one, other| one.1.cmp(&other.1));
    let [(mut line, _), _rooms] = both;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    alice
        .send(
            "<presence to='milk@muc.example/Alice'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>",
        )
        .await;
    let join = line.stanza().await;
    assert_eq!(join.from().unwrap().as_str(), "alice@example.org");
    line.send(
        "<presence from='milk@muc.example/Alice' to='alice@example.org'>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='none' role='participant'/><status code='110'/></x></presence>\
         <message from='milk@muc.example' to='alice@example.org' type='groupchat'><subject/></message>",
    )
    .await;
    // With the next tick.
    let asked = next(&mut line).await;
    assert!(
        asked.has_child("query", ns::DISCO_INFO),
        "{}",
        asked.to_xml()
    );
    let id = asked.id().unwrap();
    line.send(&format!(
        "<iq type='result' id='{id}' from='milk@muc.example' to='alice@example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'>\
         <feature var='urn:xmpp:push:0'/></query></iq>"
    ))
    .await;
    let enable = next(&mut line).await;
    let node = enable.payload().unwrap().attr("node").unwrap().to_owned();
    let id = enable.id().unwrap();
    line.send(&format!(
        "<iq type='result' id='{id}' from='milk@muc.example' to='alice@example.org'/>\
         <iq type='set' id='p1' from='milk@muc.example' to='alice@example.org'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item>\
         <notification xmlns='urn:xmpp:push:0'/></item></publish></pubsub></iq>"
    ))
    .await;
    let answer = next(&mut line).await;
    assert!(answer.id() == Some("p1") && answer.is_type(&Type::Result));
    let ping = next(&mut line).await;
    assert!(ping.has_child("ping", "urn:xmpp:ping"), "{}", ping.to_xml());
    assert_eq!(ping.to().unwrap().as_str(), "milk@muc.example/Alice");
}
