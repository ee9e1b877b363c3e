//! What ends it, and what pauses it.

use tower_xmpp::muc_offline::{Limits, Settings};
use tower_xmpp::stanza::Condition;
use tower_xmpp::testkit::{Session, xml};

use super::house::{GET, House, ROOM, query, refused, shown, submit};

#[test]
fn who_is_banned_gets_nothing_more_and_its_nick_is_free() {
    let house = House::new();
    let alice = house.alice("1");
    house.sets("<item affiliation='outcast' jid='alice@a.example'/>");
    assert_eq!(house.registrations(), []);
    house.says("m1");
    assert_eq!(house.forwarded(), [""; 0]);
    // Forgiven is not registered.
    house.sets("<item affiliation='member' jid='alice@a.example'/>");
    house.says("m2");
    let carol = house.w.session("carol@a.example/x");
    carol.asks(submit("Alice", Some("0")));
    alice.take_all();
    house.finish();
}

#[test]
fn who_has_no_affiliation_any_more_gets_nothing_more() {
    let house = House::new();
    let alice = house.alice("1");
    house.sets("<item affiliation='none' jid='alice@a.example'/>");
    assert_eq!(house.registrations(), []);
    house.says("m1");
    alice.take_all();
    house.finish();
}

#[test]
fn a_room_that_becomes_members_only_writes_to_members_alone() {
    let house = House::new();
    let alice = house.alice("1");
    house
        .bob
        .configures(ROOM, [("muc#roomconfig_membersonly", "1")]);
    house.says("m1");
    assert_eq!(house.forwarded(), ["m1"]);
    house.sets("<item affiliation='none' jid='alice@a.example'/>");
    house.says("m2");
    alice.take_all();
    house.finish();
}

#[test]
fn a_kick_pauses_it_until_the_account_has_been_back() {
    let house = House::new();
    let alice = house.alice("1");
    alice.joins("tea@muc.example/Alice");
    house.bob.expect("<presence/>");
    house.sets("<item nick='Alice' role='none'/>");
    let came = alice.take_all();
    assert!(came[0].to_xml().contains("307"), "{came:?}");
    house.says("m1");
    assert!(house.registrations()[0].paused, "also after a restart");
    // Asking again is not coming back.
    alice.asks(submit("Alice", Some("1")));
    house.says("m1b");
    assert!(house.registrations()[0].paused);
    assert_eq!(house.forwarded(), [""; 0]);
    alice.joins("tea@muc.example/Alice");
    alice.send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    house.bob.take_all();
    alice.take_all();
    house.says("m2");
    assert_eq!(house.forwarded(), ["m2"]);
    house.finish();
}

/// Alice, registered, has joined and been kicked.
fn kicked(house: &House) -> Session {
    let alice = house.alice("1");
    alice.joins("tea@muc.example/Alice");
    house.bob.expect("<presence/>");
    house.sets("<item nick='Alice' role='none'/>");
    alice.take_all();
    assert!(house.registrations()[0].paused);
    alice
}

#[test]
fn whoever_is_kicked_unregisters_and_registers_again_is_still_paused() {
    for end in [submit("Alice", Some("0")), query("<remove/>")] {
        let house = House::new();
        let alice = kicked(&house);
        alice.asks(end.as_str());
        assert_eq!(house.registrations(), []);
        house.says("m1");
        alice.asks(submit("Alice", Some("1")));
        assert!(house.registrations()[0].paused);
        house.says("m2");
        // Nor in two steps, with the form in between.
        alice.asks(end.as_str());
        alice.asks(submit("Alice", None));
        alice.send(xml!("{GET}"));
        alice.expect(shown("0"));
        alice.asks(submit("Alice", Some("1")));
        house.says("m3");
        assert_eq!(house.forwarded(), [""; 0], "{end}");
        alice.joins("tea@muc.example/Alice");
        alice.send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
        house.bob.take_all();
        alice.take_all();
        house.says("m4");
        assert_eq!(house.forwarded(), ["m4"], "{end}");
        house.finish();
    }
}

#[test]
fn whoever_is_kicked_and_has_been_back_unregistered_begins_anew() {
    let house = House::new();
    let alice = kicked(&house);
    alice.asks(query("<remove/>"));
    alice.joins("tea@muc.example/Alice");
    alice.send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    house.bob.take_all();
    alice.take_all();
    alice.asks(submit("Alice", Some("1")));
    assert!(!house.registrations()[0].paused);
    house.says("m1");
    assert_eq!(house.forwarded(), ["m1"]);
    house.finish();
}

#[test]
fn a_ban_that_is_lifted_ends_the_pause_as_well() {
    let house = House::new();
    let alice = kicked(&house);
    house.sets("<item affiliation='outcast' jid='alice@a.example'/>");
    house.sets("<item affiliation='none' jid='alice@a.example'/>");
    house.w.settle();
    alice.take_all();
    alice.asks(submit("Alice", Some("1")));
    assert!(!house.registrations()[0].paused);
    house.says("m1");
    assert_eq!(house.forwarded(), ["m1"]);
    alice.take_all();
    house.finish();
}

#[test]
fn who_was_kicked_and_unregistered_keeps_its_place_until_it_is_forgiven() {
    let mut limits = Limits::default();
    limits.per_room = 1;
    let house = House::with(Settings::default(), limits);
    let alice = kicked(&house);
    alice.asks(query("<remove/>"));
    let carol = house.w.session("carol@a.example/x");
    carol.send(submit("Carol", Some("1")));
    carol.expect(refused(Condition::ResourceConstraint));
    // She herself may.
    alice.asks(submit("Alice", Some("1")));
    alice.asks(query("<remove/>"));
    house.sets("<item affiliation='outcast' jid='alice@a.example'/>");
    carol.asks(submit("Carol", Some("1")));
    assert_eq!(house.registrations().len(), 1);
    alice.take_all();
    house.finish();
}

#[test]
fn a_room_that_is_destroyed_leaves_nothing_behind() {
    let house = House::new();
    let alice = house.alice("1");
    house.bob.send(xml!(
        "<iq type='set' id='d' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <destroy/></query></iq>"
    ));
    house.bob.take_all();
    assert_eq!(house.registrations(), []);
    house.bob.joins("tea@muc.example/Bob");
    house.says("m1");
    alice.take_all();
    house.finish();
}
