//! What holds whoever takes part in whichever way: devices × priorities ×
//! modes × types × markers, over three hosts of which one does not fork.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, any, prop_assert, proptest};
use proptest::sample::{select, subsequence};
use tower_xmpp::fork::{ForkLayer, Mode};
use tower_xmpp::stanza::{ElementRef, Stanza, ns};
use tower_xmpp::testkit::{Session, World};

/// Dave shares a host with Alice; Carol's has no layers.
const ACCOUNTS: [&str; 4] = [
    "alice@a.example",
    "dave@a.example",
    "bob@b.example",
    "carol@c.example",
];

const MARKS: [&str; 6] = [
    "<private xmlns='urn:xmpp:carbons:2'/>",
    "<no-copy xmlns='urn:xmpp:hints'/>",
    "<im-ng xmlns='urn:xmpp:im-ng:0'/>",
    "<received xmlns='urn:xmpp:receipts' id='m0'/>",
    "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "<propose xmlns='urn:xmpp:jingle-message:0' id='c0'/>",
];

#[derive(Clone, Debug)]
struct Device {
    account: &'static str,
    priority: Option<i8>,
    modes: Vec<Mode>,
}

#[derive(Clone, Debug)]
struct Step {
    from: usize,
    to: To,
    type_: &'static str,
    has_body: bool,
    marks: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Account(&'static str),
    Device(usize),
    Absent(&'static str),
}

/// A message, sent.
struct Sent {
    id: String,
    by: usize,
    /// Whose it is for.
    account: &'static str,
    stanza: Stanza,
    /// An ordinary chat that says something.
    is_plain_chat: bool,
}

/// What a session got of a message.
struct Got {
    message: usize,
    wrapper: Option<Mode>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_everything_once_and_as_it_was(
        seed in any::<u64>(),
        devices in vec(device(), 2..=7),
        steps in vec(step(), 1..=10),
    ) {
        check(seed, &devices, &steps)?;
    }
}

fn device() -> impl Strategy<Value = Device> {
    let modes = subsequence(Mode::ALL.to_vec(), 0..=2);
    (select(&ACCOUNTS[..]), option::of(-1..=2_i8), modes).prop_map(|(account, priority, modes)| {
        Device {
            account,
            priority,
            modes,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let to =
        (0..3_u8, select(&ACCOUNTS[..]), any::<usize>()).prop_map(|(kind, account, device)| {
            match kind {
                0 => To::Account(account),
                1 => To::Device(device),
                _ => To::Absent(account),
            }
        });
    let types = &[
        "chat",
        "chat",
        "chat",
        "normal",
        "headline",
        "groupchat",
        "error",
    ][..];
    let marks = subsequence(MARKS.to_vec(), 0..=2);
    let marks = option::weighted(0.4, marks).prop_map(Option::unwrap_or_default);
    (any::<usize>(), to, select(types), any::<bool>(), marks).prop_map(
        |(from, to, type_, has_body, marks)| Step {
            from,
            to,
            type_,
            has_body,
            marks,
        },
    )
}

fn check(seed: u64, devices: &[Device], steps: &[Step]) -> Result<(), TestCaseError> {
    let w = World::seeded(seed);
    w.host("a.example", ForkLayer::new())
        .host("b.example", ForkLayer::new())
        .host("c.example", ());
    let sessions: Vec<Session> = (0..)
        .zip(devices)
        .map(|(number, device)| bind(&w, number, device))
        .collect();
    let sent: Vec<Sent> = (0..)
        .zip(steps)
        .map(|(number, step)| send(number, step, devices, &sessions))
        .collect();
    w.settle();
    let came: Vec<_> = sessions.iter().map(Session::take_all).collect();
    w.abandon();
    let mut got: Vec<Vec<Got>> = Vec::new();
    let mut refused = BTreeSet::new();
    for stanzas in came {
        let mut of_session = Vec::new();
        let mut told = BTreeSet::new();
        for stanza in stanzas {
            match arrival(&stanza, &sent, &sessions)? {
                Some(arrived) => of_session.push(arrived),
                None => {
                    // By itself, in a carbon copy, or as IM-NG has it for all.
                    let id = stanza.id().unwrap_or_default().to_owned();
                    prop_assert!(
                        told.insert(id.clone()) || id.is_empty(),
                        "told twice of {id}"
                    );
                    refused.insert(id);
                }
            }
        }
        got.push(of_session);
    }

    for (number, got) in got.iter().enumerate() {
        once_in_order_and_not_back(number, got, &sent, devices)?;
    }
    for (number, message) in sent.iter().enumerate() {
        if message.is_plain_chat && !refused.contains(&message.id) {
            everybody_got(number, message, &got, devices)?;
        }
    }
    Ok(())
}

fn bind(w: &World, number: usize, device: &Device) -> Session {
    let enabled: Vec<_> = device.modes.iter().map(|mode| mode.namespace()).collect();
    let session = w.bind_with(&format!("{}/d{number}", device.account), &enabled);
    match device.priority {
        Some(priority) => session.priority(priority),
        None => session,
    }
}

fn send(number: usize, step: &Step, devices: &[Device], sessions: &[Session]) -> Sent {
    let by = step.from % devices.len();
    let (account, to) = match step.to {
        To::Account(account) => (account, account.to_owned()),
        To::Absent(account) => (account, format!("{account}/gone")),
        To::Device(device) => {
            let device = device % devices.len();
            (devices[device].account, sessions[device].to_string())
        }
    };
    let (id, type_) = (format!("m{number}"), step.type_);
    let body = if step.has_body { "<body>hi</body>" } else { "" };
    let marks = step.marks.concat();
    let message = format!("<message to='{to}' type='{type_}' id='{id}'>{body}{marks}</message>");
    let stanza = Stanza::parse(message.as_bytes()).expect("XML");
    sessions[by].send(stanza.clone());
    Sent {
        id,
        by,
        account,
        stanza: stanza.with_from(sessions[by].jid().clone()),
        is_plain_chat: type_ == "chat" && step.has_body && step.marks.is_empty(),
    }
}

/// What came, compared with what was sent; `None` for an error that tells the
/// sender that nobody has it.
fn arrival(
    stanza: &Stanza,
    sent: &[Sent],
    sessions: &[Session],
) -> Result<Option<Got>, TestCaseError> {
    let wrapped = [Mode::Carbons, Mode::Mr2, Mode::Goal]
        .into_iter()
        .find_map(|mode| {
            let wrapper = ["received", "sent"]
                .into_iter()
                .find_map(|name| stanza.child(name, mode.namespace()))?;
            let forwarded = wrapper.child("forwarded", ns::FORWARD)?;
            Some((mode, forwarded.child("message", ns::CLIENT)?.to_xml()))
        });
    let (wrapper, inner) = match wrapped {
        Some((mode, inner)) => (Some(mode), Stanza::parse(inner.as_bytes()).expect("XML")),
        None => (None, stanza.clone()),
    };
    let id = inner.id().unwrap_or_default();
    let message = sent.iter().position(|sent| sent.id == id);
    let message = message.expect("everything was sent by somebody");
    let sender: &jid::Jid = sessions[sent[message].by].jid();
    if inner.from() != Some(sender) {
        let is_answer = inner.is_error() && matches!(wrapper, None | Some(Mode::Carbons));
        prop_assert!(is_answer, "{}", stanza.to_xml());
        return Ok(None);
    }
    let (was, is) = (&sent[message].stanza, &inner);
    prop_assert!(
        is.to() == was.to() && is.type_() == was.type_(),
        "{}",
        is.to_xml()
    );
    let children =
        |stanza: &Stanza| -> Vec<String> { stanza.children().map(ElementRef::to_xml).collect() };
    let (was, is) = (children(was), children(is));
    prop_assert!(
        was == is,
        "untouched, and no copy of a copy: {was:?} became {is:?}"
    );
    Ok(Some(Got { message, wrapper }))
}

fn once_in_order_and_not_back(
    number: usize,
    got: &[Got],
    sent: &[Sent],
    devices: &[Device],
) -> Result<(), TestCaseError> {
    let device = &devices[number];
    let mode = mode(device);
    let mut seen = BTreeSet::new();
    let mut latest = BTreeMap::new();
    for Got { message, wrapper } in got {
        let Sent {
            id, by, account, ..
        } = &sent[*message];
        prop_assert!(seen.insert(message), "{id} came to d{number} twice");
        prop_assert!(
            wrapper.is_none() || *wrapper == mode,
            "{id} came as {wrapper:?}"
        );
        let to_oneself = *account == device.account;
        let reflects = mode == Some(Mode::ImNg);
        prop_assert!(
            *by != number || to_oneself || reflects,
            "{id} came back to d{number}"
        );
        let before = latest.insert((by, account), *message);
        prop_assert!(before < Some(*message), "{id} came to d{number} too late");
    }
    Ok(())
}

/// Every session that takes part has the message, on either side.
fn everybody_got(
    number: usize,
    message: &Sent,
    got: &[Vec<Got>],
    devices: &[Device],
) -> Result<(), TestCaseError> {
    let own = devices[message.by].account;
    for (at, device) in devices.iter().enumerate() {
        let Some(mode) = mode(device) else { continue };
        let concerns = device.account == own || device.account == message.account;
        if !concerns || (at == message.by && mode != Mode::ImNg) {
            continue;
        }
        let has_it = got[at].iter().any(|got| got.message == number);
        prop_assert!(has_it, "{} did not come to d{at}", message.id);
    }
    Ok(())
}

/// The mode that counts, where somebody forks.
fn mode(device: &Device) -> Option<Mode> {
    let forks = !device.account.ends_with("c.example");
    device.modes.iter().max().copied().filter(|_| forks)
}
