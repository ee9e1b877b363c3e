//! The example of rooms alone: dialogues with the whole of it as a component
//! of a server that is played here.

mod away;
#[path = "../common/component.rs"]
mod component;
#[path = "../common/frames.rs"]
mod frames;

#[allow(dead_code, reason = "the command line is not used here")]
#[path = "../../examples/rooms/main.rs"]
mod example;

use std::path::PathBuf;

use clap::Parser;
use component::{Line, Other};
use example::service::{CannotStart, Options, Service};
use tower_xmpp::stanza::{Frame, Kind, Stanza, Type, ns};

const DOMAIN: &str = "rooms.example.org";
const ROOM: &str = "tea@rooms.example.org";
const CAROL: &str = "carol@one.example/x";

fn options(domain: &str, other: &Other) -> Options {
    let uplink = format!("component://secret@{}", other.0.local_addr().unwrap());
    Options::parse_from(["rooms", "--domain", domain, "--uplink", &uplink])
}

/// A service with a directory, and the server whose component it is.
struct Place {
    other: Other,
    options: Options,
    data: PathBuf,
}

impl Place {
    async fn new(name: &str, more: &str) -> Self {
        let process = std::process::id();
        let data = std::env::temp_dir().join(format!("tower-xmpp-rooms-{name}-{process}"));
        let other = Other::listen().await;
        let uplink = format!("component://secret@{}", other.0.local_addr().unwrap());
        let line = format!("rooms --domain {DOMAIN} --uplink {uplink} {more}");
        let mut options = Options::parse_from(line.split_whitespace());
        options.data = Some(data.clone());
        Self {
            other,
            options,
            data,
        }
    }

    async fn start(&self) -> (Service, Line) {
        let service = Service::start(&self.options).await.unwrap();
        let (line, _) = self.other.line().await;
        (service, line)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// The service, and the one line that it has.
async fn connected() -> (Service, Line) {
    let other = Other::listen().await;
    let service = Service::start(&options(DOMAIN, &other)).await.unwrap();
    let (line, domain) = other.line().await;
    assert_eq!(domain, DOMAIN);
    (service, line)
}

async fn join(line: &mut Line, who: &str, nick: &str) {
    line.send(&format!(
        "<presence from='{who}' to='tea@{DOMAIN}/{nick}'>\
         <x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    // The subject comes last.
    while !line.stanza().await.has_child("subject", ns::CLIENT) {}
}

/// What the answer to a request is.
async fn ask(line: &mut Line, iq: &str) -> Stanza {
    line.send(iq).await;
    loop {
        let stanza = line.stanza().await;
        if stanza.is_response() {
            return stanza;
        }
    }
}

/// Carol is in the room, which outlives the process.
async fn carol_sits(line: &mut Line) {
    join(line, CAROL, "Carol").await;
    let configured = ask(
        line,
        &format!(
            "<iq type='set' id='c' from='{CAROL}' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='muc#roomconfig_persistentroom'><value>1</value></field>\
             </x></query></iq>"
        ),
    )
    .await;
    assert!(configured.is_type(&Type::Result));
}

async fn says(line: &mut Line, id: &str) {
    line.send(&format!(
        "<message from='{CAROL}' to='{ROOM}' type='groupchat' id='{id}'>\
         <body>hi</body></message>"
    ))
    .await;
}

/// Carol asks for all that was said.
fn query_archive() -> String {
    format!(
        "<iq type='set' id='q' from='{CAROL}' to='tea@{DOMAIN}'>\
         <query xmlns='urn:xmpp:mam:2'/></iq>"
    )
}

/// The ID in the room's name.
fn stanza_id(message: &Stanza) -> &str {
    let id = message.child("stanza-id", ns::SID).expect("a stamp");
    assert_eq!(id.attr("by"), Some("tea@rooms.example.org"));
    id.attr("id").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_other_servers_talk_and_read_later_what_was_said_under_the_same_id() {
    let (service, mut line) = connected().await;
    join(&mut line, CAROL, "Carol").await;
    join(&mut line, "dan@two.example/y", "Dan").await;
    line.send(
        "<message from='dan@two.example/y' to='tea@rooms.example.org' type='groupchat' id='g'>\
         <body>hi</body></message>",
    )
    .await;
    // Carol heard first that Dan came.
    let mut heard = vec![];
    while heard.len() < 2 {
        let stanza = line.stanza().await;
        if stanza.kind() == Kind::Message {
            assert_eq!(stanza.from().unwrap().as_str(), "tea@rooms.example.org/Dan");
            heard.push(stanza);
        }
    }
    assert_eq!(stanza_id(&heard[0]), stanza_id(&heard[1]));
    assert_ne!(heard[0].to(), heard[1].to());

    line.send(&query_archive()).await;
    let result = line.stanza().await;
    let result = result.child("result", ns::MAM).expect("what was said");
    assert_eq!(result.attr("id"), Some(stanza_id(&heard[0])));
    assert_eq!(line.stanza().await.id(), Some("q"));
    line.expect_nothing(DOMAIN).await;
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_announces_what_the_layer_adds() {
    let (service, mut line) = connected().await;
    join(&mut line, CAROL, "Carol").await;
    line.send(
        "<iq type='get' id='d' from='carol@one.example/x' to='tea@rooms.example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    )
    .await;
    let info = line.stanza().await.to_xml();
    assert!(info.contains(ns::MUC) && info.contains(ns::MAM), "{info}");
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_ends_occupants_are_told_and_the_stream_is_closed() {
    let (service, mut line) = connected().await;
    join(&mut line, CAROL, "Carol").await;
    let (told, ()) = tokio::join!(line.stanza(), service.shut_down());
    assert!(told.is_type(&Type::Unavailable), "{}", told.to_xml());
    assert!(told.to_xml().contains("code='332'"), "{}", told.to_xml());
    assert!(matches!(line.frame().await, Some(Frame::Close)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_persistent_room_is_there_after_a_restart() {
    let place = Place::new("kept", "").await;
    let (service, mut line) = place.start().await;
    carol_sits(&mut line).await;
    says(&mut line, "g").await;
    let said = loop {
        let stanza = line.stanza().await;
        if stanza.has_body() {
            break stanza;
        }
    };
    service.shut_down().await;

    let (service, mut line) = place.start().await;
    line.send(&query_archive()).await;
    let found = line.stanza().await;
    let found = found.child("result", ns::MAM).expect("what was said");
    assert_eq!(found.attr("id"), Some(stanza_id(&said)));
    service.shut_down().await;
}

#[tokio::test]
async fn an_address_with_a_name_is_no_domain() {
    let other = Other::listen().await;
    let started = Service::start(&options("tea@rooms.example.org", &other)).await;
    assert!(matches!(started, Err(CannotStart::NoDomain(_))));
}
