//! Which sessions of which account take part, in which mode, and which
//! messages passed lately, so that errors answering them are known.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jid::{FullJid, Jid};
use thiserror::Error;

use super::mode::Modes;
use super::rules::Direction;
use super::{Mode, bare};

/// How many sessions of one account may take part.
pub(super) const SESSIONS_PER_ACCOUNT: usize = 256;

/// How many messages of one account are remembered: eligible ones each way,
/// and forked ones.
pub(super) const REMEMBERED_PER_ACCOUNT: usize = 128;

/// The accounts of which a session takes part, and no others.
#[derive(Debug, Default)]
pub(super) struct Accounts(HashMap<Box<str>, Account>);

/// The account has [`SESSIONS_PER_ACCOUNT`] such sessions already.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{SESSIONS_PER_ACCOUNT} sessions of the account take part already")]
pub(super) struct TooManySessions;

/// Sessions that have asked for something, in the order of their names, and
/// for what.
pub(super) type Sessions = Arc<[(FullJid, Modes)]>;

#[derive(Debug, Default)]
struct Account {
    /// Made anew with each change, since every message wants them.
    sessions: Sessions,
    sent: Recent<u64>,
    received: Recent<u64>,
    forked: Recent<Forked>,
}

/// A message that several sessions got as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forked {
    message: u64,
    /// The session that it named, which may answer it with an error.
    named: Option<u64>,
}

/// The last few messages, oldest first, each as a number made of whom it was
/// exchanged with and its id. What two messages share by chance costs a copy
/// of an error that none was due for, to the user who got it anyway, or an
/// error about a message that others got as well.
#[derive(Debug)]
struct Recent<T>(VecDeque<T>);

impl Accounts {
    /// A session asks for a mode. Again is as good as once (XEP-0280 §10.1).
    pub(super) fn enable(&mut self, session: &FullJid, mode: Mode) -> Result<(), TooManySessions> {
        let account = self.0.entry(bare(session).into()).or_default();
        if account.sessions.len() >= SESSIONS_PER_ACCOUNT && account.place(session).is_err() {
            return Err(TooManySessions);
        }
        account.change(session, |modes| modes.insert(mode));
        Ok(())
    }

    /// A session does not want a mode any more.
    pub(super) fn disable(&mut self, session: &FullJid, mode: Mode) {
        self.change(session, |modes| modes.remove(mode));
    }

    /// A session is over, and with it all it asked for.
    pub(super) fn end(&mut self, session: &FullJid) {
        self.change(session, |modes| *modes = Modes::default());
    }

    fn change(&mut self, session: &FullJid, change: impl FnOnce(&mut Modes)) {
        let Some(account) = self.0.get_mut(bare(session)) else {
            return;
        };
        account.change(session, change);
        if account.sessions.is_empty() {
            self.0.remove(bare(session));
        }
    }

    /// Forgets an account.
    pub(super) fn remove(&mut self, account: &Jid) {
        self.0.remove(bare(account));
    }

    /// Whether any session of this account takes part.
    pub(super) fn take_part(&self, account: &Jid) -> bool {
        self.0.contains_key(bare(account))
    }

    /// The account's sessions that take part.
    pub(super) fn sessions(&self, account: &Jid) -> Sessions {
        let account = self.0.get(bare(account));
        account.map_or_else(Sessions::default, |account| account.sessions.clone())
    }

    /// Whether any session of this account takes part in this mode.
    pub(super) fn take_part_in(&self, account: &Jid, mode: Mode) -> bool {
        self.0.get(bare(account)).is_some_and(|account| {
            let mut sessions = account.sessions.iter();
            sessions.any(|(_, modes)| modes.greatest() == Some(mode))
        })
    }

    /// The mode that counts for a session.
    pub(super) fn mode(&self, session: &FullJid) -> Option<Mode> {
        let account = self.0.get(bare(session))?;
        let place = account.place(session).ok()?;
        account.sessions[place].1.greatest()
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

    /// Remembers a message that several sessions get as it is.
    pub(super) fn forked(&mut self, account: &Jid, peer: &Jid, id: &str, named: Option<&FullJid>) {
        if let Some(account) = self.0.get_mut(bare(account)) {
            account.forked.push(Forked::of(peer, id, named));
        }
    }

    /// It turned out that one session got it, and may answer it.
    pub(super) fn not_forked(
        &mut self,
        account: &Jid,
        peer: &Jid,
        id: &str,
        named: Option<&FullJid>,
    ) {
        if let Some(account) = self.0.get_mut(bare(account)) {
            let last = Forked::of(peer, id, named);
            let found = account.forked.0.iter().rposition(|one| *one == last);
            found.map(|position| account.forked.0.remove(position));
        }
    }

    /// Whether an error with which this session answers such a message would
    /// be one about a fork: others have the message.
    pub(super) fn answers_fork(&self, session: &FullJid, peer: &Jid, id: &str) -> bool {
        let message = number(peer, id);
        let this = Some(hash(session.as_str()));
        self.0.get(bare(session)).is_some_and(|account| {
            let mut forked = account.forked.0.iter();
            forked.any(|one| one.message == message && one.named != this)
        })
    }
}

impl Account {
    /// Where the session stands, or would stand.
    fn place(&self, session: &FullJid) -> Result<usize, usize> {
        self.sessions
            .binary_search_by(|(known, _)| known.cmp(session))
    }

    /// Changes what a session has asked for. One that asks for nothing is not kept.
    fn change(&mut self, session: &FullJid, change: impl FnOnce(&mut Modes)) {
        let place = self.place(session);
        let before = place.map_or_else(|_| Modes::default(), |place| self.sessions[place].1);
        let mut modes = before;
        change(&mut modes);
        if modes == before {
            return;
        }
        let mut sessions = self.sessions.to_vec();
        match place {
            Ok(place) if modes.is_empty() => drop(sessions.remove(place)),
            Ok(place) => sessions[place].1 = modes,
            Err(place) => sessions.insert(place, (session.clone(), modes)),
        }
        self.sessions = sessions.into();
    }

    fn recent(&self, direction: Direction) -> &Recent<u64> {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }

    fn recent_mut(&mut self, direction: Direction) -> &mut Recent<u64> {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }
}

impl<T> Recent<T> {
    fn push(&mut self, message: T) {
        if self.0.len() == REMEMBERED_PER_ACCOUNT {
            self.0.pop_front();
        }
        self.0.push_back(message);
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl Forked {
    fn of(peer: &Jid, id: &str, named: Option<&FullJid>) -> Self {
        Self {
            message: number(peer, id),
            named: named.map(|named| hash(named.as_str())),
        }
    }
}

/// An error may come from another resource than the message went to, or from
/// the bare JID: only that counts.
fn number(peer: &Jid, id: &str) -> u64 {
    hash((bare(peer), id))
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
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
    fn an_account_is_known_as_long_as_one_of_its_sessions_takes_part() {
        let mut accounts = Accounts::default();
        accounts.enable(&session("phone"), Mode::Carbons).unwrap();
        accounts.enable(&session("desk"), Mode::ImNg).unwrap();
        accounts.enable(&session("desk"), Mode::ImNg).unwrap();
        let sessions = accounts.sessions(&session("phone"));
        let in_order = sessions
            .iter()
            .map(|(session, modes)| (session, modes.greatest()));
        assert!(in_order.eq([
            (&session("desk"), Some(Mode::ImNg)),
            (&session("phone"), Some(Mode::Carbons))
        ]));
        accounts.disable(&session("phone"), Mode::Carbons);
        assert!(accounts.take_part(&session("phone")));
        accounts.end(&session("desk"));
        assert!(accounts.0.is_empty());
    }

    #[test]
    fn carbons_switched_off_leave_what_cannot_be() {
        let mut accounts = Accounts::default();
        let phone = session("phone");
        accounts.enable(&phone, Mode::Mr2).unwrap();
        accounts.enable(&phone, Mode::Carbons).unwrap();
        accounts.disable(&phone, Mode::Carbons);
        assert_eq!(accounts.mode(&phone), Some(Mode::Mr2));
        accounts.disable(&session("desk"), Mode::Carbons);
        assert!(accounts.take_part(&phone));
    }

    #[test]
    fn only_the_session_that_a_forked_message_named_may_answer_it() {
        let mut accounts = Accounts::default();
        let (phone, desk) = (session("phone"), session("desk"));
        accounts.enable(&phone, Mode::ImNg).unwrap();
        accounts.forked(&phone, &bob(), "m1", Some(&phone));
        accounts.forked(&phone, &bob(), "m2", None);
        assert!(!accounts.answers_fork(&phone, &bob(), "m1"));
        assert!(accounts.answers_fork(&desk, &bob(), "m1"));
        assert!(accounts.answers_fork(&phone, &bob(), "m2"));
        assert!(!accounts.answers_fork(&desk, &bob(), "m3"));
        accounts.not_forked(&phone, &bob(), "m2", None);
        assert!(!accounts.answers_fork(&phone, &bob(), "m2"));
    }

    #[test]
    fn a_message_is_remembered_by_the_other_end_its_id_and_who_wrote_it() {
        let mut accounts = Accounts::default();
        let alice = session("phone");
        accounts.enable(&alice, Mode::Carbons).unwrap();
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
        accounts.enable(&alice, Mode::Carbons).unwrap();
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
    fn nothing_is_remembered_for_an_account_that_does_not_take_part() {
        let mut accounts = Accounts::default();
        accounts.remember(&session("phone"), Direction::Sent, &bob(), "m1");
        assert!(accounts.0.is_empty());
    }

    #[test]
    fn an_account_cannot_have_sessions_without_end() {
        let mut accounts = Accounts::default();
        for number in 0..SESSIONS_PER_ACCOUNT {
            accounts
                .enable(&session(&number.to_string()), Mode::Carbons)
                .unwrap();
        }
        assert_eq!(
            accounts.enable(&session("one more"), Mode::Mr2),
            Err(TooManySessions)
        );
        assert_eq!(accounts.enable(&session("0"), Mode::Mr2), Ok(()));
    }
}
