use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::channel::oneshot;
use jid::BareJid;
use rusqlite::Connection;

use crate::archive::{
    Accepted, ArchiveError, ArchiveStore, Entry, Page, Position, Preferences, Row,
};
use crate::stanza::Time;

use super::error::Failed;
use super::inbox::Inbox;
use super::moment::Awaited;
use super::recent::{Doubt, Place, Recent};
use super::syncs::{Pending, Then};
use super::work::{Queue, Read, Staff, Worker, workers};
use super::write::Desk;
use super::writer::Work;
use super::{SqliteError, read};

/// Archives in a file. The [module](crate::store::sqlite) says how it works.
#[derive(Debug)]
pub struct SqliteArchive {
    writes: Arc<Inbox>,
    reads: Arc<Queue<Read>>,
    recent: Arc<Recent>,
}

/// The bounds of a [`SqliteArchive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteSettings {
    /// Messages per account; the oldest are dropped. Default 1,000,000.
    pub messages: u64,
    /// How many pages are read at the same time: workers besides the writer.
    /// Default 1.
    pub readers: usize,
    /// How much may wait for the writer, and for the readers; one more is
    /// refused with [`SqliteError::Overloaded`]. Default 10,000.
    pub capacity: usize,
    /// How large the file may become, its log not counted; then it is as if
    /// the disk were full. Default: as large as the disk.
    pub file_bytes: Option<u64>,
}

impl SqliteArchive {
    /// Opens the file, or makes it, and brings its schema up to date. This
    /// blocks, so do it before you serve. The workers are yours to run, each
    /// on a thread where it may block.
    ///
    /// # Errors
    ///
    /// [`SqliteError`] names what is wrong with the file.
    pub fn open(path: &Path, settings: SqliteSettings) -> Result<(Self, Vec<Worker>), SqliteError> {
        let Staff {
            workers,
            writes,
            reads,
            recent,
        } = workers(path, &settings)?;
        let archive = Self {
            writes,
            reads,
            recent,
        };
        Ok((archive, workers))
    }

    /// Hands a message to the writer.
    fn take_in(&self, row: Row) -> Result<Taken, SqliteError> {
        self.recent.take_in(&row.owner, &row.id, |place| {
            if place.doubt == Doubt::None
                && !place.in_trouble
                && let Some(durable) = self.writes.push_message(&row, place)?
            {
                return Ok(Taken::Accepted(position(place), durable));
            }
            let (accept, accepted) = oneshot::channel();
            let (tell, told) = oneshot::channel();
            let work = appending(row.clone(), place, self.recent.clone(), accept, tell);
            self.writes.push(work)?;
            let in_trouble = place.in_trouble;
            Ok(Taken::Waiting(Waiting {
                accepted,
                told,
                in_trouble,
            }))
        })
    }

    /// Lets the writer do something, and waits until that is durable.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let (tell, told) = oneshot::channel();
        self.writes
            .push(Box::new(move |desk: Result<&mut Desk, _>| {
                match desk.and_then(|desk| Ok(work(desk)?)) {
                    Ok(done) => Some(Pending {
                        tell: Then::Call(Box::new(move |synced| {
                            let _ = tell.send(synced.map(|()| done));
                        })),
                        places: Vec::new(),
                    }),
                    Err(error) => {
                        // Who asked may have gone away.
                        let _ = tell.send(Err(error));
                        None
                    }
                }
            }))?;
        let told = told.await.map_err(|_| SqliteError::NoWorker)?;
        Ok(told?)
    }

    /// Lets a reader look.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let (tell, told) = oneshot::channel();
        self.reads.push(Box::new(move |connection| {
            let _ = tell.send(look(connection).map_err(SqliteError::from));
        }))?;
        let told = told.await.map_err(|_| SqliteError::NoWorker)?;
        Ok(told?)
    }

    /// Until all of an archive that was accepted before is in the indexes; false
    /// if the writer is in trouble. What is there can still be read then.
    async fn settled(&self, owner: &BareJid) -> bool {
        !self.recent.has(owner) || self.write(Desk::settle).await.is_ok()
    }
}

#[async_trait]
impl ArchiveStore for SqliteArchive {
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError> {
        let waiting = match self.take_in(row)? {
            Taken::Accepted(position, durable) => return Ok(Accepted::until(position, durable)),
            Taken::Waiting(waiting) => waiting,
        };
        let position = waiting
            .accepted
            .await
            .map_err(|_| SqliteError::NoWorker)??;
        let durable = async move { waiting.told.await.map_err(|_| SqliteError::NoWorker)? };
        if waiting.in_trouble {
            durable.await?;
            return Ok(Accepted::at(position));
        }
        Ok(Accepted::until(position, durable))
    }

    async fn get(&self, owner: &BareJid, id: &str) -> Result<Option<Entry>, ArchiveError> {
        let is_settled = self.settled(owner).await;
        let (owner, id) = (owner.clone(), id.to_owned());
        self.read(move |connection| {
            let found = read::get(connection, &owner, &id)?;
            match is_settled || found.is_some() {
                true => Ok(found),
                false => read::get_unsettled(connection, &owner, &id),
            }
        })
        .await
    }

    async fn page(&self, owner: &BareJid, page: Page) -> Result<Vec<Entry>, ArchiveError> {
        let is_settled = self.settled(owner).await;
        let owner = owner.clone();
        self.read(move |connection| match is_settled {
            true => read::page(connection, &owner, &page),
            false => read::page_unsettled(connection, &owner, &page),
        })
        .await
    }

    async fn replace(
        &self,
        owner: &BareJid,
        id: &str,
        stanza: Arc<[u8]>,
    ) -> Result<bool, ArchiveError> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.write(move |desk| desk.replace(&owner, &id, &stanza))
            .await
    }

    async fn expire(&self, before: Time) -> Result<u64, ArchiveError> {
        // Step by step, so that what is said meanwhile gets its turn.
        let (mut gone, mut next) = (0, Some(0));
        while let Some(from) = next {
            let step = self.write(move |desk| desk.expire(before, from)).await?;
            (gone, next) = (gone + step.0, step.1);
        }
        Ok(gone)
    }

    async fn preferences(&self, owner: &BareJid) -> Result<Option<Preferences>, ArchiveError> {
        let owner = owner.clone();
        self.read(move |connection| read::preferences(connection, &owner))
            .await
    }

    async fn set_preferences(
        &self,
        owner: &BareJid,
        preferences: Preferences,
    ) -> Result<(), ArchiveError> {
        let owner = owner.clone();
        self.write(move |desk| desk.set_preferences(&owner, &preferences))
            .await
    }

    async fn remove(&self, owner: &BareJid) -> Result<(), ArchiveError> {
        let owner = owner.clone();
        self.write(move |desk| desk.remove(&owner)).await
    }
}

/// A message that was handed to the writer.
enum Taken {
    /// It has its place.
    Accepted(Position, Awaited),
    /// The writer has to look first, or has much to do.
    Waiting(Waiting),
}

/// What is to be known of a message that waits for its place.
struct Waiting {
    accepted: oneshot::Receiver<Result<Position, ArchiveError>>,
    told: oneshot::Receiver<Result<(), ArchiveError>>,
    in_trouble: bool,
}

/// Appends a row whose sender waits for its place.
fn appending(
    row: Row,
    place: Place,
    recent: Arc<Recent>,
    accept: oneshot::Sender<Result<Position, ArchiveError>>,
    tell: oneshot::Sender<Result<(), ArchiveError>>,
) -> Work {
    Box::new(move |desk| {
        let appended = desk
            .map_err(ArchiveError::from)
            .and_then(|desk| desk.append(&row, place.number, place.doubt));
        if !matches!(appended, Ok(None)) {
            recent.forget([place]);
        }
        if let Err(ArchiveError::NoRoom(_) | ArchiveError::Store(_)) = appended {
            recent.set_trouble(true);
        }
        // Who asked may have gone away.
        match appended {
            Ok(there) => {
                let _ = accept.send(Ok(there.unwrap_or_else(|| position(place))));
                Some(Pending {
                    tell: Then::Sender(tell),
                    places: Vec::from_iter(there.is_none().then_some(place)),
                })
            }
            Err(error) => {
                let _ = accept.send(Err(error));
                None
            }
        }
    })
}

fn position(place: Place) -> Position {
    Position(place.number.unsigned_abs())
}

/// The workers do what still waits, and end.
impl Drop for SqliteArchive {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            messages: 1_000_000,
            readers: 1,
            capacity: 10_000,
            file_bytes: None,
        }
    }
}
