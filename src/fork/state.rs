//! Which sessions of which account have copies switched on, and which
//! eligible messages passed lately, so that errors answering them are known.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use jid::{FullJid, Jid};
use thiserror::Error;

use super::bare;
use super::rules::Direction;

/// How many sessions of one account may have copies switched on.
pub(super) const SESSIONS_PER_ACCOUNT: usize = 256;

/// How many eligible messages of one account are remembered, each way.
pub(super) const REMEMBERED_PER_ACCOUNT: usize = 128;

/// The accounts that have a session with copies switched on, and nobody else.
#[derive(Debug, Default)]
pub(super) struct Accounts(HashMap<Box<str>, Account>);

/// The account has [`SESSIONS_PER_ACCOUNT`] such sessions already.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{SESSIONS_PER_ACCOUNT} sessions of the account have copies switched on already")]
pub(super) struct TooManySessions;

#[derive(Debug, Default)]
struct Account {
    enabled: BTreeSet<FullJid>,
    sent: Recent,
    received: Recent,
}

/// The last few messages, oldest first, each as a number made of whom it was
/// exchanged with and its id. What two messages share by chance costs a copy
/// of an error that none was due for, to the user who got it anyway.
#[derive(Debug, Default)]
struct Recent(VecDeque<u64>);

impl Accounts {
    /// Switches copies on for a session. Again is as good as once
    /// (XEP-0280 §10.1).
    pub(super) fn enable(&mut self, session: &FullJid) -> Result<(), TooManySessions> {
        let account = self.0.entry(bare(session).into()).or_default();
        if account.enabled.contains(session) {
            return Ok(());
        }
        if account.enabled.len() >= SESSIONS_PER_ACCOUNT {
            return Err(TooManySessions);
        }
        account.enabled.insert(session.clone());
        Ok(())
    }

    /// Switches copies off for a session, because it said so or is over.
    pub(super) fn disable(&mut self, session: &FullJid) {
        let Some(account) = self.0.get_mut(bare(session)) else {
            return;
        };
        account.enabled.remove(session);
        if account.enabled.is_empty() {
            self.0.remove(bare(session));
        }
    }

    /// Forgets an account.
    pub(super) fn remove(&mut self, account: &Jid) {
        self.0.remove(bare(account));
    }

    /// Whether any session of this account has copies switched on.
    pub(super) fn has_enabled(&self, account: &Jid) -> bool {
        self.0.contains_key(bare(account))
    }

    /// The account's sessions that have copies switched on, in the order of
    /// their names.
    pub(super) fn enabled(&self, account: &Jid) -> Vec<FullJid> {
        self.0
            .get(bare(account))
            .map(|account| account.enabled.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Remembers an eligible message, so that an error answering it is known.
    pub(super) fn remember(&mut self, account: &Jid, direction: Direction, peer: &Jid, id: &str) {
        if let Some(account) = self.0.get_mut(bare(account)) {
            account.recent_mut(direction).push(number(peer, id));
        }
    }

    /// Whether such a message is remembered.
    pub(super) fn remembers(
        &self,
        account: &Jid,
        direction: Direction,
        peer: &Jid,
        id: &str,
    ) -> bool {
        self.0
            .get(bare(account))
            .is_some_and(|account| account.recent(direction).0.contains(&number(peer, id)))
    }
}

impl Account {
    fn recent(&self, direction: Direction) -> &Recent {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }

    fn recent_mut(&mut self, direction: Direction) -> &mut Recent {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }
}

impl Recent {
    fn push(&mut self, number: u64) {
        if self.0.len() == REMEMBERED_PER_ACCOUNT {
            self.0.pop_front();
        }
        self.0.push_back(number);
    }
}

/// An error may come from another resource than the message went to, or from
/// the bare JID: only that counts.
fn number(peer: &Jid, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    bare(peer).hash(&mut hasher);
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(resource: &str) -> FullJid {
        format!("alice@a.example/{resource}").parse().unwrap()
    }

    fn bob() -> Jid {
        "bob@b.example/x".parse().unwrap()
    }

    #[test]
    fn an_account_is_known_as_long_as_one_of_its_sessions_wants_copies() {
        let mut accounts = Accounts::default();
        accounts.enable(&session("phone")).unwrap();
        accounts.enable(&session("desk")).unwrap();
        accounts.enable(&session("desk")).unwrap();
        assert_eq!(
            accounts.enabled(&session("phone")),
            [session("desk"), session("phone")]
        );
        accounts.disable(&session("phone"));
        assert!(accounts.has_enabled(&session("phone")));
        accounts.disable(&session("desk"));
        assert!(accounts.0.is_empty());
    }

    #[test]
    fn a_message_is_remembered_by_the_other_end_its_id_and_who_wrote_it() {
        let mut accounts = Accounts::default();
        let alice = session("phone");
        accounts.enable(&alice).unwrap();
        accounts.remember(&alice, Direction::Sent, &bob(), "m1");
        let bare: Jid = "bob@b.example".parse().unwrap();
        let carol: Jid = "carol@b.example".parse().unwrap();
        assert!(accounts.remembers(&alice, Direction::Sent, &bare, "m1"));
        assert!(!accounts.remembers(&alice, Direction::Sent, &bare, "m2"));
        assert!(!accounts.remembers(&alice, Direction::Sent, &carol, "m1"));
        assert!(!accounts.remembers(&alice, Direction::Received, &bare, "m1"));
    }

    #[test]
    fn a_flood_from_others_does_not_push_out_what_we_wrote() {
        let mut accounts = Accounts::default();
        let alice = session("phone");
        accounts.enable(&alice).unwrap();
        accounts.remember(&alice, Direction::Sent, &bob(), "m1");
        for flood in 0..2 * REMEMBERED_PER_ACCOUNT {
            accounts.remember(&alice, Direction::Received, &bob(), &flood.to_string());
        }
        assert!(accounts.remembers(&alice, Direction::Sent, &bob(), "m1"));
        assert!(!accounts.remembers(&alice, Direction::Received, &bob(), "0"));
        let account = &accounts.0["alice@a.example"];
        assert_eq!(account.received.0.len(), REMEMBERED_PER_ACCOUNT);
    }

    #[test]
    fn nothing_is_remembered_for_an_account_that_wants_no_copies() {
        let mut accounts = Accounts::default();
        accounts.remember(&session("phone"), Direction::Sent, &bob(), "m1");
        assert!(accounts.0.is_empty());
    }

    #[test]
    fn an_account_cannot_have_sessions_without_end() {
        let mut accounts = Accounts::default();
        for number in 0..SESSIONS_PER_ACCOUNT {
            accounts.enable(&session(&number.to_string())).unwrap();
        }
        assert_eq!(accounts.enable(&session("one more")), Err(TooManySessions));
        assert_eq!(accounts.enable(&session("0")), Ok(()));
    }
}
