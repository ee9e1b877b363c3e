//! What the state does at its bounds, and for any traffic.

use std::collections::BTreeSet;
use std::sync::Arc;

use jid::BareJid;
use proptest::prelude::*;

use crate::flow::{Affiliation, Away, Member, Snapshot};
use crate::stanza::{Stanza, Time};

use super::rules::Bounce;
use super::state::{Bounced, Rooms};
use super::{Limits, Registration};

fn room() -> BareJid {
    "tea@muc.example".parse().unwrap()
}

/// Names of which some are prefixes of others, as sorting has it.
fn account(number: usize) -> BareJid {
    let name = ["a", "a-b", "ab", "a.b", "b", "ä"][number % 6];
    format!("{name}{}@a.example", "x".repeat(number / 6))
        .parse()
        .unwrap()
}

fn snapshot(occupants: &[usize], members: &[(usize, Affiliation)]) -> Arc<Snapshot> {
    let occupants: BTreeSet<_> = occupants.iter().map(|number| account(*number)).collect();
    let members: std::collections::BTreeMap<_, _> = members
        .iter()
        .map(|(number, affiliation)| (account(*number), *affiliation))
        .collect();
    Arc::new(Snapshot {
        room: room(),
        occupants: occupants.into_iter().collect(),
        members: members
            .into_iter()
            .map(|(jid, affiliation)| Member {
                jid,
                affiliation,
                nick: None,
            })
            .collect(),
        members_only: false,
        revision: 0,
    })
}

fn rooms(limits: Limits, registered: &[(usize, bool)]) -> Rooms {
    let mut rooms = Rooms::new(limits);
    for (number, paused) in registered {
        let mut registration = Registration::new(room(), account(*number));
        registration.paused = *paused;
        rooms.put(&registration);
    }
    rooms
}

fn message(id: &str) -> Stanza {
    Stanza::message().with_id(id)
}

fn forward(rooms: &mut Rooms, snapshot: &Arc<Snapshot>, id: &str) -> Vec<String> {
    let (to, done) = rooms.forward(Time::EPOCH, snapshot, &message(id));
    assert_eq!(done, Ok(()));
    let to = to.iter().flat_map(Away::iter);
    to.map(ToString::to_string).collect()
}

fn affiliation() -> impl Strategy<Value = Affiliation> {
    prop::sample::select(vec![
        Affiliation::Outcast,
        Affiliation::Member,
        Affiliation::Admin,
        Affiliation::Owner,
    ])
}

proptest! {
    #[test]
    fn who_is_away_is_what_the_rule_says(
        registered in prop::collection::btree_map(0..12usize, any::<bool>(), 0..12),
        occupants in prop::collection::vec(0..12usize, 0..12),
        members in prop::collection::vec((0..12usize, affiliation()), 0..12),
    ) {
        let registered: Vec<_> = registered.into_iter().collect();
        let mut rooms = rooms(Limits::default(), &registered);
        let snapshot = snapshot(&occupants, &members);
        let mut expected: Vec<String> = registered
            .iter()
            .filter(|(_, paused)| !paused)
            .map(|(number, _)| account(*number))
            .filter(|account| !snapshot.occupants.contains(account))
            .filter(|account| snapshot.members.iter().any(|member| {
                member.jid == *account && member.affiliation >= Affiliation::Member
            }))
            .map(|account| account.to_string())
            .collect();
        expected.sort();
        // Twice: the second time it is remembered.
        for id in ["m1", "m2"] {
            let mut got = forward(&mut rooms, &snapshot, id);
            got.sort();
            prop_assert_eq!(&got, &expected);
        }
        // Whoever got it may bounce it, and nobody else.
        for number in 0..12 {
            let bounced = rooms.bounced(&room(), &account(number), Some("m1"), Bounce::Transient);
            let is_known = expected.contains(&account(number).to_string());
            prop_assert_eq!(bounced == Bounced::Noted, is_known);
        }
    }

    #[test]
    fn whatever_happens_the_state_stays_within_its_bounds(
        steps in prop::collection::vec((0..8usize, 0..6usize), 0..200),
    ) {
        let limits = Limits { per_room: 3, total: 3, copies: 1, waiting: 2, refusals: 2 };
        let mut rooms = Rooms::new(limits);
        let members: Vec<_> = (0..6).map(|number| (number, Affiliation::Member)).collect();
        let mut now = Time::EPOCH;
        for (step, who) in steps {
            let account = account(who);
            match step {
                0 | 1 if rooms.has_space(&room(), &account) => {
                    rooms.put(&Registration::new(room(), account));
                }
                2 => {
                    rooms.remove(&room(), &account);
                }
                3 | 4 => {
                    let _ = rooms.forward(now, &snapshot(&[who], &members), &message("m"));
                }
                5 => {
                    now = now + std::time::Duration::from_secs(3);
                    prop_assert!(rooms.due(now).len() <= 1);
                }
                6 if rooms.paused(&room(), &account).is_some() => {
                    let mut registration = Registration::new(room(), account);
                    registration.paused = true;
                    rooms.put(&registration);
                }
                7 => {
                    rooms.forgive(&room(), &account);
                }
                _ => {}
            }
            prop_assert!(rooms.waiting() <= limits.waiting);
            prop_assert!(rooms.registrants() <= limits.per_room);
        }
        rooms.remove_room(&room());
        prop_assert_eq!((rooms.waiting(), rooms.registrants()), (0, 0));
    }
}

#[test]
fn a_bounce_is_matched_with_the_newest_messages_only() {
    let mut rooms = rooms(Limits::default(), &[(0, false)]);
    let snapshot = snapshot(&[], &[(0, Affiliation::Member)]);
    for number in 0..200 {
        forward(&mut rooms, &snapshot, &format!("m{number}"));
    }
    let mut bounce = |id| rooms.bounced(&room(), &account(0), Some(id), Bounce::Gone);
    assert_eq!(bounce("m71"), Bounced::NotOurs);
    assert_eq!(bounce("m72"), Bounced::Over);
}

#[test]
fn one_bounce_that_comes_twice_counts_once() {
    let mut rooms = rooms(Limits::default(), &[(0, false)]);
    let snapshot = snapshot(&[], &[(0, Affiliation::Member)]);
    forward(&mut rooms, &snapshot, "m1");
    for _ in 0..10 {
        let bounced = rooms.bounced(&room(), &account(0), Some("m1"), Bounce::Refused);
        assert_eq!(bounced, Bounced::Noted);
    }
}

#[test]
fn whoever_is_registered_anew_is_told_apart_by_the_next_broadcast() {
    let mut rooms = rooms(Limits::default(), &[(0, false)]);
    let snapshot = snapshot(&[], &[(0, Affiliation::Member), (1, Affiliation::Member)]);
    assert_eq!(forward(&mut rooms, &snapshot, "m1").len(), 1);
    rooms.put(&Registration::new(room(), account(1)));
    assert_eq!(forward(&mut rooms, &snapshot, "m2").len(), 2);
    rooms.remove(&room(), &account(0));
    assert_eq!(forward(&mut rooms, &snapshot, "m3").len(), 1);
}
