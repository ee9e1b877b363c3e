#![allow(clippy::expect_used, reason = "a test fails by a panic")]

use std::future::Future;

use jid::{BareJid, FullJid};

use crate::account_muc::{Seat, SeatState, SeatStore};
use crate::stanza::Time;

/// All rules of [`SeatStore`]; `empty` makes a new store for each.
pub async fn seats<S, M>(mut empty: impl FnMut() -> M)
where
    S: SeatStore,
    M: Future<Output = S>,
{
    what_is_put_comes_back_whole(&empty().await).await;
    a_later_seat_takes_the_place_of_an_earlier_one(&empty().await).await;
    removing_forgets_one_seat_and_again_is_no_error(&empty().await).await;
    the_seats_of_a_removed_account_are_gone_and_others_stay(&empty().await).await;
    nicks_and_passwords_are_plain_text_to_the_store(&empty().await).await;
}

async fn what_is_put_comes_back_whole(store: &impl SeatStore) {
    assert!(list(store).await.is_empty(), "an empty store");
    let bare = seat("alice", "room", "Alice");
    let mut full = seat("alice", "other", "A");
    full.state = SeatState::Joined;
    full.password = Some("secret".to_owned());
    full.autojoin = true;
    full.by_request = true;
    full.heard = Some(Time::from_micros(1_767_225_600_000_123));
    for seat in [&bare, &full] {
        put(store, seat).await;
    }
    assert_eq!(list(store).await, [full, bare]);
}

async fn a_later_seat_takes_the_place_of_an_earlier_one(store: &impl SeatStore) {
    let mut seat = seat("alice", "room", "Alice");
    put(store, &seat).await;
    put(store, &seat).await;
    seat.state = SeatState::Leaving;
    seat.occupant = occupant("room", "Alicia");
    put(store, &seat).await;
    assert_eq!(list(store).await, [seat]);
}

async fn removing_forgets_one_seat_and_again_is_no_error(store: &impl SeatStore) {
    let (one, other) = (seat("alice", "a", "Alice"), seat("alice", "b", "Alice"));
    put(store, &one).await;
    put(store, &other).await;
    for _ in 0..2 {
        let removed = store.remove(&one.account, &one.room()).await;
        removed.expect("a working store");
    }
    assert_eq!(list(store).await, [other]);
}

async fn the_seats_of_a_removed_account_are_gone_and_others_stay(store: &impl SeatStore) {
    let bob = seat("bob", "a", "Bob");
    for seat in [&seat("alice", "a", "A"), &seat("alice", "b", "A"), &bob] {
        put(store, seat).await;
    }
    for _ in 0..2 {
        let removed = store.remove_account(&account("alice")).await;
        removed.expect("a working store");
    }
    assert_eq!(list(store).await, [bob]);
}

async fn nicks_and_passwords_are_plain_text_to_the_store(store: &impl SeatStore) {
    let mut odd = seat("alice", "room", "'; drop table seats; -- ☃ %_\"");
    odd.password = Some(String::new());
    put(store, &odd).await;
    assert_eq!(list(store).await, [odd]);
}

fn seat(name: &str, room: &str, nick: &str) -> Seat {
    Seat::new(account(name), occupant(room, nick))
}

fn account(name: &str) -> BareJid {
    format!("{name}@a.example").parse().expect("a bare JID")
}

fn occupant(room: &str, nick: &str) -> FullJid {
    let room: BareJid = format!("{room}@muc.example").parse().expect("a bare JID");
    room.with_resource_str(nick).expect("a nick")
}

async fn put(store: &impl SeatStore, seat: &Seat) {
    store.put(seat.clone()).await.expect("a working store");
}

async fn list(store: &impl SeatStore) -> Vec<Seat> {
    store.list().await.expect("a working store")
}
