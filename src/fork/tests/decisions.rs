//! The rules against the table, cell by cell.

use jid::{BareJid, FullJid};

use crate::fork::Mode;
use crate::fork::rules::{Audience, Case, Decision, Direction, Named, Pass, Skip, decide};

use super::table::{Sample, Share, rows};

#[test]
fn the_rules_share_what_the_table_says_and_nothing_else() {
    let rows = rows();
    let mut judged = 0;
    for row in &rows {
        for (mode, sample) in all(&row.samples) {
            let decision = inquire(sample, mode);
            let shared = match decision {
                Decision::Skip(_) => Share::Nothing,
                Decision::Raw(_, Audience::All) => Share::Raw,
                Decision::Wrap(_, Audience::All) => Share::Wrapped,
                Decision::Raw(_, Audience::InRoom) | Decision::Wrap(_, Audience::InRoom) => {
                    Share::InRoom
                }
            };
            let wanted = match row.share(&rows, mode, sample) {
                Share::TargetOrError => Share::Nothing,
                share => share,
            };
            let (number, xml) = (&row.number, sample.xml());
            assert_eq!(shared, wanted, "{number}, {mode:?}: {decision:?} for {xml}");
            judged += 1;
        }
    }
    // A row must not shrink unseen.
    assert_eq!(judged, 4 * 114);
}

#[test]
fn a_message_to_oneself_is_shared_as_sent_and_on_one_of_its_two_ways_only() {
    let rows = rows();
    let sample = &rows[28].samples[0];
    let (account, phone, stanza) = (account(), phone(), sample.stanza());
    let case = |pass| Case {
        account: &account,
        pass,
        stanza: &stanza,
        with_occupant: false,
        answers_eligible: false,
    };
    for mode in Mode::ALL {
        let outward = decide(&case(Pass::Outward(&phone)), mode, Named::There);
        assert_eq!(outward, Decision::Skip(Skip::ToOneself));
    }
    let inward = case(Pass::Inward);
    assert_eq!(inward.direction(), Direction::Sent);
    assert_eq!(inward.own_sender(), Some(&phone));
}

#[test]
fn the_marker_of_im_ng_keeps_what_one_session_sends_to_another_from_being_reflected() {
    let rows = rows();
    for row in rows
        .iter()
        .filter(|row| ["21", "27"].contains(&row.number.as_str()))
    {
        for sample in row.samples.iter().filter(|sample| sample.to != "bare") {
            let mut marked = sample.clone();
            marked.contents += "<im-ng xmlns='urn:xmpp:im-ng:0'/>";
            let decision = inquire(&marked, Mode::ImNg);
            assert!(
                matches!(decision, Decision::Skip(_)),
                "{decision:?} for {}",
                marked.xml()
            );
        }
    }
}

/// Every sample in every mode.
pub(super) fn all(samples: &[Sample]) -> impl Iterator<Item = (Mode, &Sample)> {
    let modes = Mode::ALL.into_iter();
    modes.flat_map(move |mode| samples.iter().map(move |sample| (mode, sample)))
}

fn inquire(sample: &Sample, mode: Mode) -> Decision {
    let (account, phone, stanza) = (account(), phone(), sample.stanza());
    let case = Case {
        account: &account,
        pass: match sample.dir.as_str() {
            "out" => Pass::Outward(&phone),
            _ => Pass::Inward,
        },
        stanza: &stanza,
        with_occupant: sample.with_occupant,
        answers_eligible: sample.answers,
    };
    let named = match sample.to.as_str() {
        "full, no match" => Named::Absent,
        _ => Named::There,
    };
    decide(&case, mode, named)
}

fn account() -> BareJid {
    "alice@a.example".parse().unwrap()
}

fn phone() -> FullJid {
    "alice@a.example/phone".parse().unwrap()
}
