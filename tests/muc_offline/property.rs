//! Exactly once, whoever comes and goes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tower_xmpp::muc_offline::{Limits, Settings};
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{House, ROOM, submit};

const NAMES: [&str; 3] = ["alice", "carol", "dave"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Joins(usize),
    Leaves(usize),
    Says,
    Bans(usize),
    /// Everything so far happens before what follows.
    Settles,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..NAMES.len();
    let step = prop_oneof![
        3 => who.clone().prop_map(Step::Joins),
        3 => who.clone().prop_map(Step::Leaves),
        6 => Just(Step::Says),
        1 => who.prop_map(Step::Bans),
        2 => Just(Step::Settles),
    ];
    prop::collection::vec(step, 1..40)
}

/// How often each message reached one user: live in a session, from the
/// history, or forwarded to the account.
#[derive(Default)]
struct Got {
    live: BTreeMap<String, usize>,
    forwarded: BTreeMap<String, usize>,
}

fn got(house: &House, name: &str, session: &Session) -> Got {
    let mut got = Got::default();
    for stanza in session.take_all() {
        let is_history = stanza.has_child("delay", "urn:xmpp:delay");
        if let (Some(id), true, false) = (stanza.id(), stanza.has_body(), is_history) {
            *got.live.entry(id.to_owned()).or_default() += 1;
        }
    }
    for id in house.mail.ids(&format!("{name}@a.example")) {
        *got.forwarded.entry(id).or_default() += 1;
    }
    got
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_member_gets_each_message_once_by_broadcast_or_forwarded(
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let house = House::in_world(World::seeded(seed), Settings::default(), Limits::default());
        let sessions = NAMES.map(|name| {
            let session = house.w.session(&format!("{name}@a.example/x"));
            session.asks(submit(name, Some("1")));
            session
        });
        let mut said: Vec<String> = Vec::new();
        // How many messages had certainly been said when somebody was banned.
        let mut banned = [None; NAMES.len()];
        for step in steps {
            match step {
                Step::Joins(who) => {
                    let name = NAMES[who];
                    sessions[who].send(xml!(
                        "<presence to='{ROOM}/{name}'>\
                         <x xmlns='http://jabber.org/protocol/muc'/></presence>"
                    ));
                }
                Step::Leaves(who) => {
                    let name = NAMES[who];
                    sessions[who].send(xml!("<presence type='unavailable' to='{ROOM}/{name}'/>"));
                }
                Step::Says => {
                    let id = format!("m{}", said.len());
                    house.bob.send(xml!(
                        "<message to='{ROOM}' type='groupchat' id='{id}'><body>hi</body></message>"
                    ));
                    said.push(id);
                }
                Step::Bans(who) => {
                    house.w.settle();
                    let name = NAMES[who];
                    house.sets(&format!("<item affiliation='outcast' jid='{name}@a.example'/>"));
                    banned[who].get_or_insert(said.len());
                }
                Step::Settles => {
                    house.w.settle();
                }
            }
        }
        house.w.settle();
        house.bob.take_all();
        for (who, name) in NAMES.iter().enumerate() {
            let got = got(&house, name, &sessions[who]);
            for (number, id) in said.iter().enumerate() {
                let count = |table: &BTreeMap<String, usize>| table.get(id).copied().unwrap_or(0);
                let (live, forwarded) = (count(&got.live), count(&got.forwarded));
                let due = usize::from(banned[who].is_none_or(|at| number < at));
                prop_assert_eq!(
                    live + forwarded, due,
                    "{} got {} {} times live and {} times forwarded",
                    name, id, live, forwarded
                );
            }
        }
        house.w.abandon();
    }
}
