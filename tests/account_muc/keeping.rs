//! The seat is kept: silence, lost links, our own restart (case 34).

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower_xmpp::account_muc::{Seat, SeatState, SeatStore};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{WhileDown, World, xml};

use super::house::{
    ALICE, House, ROOM, gone, join, presence, restarted, subject, talk, talked, together,
};
use super::scripted::Room;

#[test]
fn after_a_long_silence_the_room_is_asked_once() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    house.w.advance(Duration::from_secs(14 * 60));
    room.alice.expect_nothing();
    house.w.advance(Duration::from_secs(70));
    let asked = room
        .alice
        .expect("<iq from='alice@a.example' type='get' id='$id'/>");
    room.alice.send(xml!(
        "<iq to='alice@a.example' type='result' id='{}'/>",
        &asked["id"]
    ));
    house.w.advance(Duration::from_secs(10 * 60));
    room.alice.expect_nothing();
    house.w.finish();
}

#[test]
fn a_link_that_broke_makes_the_account_ask_and_take_its_seat_again() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    house.w.cut_with(
        "a.example",
        "muc.example",
        Duration::from_secs(60),
        WhileDown::Bounce,
    );
    house.w.restart_rooms("muc.example");
    house.w.advance(Duration::from_secs(60));
    phone.expect_nothing();
    // Bob comes first this time.
    bob.take_all();
    bob.joins("room@muc.example/Bob");
    house.w.advance(Duration::from_secs(60));
    bob.expect(presence(ALICE, &[]));
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    // Nothing that the session knew has changed but what the room says of Bob
    // and Alice, who have other roles in a room that begins anew.
    phone.take_all();
    bob.send(talk("m1", "hi"));
    for session in [&phone, &bob] {
        session.expect(talked("Bob", "m1", "hi"));
    }
    house.w.finish();
}

#[test]
fn a_room_that_comes_into_being_with_our_return_opens_to_others() {
    let house = House::without_rooms(|_| {});
    let mut settings = Settings::default();
    settings.creation = Creation::Locked;
    house.w.host("muc.example", ());
    house.w.rooms_with("muc.example", "muc.example", settings);
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    house.w.cut_with(
        "a.example",
        "muc.example",
        Duration::from_secs(60),
        WhileDown::Bounce,
    );
    house.w.restart_rooms("muc.example");
    house.w.advance(Duration::from_secs(120));
    assert_eq!(house.seats(), ["Alice alice@a.example"]);
    phone.take_all();
    // No client was asked what kind of room it is to be.
    let bob = house.w.bind("bob@b.example/x");
    bob.joins("room@muc.example/Bob");
    phone.expect(presence("room@muc.example/Bob", &[]));
    house.w.finish();
}

#[test]
fn after_our_own_restart_the_room_is_joined_again_and_ghosts_go() {
    let store = Arc::new(MemorySeats::default());
    let seat = |room: &str, state: SeatState| {
        let occupant = format!("{room}@muc.example/Alice").parse().unwrap();
        let mut seat = Seat::new("alice@a.example".parse().unwrap(), occupant);
        seat.state = state;
        seat
    };
    for (room, state) in [
        ("room", SeatState::Joined),
        ("asked", SeatState::Joining),
        ("left", SeatState::Leaving),
    ] {
        block_on(store.put(seat(room, state))).unwrap();
    }
    let w = World::new();
    restarted(&w, &store);
    w.host("muc.example", ());
    let [room, asked, left] =
        ["room", "asked", "left"].map(|name| w.bind(&format!("{name}@muc.example/Alice")));
    w.advance(Duration::from_secs(5));
    for joined in [&room, &asked] {
        joined.expect(
            "<presence from='alice@a.example'><show>xa</show>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>",
        );
    }
    left.expect("<presence from='alice@a.example' type='unavailable'/>");
    left.send(
        "<presence to='alice@a.example' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/>\
         <status code='110'/></x></presence>",
    );
    w.settle();
    let kept = block_on(store.list()).unwrap();
    let rooms: Vec<_> = kept.iter().map(|seat| seat.room().to_string()).collect();
    assert_eq!(rooms, ["asked@muc.example", ROOM]);
    w.finish();
}

#[test]
fn a_session_that_joins_after_a_restart_does_not_wait_for_its_turn() {
    let store = Arc::new(MemorySeats::default());
    let seat = Seat::new("alice@a.example".parse().unwrap(), ALICE.parse().unwrap());
    block_on(store.put(seat)).unwrap();
    let w = World::new();
    restarted(&w, &store);
    w.rooms("muc.example");
    let phone = w.session("alice@a.example/phone");
    phone.send(join(ALICE));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(subject(""));
    w.advance(Duration::from_secs(60));
    w.finish();
}

#[test]
fn two_hundred_rooms_are_rejoined_in_so_many_at_a_tick() {
    let store = Arc::new(MemorySeats::default());
    for number in 0..200 {
        let occupant = format!("r{number}@muc.example/Alice").parse().unwrap();
        let seat = Seat::new("alice@a.example".parse().unwrap(), occupant);
        block_on(store.put(seat)).unwrap();
    }
    let w = World::new();
    restarted(&w, &store);
    w.rooms("muc.example");
    let joined = || {
        (0..200)
            .filter(|number| !w.occupants(&format!("r{number}@muc.example")).is_empty())
            .count()
    };
    for ticks in 1..=10 {
        w.advance(Duration::from_secs(5));
        assert_eq!(joined(), ticks * 20);
    }
    w.finish();
}

#[test]
fn who_vanished_while_a_session_hibernated_is_told_to_it() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.hibernate();
    bob.send("<presence to='room@muc.example/Bob' type='unavailable'/>");
    bob.take_all();
    phone.resume();
    phone.expect(gone("room@muc.example/Bob", &[]));
    house.w.finish();
}
