//! What outlives the process: accounts, rosters, rooms and all else that is
//! promised to be there tomorrow, in one SQLite file. Without a directory the
//! same lives in memory, so that there is one way to keep things and not two.
//!
//! The SQL of each service stands beside the service; here is what they
//! share.
//!
//! 1. **Nothing blocks.** One thread has the database; who needs it waits
//!    without a thread of its own.
//! 2. **Kept means kept.** [`Storage::run`] returns when what was done is on
//!    the disk, and not before: what a client is told survives `kill -9`.
//! 3. **Many pay once.** What waits while the disk is busy is committed in
//!    one go; a job that fails undoes itself alone.
//! 4. **A failure is the caller's to tell.** A pass that returns it has its
//!    sender told `resource-constraint` to wait, as for any broken machinery.

mod columns;
mod file;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::random;
pub use columns::{bare_jid, element, jid, stanza};
pub use file::Unusable;
use worker::{Message, Reply};

/// A handle to the database; cloning it is cheap.
#[derive(Clone)]
pub struct Storage {
    worker: mpsc::Sender<Message>,
}

/// Nothing was kept, or nothing could be found out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failed {
    #[error("the storage failed: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    #[error("the storage is closed")]
    Closed,
}

impl Storage {
    /// Opens the file in this directory and makes what is not there; without
    /// a directory, everything is forgotten in the end.
    ///
    /// Blocks: to be called before anything is served.
    pub fn open(directory: Option<&Path>) -> Result<Self, Unusable> {
        let database = match directory {
            Some(directory) => file::open(directory)?,
            None => file::in_memory()?,
        };
        Ok(Self {
            worker: worker::start(database),
        })
    }

    /// Does something with the database, all of it or nothing. It is done even
    /// if the caller goes away.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failed> {
        let (tell, told) = oneshot::channel();
        let job = move |transaction: worker::Begun<'_, '_>| -> Reply {
            let done = transaction.and_then(|transaction| {
                let savepoint = transaction.savepoint().map_err(Arc::new)?;
                let value = work(&savepoint).map_err(Arc::new)?;
                savepoint.commit().map_err(Arc::new)?;
                Ok(value)
            });
            Box::new(move |committed| {
                let kept = committed.and(done).map_err(Failed::Sqlite);
                // Who has gone away does not want to know.
                let _ = tell.send(kept);
            })
        };
        let message = Message::Job(Box::new(job));
        self.worker.send(message).map_err(|_| Failed::Closed)?;
        told.await.unwrap_or(Err(Failed::Closed))
    }

    /// Random bytes that are the same whenever they are asked for again.
    pub async fn secret(&self, name: &'static str) -> Result<[u8; 32], Failed> {
        let new: [u8; 32] = random::bytes();
        self.run(move |db| {
            let keep = "INSERT OR IGNORE INTO secrets VALUES (?1, ?2)";
            db.execute(keep, (name, new))?;
            let kept = "SELECT value FROM secrets WHERE name = ?1";
            db.query_row(kept, [name], |row| row.get(0))
        })
        .await
    }

    /// Finishes what waits and lets go of the file.
    pub async fn close(&self) {
        let (tell, told) = oneshot::channel();
        if self.worker.send(Message::Close(tell)).is_ok() {
            let _ = told.await;
        }
    }
}

#[cfg(test)]
mod tests;
