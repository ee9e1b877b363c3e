//! What was said lately, for those who come (XEP-0045 §7.2.13, §7.2.14).
//!
//! A ring, bounded by number and bytes. What a newcomer asks for is the
//! smallest set that meets all its limits, of whole stanzas, the newest ones.

use std::collections::VecDeque;
use std::time::Duration;

use jid::BareJid;

use crate::stanza::{Element, ElementRef, Stanza, Time, ns};

use super::HistoryKey;

/// The last messages of a room, as they were broadcast.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<Kept>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Kept {
    key: HistoryKey,
    at: Time,
    stanza: Stanza,
    bytes: usize,
}

/// What a newcomer wants of it, from `<history/>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    chars: usize,
    stanzas: usize,
    since: Option<Time>,
}

impl History {
    /// Keeps a message, and forgets the oldest beyond the bounds. `None` if
    /// the bounds leave no room even for this one.
    pub(super) fn push(
        &mut self,
        at: Time,
        stanza: &Stanza,
        most: usize,
        most_bytes: usize,
    ) -> Option<HistoryKey> {
        let key = HistoryKey(self.next);
        self.next += 1;
        let bytes = stanza.wire_len();
        self.bytes += bytes;
        self.kept.push_back(Kept {
            key,
            at,
            stanza: stanza.clone(),
            bytes,
        });
        while self.kept.len() > most || self.bytes > most_bytes {
            self.bytes -= self.kept.pop_front().map_or(self.bytes, |kept| kept.bytes);
        }
        self.kept.back().map(|kept| kept.key)
    }

    /// Puts the stamped message in the place of what was broadcast, unless it
    /// is forgotten already.
    pub(super) fn replace(&mut self, key: HistoryKey, stanza: &Stanza) -> bool {
        let Ok(found) = self.kept.binary_search_by_key(&key, |kept| kept.key) else {
            return false;
        };
        let kept = &mut self.kept[found];
        let bytes = stanza.wire_len();
        self.bytes = self.bytes - kept.bytes + bytes;
        kept.bytes = bytes;
        kept.stanza = stanza.clone();
        kept.stanza.set_to(None);
        true
    }

    /// What is replayed: oldest first, each with its `<delay/>`.
    pub(super) fn replay(&self, room: &BareJid, wanted: Wanted) -> Vec<Stanza> {
        let mut chars = wanted.chars;
        let mut replayed = Vec::new();
        for kept in self.kept.iter().rev().take(wanted.stanzas) {
            if wanted.since.is_some_and(|since| kept.at < since) {
                break;
            }
            let stanza = kept.stanza.clone().with_child(delay(room, kept.at));
            let Some(left) = chars.checked_sub(stanza.to_xml().chars().count()) else {
                break;
            };
            chars = left;
            replayed.push(stanza);
        }
        replayed.reverse();
        replayed
    }
}

impl Wanted {
    /// Reads the join's `<x/>`; `at` is now, `most` what the room shows.
    pub(super) fn read(x: Option<ElementRef<'_>>, at: Time, most: usize) -> Self {
        let history = x.and_then(|x| x.child("history", ns::MUC));
        let number = |name| -> Option<u64> { history?.attr(name)?.trim().parse().ok() };
        let size = |name| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let seconds = number("seconds").map(|seconds| at - Duration::from_secs(seconds));
        let since = history
            .and_then(|history| history.attr("since"))
            .and_then(|since| since.trim().parse::<Time>().ok());
        Wanted {
            chars: size("maxchars").unwrap_or(usize::MAX),
            stanzas: size("maxstanzas").unwrap_or(usize::MAX).min(most),
            since: seconds.max(since),
        }
    }
}

/// Says when the room first sent something (XEP-0203).
pub(super) fn delay(room: &BareJid, at: Time) -> Element {
    Element::new("delay", ns::DELAY)
        .with_attr("from", room.as_str())
        .with_attr("stamp", at.to_string())
}

/// Is this worth showing to those who come later? Text, encrypted text and
/// markers are; what bears no trace in an archive is not (XEP-0334).
pub(super) fn is_historic(stanza: &Stanza) -> bool {
    if stanza.mentions(ns::HINTS) {
        let hint = |name| stanza.has_child(name, ns::HINTS);
        if hint("no-store") || hint("no-permanent-store") {
            return false;
        }
        if hint("store") {
            return true;
        }
    }
    stanza.has_body()
        || stanza.has_child("encryption", ns::EME)
        || stanza.mentions(ns::CHAT_MARKERS)
}
