//! Generated dialogues.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest::{option, prop_oneof};

use crate::stanza::{Element, Stanza, Type, ns};

use super::Violation;
use crate::testkit::{Session, World};

/// A dialogue: three accounts on two hosts, `a.example` and `b.example`, with
/// their devices, and what these send.
#[derive(Clone, Debug)]
pub struct Scene {
    /// For [`World::seeded`].
    pub seed: u64,
    /// Whether the layers, if there are several, stand the other way round:
    /// for the test to obey.
    pub swapped: bool,
    /// Everybody's devices, at least one.
    pub devices: Vec<Device>,
    /// What they send, each in order.
    pub steps: Vec<Step>,
}

/// A session, named `d0`, `d1`, … by its place in [`Scene::devices`].
#[derive(Clone, Debug)]
pub struct Device {
    /// Its account.
    pub account: &'static str,
    /// What its presence says; `None` for no presence.
    pub priority: Option<i8>,
    /// Whether it asks for carbons, if somebody is there to grant them.
    pub carbons: bool,
}

/// A message, with the ID `m0`, `m1`, … by its place in [`Scene::steps`].
#[derive(Clone, Debug)]
pub struct Step {
    /// Which device sends it.
    pub from: usize,
    /// To whom.
    pub to: To,
    /// Its type; `None` for none.
    pub type_: Option<&'static str>,
    /// Whether it has a body.
    pub body: bool,
    /// Markers and hints in it: name and namespace.
    pub marks: Vec<(&'static str, &'static str)>,
    /// What its sender pretends.
    pub forgery: Option<Forgery>,
}

/// To whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To this account's bare JID.
    Account(&'static str),
    /// To this device.
    Device(usize),
    /// To a resource of this account that is not there.
    Absent(&'static str),
}

/// What a sender pretends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// An archive ID by the account that it is for.
    ReceiversArchiveId,
    /// An archive ID by the own account.
    OwnArchiveId,
    /// A carbon copy of something.
    Carbon,
}

const ACCOUNTS: [&str; 3] = ["alice@a.example", "bob@a.example", "carol@b.example"];

const MOST_DEVICES: usize = 6;

/// Scenes with up to six devices and twelve messages.
pub fn scenes() -> impl Strategy<Value = Scene> {
    let device = (select(&ACCOUNTS[..]), option::of(-1..=2_i8), any::<bool>());
    let device = device.prop_map(|(account, priority, carbons)| Device {
        account,
        priority,
        carbons,
    });
    let (devices, steps) = (vec(device, 1..=MOST_DEVICES), vec(step(), 1..=12));
    let scene = (any::<u64>(), any::<bool>(), devices, steps);
    // Devices are named by numbers that fit any scene, and only here made
    // those of this one, so that a failing scene can lose a device.
    scene.prop_map(|(seed, swapped, devices, mut steps)| {
        for step in &mut steps {
            step.from %= devices.len();
            if let To::Device(device) = &mut step.to {
                *device %= devices.len();
            }
        }
        Scene {
            seed,
            swapped,
            devices,
            steps,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop_oneof![
        3 => select(&ACCOUNTS[..]).prop_map(To::Account),
        3 => (0..MOST_DEVICES).prop_map(To::Device),
        1 => select(&ACCOUNTS[..]).prop_map(To::Absent),
    ];
    let type_ = prop_oneof![
        3 => Just(Some("chat")),
        1 => Just(Some("normal")),
        1 => Just(None),
        1 => select(&["headline", "error", "groupchat", "unheard-of"][..]).prop_map(Some),
    ];
    let marks = select(
        &[
            ("private", ns::CARBONS),
            ("no-copy", ns::HINTS),
            ("no-store", ns::HINTS),
            ("store", ns::HINTS),
            ("received", ns::RECEIPTS),
            ("composing", ns::CHAT_STATES),
        ][..],
    );
    let forgery = select(
        &[
            Forgery::ReceiversArchiveId,
            Forgery::OwnArchiveId,
            Forgery::Carbon,
        ][..],
    );
    (
        0..MOST_DEVICES,
        to,
        type_,
        any::<bool>(),
        vec(marks, 0..=2),
        option::weighted(0.3, forgery),
    )
        .prop_map(|(from, to, type_, body, marks, forgery)| Step {
            from,
            to,
            type_,
            body,
            marks,
            forgery,
        })
}

impl Scene {
    /// Binds the devices and lets them send, in a world that hosts
    /// `a.example` and `b.example`, until nothing moves. All that comes is
    /// taken in: the record is what is to be [checked](World::check).
    pub fn play(&self, w: &World) {
        let devices: Vec<_> = self.devices.iter().enumerate().collect();
        let sessions: Vec<Session> = devices
            .into_iter()
            .map(|(number, device)| {
                let session = w.bind(&format!("{}/d{number}", device.account));
                if device.carbons {
                    let enable = Element::new("enable", ns::CARBONS);
                    session.send(Stanza::iq(Type::Set, "carbons-on").with_child(enable));
                }
                match device.priority {
                    Some(priority) => session.priority(priority),
                    None => session,
                }
            })
            .collect();
        for (number, step) in self.steps.iter().enumerate() {
            let sender = &sessions[step.from];
            sender.send(step.stanza(number, sender, &self.devices));
        }
        w.settle();
        for session in &sessions {
            session.take_all();
        }
    }
}

impl Step {
    fn stanza(&self, number: usize, sender: &Session, devices: &[Device]) -> Stanza {
        let (account, to) = match self.to {
            To::Account(account) => (account, account.to_owned()),
            To::Absent(account) => (account, format!("{account}/gone")),
            To::Device(device) => {
                let account = devices[device].account;
                (account, format!("{account}/d{device}"))
            }
        };
        let mut stanza = Stanza::message().with_id(format!("m{number}"));
        stanza.set_to(to.parse().ok());
        stanza.set_type(self.type_.map(Type::from));
        if self.body {
            stanza = stanza.with_text_child("body", "hi");
        }
        for (name, namespace) in &self.marks {
            stanza.push(Element::new(name, namespace));
        }
        if let Some(forgery) = self.forgery {
            stanza.push(forgery.element(account, sender));
        }
        stanza
    }
}

impl Forgery {
    fn element(self, receiver: &str, sender: &Session) -> Element {
        let stanza_id = |by: &str| {
            Element::new("stanza-id", ns::SID)
                .with_attr("by", by)
                .with_attr("id", "forged")
        };
        match self {
            Forgery::ReceiversArchiveId => stanza_id(receiver),
            Forgery::OwnArchiveId => stanza_id(sender.account().as_str()),
            Forgery::Carbon => {
                let message = Element::new("message", ns::CLIENT).with_attr("id", "forged");
                let forwarded = Element::new("forwarded", ns::FORWARD).with_child(message);
                Element::new("received", ns::CARBONS).with_child(forwarded)
            }
        }
    }
}

/// Plays `cases` scenes, chosen by the seed.
///
/// # Panics
/// If a check fails: with the smallest scene found for which it does, what
/// was violated, and the seed. The same seed leads there again.
pub fn hold(seed: u64, cases: u32, check: impl Fn(&Scene) -> Result<(), Violation>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    // The seed twice, once turned over: this generator must not start at zero.
    let bytes: Vec<u8> = [seed.to_le_bytes(), (!seed).to_le_bytes()].concat();
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&scenes(), |scene| {
        check(&scene).map_err(|violation| TestCaseError::fail(violation.to_string()))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, scene)) => {
            panic!("{why}\nin {scene:#?}\nfound with SEED={seed}")
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
