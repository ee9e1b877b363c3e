use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};

use crate::stanza::{Stanza, Time};

use super::{Pending, PendingFull, PendingLimits};

/// A [`Pending`] table that passes share, and of which
/// [`Feature::concerns`](super::Feature::concerns) may ask without a lock whether there is
/// anything in it: most answers that pass a server answer nothing of ours.
///
/// ```
/// use jid::{BareJid, Jid};
/// use tower_xmpp::middleware::Questions;
/// use tower_xmpp::stanza::{Stanza, Time};
///
/// let questions = Questions::default();
/// let (alice, room): (BareJid, Jid) = ("alice@a.example".parse()?, "tea@muc.example".parse()?);
/// questions.ask(Time::EPOCH, &alice, room.clone(), "q1", "tea?").expect("a first is never too many");
///
/// let answer = Stanza::parse(b"<iq type='result' id='q1'/>").expect("XML").with_from(room);
/// assert_eq!(questions.answered(&alice, &answer), Some("tea?"));
/// assert!(questions.is_empty());
/// # Ok::<_, jid::Error>(())
/// ```
#[derive(Debug)]
pub struct Questions<T> {
    table: Mutex<Pending<T>>,
    open: AtomicUsize,
}

impl<T> Questions<T> {
    /// An empty table.
    pub fn new(limits: PendingLimits) -> Self {
        Self {
            table: Mutex::new(Pending::new(limits)),
            open: AtomicUsize::new(0),
        }
    }

    /// Whether none is open.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// See [`Pending::ask`].
    ///
    /// # Errors
    ///
    /// [`PendingFull`], and nothing is recorded.
    pub fn ask(
        &self,
        at: Time,
        owner: &BareJid,
        asked: Jid,
        id: &str,
        then: T,
    ) -> Result<(), PendingFull> {
        self.with(|table| table.ask(at, owner, asked, id, then))
    }

    /// See [`Pending::answered`].
    pub fn answered(&self, owner: &BareJid, stanza: &Stanza) -> Option<T> {
        self.with(|table| table.answered(owner, stanza))
    }

    /// See [`Pending::expired`].
    pub fn expired(&self, at: Time) -> Vec<(BareJid, T)> {
        self.with(|table| table.expired(at))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Pending<T>) -> R) -> R {
        let mut table = self.lock();
        let done = act(&mut table);
        // Under the lock, so that the count is never that of a table before.
        self.open.store(table.len(), Ordering::Release);
        done
    }

    fn lock(&self) -> MutexGuard<'_, Pending<T>> {
        // Every change of the table is whole, so a poisoned lock is as good as new.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self::new(PendingLimits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_when_all_is_answered_expired_or_was_too_much() {
        let limits = PendingLimits {
            per_owner: 1,
            ..PendingLimits::default()
        };
        let questions = Questions::new(limits);
        let alice: BareJid = "alice@a.example".parse().unwrap();
        let room: Jid = "tea@muc.example".parse().unwrap();
        assert!(questions.is_empty());
        let ask = |id| questions.ask(Time::EPOCH, &alice, room.clone(), id, ());
        assert_eq!(ask("1"), Ok(()));
        assert_eq!(ask("2"), Err(PendingFull::Owner(1)));
        assert!(!questions.is_empty());
        let answer = Stanza::iq("result".into(), "1").with_from(room.clone());
        assert_eq!(questions.answered(&alice, &answer), Some(()));
        assert!(questions.is_empty());
        assert_eq!(ask("3"), Ok(()));
        let later = Time::EPOCH + limits.patience;
        assert_eq!(questions.expired(later), [(alice.clone(), ())]);
        assert!(questions.is_empty());
    }
}
