//! Whatever happens, each target has at most one open question and nobody is
//! told who must not be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use proptest::prelude::*;
use tower::ServiceBuilder;
use tower_xmpp::middleware::Shell;
use tower_xmpp::muc_push::{Limits, MucPushRoom, Settings, Targets};
use tower_xmpp::stanza::Condition;
use tower_xmpp::store::MemoryTargets;
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{PERSISTENT, ROOM, enable};
use super::oracle::{Oracle, answer};

const NAMES: [&str; 3] = ["alice", "carol", "dave"];
const FAILURES: u32 = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Joins(usize),
    Leaves(usize),
    Enables(usize, u8),
    Disables(usize, u8),
    /// Bob, who is always there, or one who may be.
    Says(usize),
    Affiliates(usize, &'static str),
    /// The oldest question that has not been answered is.
    Answers(usize, Answer),
    /// Somebody answers what was asked another.
    Spoofs(usize, usize, Answer),
    Hibernates(usize),
    Resumes(usize),
    Expires(usize),
    /// The rooms forget who is there.
    RoomsCrash,
    /// The process does, and begins with what it has stored.
    ProcessCrashes,
    /// In minutes.
    TimePasses(u64),
    /// Everything so far happens before what follows.
    Settles,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Result,
    Gone,
    Busy,
    /// Under an id that nobody gave.
    Nonsense,
}

impl Answer {
    fn condition(self) -> Option<Condition> {
        match self {
            Answer::Result => None,
            Answer::Gone | Answer::Nonsense => Some(Condition::ItemNotFound),
            Answer::Busy => Some(Condition::ResourceConstraint),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..NAMES.len();
    let answer = || {
        prop_oneof![
            3 => Just(Answer::Result),
            1 => Just(Answer::Gone),
            2 => Just(Answer::Busy),
            1 => Just(Answer::Nonsense),
        ]
    };
    let affiliation = prop_oneof![Just("outcast"), Just("none"), Just("member")];
    let step = prop_oneof![
        4 => who().prop_map(Step::Joins),
        3 => who().prop_map(Step::Leaves),
        6 => (who(), 0..3u8).prop_map(|(who, node)| Step::Enables(who, node)),
        1 => (who(), 0..3u8).prop_map(|(who, node)| Step::Disables(who, node)),
        8 => (0..=NAMES.len()).prop_map(Step::Says),
        2 => (who(), affiliation).prop_map(|(who, what)| Step::Affiliates(who, what)),
        4 => (who(), answer()).prop_map(|(who, what)| Step::Answers(who, what)),
        2 => (who(), who(), answer()).prop_map(|(by, of, what)| Step::Spoofs(by, of, what)),
        1 => who().prop_map(Step::Hibernates),
        1 => who().prop_map(Step::Resumes),
        1 => who().prop_map(Step::Expires),
        1 => Just(Step::RoomsCrash),
        1 => Just(Step::ProcessCrashes),
        2 => prop_oneof![Just(2u64), Just(11), Just(61)].prop_map(Step::TimePasses),
        3 => Just(Step::Settles),
    ];
    prop::collection::vec(step, 1..60)
}

/// A room with Bob in it, an oracle that watches it, and three who come and go.
struct Scene {
    w: World,
    store: Arc<MemoryTargets>,
    oracle: Oracle,
    limits: Limits,
    bob: Session,
    users: [User; NAMES.len()],
}

struct User {
    session: Session,
    line: Line,
    /// Ids of what the room has asked it, the oldest first.
    asked: VecDeque<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Up,
    Hibernating,
    Gone,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let w = World::seeded(seed);
        let mut limits = Limits::default();
        (limits.per_account, limits.total) = (2, 5);
        let oracle = Oracle::new(limits, FAILURES);
        let store = Arc::new(MemoryTargets::default());
        let stack = ServiceBuilder::new()
            .layer(oracle.layer())
            .layer(layer(&w, &store, limits));
        w.host("muc.example", stack);
        w.rooms("muc.example").host("a.example", ());
        let bob = w.session("bob@a.example/x");
        let users = NAMES.map(|name| User {
            session: w.session(&format!("{name}@a.example/x")),
            line: Line::Up,
            asked: VecDeque::new(),
        });
        let scene = Self {
            w,
            store,
            oracle,
            limits,
            bob,
            users,
        };
        scene.bob.joins("tea@muc.example/Bob");
        scene.bob.configures(ROOM, [PERSISTENT]);
        scene
    }

    fn judges(&mut self, steps: Vec<Step>) -> Result<(), TestCaseError> {
        for (number, step) in steps.into_iter().enumerate() {
            self.plays(number, step);
            let faults = self.oracle.faults();
            prop_assert!(faults.is_empty(), "after {:?}: {:?}", step, faults);
        }
        // What is in force is what is kept, and it ends with the room.
        prop_assert_eq!(self.stored(), self.oracle.targets());
        prop_assert_eq!(self.oracle.faults(), Vec::<String>::new());
        self.bob.send(xml!(
            "<iq type='set' id='x' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"
        ));
        prop_assert_eq!(self.stored(), vec![]);
        Ok(())
    }

    fn plays(&mut self, number: usize, step: Step) {
        match step {
            Step::Joins(who) => self.sends(who, &format!(
                "<presence to='{ROOM}/{}'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
                NAMES[who]
            )),
            Step::Leaves(who) => self.sends(who, &format!(
                "<presence type='unavailable' to='{ROOM}/{}'/>",
                NAMES[who]
            )),
            Step::Enables(who, node) => {
                let jid = self.users[who].session.jid().to_string();
                self.sends(who, &enable(ROOM, &jid, &node.to_string(), ""));
            }
            Step::Disables(who, node) => {
                let jid = self.users[who].session.jid().to_string();
                self.sends(who, &format!(
                    "<iq type='set' id='d' to='{ROOM}'>\
                     <disable xmlns='urn:xmpp:push:0' jid='{jid}' node='{node}'/></iq>"
                ));
            }
            Step::Says(who) => {
                let said = format!(
                    "<message to='{ROOM}' type='groupchat' id='m{number}'><body>hi</body></message>"
                );
                match who < NAMES.len() {
                    true => self.sends(who, &said),
                    false => {
                        self.bob.send(xml!("{said}"));
                    }
                }
            }
            Step::Affiliates(who, what) => {
                let name = NAMES[who];
                self.bob.send(xml!(
                    "<iq type='set' id='a' to='{ROOM}'>\
                     <query xmlns='http://jabber.org/protocol/muc#admin'>\
                     <item affiliation='{what}' jid='{name}@a.example'/></query></iq>"
                ));
            }
            Step::Answers(who, what) => {
                self.reads();
                let id = self.users[who].asked.pop_front();
                self.answers(who, id, what);
            }
            Step::Spoofs(by, of, what) if by != of => {
                self.reads();
                let id = self.users[of].asked.back().cloned();
                self.answers(by, id, what);
            }
            Step::Spoofs(..) => {}
            Step::Hibernates(who) if self.users[who].line == Line::Up => {
                self.users[who].session.hibernate();
                self.users[who].line = Line::Hibernating;
            }
            Step::Resumes(who) if self.users[who].line == Line::Hibernating => {
                self.users[who].session.resume();
                self.users[who].line = Line::Up;
            }
            Step::Resumes(who) if self.users[who].line == Line::Gone => {
                self.users[who].session.binds_anew(&[]);
                self.users[who].line = Line::Up;
            }
            Step::Expires(who) if self.users[who].line == Line::Hibernating => {
                self.users[who].session.expire();
                self.users[who].line = Line::Gone;
            }
            Step::Hibernates(_) | Step::Resumes(_) | Step::Expires(_) => {}
            Step::RoomsCrash => {
                self.w.restart_rooms("muc.example");
                self.bob.joins("tea@muc.example/Bob");
            }
            Step::ProcessCrashes => {
                self.w.crash("muc.example");
                self.oracle.forgets();
                let again = ServiceBuilder::new()
                    .layer(self.oracle.layer())
                    .layer(layer(&self.w, &self.store, self.limits));
                self.w.start_again("muc.example", again);
                self.bob.joins("tea@muc.example/Bob");
            }
            Step::TimePasses(minutes) => {
                self.w.advance(Duration::from_secs(60 * minutes));
            }
            Step::Settles => {
                self.w.settle();
            }
        }
    }

    fn sends(&self, who: usize, stanza: &str) {
        if self.users[who].line == Line::Up {
            self.users[who].session.send(xml!("{stanza}"));
        }
    }

    fn answers(&self, who: usize, id: Option<String>, what: Answer) {
        let user = &self.users[who];
        let (Some(id), Line::Up) = (id, user.line) else {
            return;
        };
        let id = match what {
            Answer::Nonsense => format!("{id}0"),
            _ => id,
        };
        user.session.send(answer(&id, ROOM, what.condition()));
    }

    /// Everybody takes note of what the room asks.
    fn reads(&mut self) {
        for user in &mut self.users {
            let came = user.session.take_all();
            let asked = came.iter().filter(|stanza| stanza.is_request());
            let ids = asked.filter_map(|stanza| stanza.id().map(str::to_owned));
            user.asked.extend(ids);
        }
    }

    /// Clients and nodes that the store has, sorted.
    fn stored(&self) -> Vec<(String, String)> {
        self.w.settle();
        let all = block_on(self.store.all()).expect("memory does not fail");
        let all = all.into_iter();
        let mut stored: Vec<_> = all
            .map(|target| (target.jid.to_string(), target.node.unwrap_or_default()))
            .collect();
        stored.sort();
        stored
    }
}

fn layer(w: &World, store: &Arc<MemoryTargets>, limits: Limits) -> Shell<MucPushRoom> {
    let opened = MucPushRoom::open(store.clone(), Arc::new(w.entropy()), limits);
    let feature = block_on(opened).expect("memory does not fail");
    let mut settings = Settings::default();
    settings.failures = FAILURES;
    Shell::of(feature.settings(settings).doors(w.doors("muc.example")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_misses_something_is_asked_once_and_nobody_else_is(
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let mut scene = Scene::new(seed);
        let judged = scene.judges(steps);
        // Also when it has failed, and without a word about what nobody expected.
        scene.w.abandon();
        judged?;
    }
}
