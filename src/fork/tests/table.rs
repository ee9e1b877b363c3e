//! The rules against the table of the digest, cell by cell. `table.md` is
//! data: it is written in the words of the specifications, and what the words
//! mean stands here, not in the rules.

use jid::{BareJid, FullJid};

use crate::stanza::Stanza;

use super::super::rules::{Audience, Case, Decision, Direction, Pass, Skip, decide};

const TABLE: &str = include_str!("table.md");

/// One message that a row of the table speaks of.
struct Sample {
    dir: String,
    stanza: Stanza,
    with_occupant: bool,
    answers_eligible: bool,
}

/// What a cell demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    None,
    ToAll,
    InRoom,
}

#[test]
fn the_rules_copy_what_the_table_says_and_nothing_else() {
    let rows = rows();
    assert_eq!(rows.len(), 29);
    let mut samples_in_all = 0;
    for row in &rows {
        let [number, dir, type_, to, payload, _] = row;
        let samples = samples(dir, type_, to, payload);
        assert!(!samples.is_empty(), "row {number} speaks of nothing");
        samples_in_all += samples.len();
        for sample in samples {
            let expected = expected(&rows, row, &sample);
            let decision = inquire(&sample);
            let copies = match decision {
                Decision::Skip(_) => Copies::None,
                Decision::Copy(_, Audience::All) => Copies::ToAll,
                Decision::Copy(_, Audience::InRoom) => Copies::InRoom,
            };
            let stanza = sample.stanza.to_xml();
            assert_eq!(copies, expected, "row {number}: {decision:?} for {stanza}");
        }
    }
    // A row must not shrink unseen.
    assert_eq!(samples_in_all, 114);
}

#[test]
fn a_message_to_oneself_is_copied_as_sent_and_on_one_of_its_two_ways_only() {
    let stanza = message("self", "chat", "A → A", "<body>hi</body>");
    let sample = Sample::of("out", stanza.clone());
    assert_eq!(inquire(&sample), Decision::Skip(Skip::ToOneself));
    let account = account();
    let case = Sample::of("in", stanza);
    let case = case.case(&account, Pass::Inward);
    assert_eq!(case.direction(), Direction::Sent);
    assert_eq!(case.own_sender(), Some(&phone()));
}

/// What the cell of this row demands for this sample.
fn expected(rows: &[[String; 6]], row: &[String; 6], sample: &Sample) -> Copies {
    match row[5].as_str() {
        "RFC + others W"
        | "target raw + others W"
        | "RFC + W"
        | "target + W"
        | "W (eligible)"
        | "others W sent"
        | "W sent" => Copies::ToAll,
        "RFC"
        | "RFC (A)"
        | "target"
        | "target only"
        | "RFC; no W"
        | "drop"
        | "–"
        | "E unless a MUC layer claims it" => Copies::None,
        "W to sessions joined to R, MAY inject x" => Copies::InRoom,
        "only with IM payload" => match sample.stanza.payload() {
            Some(_) => Copies::ToAll,
            None => Copies::None,
        },
        // The digest's row 29: by the way in.
        "sent W to others; incoming side must not produce a second copy to anyone" => Copies::ToAll,
        "ignore marker" => {
            let mut without = sample.stanza.clone();
            without.remove_child("im-ng", "urn:xmpp:im-ng:0");
            match inquire(&Sample::of("in", without)) {
                Decision::Skip(_) => Copies::None,
                Decision::Copy(..) => Copies::ToAll,
            }
        }
        other => match other.strip_prefix("as #") {
            Some(number) => {
                let same = rows.iter().find(|row| row[0] == number).unwrap();
                expected(rows, same, sample)
            }
            None => panic!("nobody said what {other:?} means"),
        },
    }
}

fn samples(dir: &str, type_: &str, to: &str, payload: &str) -> Vec<Sample> {
    let types: &[&str] = match type_ {
        "any" => &["chat", "normal", "headline", "groupchat", "error"],
        "normal/chat" => &["normal", "chat"],
        "chat/normal" => &["chat", "normal"],
        one => &[one],
    };
    let tos: &[&str] = match to {
        "any" => &["bare", "full, match"],
        "full" => &["full, match", "full, no match"],
        one => &[one],
    };
    let mut samples = Vec::new();
    for type_ in types {
        for to in tos {
            for contents in contents(payload) {
                let mut sample = Sample::of(dir, message(dir, type_, to, contents));
                sample.answers_eligible = payload.starts_with("answers eligible");
                // "or tracked room"
                sample.with_occupant = payload.starts_with("MUC PM") && !contents.contains("<x");
                samples.push(sample);
            }
        }
    }
    samples
}

/// The children that the words of the column mean, one message each.
fn contents(payload: &str) -> &'static [&'static str] {
    match payload {
        "none" | "body" | "–" | "other" | "answers eligible message" | "answers eligible" => {
            &["<body>hi</body>"]
        }
        "no body" => &["", "<received xmlns='urn:xmpp:receipts' id='m0'/>"],
        "no body, no IM payload" => &["", "<subject>hi</subject>"],
        "no body, no IM payload (e.g. PEP-like, IBB)" => &[
            "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
            "<data xmlns='http://jabber.org/protocol/ibb'/>",
        ],
        "only receipt/state/marker" => &[
            "<received xmlns='urn:xmpp:receipts' id='m0'/>",
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>",
        ],
        "private+no-copy" => &[
            "<body>hi</body><private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/>",
        ],
        "private/no-copy" => &[
            "<body>hi</body><private xmlns='urn:xmpp:carbons:2'/>",
            "<body>hi</body><no-copy xmlns='urn:xmpp:hints'/>",
        ],
        "MUC PM" | "MUC PM (`<x muc#user>` or tracked room)" => &[
            "<body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'/>",
            "<body>hi</body>",
        ],
        "0249 or mediated invite" => &[
            "<x xmlns='jabber:x:conference' jid='room@muc.example'/>",
            "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@b.example'/></x>",
        ],
        "`<im-ng/>`" => &[
            "<body>hi</body><im-ng xmlns='urn:xmpp:im-ng:0'/>",
            "<im-ng xmlns='urn:xmpp:im-ng:0'/>",
        ],
        other => panic!("nobody said what {other:?} means"),
    }
}

fn message(dir: &str, type_: &str, to: &str, contents: &str) -> Stanza {
    let (from, to) = match (dir, to) {
        ("in", "bare") => ("bob@b.example/x", "alice@a.example"),
        ("in", "full, match") => ("bob@b.example/x", "alice@a.example/phone"),
        ("in", "full, no match") => ("bob@b.example/x", "alice@a.example/gone"),
        ("out", "bare") => ("alice@a.example/phone", "bob@b.example"),
        ("out", "full, match" | "full, no match") => ("alice@a.example/phone", "bob@b.example/x"),
        ("out", "R/n") => ("alice@a.example/phone", "room@muc.example/Bob"),
        ("self", "A → A") => ("alice@a.example/phone", "alice@a.example"),
        other => panic!("nobody said what {other:?} means"),
    };
    let message =
        format!("<message from='{from}' to='{to}' type='{type_}' id='m1'>{contents}</message>");
    Stanza::parse(message.as_bytes()).unwrap()
}

fn inquire(sample: &Sample) -> Decision {
    let (account, phone) = (account(), phone());
    let pass = match sample.dir.as_str() {
        "out" => Pass::Outward(&phone),
        "in" | "self" => Pass::Inward,
        other => panic!("nobody said what {other:?} means"),
    };
    decide(&sample.case(&account, pass))
}

impl Sample {
    fn of(dir: &str, stanza: Stanza) -> Self {
        Self {
            dir: dir.to_owned(),
            stanza,
            with_occupant: false,
            answers_eligible: false,
        }
    }

    fn case<'a>(&'a self, account: &'a BareJid, pass: Pass<'a>) -> Case<'a> {
        Case {
            account,
            pass,
            stanza: &self.stanza,
            with_occupant: self.with_occupant,
            answers_eligible: self.answers_eligible,
        }
    }
}

fn rows() -> Vec<[String; 6]> {
    TABLE
        .lines()
        .skip(2)
        .map(|line| {
            let cells: Vec<_> = line
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect();
            cells.try_into().expect("a row has six cells")
        })
        .collect()
}

fn account() -> BareJid {
    "alice@a.example".parse().unwrap()
}

fn phone() -> FullJid {
    "alice@a.example/phone".parse().unwrap()
}
