//! Services that answer later, and stores that fail.

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use jid::{BareJid, Jid};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
use tower_xmpp::muc_offline::{
    Limits, MucOfflineRoomLayer, Registration, RegistrationError, Registrations, Settings,
};
use tower_xmpp::stanza::{Condition, Stanza, Time};
use tower_xmpp::store::MemoryRegistrations;
use tower_xmpp::testkit::room::Creation;
use tower_xmpp::testkit::{Faulty, World, xml};

use super::house::{GET, ROOM, layer, refused, submit};

/// A store on a disk that a test can break.
#[derive(Default)]
struct Disk {
    kept: MemoryRegistrations,
    fault: Faulty,
}

#[async_trait]
impl Registrations for Disk {
    async fn all(&self) -> Result<Vec<Registration>, RegistrationError> {
        self.kept.all().await
    }

    async fn put(&self, registration: Registration) -> Result<(), RegistrationError> {
        self.check()?;
        self.kept.put(registration).await
    }

    async fn remove(&self, room: &BareJid, account: &BareJid) -> Result<(), RegistrationError> {
        self.check()?;
        self.kept.remove(room, account).await
    }

    async fn remove_room(&self, room: &BareJid) -> Result<(), RegistrationError> {
        self.check()?;
        self.kept.remove_room(room).await
    }
}

impl Disk {
    fn check(&self) -> Result<(), RegistrationError> {
        let checked = self.fault.check();
        checked.map_err(|error| RegistrationError::Store(error.into()))
    }
}

#[test]
fn what_cannot_be_stored_is_not_promised() {
    let disk = Arc::new(Disk::default());
    let w = World::new();
    let opened = block_on(MucOfflineRoomLayer::open(disk.clone()));
    w.host("muc.example", opened.expect("it reads"))
        .rooms("muc.example")
        .host("a.example", ());
    let bob = w.session("bob@a.example/x");
    bob.joins("tea@muc.example/Bob");
    let alice = w.session("alice@a.example/x");
    disk.fault.fail(1);
    alice.send(xml!("{}", submit("Alice", Some("1"))));
    let error = alice.expect(refused(Condition::InternalServerError)).stanza;
    assert!(error.to_xml().contains("type='wait'"), "{}", error.to_xml());
    w.expect_broken("muc_offline_room");
    alice.send(xml!("{GET}"));
    alice.expect(super::house::shown("0"));
    // It works again, and then somebody is banned while it does not: who is
    // banned gets nothing all the same.
    alice.asks(submit("Alice", Some("1")));
    disk.fault.fail(1);
    bob.asks(xml!(
        "<iq type='set' id='ban' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='outcast' jid='alice@a.example'/></query></iq>"
    ));
    w.expect_broken("muc_offline_room");
    bob.send(xml!(
        "<message to='{ROOM}' type='groupchat' id='m'><body>hi</body></message>"
    ));
    bob.expect("<message id='m'/>");
    // All that she gets: that she is banned.
    alice.expect("<message><x xmlns='http://jabber.org/protocol/muc#user'><status code='101'/></x></message>");
    w.finish();
}

/// Lets a stanza pass the layer, over a room that takes everything in and
/// answers later.
fn passes(layer: &MucOfflineRoomLayer, route: Route, stanza: Stanza) -> (Outcome, Vec<Envelope>) {
    let reached = Arc::new(std::sync::Mutex::new(Vec::new()));
    let came = reached.clone();
    let bottom = service_fn(move |envelope: Envelope| {
        came.lock().unwrap().push(envelope);
        async { Ok::<_, std::convert::Infallible>(Outcome::of(Original::Consumed)) }
    });
    let mut stack = layer.layer(bottom);
    let envelope = Envelope::stanza(Time::from_secs(0), route, stanza);
    let passed = block_on(async { stack.ready().await?.call(envelope).await });
    let outcome = passed.expect("it does not fail");
    let reached = std::mem::take(&mut *reached.lock().unwrap());
    (outcome, reached)
}

#[test]
fn an_answer_that_comes_later_is_as_good() {
    let store = Arc::new(MemoryRegistrations::default());
    let layer = layer(store.clone(), Settings::default(), Limits::default());
    let room: BareJid = ROOM.parse().unwrap();
    let alice: Jid = "alice@a.example/phone".parse().unwrap();
    let ask = |xml: &str| {
        let request = Stanza::parse(xml.as_bytes())
            .unwrap()
            .with_from(alice.clone());
        passes(&layer, Route::ToRoom(room.clone()), request)
    };
    let answer = |xml: &str, to: &Jid| {
        let answer = Stanza::parse(xml.as_bytes()).unwrap();
        let answer = answer.with_from(room.clone()).with_to(to.clone());
        let route = Route::FromRoom {
            room: room.clone(),
            to: to.clone(),
        };
        let (_, mut reached) = passes(&layer, route, answer);
        reached.remove(0).as_stanza().unwrap().clone()
    };
    let registered = || block_on(store.all()).unwrap().len();

    // The service does not see the field.
    let (_, reached) = ask(&submit("Alice", Some("1")));
    let seen = reached[0].as_stanza().unwrap().to_xml();
    assert!(
        seen.contains("roomnick") && !seen.contains("offline"),
        "{seen}"
    );
    assert_eq!(registered(), 0, "nothing holds before the answer");
    // Another session's answer under the same id is not hers.
    let desk: Jid = "carol@a.example/desk".parse().unwrap();
    answer("<iq type='result' id='r'/>", &desk);
    assert_eq!(registered(), 0);
    answer("<iq type='result' id='r'/>", &alice);
    assert_eq!(registered(), 1);

    // A service that shows no form, as Prosody's to whoever has registered.
    let _ = ask(GET);
    let shown = answer(
        "<iq type='result' id='g'><query xmlns='jabber:iq:register'><registered/>\
         <username>Alice</username></query></iq>",
        &alice,
    );
    let shown = shown.to_xml();
    assert!(
        shown.contains("}offline'") && shown.contains("<value>1</value>"),
        "{shown}"
    );

    // Refused, it changes nothing.
    let _ = ask(&submit("Alice", Some("0")));
    answer("<iq type='error' id='r'/>", &alice);
    assert_eq!(registered(), 1);
}

#[test]
fn a_service_without_registration_answers_as_ever() {
    let w = World::new();
    let store = Arc::new(MemoryRegistrations::default());
    let offline = layer(store.clone(), Settings::default(), Limits::default());
    w.host("muc.example", offline).host("a.example", ());
    let mut settings = tower_xmpp::testkit::room::Settings::default();
    settings.creation = Creation::Instant;
    settings.new_room.registration = false;
    w.rooms_with("muc.example", "muc.example", settings);
    let alice = w.session("alice@a.example/phone");
    alice.joins("tea@muc.example/Alice");
    for request in [GET.to_owned(), submit("Alice", Some("1"))] {
        alice.send(xml!("{request}"));
        alice.expect(refused(Condition::ServiceUnavailable));
    }
    assert_eq!(block_on(store.all()).unwrap(), []);
    w.finish();
}
