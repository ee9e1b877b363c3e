//! What happens while something else is under way: a join, a change of nick, a
//! seat that is lost, or a goodbye.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower_xmpp::account_muc::{Seat, SeatState, SeatStore};
use tower_xmpp::flow::Event;
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{
    ALICE, House, ROOM, error, gone, join, pam, presence, restarted, talk, talked, together,
};
use super::scripted::{NO_SUBJECT, Room, shows, shows_gone};

const BOB: &str = "room@muc.example/Bob";
const ALICIA: &str = "room@muc.example/Alicia";
const JOIN: &str = "<join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
    <nickname>Alice</nickname></join>";
const PART: &str = "<part xmlns='urn:xmpp:muc:0' room='room@muc.example'/>";

fn scene() -> (House, Room) {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    (house, room)
}

/// Sessions of Alice's that are in the room with Bob.
fn inside<const N: usize>(house: &House, room: &Room, resources: [&str; N]) -> [Session; N] {
    let sessions = house.alice(resources);
    room.lets_in(&sessions[0]);
    for session in &sessions[1..] {
        session.send(join(ALICE));
        session.take_all();
    }
    sessions
}

/// The room takes the seat away, as it says for no fault of anybody's; the
/// account asks for it again.
fn is_lost(house: &House, room: &Room) {
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
}

fn no_subject(room: &Room) {
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
}

#[test]
fn sessions_that_want_two_nicks_at_once_get_the_first() {
    let (house, room) = scene();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join(ALICE));
    desk.send(join(ALICIA));
    room.answers_join();
    for (session, codes) in [(&phone, &[110][..]), (&desk, &[110, 210])] {
        session.expect(presence(BOB, &[]));
        session.expect(presence(ALICE, codes));
        session.expect(NO_SUBJECT);
    }
    house.w.finish();
}

#[test]
fn a_session_that_waits_for_another_nick_may_leave_and_the_first_stays() {
    let (house, room) = scene();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join(ALICE));
    desk.send(join(ALICIA));
    desk.send(xml!(
        "<presence to='{ALICIA}' type='unavailable' id='bye'/>"
    ));
    desk.expect("<presence type='unavailable' id='bye'/>");
    room.answers_join();
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn a_session_that_joins_in_the_midst_of_a_change_of_nick_gets_the_new_one() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    let alicia = house.w.bind(ALICIA);
    phone.send(xml!("<presence to='{ALICIA}' id='n'/>"));
    alicia.expect("<presence from='alice@a.example'/>");
    room.alice.send(xml!(
        "<presence to='alice@a.example' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item nick='Alicia'/><status code='303'/><status code='110'/></x></presence>"
    ));
    phone.expect(gone(ALICE, &[110, 303]));
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICIA, &[110, 210]));
    desk.expect(NO_SUBJECT);
    alicia.send(shows("none", "participant", &[110]));
    for session in [&phone, &desk] {
        session.expect(presence(ALICIA, &[110]));
    }
    house.w.finish();
}

#[test]
fn each_of_two_sessions_that_want_another_nick_is_told_what_became_of_its_own() {
    let (house, room) = scene();
    let [phone, desk] = inside(&house, &room, ["phone", "desk"]);
    let [alicia, ally] = [ALICIA, "room@muc.example/Ally"].map(|nick| house.w.bind(nick));
    phone.send(xml!("<presence to='{ALICIA}' id='p'/>"));
    let first = alicia.expect("<presence from='alice@a.example' id='$id'/>");
    desk.send(xml!("<presence to='room@muc.example/Ally' id='d'/>"));
    let second = ally.expect("<presence from='alice@a.example' id='$id'/>");
    for (nick, asked) in [(&ally, &second), (&alicia, &first)] {
        nick.send(xml!(
            "<presence to='alice@a.example' type='error' id='{}'><error type='cancel'>\
             <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
            &asked["id"]
        ));
    }
    desk.expect(error("presence", "room@muc.example/Ally", "d", "conflict"));
    phone.expect(error("presence", ALICIA, "p", "conflict"));
    house.w.finish();
}

#[test]
fn a_nick_that_is_asked_for_while_the_seat_is_lost_is_refused_and_the_seat_comes_back() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    room.alice.send(shows_gone("none", &[110, 333], ""));
    phone.send(xml!("<presence to='{ALICIA}' id='n'/>"));
    phone.expect(error("presence", ALICIA, "n", "remote-server-timeout"));
    house.w.advance(Duration::from_secs(5));
    room.answers_join();
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn a_nick_that_was_asked_for_when_the_seat_was_lost_is_given_up() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    let alicia = house.w.bind(ALICIA);
    phone.send(xml!("<presence to='{ALICIA}' id='n'/>"));
    alicia.expect("<presence from='alice@a.example'/>");
    is_lost(&house, &room);
    phone.expect(error("presence", ALICIA, "n", "remote-server-timeout"));
    room.answers_join();
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn nobody_is_told_of_a_nick_that_was_refused_to_a_session_which_has_left() {
    let (house, room) = scene();
    let [phone, desk] = inside(&house, &room, ["phone", "desk"]);
    let alicia = house.w.bind(ALICIA);
    phone.send(xml!("<presence to='{ALICIA}' id='n'/>"));
    let asked = alicia.expect("<presence from='alice@a.example' id='$id'/>");
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    alicia.send(xml!(
        "<presence to='alice@a.example' type='error' id='{}'><error type='cancel'>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        &asked["id"]
    ));
    // Nor is the room doubted for it.
    room.alice.expect_nothing();
    desk.expect_nothing();
    house.w.finish();
}

#[test]
fn who_waits_for_a_seat_that_is_lost_again_gets_in_with_the_next_join() {
    let (house, room) = scene();
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    is_lost(&house, &room);
    room.expect_join();
    desk.send(join(ALICE));
    room.alice.send(shows_gone("none", &[110, 333], ""));
    desk.expect_nothing();
    house.w.advance(Duration::from_secs(5));
    room.answers_join();
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn who_waits_for_a_seat_that_is_taken_away_for_good_is_told_so() {
    let (house, room) = scene();
    let [phone, desk, pad] = house.alice(["phone", "desk", "pad"]);
    room.lets_in(&phone);
    is_lost(&house, &room);
    room.expect_join();
    desk.send(join(ALICE));
    pad.send(xml!("{}", pam(JOIN, "j")));
    room.alice.send(shows_gone("outcast", &[110, 301], ""));
    for session in [&phone, &desk] {
        session.expect(gone(ALICE, &[110, 301]));
    }
    pad.expect(error("iq", "alice@a.example", "j", "recipient-unavailable"));
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_session_that_joins_while_the_seat_is_in_doubt_is_served_and_then_told_differences() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    house.w.event(
        "a.example",
        Event::SeatSuspect {
            account: "alice@a.example".parse().unwrap(),
            room: ROOM.parse().unwrap(),
        },
    );
    let asked = room.alice.expect("<iq type='get' id='$id'/>");
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    room.refuses("iq", &asked["id"], "cancel", "not-acceptable");
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    room.alice.send(shows("none", "participant", &[110]));
    no_subject(&room);
    for session in [&phone, &desk] {
        session.expect(gone(BOB, &[]));
    }
    house.w.finish();
}

#[test]
fn the_last_session_that_leaves_while_the_seat_is_lost_ends_that() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    room.alice.send(shows_gone("none", &[110, 333], ""));
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect("<presence type='unavailable'/>");
    house.w.advance(Duration::from_secs(3_600));
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn the_last_session_that_leaves_while_the_account_comes_back_takes_it_with_it() {
    let (house, room) = scene();
    let [phone] = inside(&house, &room, ["phone"]);
    is_lost(&house, &room);
    room.expect_join();
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.send(shows("none", "participant", &[110]));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    house.w.finish();
}

#[test]
fn a_session_that_joins_in_both_ways_is_answered_in_both() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    phone.send(join(ALICE));
    room.answers_join();
    let done = "<iq from='alice@a.example' type='result' id='j'>\
        <join xmlns='urn:xmpp:muc:0'><nickname>Alice</nickname></join></iq>";
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(done);
    phone.expect(presence(BOB, &[]));
    phone.expect(xml!("<presence from='{ALICE}' id='join'/>"));
    phone.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn a_request_to_join_is_answered_whatever_becomes_of_it() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    let cancelled = |id: &str| error("iq", "alice@a.example", id, "recipient-unavailable");
    phone.send(xml!("{}", pam(JOIN, "1")));
    // Another takes its place.
    phone.send(xml!("{}", pam(JOIN, "2")));
    phone.expect(cancelled("1"));
    // The session does not want to any more.
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(cancelled("2"));
    phone.expect(gone(ALICE, &[110]));
    // Another session parts the account.
    let [desk] = house.alice(["desk"]);
    phone.send(xml!("{}", pam(JOIN, "3")));
    phone.send(join(ALICE));
    desk.send(xml!("{}", pam(PART, "4")));
    phone.expect(cancelled("3"));
    phone.expect(error("presence", ALICE, "join", "recipient-unavailable"));
    desk.expect("<iq type='result' id='4'/>");
    room.alice.take_all();
    house.w.abandon();
}

#[test]
fn a_goodbye_that_a_restart_interrupted_is_said_before_anybody_joins_again() {
    let store = Arc::new(MemorySeats::default());
    let mut seat = Seat::new("alice@a.example".parse().unwrap(), ALICE.parse().unwrap());
    seat.state = SeatState::Leaving;
    block_on(store.put(seat)).unwrap();
    let w = World::new();
    restarted(&w, &store);
    w.host("muc.example", ());
    let alice = w.bind(ALICE);
    let phone = w.session("alice@a.example/phone");
    // It comes, thinks better of it, and comes again before there is a tick.
    phone.send(join(ALICE));
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.send(join(ALICE));
    phone.expect(gone(ALICE, &[110]));
    w.advance(Duration::from_secs(5));
    alice.expect("<presence from='alice@a.example' type='unavailable'/>");
    alice.send(shows_gone("none", &[110], ""));
    alice.expect("<presence><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    w.finish();
}

#[test]
fn what_a_session_says_while_the_account_leaves_is_refused_by_the_room_itself() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.send(talk("m1", "too late"));
    phone.expect(gone(ALICE, &[110]));
    phone.expect(error("message", ROOM, "m1", "not-acceptable"));
    bob.expect(gone(ALICE, &[]));
    bob.send(talk("m2", "gone"));
    bob.expect(talked("Bob", "m2", "gone"));
    house.w.finish();
}
