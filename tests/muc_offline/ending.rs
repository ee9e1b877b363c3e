//! What ends it, and what pauses it.

use tower_xmpp::testkit::xml;

use super::house::{House, ROOM, submit};

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
    house.configures("muc#roomconfig_membersonly", "1");
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
