//! What is forwarded, to whom, and in which shape.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::Route;
use tower_xmpp::middleware::from_fn;
use tower_xmpp::muc_offline::{Limits, Settings};
use tower_xmpp::stanza::{Element, Stanza, ns};
use tower_xmpp::store::{MemoryRegistrations, MemorySeats};
use tower_xmpp::testkit::{World, xml};

use super::house::{House, ROOM, layer, submit};

#[test]
fn a_registrant_who_is_away_gets_one_copy_as_it_was_broadcast() {
    let house = House::new();
    house.alice("1");
    house.says("m1");
    house.w.settle();
    let copies = house.mail.stanzas("alice@a.example");
    let [copy] = copies.as_slice() else {
        panic!("one copy, not {copies:?}");
    };
    assert_eq!(copy.from().unwrap().as_str(), "tea@muc.example/Bob");
    assert_eq!(copy.id(), Some("m1"));
    assert_eq!(copy.body_text().as_deref(), Some("m1"));
    assert!(!copy.has_child("delay", ns::DELAY));
    house.finish();
}

#[test]
fn a_registrant_in_the_room_gets_no_copy_whatever_its_nick_and_resource() {
    for seat in ["Alice", "Somebody"] {
        let house = House::new();
        let alice = house.alice("1");
        let desk = house.w.session("alice@a.example/desk");
        desk.joins(&format!("{ROOM}/{seat}"));
        house.bob.expect("<presence/>");
        house.says("m1");
        desk.expect("<message id='m1'/>");
        assert_eq!(house.forwarded(), [""; 0], "{seat}");
        // Gone, it is away.
        desk.send(xml!("<presence type='unavailable' to='{ROOM}/{seat}'/>"));
        house.bob.expect("<presence type='unavailable'/>");
        desk.take_all();
        house.says("m2");
        assert_eq!(house.forwarded(), ["m2"], "{seat}");
        alice.expect_nothing();
        house.finish();
    }
}

#[test]
fn a_registrant_whose_account_is_in_the_room_gets_no_copy() {
    let w = World::new();
    let store = Arc::new(MemoryRegistrations::default());
    let away = Arc::new(Mutex::new(Vec::new()));
    let seen = away.clone();
    let spy = from_fn("spy", move |envelope, next| {
        if envelope.as_stanza().is_some_and(Stanza::has_body) {
            seen.lock().unwrap().extend(envelope.facts.away.clone());
        }
        next.run(envelope)
    });
    let offline = layer(store, Settings::default(), Limits::default());
    let rooms = ServiceBuilder::new().layer(offline).layer(spy);
    w.host("muc.example", rooms).rooms("muc.example");
    let seats = Arc::new(MemorySeats::default());
    w.host(
        "a.example",
        AccountMucLayer::new(seats, Arc::new(w.entropy())),
    )
    .host("b.example", ());
    let [phone, bob] = ["alice@a.example/phone", "bob@b.example/x"].map(|jid| w.session(jid));
    phone.joins("tea@muc.example/Alice");
    phone.asks(submit("Alice", Some("1")));
    bob.joins("tea@muc.example/Bob");
    phone.take_all();
    let hi = format!("<message to='{ROOM}' type='groupchat' id='m1'><body>hi</body></message>");
    bob.send(xml!("{hi}"));
    phone.expect("<message id='m1'/>");
    // The session is gone, the account is still there.
    phone.lose();
    bob.send(xml!("{hi}"));
    w.settle();
    assert!(away.lock().unwrap().is_empty());
    w.abandon();
}

#[test]
fn private_messages_and_presence_are_never_forwarded() {
    let house = House::new();
    house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    carol.joins("tea@muc.example/Carol");
    house.bob.expect("<presence/>");
    carol.send(xml!(
        "<message to='{ROOM}/Bob' type='chat'><body>psst</body></message>"
    ));
    house.bob.expect("<message type='chat'/>");
    assert_eq!(house.forwarded(), [""; 0]);
    house.finish();
}

#[test]
fn no_store_chat_states_and_subjects_stay_in_the_room() {
    let house = House::new();
    house.alice("1");
    house.says_all(
        "m1",
        "<body>off the record</body><no-store xmlns='urn:xmpp:hints'/>",
    );
    house.says_all(
        "m2",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    );
    house.says_all("m3", "<subject>tea</subject>");
    assert_eq!(house.forwarded(), [""; 0]);
    house.finish();
}

#[test]
fn a_subject_is_forwarded_where_the_settings_say_so() {
    let mut settings = Settings::default();
    settings.subjects = true;
    let house = House::with(settings, Limits::default());
    house.alice("1");
    house.says_all("m1", "<subject>tea</subject>");
    assert_eq!(house.forwarded(), ["m1"]);
    house.finish();
}

#[test]
fn what_the_room_adds_while_broadcasting_is_kept() {
    // A layer outside stamps, as a room's archive would.
    let house = House::new();
    let store = house.store.clone();
    let stamp = from_fn("stamp", |mut envelope, next| async move {
        if let Route::Broadcast(_) = envelope.route
            && let Some(stanza) = envelope.as_stanza_mut()
        {
            let id = Element::new("stanza-id", ns::SID).with_attr("by", "tea@other.example");
            stanza.push(id.with_attr("id", "s1"));
        }
        next.run(envelope).await
    });
    let stack = ServiceBuilder::new().layer(stamp).layer(layer(
        store,
        Settings::default(),
        Limits::default(),
    ));
    let w = &house.w;
    w.host("other.example", stack);
    w.rooms("other.example");
    let carol = w.session("carol@a.example/x");
    carol.joins("tea@other.example/Carol");
    let alice = w.session("alice@a.example/phone");
    let there = submit("Alice", Some("1")).replace("muc.example", "other.example");
    alice.asks(there);
    carol.send(xml!(
        "<message to='tea@other.example' type='groupchat' id='m1'><body>hi</body></message>"
    ));
    let heard =
        carol.expect("<message id='m1'><stanza-id xmlns='urn:xmpp:sid:0' id='s1'/></message>");
    w.settle();
    let copies = house.mail.stanzas("alice@a.example");
    assert_eq!(copies.len(), 1);
    let without_to = |mut stanza: Stanza| {
        stanza.set_to(None);
        stanza.to_xml()
    };
    assert_eq!(without_to(copies[0].clone()), without_to(heard.stanza));
    house.finish();
}

#[test]
fn flags_outlive_a_restart_of_the_service() {
    let house = House::new();
    house.alice("1");
    let (w, store) = (&house.w, house.store.clone());
    w.crash("muc.example");
    w.start_again(
        "muc.example",
        layer(store, Settings::default(), Limits::default()),
    );
    house.bob.take_all();
    house.bob.joins("tea@muc.example/Bob");
    house.says("m1");
    assert_eq!(house.forwarded(), ["m1"]);
    house.finish();
}

#[test]
fn a_room_sends_so_many_copies_at_once_and_the_rest_in_order_later() {
    let mut limits = Limits::default();
    limits.copies = 2;
    limits.waiting = 2;
    let house = House::with(Settings::default(), limits);
    for name in ["alice", "carol", "dave"] {
        let session = house.w.session(&format!("{name}@a.example/x"));
        session.asks(submit(name, Some("1")));
    }
    let mail = |name: &str| house.mail.ids(&format!("{name}@a.example"));
    house.says("m1");
    assert_eq!((mail("alice").len(), mail("carol").len()), (1, 1));
    assert_eq!(mail("dave"), [""; 0]);
    // Dave still waits for the first, so the second waits behind it.
    house.says("m2");
    assert_eq!(mail("alice"), [""; 0]);
    house.w.advance(Duration::from_secs(5));
    assert_eq!(
        (mail("dave"), mail("alice")),
        (vec!["m1".into()], vec!["m2".into()])
    );
    // Two may wait; what is one too many is not forwarded, and that is said.
    house.says("m3");
    house.says("m4");
    house.w.expect_broken("muc_offline_room");
    house.w.advance(Duration::from_secs(60));
    assert_eq!(mail("carol"), ["m2", "m3"]);
    assert_eq!(mail("dave"), ["m2", "m3"]);
    assert_eq!(mail("alice"), ["m3"]);
    house.finish();
}
