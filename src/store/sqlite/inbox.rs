//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::archive::Row;

use super::SqliteError;
use super::batch::Batch;
use super::moment::Awaited;
use super::recent::Place;
use super::writer::Work;

/// What waits for the writer, in batches. Bounded; closed when nobody can add to
/// it any more.
pub(super) struct Inbox {
    state: Mutex<State>,
    filled: Condvar,
    capacity: usize,
}

/// What the writer finds when it looks for something to do.
pub(super) enum Taken {
    Batch(Batch),
    /// It has something else to do.
    Nothing,
    /// Nothing more comes.
    Over,
}

/// For what the writer is to be woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hunger {
    /// Nothing: it is awake, or has all that it can take.
    #[default]
    None,
    /// What somebody waits for, or much.
    Some,
    /// Whatever comes.
    Much,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Batch>,
    /// How much is in them.
    count: usize,
    /// A batch that has been emptied.
    spare: Option<Batch>,
    /// Somebody waits for what waits here.
    is_urgent: bool,
    /// For what the resting writer is to be woken; it is woken once.
    hunger: Hunger,
    closed: bool,
}

/// One batch, so that who came first need not wait for all.
const BATCH: usize = 512;

/// With so much that waits the writer begins, though it has time.
const MUCH: usize = 256;

/// With so much that waits, who brings another message waits as well.
const BACKLOG: usize = 1_024;

impl Inbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            capacity: capacity.max(1),
        }
    }

    /// Adds something that is wanted as soon as possible.
    pub(super) fn push(&self, work: Work) -> Result<(), SqliteError> {
        self.add(true, |batch| batch.push_work(work))
    }

    /// Adds a message for which nobody waits until it is on the disk; not if so much
    /// waits that its sender had better wait for the writer.
    pub(super) fn push_message(
        &self,
        row: &Row,
        place: Place,
    ) -> Result<Option<Awaited>, SqliteError> {
        if self.lock().count >= BACKLOG {
            return Ok(None);
        }
        self.add(false, |batch| batch.push_message(row, place))
            .map(Some)
    }

    fn add<T>(
        &self,
        is_urgent: bool,
        push: impl FnOnce(&mut Batch) -> T,
    ) -> Result<T, SqliteError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SqliteError::NoWorker);
        }
        if state.count >= self.capacity {
            return Err(SqliteError::Overloaded);
        }
        let pushed = push(state.last());
        state.count += 1;
        state.is_urgent |= is_urgent;
        if state.is_wanted() {
            state.hunger = Hunger::None;
            drop(state);
            self.filled.notify_one();
        }
        Ok(pushed)
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Lets the writer look whether there is something else to do.
    pub(super) fn nudge(&self) {
        // Under the lock: a writer that has just looked waits by then.
        let _state = self.lock();
        self.filled.notify_one();
    }

    /// The writer goes, and with it what nobody will do.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.closed = true;
        let abandoned = std::mem::take(&mut state.waiting);
        drop(state);
        drop(abandoned);
    }

    /// Waits for something to do. `hunger` says for what the writer wants to be woken,
    /// or that it has something else to do; it is asked again after each
    /// [`nudge`](Self::nudge). What was done last is given back.
    pub(super) fn take(&self, done: Option<Batch>, hunger: impl Fn() -> Option<Hunger>) -> Taken {
        let mut state = self.lock();
        state.spare = done.or(state.spare.take());
        loop {
            let Some(hunger) = hunger() else {
                return Taken::Nothing;
            };
            state.hunger = hunger;
            if state.is_wanted() {
                break;
            }
            if state.closed && state.waiting.is_empty() {
                return Taken::Over;
            }
            let filled = self.filled.wait(state);
            state = filled.unwrap_or_else(PoisonError::into_inner);
        }
        state.hunger = Hunger::None;
        let Some(batch) = state.waiting.pop_front() else {
            return Taken::Nothing;
        };
        state.count -= batch.count();
        state.is_urgent &= !state.waiting.is_empty();
        Taken::Batch(batch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The batch that is added to.
    fn last(&mut self) -> &mut Batch {
        if self.waiting.back().is_none_or(|last| last.count() >= BATCH) {
            let spare = self.spare.take().unwrap_or_default();
            self.waiting.push_back(spare);
        }
        let last = self.waiting.len() - 1;
        &mut self.waiting[last]
    }

    /// Whether the writer is to take something now.
    fn is_wanted(&self) -> bool {
        let is_pressing = self.is_urgent || self.closed || self.count >= MUCH;
        match self.hunger {
            Hunger::None => false,
            Hunger::Some => !self.waiting.is_empty() && is_pressing,
            Hunger::Much => !self.waiting.is_empty(),
        }
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("waiting", &self.lock().count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::recent::Recent;
    use super::*;
    use crate::archive::Direction;
    use crate::stanza::Time;

    /// Puts a message in; nobody waits for it.
    fn put(inbox: &Inbox, recent: &Recent) {
        let owner: jid::BareJid = "alice@a.example".parse().expect("a bare JID");
        let (with, at) = (owner.clone(), Time::from_secs(0));
        let id = "-abcdefghijklmnopqrstuvwxyz";
        let row = Row::new(owner, id, at, with, Direction::Incoming, &b"<message/>"[..]);
        let put = recent.take_in(&row.owner, &row.id, |place| inbox.push_message(&row, place));
        assert!(put.expect("it is open").is_some(), "there is room");
    }

    /// What the writer takes with this hunger, if anything.
    fn taken(inbox: &Inbox, hunger: Hunger) -> Option<usize> {
        inbox.lock().hunger = hunger;
        if !inbox.lock().is_wanted() {
            return None;
        }
        match inbox.take(None, || Some(hunger)) {
            Taken::Batch(batch) => Some(batch.count()),
            Taken::Nothing | Taken::Over => None,
        }
    }

    #[test]
    fn a_writer_that_has_time_takes_what_is_urgent_or_much_and_nothing_else() {
        let (inbox, recent) = (Inbox::new(1_000), Recent::after(0));
        for number in 1..MUCH {
            put(&inbox, &recent);
            assert_eq!(taken(&inbox, Hunger::Some), None, "{number}");
        }
        put(&inbox, &recent);
        assert_eq!(taken(&inbox, Hunger::None), None);
        assert_eq!(taken(&inbox, Hunger::Some), Some(MUCH));
        put(&inbox, &recent);
        assert_eq!(taken(&inbox, Hunger::Some), None, "it has begun anew");
        inbox.push(Box::new(|_| None)).expect("there is room");
        assert_eq!(taken(&inbox, Hunger::Some), Some(2), "it is urgent");
        put(&inbox, &recent);
        assert_eq!(taken(&inbox, Hunger::Some), None, "what was urgent is done");
        assert_eq!(taken(&inbox, Hunger::Much), Some(1));
    }

    #[test]
    fn who_brings_more_than_the_backlog_is_to_wait_and_more_than_the_capacity_is_refused() {
        let (inbox, recent) = (Inbox::new(BACKLOG + 1), Recent::after(0));
        for _ in 0..BACKLOG {
            put(&inbox, &recent);
        }
        let owner: jid::BareJid = "alice@a.example".parse().expect("a bare JID");
        let (with, at) = (owner.clone(), Time::from_secs(0));
        let row = Row::new(
            owner,
            "-1",
            at,
            with,
            Direction::Incoming,
            &b"<message/>"[..],
        );
        let put = recent.take_in(&row.owner, &row.id, |place| inbox.push_message(&row, place));
        assert!(put.expect("it is open").is_none());
        assert_eq!(inbox.push(Box::new(|_| None)), Ok(()));
        let refused = inbox.push(Box::new(|_| None));
        assert_eq!(refused, Err(SqliteError::Overloaded));
        // It comes in batches, so that who came first need not wait for all.
        assert_eq!(taken(&inbox, Hunger::Some), Some(BATCH));
    }
}
