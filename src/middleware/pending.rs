use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jid::{BareJid, Jid};
use thiserror::Error;

use crate::stanza::{Stanza, Time};

/// The IQ requests that a feature sent and whose answers it awaits.
///
/// Bounded in number and time, so that a peer that never answers costs
/// nothing lasting, and guarded against spoofing: only the asked entity's
/// answer with the right id counts.
///
/// Pure: the caller brings the time and the ids (unguessable ones, from
/// [`Entropy`](crate::flow::Entropy)).
#[derive(Debug)]
pub struct Pending<T> {
    limits: PendingLimits,
    waiting: HashMap<(BareJid, String), Waiting<T>>,
    deadlines: BTreeSet<(Time, BareJid, String)>,
    per_owner: HashMap<BareJid, usize>,
}

/// The bounds of a [`Pending`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingLimits {
    /// Open requests per account or room. Default 256.
    pub per_owner: usize,
    /// Open requests in all. Default 65,536.
    pub total: usize,
    /// How long an answer may take. Default 60 seconds.
    pub patience: Duration,
}

/// There are too many open requests: nothing was recorded, so do not send it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingFull {
    /// The owner has [`PendingLimits::per_owner`] open requests.
    #[error("{0} IQ requests of one account or room await an answer already")]
    Owner(usize),
    /// There are [`PendingLimits::total`] open requests.
    #[error("{0} IQ requests await an answer already")]
    Total(usize),
}

#[derive(Debug)]
struct Waiting<T> {
    asked: Jid,
    deadline: Time,
    then: T,
}

impl<T> Pending<T> {
    /// An empty table.
    pub fn new(limits: PendingLimits) -> Self {
        Self {
            limits,
            waiting: HashMap::new(),
            deadlines: BTreeSet::new(),
            per_owner: HashMap::new(),
        }
    }

    /// Records that `owner` asked `asked` under `id`, and what to remember
    /// until the answer comes. A repeated id replaces the older request.
    ///
    /// # Errors
    ///
    /// [`PendingFull`], and nothing is recorded.
    pub fn ask(
        &mut self,
        at: Time,
        owner: &BareJid,
        asked: Jid,
        id: &str,
        then: T,
    ) -> Result<(), PendingFull> {
        self.take(owner, id);
        let open = self.per_owner.get(owner).copied().unwrap_or(0);
        if open >= self.limits.per_owner {
            return Err(PendingFull::Owner(open));
        }
        if self.waiting.len() >= self.limits.total {
            return Err(PendingFull::Total(self.waiting.len()));
        }
        let deadline = at + self.limits.patience;
        self.deadlines
            .insert((deadline, owner.clone(), id.to_owned()));
        *self.per_owner.entry(owner.clone()).or_default() += 1;
        let waiting = Waiting {
            asked,
            deadline,
            then,
        };
        self.waiting.insert((owner.clone(), id.to_owned()), waiting);
        Ok(())
    }

    /// Takes what was remembered for the request that `stanza` answers.
    /// `None` if it answers none of ours, or comes from somebody else.
    pub fn answered(&mut self, owner: &BareJid, stanza: &Stanza) -> Option<T> {
        if !stanza.is_response() {
            return None;
        }
        let id = stanza.id()?;
        let waiting = self.waiting.get(&(owner.clone(), id.to_owned()))?;
        if stanza.from() != Some(&waiting.asked) {
            return None;
        }
        self.take(owner, id)
    }

    /// Takes everything whose time is over, oldest first.
    pub fn expired(&mut self, at: Time) -> Vec<(BareJid, T)> {
        let mut expired = Vec::new();
        while let Some((deadline, owner, id)) = self.deadlines.first().cloned() {
            if deadline > at {
                break;
            }
            if let Some(then) = self.take(&owner, &id) {
                expired.push((owner, then));
            }
        }
        expired
    }

    /// How many requests are open.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, owner: &BareJid, id: &str) -> Option<T> {
        let waiting = self.waiting.remove(&(owner.clone(), id.to_owned()))?;
        self.deadlines
            .remove(&(waiting.deadline, owner.clone(), id.to_owned()));
        if let Some(open) = self.per_owner.get_mut(owner) {
            *open -= 1;
            if *open == 0 {
                self.per_owner.remove(owner);
            }
        }
        Some(waiting.then)
    }
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self {
            per_owner: 256,
            total: 65_536,
            patience: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Type;

    const START: Time = Time::from_secs(1_000);

    fn alice() -> BareJid {
        "alice@a.example".parse().expect("a bare JID")
    }

    fn room() -> Jid {
        "room@muc.example/Alice".parse().expect("a JID")
    }

    fn answer(from: Jid, id: &str) -> Stanza {
        Stanza::iq(Type::Result, id).with_from(from)
    }

    #[test]
    fn an_answer_finds_its_question_once() {
        let mut pending = Pending::new(PendingLimits::default());
        pending.ask(START, &alice(), room(), "p1", "ping").unwrap();
        assert_eq!(
            pending.answered(&alice(), &answer(room(), "p1")),
            Some("ping")
        );
        assert_eq!(pending.answered(&alice(), &answer(room(), "p1")), None);
        assert!(pending.is_empty());
    }

    #[test]
    fn an_answer_from_somebody_else_is_not_an_answer() {
        let mut pending = Pending::new(PendingLimits::default());
        pending.ask(START, &alice(), room(), "p1", ()).unwrap();
        let stranger: Jid = "mallory@m.example".parse().unwrap();
        assert_eq!(pending.answered(&alice(), &answer(stranger, "p1")), None);
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn who_never_answers_is_given_up_after_the_patience() {
        let mut pending = Pending::new(PendingLimits::default());
        pending.ask(START, &alice(), room(), "p1", "ping").unwrap();
        assert!(pending.expired(START + Duration::from_secs(59)).is_empty());
        let expired = pending.expired(START + Duration::from_secs(60));
        assert_eq!(expired, [(alice(), "ping")]);
        assert!(pending.per_owner.is_empty() && pending.deadlines.is_empty());
    }

    #[test]
    fn a_full_table_says_whose_limit_was_reached_and_records_nothing() {
        let limits = PendingLimits {
            per_owner: 1,
            total: 2,
            ..PendingLimits::default()
        };
        let mut pending = Pending::new(limits);
        let bob: BareJid = "bob@a.example".parse().unwrap();
        let carol: BareJid = "carol@a.example".parse().unwrap();
        pending.ask(START, &alice(), room(), "p1", ()).unwrap();
        let full = pending.ask(START, &alice(), room(), "p2", ());
        assert_eq!(full, Err(PendingFull::Owner(1)));
        pending.ask(START, &bob, room(), "p1", ()).unwrap();
        let full = pending.ask(START, &carol, room(), "p1", ());
        assert_eq!(full, Err(PendingFull::Total(2)));
        assert_eq!(pending.len(), 2);
    }
}
