//! Whoever belongs into a room is back after one message, whatever came before.

use proptest::prelude::*;
use tower_xmpp::testkit::{World, xml};

use super::house::ROOM;
use super::town::Town;

const NAMES: [&str; 3] = ["alice", "carol", "dave"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Joins(usize),
    Leaves(usize),
    Says,
    /// The rooms forget who is there.
    Crashes,
    /// Time for a tick.
    TimePasses,
    Settles,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..NAMES.len();
    let step = prop_oneof![
        4 => who.clone().prop_map(Step::Joins),
        2 => who.prop_map(Step::Leaves),
        2 => Just(Step::Says),
        1 => Just(Step::Crashes),
        2 => Just(Step::TimePasses),
        2 => Just(Step::Settles),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn one_message_after_a_crash_brings_back_who_belongs_there_and_nobody_else(
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let town = Town::built(World::seeded(seed), true);
        let sessions = NAMES.map(|name| town.w.session(&format!("{name}@a.example/x")));
        let mut belongs = [false; NAMES.len()];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Joins(who) => {
                    let name = NAMES[who];
                    sessions[who].send(xml!(
                        "<presence to='{ROOM}/{name}'>\
                         <x xmlns='http://jabber.org/protocol/muc'/></presence>"
                    ));
                    belongs[who] = true;
                }
                Step::Leaves(who) => {
                    let name = NAMES[who];
                    sessions[who].send(xml!("<presence type='unavailable' to='{ROOM}/{name}'/>"));
                    belongs[who] = false;
                }
                Step::Says => {
                    town.bob.send(xml!(
                        "<message to='{ROOM}' type='groupchat' id='m{number}'>\
                         <body>hi</body></message>"
                    ));
                }
                Step::Crashes => town.crash(),
                Step::TimePasses => town.says("t"),
                Step::Settles => {
                    town.w.settle();
                }
            }
        }
        // A leave that the crashed room never answered has been given up by then.
        town.w.advance(std::time::Duration::from_secs(180));
        town.crash();
        town.says("last");
        let mut expected: Vec<String> = Vec::new();
        for (who, name) in NAMES.iter().enumerate() {
            if belongs[who] {
                expected.push(format!("{name}@a.example"));
            }
        }
        prop_assert_eq!(town.there(), expected);
        for session in &sessions {
            let pushed = session.take_all();
            let pushed = pushed.iter().find(|stanza| stanza.is_request());
            prop_assert!(pushed.is_none(), "a client was woken: {:?}", pushed);
        }
        // One registration each, and none of who has left.
        let targets = town.targets();
        let mut known: Vec<_> = targets.iter().map(|it| it.account.to_string()).collect();
        known.sort();
        prop_assert_eq!(known, town.there());
        town.w.abandon();
    }
}
