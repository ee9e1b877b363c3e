//! What was said lately, for sessions that join an account that is already
//! there (XEP-0045 §7.2.13 and §7.2.14; a ring, since decision and option
//! bound it).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::stanza::{ElementRef, Stanza, Time, ns};

use super::super::muc;
use super::super::options::Limits;
use super::super::pool::{Kept, Pool};

/// The last messages, oldest first: a pointer each, since all accounts of a
/// server that are in a room hear the same.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Kept>);

/// How much history a session wants (§7.2.14). Whole stanzas, the newest,
/// and the smallest set that meets every limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    chars: Option<usize>,
    stanzas: Option<usize>,
    since: Option<Time>,
}

impl Wanted {
    /// Reads the `<x/>` of a join. A number that is none is no limit.
    pub(crate) fn read(x: Option<ElementRef<'_>>, at: Time) -> Self {
        let Some(history) = x.and_then(|x| x.child("history", ns::MUC)) else {
            return Self::default();
        };
        let number = |name: &str| history.attr(name)?.trim().parse::<u64>().ok();
        let size = |name: &str| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let seconds = number("seconds").map(|seconds| at - Duration::from_secs(seconds));
        let since = history
            .attr("since")
            .and_then(|since| since.trim().parse::<Time>().ok());
        Self {
            chars: size("maxchars"),
            stanzas: size("maxstanzas"),
            // The later of both: the smaller set.
            since: seconds.max(since),
        }
    }

    /// Nothing.
    pub(crate) fn none() -> Self {
        Self {
            stanzas: Some(0),
            ..Self::default()
        }
    }
}

impl History {
    /// Keeps what has just been said, unless it is too long; the oldest goes.
    pub(super) fn push(&mut self, pool: &Pool, at: Time, message: &Stanza, limits: &Limits) {
        if limits.history == 0 {
            return;
        }
        let kept = pool.keep_said(message, at);
        if kept.len() > limits.message {
            return pool.let_go(kept);
        }
        while self.0.len() >= limits.history
            && let Some(oldest) = self.0.pop_front()
        {
            pool.let_go(oldest);
        }
        self.0.push_back(kept);
    }

    /// Keeps what the room says was said before. Says whether it is news:
    /// what is known already is not kept again.
    pub(super) fn push_old(
        &mut self,
        pool: &Pool,
        room: &str,
        at: Time,
        message: &Stanza,
        limits: &Limits,
    ) -> bool {
        let told = key(room, message);
        let key = |kept: &Kept| kept.key(|message| key(room, message));
        if self.0.iter().any(|kept| key(kept) == told) {
            return false;
        }
        self.push(pool, at, message, limits);
        true
    }

    /// What a session is sent: oldest first, each with its `<delay/>`.
    pub(super) fn replay(&self, room: &str, wanted: Wanted) -> Vec<Stanza> {
        let mut chars = wanted.chars.unwrap_or(usize::MAX);
        let most = wanted.stanzas.unwrap_or(usize::MAX);
        let mut replayed = Vec::new();
        for kept in self.0.iter().rev().take(most) {
            if wanted.since.is_some_and(|since| kept.at() < since) {
                break;
            }
            let Some(message) = kept.stanza() else {
                continue;
            };
            let message = match muc::delayed(room, &message) {
                Some(_) => message,
                None => message.with_child(muc::delay(room, kept.at())),
            };
            let Some(left) = chars.checked_sub(message.wire_len()) else {
                break;
            };
            chars = left;
            replayed.push(message);
        }
        replayed.reverse();
        replayed
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

/// What tells a message from others, whether it comes live or as history: the
/// room's archive ID, which live and replayed copies share (XEP-0313 §5.1.3);
/// without one, who said what under which id.
fn key(room: &str, message: &Stanza) -> u64 {
    let mut hasher = DefaultHasher::new();
    let archived = message
        .children()
        .find(|child| child.is("stanza-id", ns::SID) && child.attr("by") == Some(room));
    match archived.and_then(|archived| archived.attr("id")) {
        Some(id) => id.hash(&mut hasher),
        None => {
            message.from().map(jid::Jid::as_str).hash(&mut hasher);
            message.id().hash(&mut hasher);
            message.body_text().hash(&mut hasher);
            // A message without an id may be said twice.
            if message.id().is_none() {
                muc::delayed(room, message).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "room@muc.example";

    fn said(id: u32) -> Stanza {
        let xml = format!(
            "<message from='room@muc.example/Bob' type='groupchat' id='m{id}'>\
             <body>number {id}</body></message>"
        );
        Stanza::parse(xml.as_bytes()).unwrap()
    }

    fn limits(history: usize) -> Limits {
        Limits {
            history,
            ..Limits::default()
        }
    }

    fn history(messages: u32, limit: usize) -> History {
        let (pool, mut history) = (Pool::default(), History::default());
        for id in 0..messages {
            let at = Time::from_secs(i64::from(id));
            history.push(&pool, at, &said(id), &limits(limit));
        }
        history
    }

    fn wanted(attributes: &str) -> Wanted {
        let xml = format!(
            "<presence><x xmlns='http://jabber.org/protocol/muc'><history {attributes}/></x></presence>"
        );
        let join = Stanza::parse(xml.as_bytes()).unwrap();
        Wanted::read(join.child("x", ns::MUC), Time::from_secs(10))
    }

    fn ids(history: &History, wanted: Wanted) -> Vec<String> {
        let replayed = history.replay(ROOM, wanted);
        let id = |message: &Stanza| message.id().unwrap_or_default().to_owned();
        replayed.iter().map(id).collect()
    }

    #[test]
    fn each_limit_keeps_the_newest_and_the_tightest_wins() {
        let history = history(4, 50);
        let all = ["m0", "m1", "m2", "m3"];
        for (attributes, newest) in [
            ("", 4),
            ("maxstanzas='2'", 2),
            ("maxstanzas='0'", 0),
            ("maxchars='0'", 0),
            ("maxchars='100000'", 4),
            ("seconds='8'", 2),
            ("since='1970-01-01T00:00:03Z'", 1),
            ("since='1970-01-01T00:00:03Z' maxstanzas='3' seconds='9'", 1),
            ("maxstanzas='many' since='yesterday'", 4),
            ("maxstanzas='-1'", 4),
        ] {
            let expected = &all[4 - newest..];
            assert_eq!(ids(&history, wanted(attributes)), expected, "{attributes}");
        }
        assert!(ids(&history, Wanted::none()).is_empty());
    }

    #[test]
    fn maxchars_counts_whole_stanzas() {
        let history = history(4, 50);
        let two: usize = history
            .replay(ROOM, wanted("maxstanzas='2'"))
            .iter()
            .map(Stanza::wire_len)
            .sum();
        let just = wanted(&format!("maxchars='{two}'"));
        assert_eq!(ids(&history, just), ["m2", "m3"]);
        let less = wanted(&format!("maxchars='{}'", two - 1));
        assert_eq!(ids(&history, less), ["m3"]);
    }

    #[test]
    fn the_oldest_goes_at_the_limit_and_zero_keeps_nothing() {
        assert_eq!(ids(&history(5, 3), Wanted::default()), ["m2", "m3", "m4"]);
        assert!(ids(&history(5, 0), Wanted::default()).is_empty());
    }

    #[test]
    fn what_comes_again_as_history_is_known() {
        let (pool, mut history) = (Pool::default(), history(1, 50));
        let at = Time::from_secs(7);
        let again = said(0).with_child(muc::delay(ROOM, at));
        assert!(!history.push_old(&pool, ROOM, at, &again, &limits(50)));
        let stamped = |from: &str| {
            let xml = format!(
                "<message from='room@muc.example/{from}' type='groupchat'>\
                 <stanza-id xmlns='urn:xmpp:sid:0' by='room@muc.example' id='a'/></message>"
            );
            Stanza::parse(xml.as_bytes()).unwrap()
        };
        assert!(history.push_old(&pool, ROOM, at, &stamped("Bob"), &limits(50)));
        assert!(!history.push_old(&pool, ROOM, at, &stamped("Bobby"), &limits(50)));
    }
}
