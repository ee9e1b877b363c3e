//! The state at its bounds, and what repeated failures come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jid::{BareJid, Jid};
use proptest::prelude::*;

use crate::flow::{Affiliation, Member, Snapshot};
use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Time};

use super::audience::Said;
use super::state::{Rooms, Told};
use super::{Limits, Settings, Target, Verdict, judge};

fn room() -> BareJid {
    "tea@muc.example".parse().unwrap()
}

fn target(account: usize, node: usize) -> Target {
    let account: BareJid = format!("a{account}@a.example").parse().unwrap();
    Target {
        room: room(),
        jid: account.with_resource_str("phone").unwrap().into(),
        account,
        node: Some(node.to_string()),
        options: None,
    }
}

fn service() -> Target {
    Target {
        jid: "push.example".parse().unwrap(),
        ..target(0, 0)
    }
}

fn say(rooms: &mut Rooms, at: Time, present: &[Jid]) -> Told {
    say_in(rooms, at, present, Vec::new())
}

fn say_in(rooms: &mut Rooms, at: Time, present: &[Jid], members: Vec<Member>) -> Told {
    let mut occupants: Vec<_> = present.iter().map(Jid::to_bare).collect();
    occupants.sort();
    let snapshot = Snapshot {
        room: room(),
        occupants,
        members,
        members_only: false,
        revision: 0,
    };
    let audience: Arc<[Jid]> = present.into();
    let message = Stanza::message().with_type("groupchat".into());
    let said = Said {
        at,
        snapshot: &snapshot,
        audience: Some(&audience),
        author: None,
        message: &message.with_text_child("body", "hi"),
    };
    let mut number = at.micros().unsigned_abs();
    rooms.say(said, &Settings::default(), || {
        number += 1;
        number
    })
}

fn answer(type_: &str, id: &str, condition: &str) -> Stanza {
    let xml = format!(
        "<iq type='{type_}' id='{id}'><error type='cancel'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    );
    Stanza::parse(xml.as_bytes()).unwrap()
}

/// Lets the room speak once an hour, and refuses each notification.
fn refusals(target: Target, times: usize, condition: &str, rooms: &mut Rooms) -> usize {
    let mut asked = 0;
    for hour in 0..times {
        let at = Time::from_secs(3_600 * i64::try_from(hour).unwrap());
        for sent in say(rooms, at, &[]).send {
            asked += 1;
            let answer = answer("error", sent.id().unwrap(), condition);
            let settings = Settings::default();
            let known = rooms.answered(at, &room(), &target.jid, &answer, &settings);
            assert!(known.is_some());
        }
    }
    asked
}

#[test]
fn a_push_service_may_fail_sixteen_times_in_a_row_and_no_more() {
    let mut rooms = Rooms::new(Limits::default());
    rooms.put(service());
    let asked = refusals(service(), 20, "service-unavailable", &mut rooms);
    assert_eq!((asked, rooms.len()), (16, 0));
}

#[test]
fn one_result_begins_the_count_anew() {
    let mut rooms = Rooms::new(Limits::default());
    rooms.put(service());
    assert_eq!(refusals(service(), 15, "forbidden", &mut rooms), 15);
    let later = Time::from_secs(1_000_000);
    let sent = say(&mut rooms, later, &[]).send;
    let result = sent[0].reply();
    let settings = Settings::default();
    let heard = rooms.answered(later, &room(), &service().jid, &result, &settings);
    assert_eq!(heard, Some((Verdict::Woken, None)));
    // It has been there since.
    rooms.entered(&room(), &"a0@a.example/x".parse().unwrap());
    assert_eq!(refusals(service(), 15, "forbidden", &mut rooms), 15);
    assert_eq!(rooms.len(), 1);
}

#[test]
fn an_unreachable_server_is_asked_sixteen_times_and_a_client_that_is_gone_once() {
    for (condition, times) in [("remote-server-not-found", 16), ("gone", 1)] {
        let mut rooms = Rooms::new(Limits::default());
        rooms.put(target(0, 0));
        let asked = refusals(target(0, 0), 20, condition, &mut rooms);
        assert_eq!((asked, rooms.len()), (times, 0), "{condition}");
    }
}

#[test]
fn an_account_may_be_notified_itself_and_outlives_a_server_without_the_layer() {
    let mut account = target(0, 0);
    account.jid = account.account.clone().into();
    for (condition, times) in [("service-unavailable", 16), ("item-not-found", 1)] {
        let mut rooms = Rooms::new(Limits::default());
        rooms.put(account.clone());
        let asked = refusals(account.clone(), 20, condition, &mut rooms);
        assert_eq!((asked, rooms.len()), (times, 0), "{condition}");
    }
}

#[test]
fn an_account_in_the_room_is_there_for_its_clients() {
    let mut rooms = Rooms::new(Limits::default());
    rooms.put(target(0, 0));
    let told = say(&mut rooms, Time::EPOCH, &["a0@a.example".parse().unwrap()]);
    assert!(told.send.is_empty());
    let told = say(
        &mut rooms,
        Time::EPOCH,
        &["a0@a.example/desk".parse().unwrap()],
    );
    assert_eq!(told.send.len(), 1);
}

#[test]
fn the_table_of_answers() {
    let client = target(0, 0);
    let mut account = target(0, 0);
    account.jid = account.account.clone().into();
    for condition in Condition::ALL {
        let (of_client, of_account, of_service) = match condition {
            Condition::RemoteServerTimeout => (Verdict::Later, Verdict::Later, Verdict::Later),
            Condition::RemoteServerNotFound => (Verdict::Failed, Verdict::Failed, Verdict::Failed),
            Condition::ItemNotFound => (Verdict::Gone, Verdict::Gone, Verdict::Failed),
            _ => (Verdict::Gone, Verdict::Failed, Verdict::Failed),
        };
        for (target, verdict) in [
            (&client, of_client),
            (&account, of_account),
            (&service(), of_service),
        ] {
            let cancelled = answer("error", "p1", condition.as_str());
            assert_eq!(
                judge(&cancelled, target),
                verdict,
                "{condition:?} {target:?}"
            );
            let error = StanzaError::new(*condition).with_type(ErrorType::Wait);
            let waits = Stanza::iq("set".into(), "p1").with_from(room());
            let waits = waits.error_reply(&error).unwrap();
            assert_eq!(judge(&waits, target), Verdict::Later, "{condition:?}");
        }
    }
    let result = Stanza::iq("result".into(), "p1");
    assert_eq!(judge(&result, &client), Verdict::Woken);
}

#[test]
fn who_is_banned_in_the_snapshot_is_not_told_whatever_events_said() {
    let mut rooms = Rooms::new(Limits::default());
    rooms.put(target(0, 0));
    let mut everywhere = service();
    everywhere.room = "muc.example".parse().unwrap();
    rooms.put(everywhere);
    let outcast = Member {
        jid: target(0, 0).account,
        affiliation: Affiliation::Outcast,
        nick: None,
    };
    let told = say_in(&mut rooms, Time::EPOCH, &[], vec![outcast]);
    assert!(told.send.is_empty());
    assert_eq!(told.over, [target(0, 0)]);
    assert_eq!(rooms.len(), 1, "of all rooms, one is closed");
}

#[test]
fn where_there_is_no_space_one_may_still_renew_and_replace_ones_own() {
    let limits = Limits {
        per_account: 2,
        total: 2,
        ..Limits::default()
    };
    let mut rooms = Rooms::new(limits);
    rooms.put(target(0, 0));
    assert!(rooms.has_space(&target(1, 0)));
    rooms.put(target(1, 0));
    assert!(rooms.has_space(&target(0, 0)), "the same");
    assert!(!rooms.has_space(&target(0, 1)), "one more");
    rooms.remove(&room(), |other| other.is_same(&target(1, 0)));
    rooms.put(target(0, 1));
    assert!(rooms.has_space(&target(0, 2)), "the oldest makes it");
    assert!(!rooms.has_space(&target(1, 0)));
}

proptest! {
    #[test]
    fn whatever_happens_nobody_is_told_twice_and_nothing_grows(
        steps in prop::collection::vec((0..6usize, 0..4usize, 0..6usize), 0..120),
    ) {
        let limits = Limits { per_account: 2, total: 6, ..Limits::default() };
        let mut rooms = Rooms::new(limits);
        let mut open: BTreeMap<(Jid, Option<String>), usize> = BTreeMap::new();
        let key = |target: &Target| (target.jid.clone(), target.node.clone());
        for (step, who, node) in steps {
            let target = target(who, node);
            match step {
                0 | 1 if rooms.has_space(&target) => {
                    open.remove(&key(&target));
                    for gone in rooms.put(target) {
                        open.remove(&key(&gone));
                    }
                }
                2 => {
                    for gone in rooms.remove(&room(), |other| other.is_same(&target)) {
                        open.remove(&key(&gone));
                    }
                }
                3 => {
                    rooms.entered(&room(), &target.jid);
                    open.retain(|(jid, _), _| *jid != target.jid);
                }
                4 | 5 => {
                    let present: Vec<Jid> = (step == 5).then(|| target.jid.clone()).into_iter().collect();
                    for sent in say(&mut rooms, Time::EPOCH, &present).send {
                        let xml = sent.to_xml();
                        let node = (0..6).map(|node| node.to_string());
                        let mut node = node.filter(|node| xml.contains(&format!("node='{node}'")));
                        let to = sent.to().unwrap().clone();
                        prop_assert!(!present.contains(&to));
                        let count = open.entry((to, node.next())).or_default();
                        *count += 1;
                        prop_assert_eq!(*count, 1);
                    }
                    open.retain(|(jid, _), _| !present.contains(jid));
                }
                _ => {}
            }
            prop_assert!(rooms.len() <= limits.total);
        }
        rooms.remove(&room(), |_| true);
        prop_assert_eq!(rooms.len(), 0);
    }
}
