//! The table of the digest as data, and what its words mean. `table.md` is
//! written in the words of the specifications, with the decisions that they
//! leave to us; what the words mean stands here, not in the rules.

use crate::fork::Mode;
use crate::stanza::Stanza;

const TABLE: &str = include_str!("table.md");

/// A row, and the messages that it speaks of.
pub(super) struct Row {
    pub(super) number: String,
    cells: [String; 4],
    pub(super) samples: Vec<Sample>,
}

/// One message that a row speaks of.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// "in", "out" or "self".
    pub(super) dir: String,
    pub(super) type_: String,
    /// "bare", "full, match", "full, no match", "R/n" or "A → A".
    pub(super) to: String,
    pub(super) contents: String,
    /// It is exchanged with an occupant of a room that Alice is in.
    pub(super) with_occupant: bool,
    /// It is an error that answers a chat.
    pub(super) answers: bool,
}

/// What a cell gives to the sessions of its mode, besides what RFC 6121 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Nothing,
    /// Nothing, and an absent target is reported to the sender.
    TargetOrError,
    Raw,
    Wrapped,
    /// Raw or wrapped to those in the room.
    InRoom,
}

pub(super) fn rows() -> Vec<Row> {
    let rows: Vec<_> = TABLE.lines().skip(2).map(row).collect();
    assert_eq!(rows.len(), 29);
    rows
}

fn row(line: &str) -> Row {
    let cells = line.trim_matches('|').split('|');
    let cells: Vec<_> = cells.map(|cell| cell.trim().to_owned()).collect();
    let [number, dir, type_, to, payload, cells @ ..] = &cells[..] else {
        panic!("{line} is too short");
    };
    Row {
        number: number.clone(),
        cells: cells.to_vec().try_into().expect("a column for each mode"),
        samples: samples(dir, type_, to, payload),
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
                samples.push(Sample {
                    dir: dir.to_owned(),
                    type_: (*type_).to_owned(),
                    to: (*to).to_owned(),
                    contents: (*contents).to_owned(),
                    // "or tracked room"
                    with_occupant: payload.starts_with("MUC PM") && !contents.contains("<x"),
                    answers: payload.starts_with("answers eligible"),
                });
            }
        }
    }
    assert!(!samples.is_empty());
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

impl Row {
    /// What the column of this mode gives for this sample.
    pub(super) fn share(&self, rows: &[Row], mode: Mode, sample: &Sample) -> Share {
        let column = Mode::ALL.iter().position(|known| *known == mode);
        let columns = &self.cells[..=column.expect("a column for each mode")];
        // "same" is the column to the left.
        let cell = columns.iter().rev().find(|cell| *cell != "same");
        let word = cell.expect("the first column says something").as_str();
        let as_row = |number: &str| {
            let same = rows.iter().find(|row| row.number == number);
            same.expect("a row").share(rows, mode, sample)
        };
        match word {
            "RFC + all MR2 raw"
            | "same as MR2"
            | "all NG raw"
            | "as bare (RFC) → raw to all"
            | "RFC + all raw"
            | "all raw"
            | "RFC + all raw (hint does not apply to bare)"
            | "decision 19: all NG raw incl. S"
            | "one raw each" => Share::Raw,
            "RFC + others W"
            | "target raw + others W"
            | "target + others W"
            | "RFC + W"
            | "target + W"
            | "W (eligible)"
            | "others W sent"
            | "W sent"
            | "sent W to others; incoming side must not produce a second copy to anyone" => {
                Share::Wrapped
            }
            "RFC"
            | "RFC only"
            | "RFC (A)"
            | "RFC; no W"
            | "target"
            | "target only"
            | "target (S/E)"
            | "drop"
            | "–"
            | "– (chat only)"
            | "– (room reflects)"
            | "E"
            | "decision 15: E"
            | "E unless a MUC layer claims it" => Share::Nothing,
            "W to sessions joined to R, MAY inject x" | "W → same limit" => Share::InRoom,
            "as #1" => as_row("1"),
            "target or E" => match sample.type_.as_str() {
                "groupchat" => Share::Nothing,
                _ => Share::TargetOrError,
            },
            "ignore marker" | "ignore" => as_row(sample.unmarked_row()),
            "#1/#2, #6/#7" => as_row(match (sample.type_.as_str(), sample.to.as_str()) {
                ("chat", "bare") => "1",
                ("chat", _) => "2",
                (_, "bare") => "6",
                _ => "7",
            }),
            "fork" if sample.to == "bare" => Share::Raw,
            "fork" => Share::Wrapped,
            "only with IM payload" if sample.contents.is_empty() => Share::Nothing,
            "only with IM payload" => Share::Wrapped,
            "if to bare" if sample.to == "bare" => Share::Raw,
            "if to bare" => Share::Nothing,
            // The other markers do not count: what holds without them.
            "all raw unless `<im-ng/>`" | "`<im-ng/>` → –" => as_row(sample.unmarked_row()),
            other => panic!("nobody said what {other:?} means"),
        }
    }
}

impl Sample {
    /// The row that speaks of this message without its marker.
    fn unmarked_row(&self) -> &'static str {
        let (type_, to) = (self.type_.as_str(), self.to.as_str());
        let has_body = self.contents.contains("<body>");
        match (self.dir.as_str(), type_, to, has_body) {
            ("in", "chat", "full, match", _) => "2",
            ("in", "chat", "full, no match", _) => "3",
            ("in", "normal", _, true) => "5",
            ("in", "normal", _, false) => "7",
            ("in", "headline", ..) => "10",
            ("in", "groupchat", ..) => "12",
            ("in", "error", ..) => "15",
            ("out", "chat", ..) => "21",
            ("out", "normal", ..) => "22",
            ("out", "headline", ..) => "24",
            ("out", "groupchat", ..) => "25",
            ("out", "error", ..) => "26",
            other => panic!("nobody said what {other:?} is without a marker"),
        }
    }

    /// Who sends it, and to whom.
    pub(super) fn addresses(&self) -> (&'static str, &'static str) {
        match (self.dir.as_str(), self.to.as_str()) {
            ("in", "bare") if self.contents.contains("<invite") => {
                ("room@muc.example", "alice@a.example")
            }
            ("in", "full, match") if self.is_private() => {
                ("room@muc.example/Bob", "alice@a.example/phone")
            }
            ("in", "full, no match") if self.is_private() => {
                ("room@muc.example/Bob", "alice@a.example/gone")
            }
            ("in", "bare") => ("bob@b.example/x", "alice@a.example"),
            ("in", "full, match") => ("bob@b.example/x", "alice@a.example/phone"),
            ("in", "full, no match") => ("bob@b.example/x", "alice@a.example/gone"),
            ("out", "bare") => ("alice@a.example/phone", "bob@b.example"),
            ("out", "full, match" | "full, no match") => {
                ("alice@a.example/phone", "bob@b.example/x")
            }
            ("out", "R/n") => ("alice@a.example/phone", "room@muc.example/Bob"),
            ("self", "A → A") => ("alice@a.example/phone", "alice@a.example"),
            other => panic!("nobody said what {other:?} means"),
        }
    }

    /// Whether it is a private message in a room.
    pub(super) fn is_private(&self) -> bool {
        self.with_occupant || self.contents.contains("muc#user'/>")
    }

    pub(super) fn xml(&self) -> String {
        let (from, to) = self.addresses();
        let (type_, contents) = (&self.type_, &self.contents);
        format!("<message from='{from}' to='{to}' type='{type_}' id='m1'>{contents}</message>")
    }

    pub(super) fn stanza(&self) -> Stanza {
        Stanza::parse(self.xml().as_bytes()).expect("XML")
    }
}
