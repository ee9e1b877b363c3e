//! What is committed, and waits for the disk.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;

use crate::archive::ArchiveError;

use super::SqliteError;
use super::moment::Moment;
use super::recent::Place;

/// What is told when something is on the disk, or will never be.
pub(super) enum Then {
    /// Whoever appended messages of a batch.
    Moment(Arc<Moment>),
    /// Whoever appended a message and waited for its place.
    Sender(oneshot::Sender<Result<(), ArchiveError>>),
    Call(Box<dyn FnOnce(Result<(), SqliteError>) + Send>),
}

impl Pending {
    pub(super) fn told(self, what: Result<(), SqliteError>) {
        match (self.tell, what) {
            (Then::Moment(moment), Ok(())) => moment.kept(),
            (Then::Moment(moment), Err(error)) => {
                moment.lost(self.places.iter().map(|place| place.number), &error);
            }
            // Who asked may have gone away.
            (Then::Sender(sender), what) => drop(sender.send(what.map_err(ArchiveError::from))),
            (Then::Call(call), what) => call(what),
        }
    }

    /// Whether those that wait for this moment are told.
    pub(super) fn is_of(&self, moment: &Arc<Moment>) -> bool {
        matches!(&self.tell, Then::Moment(mine) if Arc::ptr_eq(mine, moment))
    }

    /// How much this is.
    pub(super) fn count(&self) -> usize {
        self.places.len().max(1)
    }
}

/// With so much in one go it comes fast, and more is gathered before the disk is
/// waited for again: each wait has its price, however little it is for.
const MUCH: usize = 8;
const PAUSE: Duration = Duration::from_millis(5);

/// Something that was written and is not known to be on the disk.
pub(super) struct Pending {
    pub(super) tell: Then,
    /// Where messages were put that go again if the disk refuses them.
    pub(super) places: Vec<Place>,
}

/// Between the writer, which commits, and a worker that does nothing but wait
/// for the disk: meanwhile the writer takes in what comes next.
#[derive(Default)]
pub(super) struct Syncs {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Pending>,
    busy: bool,
    refused: Vec<(Pending, SqliteError)>,
    /// The disk has refused something, and the log may have a hole since: what
    /// comes after a hole is not found again.
    distrusted: bool,
    /// Nothing more is committed.
    closed: bool,
    /// Nobody waits for the disk any more.
    abandoned: bool,
}

impl Syncs {
    /// This is committed.
    pub(super) fn push(&self, committed: Vec<Pending>) {
        let mut state = self.lock();
        if !state.abandoned {
            state.waiting.extend(committed);
            self.filled.notify_one();
        } // Else who waits for it is told by its going away.
    }

    /// Whether more may be committed: the disk is not being waited for.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.abandoned || !state.busy && state.waiting.is_empty()
    }

    /// Whether the disk has refused something that the writer is to mend.
    pub(super) fn has_refused(&self) -> bool {
        !self.lock().refused.is_empty()
    }

    /// What the disk has refused.
    pub(super) fn refused(&self) -> Vec<(Pending, SqliteError)> {
        std::mem::take(&mut self.lock().refused)
    }

    /// All that was committed is on the disk after all, log or not.
    pub(super) fn trust(&self) {
        self.lock().distrusted = false;
    }

    /// Nothing more is committed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Nobody waits for the disk any more.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        let dropped = (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.refused),
        );
        drop(state);
        drop(dropped);
    }

    /// Waits for the disk, again and again, until nothing more is committed;
    /// `nudge` tells the writer that there is something to do for it.
    pub(super) fn run(&self, sync: impl Fn() -> io::Result<()>, nudge: impl Fn()) {
        while let Some((committed, is_trusted)) = self.take() {
            let synced = match is_trusted {
                true => sync().map_err(named),
                false => Err(SqliteError::Other("the log is damaged".to_owned())),
            };
            let is_much = committed.iter().map(Pending::count).sum::<usize>() >= MUCH;
            let refused = match synced {
                Ok(()) => {
                    tell(committed, &Ok(()));
                    None
                }
                Err(error) => Some((committed, error)),
            };
            let mut state = self.lock();
            if is_much && refused.is_none() {
                let paused = self
                    .filled
                    .wait_timeout_while(state, PAUSE, |state| !state.closed);
                state = paused.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.busy = false;
            match refused {
                Some((committed, error)) if state.closed => {
                    drop(state);
                    tell(committed, &Err(error));
                    continue;
                }
                Some((committed, error)) => {
                    state.distrusted = true;
                    let refused = committed.into_iter();
                    state
                        .refused
                        .extend(refused.map(|one| (one, error.clone())));
                }
                None => {}
            }
            drop(state);
            nudge();
        }
    }

    fn take(&self) -> Option<(Vec<Pending>, bool)> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            let filled = self.filled.wait(state);
            state = filled.unwrap_or_else(PoisonError::into_inner);
        }
        state.busy = true;
        Some((std::mem::take(&mut state.waiting), !state.distrusted))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody the same.
pub(super) fn tell(pending: Vec<Pending>, what: &Result<(), SqliteError>) {
    for one in pending {
        one.told(what.clone());
    }
}

fn named(error: io::Error) -> SqliteError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqliteError::DiskFull,
        io::ErrorKind::ReadOnlyFilesystem => SqliteError::ReadOnly,
        _ => SqliteError::Other(error.to_string()),
    }
}

impl std::fmt::Debug for Syncs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncs").finish_non_exhaustive()
    }
}
