//! The outbox as a queue: what comes out, when, and in which order.

use std::time::Duration;

use jid::{FullJid, Jid};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::prop_oneof;

use super::{Class, Outbox, Parcel, Settings, classify};
use crate::stanza::{Stanza, Time, ns};

#[derive(Clone, Debug)]
struct Letter {
    session: FullJid,
    at: Time,
    stanza: Stanza,
}

impl Parcel for Letter {
    fn session(&self) -> &FullJid {
        &self.session
    }
    fn at(&self) -> Time {
        self.at
    }
    fn stanza(&self) -> &Stanza {
        &self.stanza
    }
    fn stanza_mut(&mut self) -> &mut Stanza {
        &mut self.stanza
    }
}

fn letter(at: u64, stanza: &str) -> Letter {
    Letter {
        session: "alice@a.example/phone".parse().unwrap(),
        at: Time::EPOCH + Duration::from_secs(at),
        stanza: Stanza::parse(stanza.as_bytes()).unwrap(),
    }
}

fn typing(from: &str, id: &str) -> Letter {
    letter(
        1,
        &format!(
            "<message from='{from}' id='{id}'>\
             <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ),
    )
}

fn body(from: &str, id: &str) -> Letter {
    letter(
        2,
        &format!("<message from='{from}' id='{id}'><body>hi</body></message>"),
    )
}

fn presence(from: &str, id: &str) -> Letter {
    letter(3, &format!("<presence from='{from}' id='{id}'/>"))
}

fn ids(outbox: &mut Outbox<Letter>) -> Vec<String> {
    std::iter::from_fn(|| outbox.pop())
        .map(|letter| letter.stanza.id().unwrap_or_default().to_owned())
        .collect()
}

fn inactive() -> Outbox<Letter> {
    let mut outbox = Outbox::new();
    outbox.inactive();
    outbox
}

const BOB: &str = "bob@b.example/x";

#[test]
fn for_an_active_client_nothing_waits_and_nothing_is_stamped() {
    let mut outbox = Outbox::new();
    outbox.push(typing(BOB, "1"));
    let out = outbox.pop().unwrap();
    assert!(!out.stanza.mentions(ns::DELAY));
    assert_eq!((outbox.held(), outbox.is_empty()), (0, true));
    let out = outbox.exchange(body(BOB, "2")).unwrap();
    assert_eq!(out.stanza.id(), Some("2"));
}

#[test]
fn what_is_important_lets_all_that_waits_go_out_before_it() {
    let mut outbox = inactive();
    for number in ["1", "2", "3"] {
        outbox.push(typing(BOB, number));
    }
    assert_eq!((ids(&mut outbox), outbox.held()), (vec![], 3));
    outbox.push(body("carol@b.example/y", "4"));
    assert_eq!(ids(&mut outbox), ["1", "2", "3", "4"]);
    outbox.push(typing(BOB, "5"));
    assert_eq!(
        ids(&mut outbox),
        [] as [&str; 0],
        "and the client is still inactive"
    );
}

#[test]
fn what_has_waited_says_since_when_and_what_says_so_already_is_left_alone() {
    let mut outbox = inactive();
    outbox.push(typing(BOB, "1"));
    let old = "<delay xmlns='urn:xmpp:delay' from='b.example' stamp='1969-12-31T00:00:00Z'/>";
    let mut offline = typing(BOB, "2");
    let delay = crate::stanza::RawXml::parse(old.as_bytes()).unwrap();
    offline.stanza.push(delay);
    outbox.push(offline);
    outbox.push(body(BOB, "3"));
    let delays = |outbox: &mut Outbox<Letter>| {
        let stanza = outbox.pop().unwrap().stanza;
        let delays: Vec<_> = stanza
            .children()
            .filter(|child| child.is("delay", ns::DELAY))
            .map(|delay| {
                (
                    delay.attr("from").unwrap().to_owned(),
                    delay.attr("stamp").unwrap().to_owned(),
                )
            })
            .collect();
        delays
    };
    let since = (
        "a.example".to_owned(),
        "1970-01-01T00:00:01.000Z".to_owned(),
    );
    assert_eq!(delays(&mut outbox), [since]);
    assert_eq!(
        delays(&mut outbox),
        [("b.example".to_owned(), "1969-12-31T00:00:00Z".to_owned())]
    );
    assert_eq!(delays(&mut outbox), []);
}

#[test]
fn of_one_occupants_presence_the_newest_goes_out_and_at_its_own_place() {
    let mut outbox = inactive();
    let (one, other) = ("room@muc.example/one", "room@muc.example/other");
    outbox.push(presence(one, "1"));
    outbox.push(presence(other, "2"));
    outbox.push(typing(one, "3"));
    outbox.push(presence(one, "4"));
    assert_eq!(outbox.held(), 3);
    outbox.active();
    assert_eq!(ids(&mut outbox), ["2", "3", "4"]);
}

#[test]
fn one_more_than_may_wait_lets_all_go_out() {
    let mut outbox = inactive();
    let capacity = Settings::default().capacity;
    for number in 0..capacity {
        outbox.push(typing(BOB, &number.to_string()));
    }
    assert_eq!((outbox.len(), outbox.held()), (0, capacity));
    outbox.push(typing(BOB, "last"));
    assert_eq!((outbox.len(), outbox.held()), (capacity + 1, 0));
    assert_eq!(ids(&mut outbox).last().unwrap(), "last");
    // A crowd that comes and goes does not fill it.
    for number in 0..3 * capacity {
        outbox.push(presence("room@muc.example/one", &number.to_string()));
    }
    assert_eq!((outbox.len(), outbox.held()), (0, 1));
}

#[test]
fn the_oldest_waits_for_an_hour_at_most() {
    let mut outbox = inactive();
    outbox.push(typing(BOB, "1"));
    let hour = Time::EPOCH + Duration::from_secs(60 * 60);
    outbox.tick(hour);
    assert_eq!(outbox.held(), 1);
    outbox.tick(hour + Duration::from_secs(1));
    assert_eq!(ids(&mut outbox), ["1"]);
}

#[test]
fn what_a_session_leaves_comes_out_in_order_and_unstamped() {
    let mut outbox = inactive();
    outbox.push(body(BOB, "1"));
    outbox.push(typing(BOB, "2"));
    let inside: Vec<_> = outbox
        .iter()
        .map(|letter| letter.stanza.id().unwrap())
        .collect();
    assert_eq!(inside, ["1", "2"]);
    let left: Vec<_> = outbox.drain().collect();
    assert!(left.iter().all(|letter| !letter.stanza.mentions(ns::DELAY)));
    assert_eq!(left.len(), 2);
    assert_eq!((outbox.len(), outbox.held()), (0, 0));
}

#[test]
fn a_host_may_say_itself_what_can_wait() {
    let settings = Settings {
        classify: |stanza| match stanza.body_text().as_deref() {
            Some("later") => Class::Newest,
            _ => classify(stanza),
        },
        ..Settings::default()
    };
    let mut outbox = Outbox::with(settings);
    outbox.inactive();
    outbox.push(letter(1, "<message id='1'><body>later</body></message>"));
    assert_eq!(outbox.held(), 1);
}

/// What happens to an outbox.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push { kind: u8, from: u8, pops: bool },
    Active,
    Inactive,
    Tick,
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u8, 0..3_u8, any::<bool>())
            .prop_map(|(kind, from, pops)| Step::Push { kind, from, pops }),
        1 => Just(Step::Active),
        2 => Just(Step::Inactive),
        1 => Just(Step::Tick),
        2 => Just(Step::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: nothing is lost but presence that was replaced,
    /// nothing comes twice, all comes in the order in which it was put in.
    #[test]
    fn nothing_is_lost_or_doubled_and_the_order_stays(steps in proptest::collection::vec(step(), 1..200)) {
        let settings = Settings { capacity: 8, ..Settings::default() };
        let mut outbox = Outbox::with(settings);
        let (mut put, mut got, mut newest) = (Vec::new(), Vec::new(), Vec::new());
        let mut note = |letter: Option<Letter>| {
            let found = letter.is_some();
            got.extend(letter.map(|letter| letter.stanza.id().unwrap().parse::<usize>().unwrap()));
            found
        };
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Push { kind, from, pops } => {
                    let from = format!("user{from}@b.example/x");
                    let id = number.to_string();
                    let letter = match kind {
                        0 => typing(&from, &id),
                        1 => body(&from, &id),
                        _ => presence(&from, &id),
                    };
                    let is_presence = *kind == 2;
                    let from: Jid = from.parse().unwrap();
                    put.push((number, is_presence));
                    newest.retain(|(known, _): &(Jid, usize)| !is_presence || *known != from);
                    if is_presence {
                        newest.push((from, number));
                    }
                    if *pops {
                        note(outbox.exchange(letter));
                    } else {
                        outbox.push(letter);
                    }
                }
                Step::Active => outbox.active(),
                Step::Inactive => outbox.inactive(),
                Step::Tick => outbox.tick(Time::EPOCH + Duration::from_secs(number as u64 * 600)),
                Step::Pop => {
                    note(outbox.pop());
                }
            }
        }
        outbox.active();
        while note(outbox.pop()) {}
        let mut sorted = got.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(&sorted, &got, "each once, in order");
        for (number, is_presence) in put {
            let is_newest = newest.iter().any(|(_, newest)| *newest == number);
            if !is_presence || is_newest {
                prop_assert!(got.contains(&number), "{} is lost", number);
            }
        }
    }
}
