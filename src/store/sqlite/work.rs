//! What waits for the workers, and the workers.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::recent::Recent;
use super::settle::last_place;
use super::syncs::Syncs;
use super::write::Desk;
use super::writer::{Write, Writer};
use super::{SqliteError, SqliteSettings, schema};

/// Something to be read; what it finds goes where its maker wants it.
pub(super) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Something to be looked at or changed in a transaction of its own.
#[cfg(any(feature = "account-muc", feature = "muc-offline", feature = "muc-push"))]
pub(super) type Change = Read;

/// Does what a store in a file is asked, on a thread
/// where the host lets it block.
#[derive(Debug)]
#[must_use = "nothing is stored or read unless the workers run"]
pub struct Worker(Kind);

#[derive(Debug)]
enum Kind {
    Writer(Box<Writer>),
    /// Waits for the disk, and nudges the writer.
    Syncer(Arc<Syncs>, File, Arc<Queue<Write>>),
    /// Also whoever changes something in a transaction of its own.
    Reader(Arc<Queue<Read>>, Connection),
}

/// What waits for workers of one kind. Bounded; closed when nobody can add to
/// it any more.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    filled: Condvar,
    capacity: usize,
}

/// What a worker finds when it looks for something to do.
pub(super) enum Taken<J> {
    Jobs(VecDeque<J>),
    /// It has something else to do.
    Nothing,
    /// Nothing more comes.
    Over,
}

struct State<J> {
    waiting: VecDeque<J>,
    workers: usize,
    /// Somebody waits for what waits here.
    is_urgent: bool,
    /// Workers that wait for something to do.
    resting: usize,
    /// They need not hurry.
    has_time: bool,
    closed: bool,
}

/// With so much that waits a worker begins, though it has time.
const MUCH: usize = 256;

/// The workers for a file, which is up to date then, and their queues.
pub(super) fn workers(path: &Path, settings: &SqliteSettings) -> Result<Staff, SqliteError> {
    let readers = settings.readers.max(1);
    let writes = Arc::new(Queue::new(settings.capacity, 1));
    let reads = Arc::new(Queue::new(settings.capacity, readers));
    let syncs = Arc::new(Syncs::default());
    let connection = schema::open_writer(path, settings.file_bytes)?;
    let log = schema::log(&connection, path)?;
    let last = last_place(&connection)?;
    let recent = Arc::new(Recent::after(last));
    let desk = Desk::open(connection, settings.messages, last)?;
    let writer = Writer::new(writes.clone(), syncs.clone(), recent.clone(), desk);
    let mut workers = vec![
        Worker(Kind::Writer(Box::new(writer))),
        Worker(Kind::Syncer(syncs, log, writes.clone())),
    ];
    for _ in 0..readers {
        let connection = schema::open_reader(path)?;
        workers.push(Worker(Kind::Reader(reads.clone(), connection)));
    }
    Ok(Staff {
        workers,
        writes,
        reads,
        recent,
    })
}

pub(super) struct Staff {
    pub(super) workers: Vec<Worker>,
    pub(super) writes: Arc<Queue<Write>>,
    pub(super) reads: Arc<Queue<Read>>,
    pub(super) recent: Arc<Recent>,
}

impl Worker {
    /// A worker that changes a file in small steps, and its queue.
    #[cfg(any(feature = "account-muc", feature = "muc-offline", feature = "muc-push"))]
    pub(super) fn of_changes(
        connection: Connection,
        capacity: usize,
    ) -> (Arc<Queue<Change>>, Self) {
        let queue = Arc::new(Queue::new(capacity, 1));
        let worker = Worker(Kind::Reader(queue.clone(), connection));
        (queue, worker)
    }

    /// Works until the store is dropped and everything that waits is done.
    pub fn run(mut self) {
        match &mut self.0 {
            Kind::Writer(writer) => writer.run(),
            Kind::Syncer(syncs, log, writes) => syncs.run(|| log.sync_data(), || writes.nudge()),
            Kind::Reader(queue, connection) => {
                while let Some(batch) = queue.take(1) {
                    for read in batch {
                        // What breaks drops its sender, and so tells who asked.
                        let _ = catch_unwind(AssertUnwindSafe(|| read(connection)));
                    }
                }
            }
        }
    }
}

/// A worker that is gone, or never ran, lets nobody wait for it.
impl Drop for Worker {
    fn drop(&mut self) {
        match &self.0 {
            // It says so itself.
            Kind::Writer(_) => {}
            Kind::Syncer(syncs, ..) => syncs.abandon(),
            Kind::Reader(queue, _) => queue.leave(),
        }
    }
}

impl<J> Queue<J> {
    pub(super) fn new(capacity: usize, workers: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            workers,
            is_urgent: false,
            resting: 0,
            has_time: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            capacity: capacity.max(1),
        }
    }

    /// Adds something that is wanted as soon as possible.
    pub(super) fn push(&self, job: J) -> Result<(), SqliteError> {
        self.add(job, true)
    }

    /// Adds something that nobody waits for until it is done with more.
    pub(super) fn push_for_later(&self, job: J) -> Result<(), SqliteError> {
        self.add(job, false)
    }

    fn add(&self, job: J, is_urgent: bool) -> Result<(), SqliteError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SqliteError::NoWorker);
        }
        if state.waiting.len() >= self.capacity {
            return Err(SqliteError::Overloaded);
        }
        state.waiting.push_back(job);
        state.is_urgent |= is_urgent;
        let is_awaited = state.resting > 0 && state.is_wanted();
        drop(state);
        if is_awaited {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Lets the worker look whether there is something else to do.
    pub(super) fn nudge(&self) {
        // Under the lock: a worker that has just looked waits by then.
        let _state = self.lock();
        self.filled.notify_one();
    }

    /// A worker goes. With the last one goes what nobody will do.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.workers = state.workers.saturating_sub(1);
        if state.workers == 0 {
            state.closed = true;
            let abandoned = std::mem::take(&mut state.waiting);
            drop(state);
            drop(abandoned);
        }
    }

    /// Waits for something, and takes at most so many; `None` if nothing more
    /// will come.
    fn take(&self, most: usize) -> Option<VecDeque<J>> {
        match self.take_unless(most, || false, || false) {
            Taken::Jobs(jobs) => Some(jobs),
            Taken::Nothing | Taken::Over => None,
        }
    }

    /// The same for a worker that may have something else to do, or may have
    /// time until much has come, and is told by a [`nudge`](Self::nudge) when
    /// that changes.
    pub(super) fn take_unless(
        &self,
        most: usize,
        has_other_work: impl Fn() -> bool,
        has_time: impl Fn() -> bool,
    ) -> Taken<J> {
        let mut state = self.lock();
        loop {
            if has_other_work() {
                return Taken::Nothing;
            }
            state.has_time = has_time();
            if most > 0 && state.is_wanted() {
                break;
            }
            if state.closed && state.waiting.is_empty() {
                return Taken::Over;
            }
            state.resting += 1;
            let filled = self.filled.wait(state);
            state = filled.unwrap_or_else(PoisonError::into_inner);
            state.resting -= 1;
        }
        let rest = state.waiting.len().min(most);
        let rest = state.waiting.split_off(rest);
        state.is_urgent &= !rest.is_empty();
        Taken::Jobs(std::mem::replace(&mut state.waiting, rest))
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    /// Whether a worker is to take something now.
    fn is_wanted(&self) -> bool {
        let is_much = self.waiting.len() >= MUCH;
        !self.waiting.is_empty() && (!self.has_time || self.is_urgent || is_much || self.closed)
    }
}

impl<J> std::fmt::Debug for Queue<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("waiting", &self.lock().waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_has_time_takes_what_is_urgent_or_much_and_nothing_else() {
        let taken = |queue: &Queue<usize>, has_time: bool| {
            queue.lock().has_time = has_time;
            let is_wanted = queue.lock().is_wanted();
            if is_wanted {
                let taken = queue.take_unless(usize::MAX, || false, || has_time);
                assert!(matches!(taken, Taken::Jobs(jobs) if !jobs.is_empty()));
                assert!(!queue.lock().is_wanted(), "nothing is left");
            }
            is_wanted
        };
        let queue = Queue::new(1_000, 1);
        for number in 1..MUCH {
            queue.push_for_later(number).expect("there is room");
            assert!(!taken(&queue, true), "{number}");
        }
        queue.push_for_later(0).expect("there is room");
        assert!(taken(&queue, true), "it is much");
        queue.push_for_later(0).expect("there is room");
        assert!(!taken(&queue, true), "it has begun anew");
        queue.push(0).expect("there is room");
        assert!(taken(&queue, true), "it is urgent");
        queue.push_for_later(0).expect("there is room");
        assert!(!taken(&queue, true), "what was urgent is done");
        assert!(taken(&queue, false), "it has no time");
    }
}
