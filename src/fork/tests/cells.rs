//! The table end to end: what the sessions receive, cell by cell, where all of
//! an account's sessions are in one mode, and where each is in another.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fork::{ForkLayer, Mode};
use crate::stanza::{Stanza, ns};
use crate::testkit::{Session, WhileDown, World, xml};

use super::decisions::all;
use super::table::{Row, Sample, Share, rows};

/// A session of Alice's: its name, its priority and its mode.
type Member = (&'static str, i8, Option<Mode>);

/// What a session got of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it was sent.
    Raw,
    /// In this wrapper of this mode.
    Wrapped(Mode, &'static str),
}

/// What RFC 6121 does with a message by itself, and with the `phone` of the
/// greatest priority.
enum Base {
    To(Vec<&'static str>),
    Refused,
    Silence,
}

#[test]
fn sessions_of_one_mode_receive_what_its_column_says() {
    let rows = rows();
    for row in &rows {
        for (mode, sample) in all(&row.samples) {
            let members = [
                ("phone", 5, Some(mode)),
                ("desk", 1, Some(mode)),
                ("hidden", -1, Some(mode)),
                ("plain", 0, None),
            ];
            judge(&rows, row, &members, sample);
        }
    }
}

#[test]
fn sessions_of_different_modes_receive_each_what_its_own_column_says() {
    let rows = rows();
    for row in &rows {
        for target in [None, Some(Mode::Carbons), Some(Mode::Mr2), Some(Mode::ImNg)] {
            for sample in &row.samples {
                let members = [
                    ("phone", 5, target),
                    ("carbons", 1, Some(Mode::Carbons)),
                    ("mr2", -1, Some(Mode::Mr2)),
                    ("goal", -1, Some(Mode::Goal)),
                    ("ng", 0, Some(Mode::ImNg)),
                    ("plain", 0, None),
                ];
                judge(&rows, row, &members, sample);
            }
        }
    }
}

fn judge(rows: &[Row], row: &Row, members: &[Member], sample: &Sample) {
    let (wanted, refused) = wanted(rows, row, members, sample);
    let (got, error) = play(members, sample);
    let (number, xml) = (&row.number, sample.xml());
    assert_eq!(got, wanted, "row {number}, {members:?}: {xml}");
    assert_eq!(
        error, refused,
        "row {number}, {members:?}: told the sender of {xml}"
    );
}

/// Who gets what, and whether the sender is told that nobody does.
fn wanted(
    rows: &[Row],
    row: &Row,
    members: &[Member],
    sample: &Sample,
) -> (BTreeMap<&'static str, Form>, bool) {
    let shares: Vec<_> = members
        .iter()
        .map(|(name, _, mode)| match mode {
            Some(mode) => (*name, *mode, row.share(rows, *mode, sample)),
            None => (*name, Mode::Carbons, Share::Nothing),
        })
        .collect();
    let for_target_only = shares
        .iter()
        .any(|(.., share)| *share == Share::TargetOrError);
    let mut got = BTreeMap::new();
    let mut is_refused = false;
    match base(members, sample) {
        _ if for_target_only && sample.to == "full, no match" => {
            return (got, sample.type_ != "error");
        }
        Base::To(names) => got.extend(names.into_iter().map(|name| (name, Form::Raw))),
        Base::Refused => is_refused = true,
        Base::Silence => {}
    }
    let sender = (sample.dir != "in").then_some("phone");
    let element = if sample.dir == "in" {
        "received"
    } else {
        "sent"
    };
    let is_meant = |name: &str, mode: Mode, share: Share| {
        let in_room = share != Share::InRoom || IN_ROOM.contains(&name);
        in_room && (mode == Mode::ImNg || sender != Some(name))
    };
    let is_raw = |mode: Mode, share: Share| {
        share == Share::Raw || (share == Share::InRoom && mode == Mode::ImNg)
    };
    for (name, mode, share) in shares.iter().copied() {
        if is_raw(mode, share) && is_meant(name, mode, share) {
            got.insert(name, Form::Raw);
            is_refused = false;
        }
    }
    for (name, mode, share) in shares.iter().copied() {
        let is_wrapped = matches!(share, Share::Wrapped | Share::InRoom) && !is_raw(mode, share);
        if is_wrapped && !is_refused && is_meant(name, mode, share) {
            got.entry(name).or_insert(Form::Wrapped(mode, element));
        }
    }
    (got, is_refused)
}

/// Whom of Alice's a row about private messages lets be in the room.
const IN_ROOM: [&str; 3] = ["phone", "desk", "mr2"];

/// RFC 6121 §8.5.
fn base(members: &[Member], sample: &Sample) -> Base {
    let (type_, to) = (sample.type_.as_str(), sample.to.as_str());
    match (sample.dir.as_str(), to, type_) {
        ("out", ..) => Base::To(Vec::new()),
        ("self", ..) | (_, "full, match", _) => Base::To(vec!["phone"]),
        (_, "bare" | "full, no match", "chat") | (_, "bare", "normal") => Base::To(vec!["phone"]),
        (_, "bare", "headline") => {
            let non_negative = members.iter().filter(|(_, priority, _)| *priority >= 0);
            Base::To(non_negative.map(|(name, ..)| *name).collect())
        }
        (_, _, "groupchat") | (_, "full, no match", "normal") => Base::Refused,
        _ => Base::Silence,
    }
}

/// Lets it happen: who gets what, and whether the sender is told of an error.
fn play(members: &[Member], sample: &Sample) -> (BTreeMap<&'static str, Form>, bool) {
    let w = World::new();
    w.host("a.example", ForkLayer::new())
        .host("b.example", ())
        .host("muc.example", ());
    let sessions: Vec<(&'static str, Session)> = members
        .iter()
        .map(|(name, priority, mode)| {
            let enabled: Vec<_> = mode.iter().map(|mode| mode.namespace()).collect();
            let session = w.bind_with(&format!("alice@a.example/{name}"), &enabled);
            (*name, session.priority(*priority))
        })
        .collect();
    let (phone, bob) = (&sessions[0].1, w.session("bob@b.example/x"));
    let other = match sample.addresses() {
        (from, _) if from.starts_with("room@") && from.contains('/') => w.session(from),
        (from, _) if from.starts_with("room@") => w.session(&format!("{from}/service")),
        (_, to) if to.starts_with("room@") => w.session(to),
        _ => bob.clone(),
    };
    if sample.is_private() && (sample.dir == "out" || sample.with_occupant) {
        for (_, session) in sessions.iter().filter(|(name, _)| IN_ROOM.contains(name)) {
            session.send(xml!(
                "<presence to='room@muc.example/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            ));
            other.send(xml!(
                "<presence to='{session}'><x xmlns='http://jabber.org/protocol/muc#user'>\
                 <status code='110'/></x></presence>"
            ));
        }
    }
    if sample.answers {
        let chat = "type='chat' id='m1'><body>before</body></message>";
        match sample.dir.as_str() {
            "out" => bob.send(xml!("<message to='{phone}' {chat}")),
            _ => phone.send(xml!("<message to='{bob}' {chat}")),
        };
    }
    w.settle();
    for session in sessions
        .iter()
        .map(|(_, session)| session)
        .chain([&bob, &other])
    {
        session.take_all();
    }

    let mut stanza = sample.stanza();
    stanza.set_from(None);
    match sample.dir.as_str() {
        "in" => other.send(stanza),
        _ => {
            // What the other side answers is another story.
            for domain in ["b.example", "muc.example"] {
                w.cut_with(
                    "a.example",
                    domain,
                    Duration::from_secs(60),
                    WhileDown::Lose,
                );
            }
            phone.send(stanza)
        }
    };
    let mut got = BTreeMap::new();
    for (name, session) in &sessions {
        for came in session.take_all() {
            let before = got.insert(*name, form(&came, sample));
            assert_eq!(before, None, "{name} got twice: {}", sample.xml());
        }
    }
    let back = if sample.dir == "in" {
        other.take_all()
    } else {
        Vec::new()
    };
    w.abandon();
    (got, back.iter().any(Stanza::is_error))
}

fn form(came: &Stanza, sample: &Sample) -> Form {
    for mode in Mode::ALL {
        for element in ["received", "sent"] {
            let Some(wrapper) = came.child(element, mode.namespace()) else {
                continue;
            };
            if wrapper.child("forwarded", ns::FORWARD).is_none() {
                continue; // a receipt
            }
            assert!(
                wrapper.to_xml().contains(&sample.contents),
                "{}",
                came.to_xml()
            );
            assert_eq!(
                came.from().map(ToString::to_string).as_deref(),
                Some("alice@a.example")
            );
            return Form::Wrapped(mode, element);
        }
    }
    let sent = sample.stanza();
    assert!(
        came.to_xml().contains(&sample.contents),
        "{}",
        came.to_xml()
    );
    assert_eq!(
        (came.to(), came.type_(), came.id()),
        (sent.to(), sent.type_(), sent.id())
    );
    Form::Raw
}
