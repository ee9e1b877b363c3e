//! How the stores work whose rows change seldom, one at a time.

use std::path::Path;
use std::sync::Arc;

use futures::channel::oneshot;
use rusqlite::{Connection, Row};

use super::error::Failed;
use super::work::{Change, Queue, Worker};
use super::{SqliteError, schema};

/// What may wait for the worker; one more is refused with
/// [`SqliteError::Overloaded`].
const CAPACITY: usize = 10_000;

/// The way to the worker of a file, which does what still waits and ends when
/// this is dropped.
#[derive(Debug)]
pub(super) struct Changes(Arc<Queue<Change>>);

impl Changes {
    /// Opens the file, or makes it, and brings its schema up to date.
    pub(super) fn open(
        path: &Path,
        file_bytes: Option<u64>,
    ) -> Result<(Self, Worker), SqliteError> {
        let connection = schema::open_writer(path, file_bytes)?;
        let (queue, worker) = Worker::of_changes(connection, CAPACITY);
        Ok((Self(queue), worker))
    }

    /// Has something done by the worker, and waits for what comes of it. Each
    /// statement is a transaction of its own, and on the disk then.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let (tell, told) = oneshot::channel();
        self.0.push(Box::new(move |connection| {
            // Who asked may have gone away.
            let _ = tell.send(work(connection));
        }))?;
        let told = told.await.map_err(|_| SqliteError::NoWorker)?;
        Ok(told?)
    }

    /// Everything that this finds.
    pub(super) async fn all<T: Send + 'static>(
        &self,
        sql: &'static str,
        read: fn(&Row<'_>) -> Result<T, Failed>,
    ) -> Result<Vec<T>, SqliteError> {
        self.ask(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(())?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(all)
        })
        .await
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.0.close();
    }
}
