//! What a room says to the account when it comes, in the order in which it
//! should and in others (XEP-0045 §7.1).

use std::time::Duration;

use tower_xmpp::stanza::Stanza;
use tower_xmpp::testkit::xml;

use super::house::{ALICE, House, ROOM, gone, history, join, presence, subject, talked};
use super::scripted::{NO_SUBJECT, Room, shows, shows_gone};

const BOB: &str = "room@muc.example/Bob";

fn scene() -> (House, Room) {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    (house, room)
}

/// What Bob has said before, as a room tells it to who comes.
fn once_said(id: &str, body: &str) -> Stanza {
    let xml = format!(
        "<message to='alice@a.example' type='groupchat' id='{id}'><body>{body}</body>\
         <delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2026-01-01T00:00:01Z'/></message>"
    );
    Stanza::parse(xml.as_bytes()).expect("a message")
}

/// What Bob says now.
fn says(id: &str, body: &str) -> Stanza {
    let xml = format!(
        "<message to='alice@a.example' type='groupchat' id='{id}'><body>{body}</body></message>"
    );
    Stanza::parse(xml.as_bytes()).expect("a message")
}

#[test]
fn what_is_said_before_the_subject_comes_after_history_and_subject() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(shows("none", "participant", &[110]));
    room.bob.send(once_said("m1", "one"));
    room.bob.send(says("m2", "two"));
    room.bob.send(says("m3", "three"));
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(history("Bob", "one"));
    phone.expect(subject(""));
    phone.expect(talked("Bob", "m2", "two"));
    phone.expect(talked("Bob", "m3", "three"));
    // A subject that comes after all is one that changes.
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject>tea</subject></message>"
    ));
    phone.expect("<message type='groupchat'><subject>tea</subject></message>");
    house.w.finish();
}

#[test]
fn a_newcomer_and_who_was_there_hear_the_same_live_message_once_each() {
    let (house, room) = scene();
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    desk.send(join(ALICE));
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(shows("none", "participant", &[110]));
    room.bob.send(says("m1", "one"));
    phone.expect(talked("Bob", "m1", "one"));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    desk.expect(talked("Bob", "m1", "one"));
    house.w.finish();
}

/// The account is in with the phone, loses its seat and comes back.
fn comes_back(house: &House, room: &Room) -> tower_xmpp::testkit::Session {
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    phone
}

#[test]
fn a_room_that_shows_us_before_the_others_lets_nobody_seem_to_leave() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    room.alice.send(shows("none", "participant", &[110]));
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    // Nothing has changed, so nothing is told.
    phone.expect_nothing();
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn who_does_not_come_after_us_either_has_gone() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    room.alice.send(shows("none", "participant", &[110]));
    let carol = house.w.bind("room@muc.example/Carol");
    carol.send(shows("none", "participant", &[]));
    phone.expect(presence("room@muc.example/Carol", &[]));
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    phone.expect(gone(BOB, &[]));
    house.w.finish();
}

#[test]
fn a_newcomer_hears_of_everybody_from_a_room_that_shows_us_first() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    room.alice.send(shows("none", "participant", &[110]));
    desk.expect(presence(ALICE, &[110]));
    room.bob.send(shows("member", "participant", &[]));
    // Known to the phone, new to the desk.
    desk.expect(presence(BOB, &[]));
    phone.expect_nothing();
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    desk.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn who_leaves_while_it_is_not_certain_that_they_are_there_is_told_to_leave_once() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    room.alice.send(shows("none", "participant", &[110]));
    room.bob.send(shows_gone("member", &[], ""));
    phone.expect(gone(BOB, &[]));
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    house.w.finish();
}

#[test]
fn a_seat_lost_again_before_the_room_has_said_all_keeps_who_was_known() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.answers_join();
    phone.expect_nothing();
    // The room has said nothing of it, but who was there is not forgotten.
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    phone.expect(gone(BOB, &[]));
    house.w.finish();
}

#[test]
fn a_room_that_says_nothing_more_has_said_all_after_a_while() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    room.alice.send(shows("none", "participant", &[110]));
    house.w.advance(Duration::from_secs(50));
    phone.expect_nothing();
    house.w.advance(Duration::from_secs(15));
    phone.expect(gone(BOB, &[]));
    house.w.finish();
}

#[test]
fn history_that_comes_after_something_live_tells_what_is_not_known_and_no_more() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.bob.send(says("m1", "one"));
    phone.expect(talked("Bob", "m1", "one"));
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.answers_join();
    room.bob.send(says("m3", "three"));
    phone.expect(talked("Bob", "m3", "three"));
    // On another line, and late.
    room.bob.send(once_said("m1", "one"));
    room.bob.send(once_said("m2", "two"));
    phone.expect(history("Bob", "two"));
    house.w.finish();
}

/// The subject of a room that has none.
fn no_subject() -> Stanza {
    let xml = "<message to='alice@a.example' type='groupchat'><subject/></message>";
    Stanza::parse(xml.as_bytes()).expect("a message")
}

/// Bob sets the subject.
fn sets_subject(room: &Room) {
    room.bob.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject>tea</subject></message>"
    ));
}

const TEA: &str = "<message type='groupchat'><subject>tea</subject></message>";
const TICK: Duration = Duration::from_secs(5);

#[test]
fn history_that_does_not_say_so_makes_nobody_join_again() {
    let (house, room) = scene();
    let phone = comes_back(&house, &room);
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(shows("none", "participant", &[110]));
    // The room has not stamped it.
    room.bob.send(says("m1", "one"));
    room.alice.send(no_subject());
    phone.expect(talked("Bob", "m1", "one"));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(NO_SUBJECT);
    desk.expect(talked("Bob", "m1", "one"));
    house.w.advance(TICK);
    room.alice.expect_nothing();
    house.w.finish();
}

#[test]
fn a_subject_that_is_set_to_what_it_is_makes_nobody_join_again() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    house.w.advance(Duration::from_secs(60));
    for _ in 0..2 {
        sets_subject(&room);
        phone.expect(TEA);
        house.w.advance(TICK);
        room.alice.expect_nothing();
    }
    house.w.finish();
}

#[test]
fn a_room_that_takes_what_we_show_for_a_join_is_joined_again() {
    let (house, room) = scene();
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    house.w.advance(Duration::from_secs(60));
    phone.send(xml!("<presence to='{ALICE}'><show>dnd</show></presence>"));
    room.alice.expect("<presence><show>dnd</show></presence>");
    // It has begun anew, and Bob is not there any more.
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(no_subject());
    phone.expect(NO_SUBJECT);
    house.w.advance(TICK);
    room.expect_join();
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(no_subject());
    phone.expect(gone(BOB, &[]));
    house.w.finish();
}
