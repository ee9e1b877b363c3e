//! What happens at each bound.

use tower_xmpp::middleware::PendingLimits;
use tower_xmpp::testkit::{World, xml};

use super::house::{ALICE, House, error, history, join, presence, subject, talk, together};
use super::scripted::{NO_SUBJECT, Room};

const BOB: &str = "room@muc.example/Bob";

#[test]
fn one_room_too_many_is_refused_and_the_others_are_as_before() {
    let house = House::options(|options| options.limits.rooms = 1);
    let (_bob, [phone]) = together(&house, ["phone"]);
    phone.send(join("other@muc.example/Alice"));
    phone.expect(error(
        "presence",
        "other@muc.example/Alice",
        "join",
        "resource-constraint",
    ));
    assert_eq!(house.kept().len(), 1);
    phone.send(join(ALICE));
    phone.expect(presence(BOB, &[]));
    phone.take_all();
    house.w.finish();
}

#[test]
fn one_session_too_many_is_refused_whether_it_would_wait_or_not() {
    let house = House::options(|options| options.limits.sessions = 1);
    let bob = house.bob();
    let [phone, desk] = house.alice(["phone", "desk"]);
    for session in [&phone, &desk] {
        session.send(join(ALICE));
    }
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(subject(""));
    desk.expect(error("presence", ALICE, "join", "resource-constraint"));
    desk.send(join(ALICE));
    desk.expect(error("presence", ALICE, "join", "resource-constraint"));
    bob.expect(presence(ALICE, &[]));
    house.w.finish();
}

#[test]
fn occupants_beyond_the_bound_are_passed_on_and_missing_from_the_replay() {
    let house = House::options(|options| options.limits.occupants = 1);
    let (_bob, [phone]) = together(&house, ["phone"]);
    let carol = house.w.session("carol@b.example/x");
    carol.joins("room@muc.example/Carol");
    phone.expect(presence("room@muc.example/Carol", &[]));
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    house.w.abandon();
}

#[test]
fn a_long_presence_is_passed_on_whole_and_replayed_without_what_made_it_long() {
    let house = House::options(|options| options.limits.presence = 400);
    let (bob, [phone]) = together(&house, ["phone"]);
    let long = "x".repeat(500);
    bob.send(xml!(
        "<presence to='{BOB}'><status>{long}</status></presence>"
    ));
    for session in [&phone, &bob] {
        session.expect(xml!(
            "<presence from='{BOB}'><status>{long}</status></presence>"
        ));
    }
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(xml!(
        "<presence from='{BOB}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='owner' role='moderator'/></x>\
         <absent><status/></absent></presence>"
    ));
    desk.take_all();
    house.w.finish();
}

#[test]
fn of_a_presence_that_is_too_long_by_what_the_room_says_its_occupant_is_left() {
    let house = House::options(|options| options.limits.presence = 100);
    let (_bob, [_phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    let bob = desk.expect(presence(BOB, &[])).stanza.to_xml();
    assert!(bob.contains("role='participant'"), "{bob}");
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn the_oldest_message_goes_and_a_long_one_is_not_kept() {
    let house = House::options(|options| {
        options.limits.history = 2;
        options.limits.message = 300;
    });
    let (bob, [phone]) = together(&house, ["phone"]);
    for body in ["one", "two", "three", &"x".repeat(400)] {
        bob.send(talk(body, body));
    }
    house.w.settle();
    assert_eq!(phone.take_all().len(), 4);
    bob.take_all();
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(history("Bob", "two"));
    desk.expect(history("Bob", "three"));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn a_long_subject_is_passed_on_and_not_kept() {
    let house = House::options(|options| options.limits.subject = 300);
    let (bob, [phone]) = together(&house, ["phone"]);
    let long = "x".repeat(400);
    bob.send(xml!(
        "<message to='room@muc.example' type='groupchat'><subject>{long}</subject></message>"
    ));
    for session in [&bob, &phone] {
        session.expect(xml!("<message><subject>{long}</subject></message>"));
    }
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn an_error_about_a_message_too_long_ago_goes_to_all() {
    let house = House::without_rooms(|options| options.limits.sent = 1);
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    desk.send(join(ALICE));
    desk.take_all();
    for id in ["p1", "p2"] {
        phone.send(xml!(
            "<message to='{BOB}' type='chat' id='{id}'><body>hi</body></message>"
        ));
        room.bob.expect(xml!("<message id='{id}'/>"));
    }
    let refuse = |id: &str| {
        room.bob.send(xml!(
            "<message to='alice@a.example' type='error' id='{id}'><error type='cancel'>\
             <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
    };
    refuse("p2");
    phone.expect(error("message", BOB, "p2", "forbidden"));
    refuse("p1");
    for session in [&phone, &desk] {
        session.expect(error("message", BOB, "p1", "forbidden"));
    }
    house.w.finish();
}

#[test]
fn one_request_too_many_is_refused() {
    let mut limits = PendingLimits::default();
    limits.per_owner = 1;
    let house = House::of(World::new(), |feature| feature.requests(limits));
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    for id in ["v1", "v2"] {
        phone.send(xml!(
            "<iq to='{BOB}' type='get' id='{id}'><query xmlns='jabber:iq:version'/></iq>"
        ));
    }
    room.bob.expect("<iq type='get'/>");
    phone.expect(error("iq", BOB, "v2", "resource-constraint"));
    house.w.finish();
}

#[test]
fn a_room_that_floods_presence_does_not_grow_what_is_kept() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    for number in 0..500 {
        room.bob.send(xml!(
            "<presence to='alice@a.example'><status>{number}</status></presence>"
        ));
    }
    house.w.settle();
    assert_eq!(phone.take_all().len(), 500);
    desk.send(join(ALICE));
    desk.expect(xml!(
        "<presence from='{BOB}'><status>499</status></presence>"
    ));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn without_any_rooms_every_join_is_refused_and_nothing_is_kept() {
    let house = House::options(|options| options.limits.rooms = 0);
    let [phone] = house.alice(["phone"]);
    for _ in 0..2 {
        phone.send(join(ALICE));
        phone.expect(error("presence", ALICE, "join", "resource-constraint"));
    }
    assert!(house.kept().is_empty());
    assert!(house.seats().is_empty());
    house.w.finish();
}

#[test]
fn with_all_bounds_at_zero_nothing_breaks() {
    let house = House::options(|options| {
        let limits = &mut options.limits;
        limits.occupants = 0;
        limits.presence = 0;
        limits.history = 0;
        limits.message = 0;
        limits.subject = 0;
        limits.sent = 0;
    });
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(talk("m1", "hi"));
    for session in [&bob, &phone] {
        session.expect(xml!("<message id='m1'/>"));
    }
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn a_room_that_floods_occupants_does_not_grow_what_is_kept() {
    let house = House::without_rooms(|options| options.limits.occupants = 10);
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    for number in 0..200 {
        let flood = house.w.bind(&format!("room@muc.example/n{number}"));
        flood.send(super::scripted::shows("none", "participant", &[]));
    }
    house.w.settle();
    assert_eq!(phone.take_all().len(), 200);
    desk.send(join(ALICE));
    house.w.settle();
    // Ten others, itself, and the subject.
    assert_eq!(desk.take_all().len(), 12);
    house.w.finish();
}
