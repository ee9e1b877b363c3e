//! What waits for the workers, and the workers.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::inbox::Inbox;
use super::recent::Recent;
use super::settle::last_place;
use super::syncs::Syncs;
use super::write::Desk;
use super::writer::Writer;
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
    Syncer(Arc<Syncs>, File, Arc<Inbox>),
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

struct State<J> {
    waiting: VecDeque<J>,
    workers: usize,
    closed: bool,
}

/// The workers for a file, which is up to date then, and their queues.
pub(super) fn workers(path: &Path, settings: &SqliteSettings) -> Result<Staff, SqliteError> {
    let readers = settings.readers.max(1);
    let writes = Arc::new(Inbox::new(settings.capacity));
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
    pub(super) writes: Arc<Inbox>,
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
                while let Some(read) = queue.take() {
                    // What breaks drops its sender, and so tells who asked.
                    let _ = catch_unwind(AssertUnwindSafe(|| read(connection)));
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
    fn new(capacity: usize, workers: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            workers,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            capacity: capacity.max(1),
        }
    }

    /// Adds something to be done.
    pub(super) fn push(&self, job: J) -> Result<(), SqliteError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SqliteError::NoWorker);
        }
        if state.waiting.len() >= self.capacity {
            return Err(SqliteError::Overloaded);
        }
        state.waiting.push_back(job);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// A worker goes. With the last one goes what nobody will do.
    fn leave(&self) {
        let mut state = self.lock();
        state.workers = state.workers.saturating_sub(1);
        if state.workers == 0 {
            state.closed = true;
            let abandoned = std::mem::take(&mut state.waiting);
            drop(state);
            drop(abandoned);
        }
    }

    /// Waits for something; `None` if nothing more will come.
    fn take(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            let filled = self.filled.wait(state);
            state = filled.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> std::fmt::Debug for Queue<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("waiting", &self.lock().waiting.len())
            .finish_non_exhaustive()
    }
}
