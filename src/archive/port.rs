use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jid::{BareJid, Jid};
use thiserror::Error;

use crate::stanza::{MessageType, Time};

use super::{Direction, Page, Preferences};

/// Where archives are kept: one per account or room, each a row of messages in
/// the order in which they were appended.
///
/// A store is asked by address and told by value, and may be told the same
/// thing twice; nothing in it presumes one process. The library's own are in
/// [`store`](crate::store), and `store::contract` (feature `testkit`) is the
/// suite that every store passes, yours too.
#[async_trait]
pub trait ArchiveStore: Send + Sync + 'static {
    /// Puts a message at the end of its owner's archive. When this returns,
    /// the message has its place there: messages appended later come after it.
    /// Whether it outlives a crash, [`Accepted::durable`] tells.
    ///
    /// Appending the same row again changes nothing and returns its place. Of
    /// an ID that [`new_id`](super::new_id) has made, a store may presume that it
    /// is new, and find out later that the message lies there already: then it
    /// keeps the first, and the place that it returned is nobody's.
    ///
    /// A full archive drops its oldest messages, and leaves no holes
    /// (XEP-0313 §3.2). Their IDs are not used again: those that begin with
    /// `-` are random and never come twice; the others a store remembers for
    /// longer than the message, and answers with [`ArchiveError::IdTaken`].
    ///
    /// # Errors
    ///
    /// The message is not in the archive, and will not get there later on:
    /// clients may have read past its place (XEP-0313 §4.3.2).
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError>;

    /// The message with this ID.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn get(&self, owner: &BareJid, id: &str) -> Result<Option<Entry>, ArchiveError>;

    /// Some messages, in the order of the archive.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn page(&self, owner: &BareJid, page: Page) -> Result<Vec<Entry>, ArchiveError>;

    /// Puts another stanza in the place of one that was taken back: ID, place,
    /// time and addresses stay (XEP-0424 §4). Returns whether there was one.
    /// What stood there is not kept.
    ///
    /// # Errors
    ///
    /// The message may still be there as it was.
    async fn replace(
        &self,
        owner: &BareJid,
        id: &str,
        stanza: Arc<[u8]>,
    ) -> Result<bool, ArchiveError>;

    /// Drops, from the old end of every archive, what was taken in before this
    /// time. It stops at the first message that is younger, so that no hole
    /// comes about. Returns how many are gone.
    ///
    /// # Errors
    ///
    /// Some may be left.
    async fn expire(&self, before: Time) -> Result<u64, ArchiveError>;

    /// What the user wants archived; `None` if it never said.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn preferences(&self, owner: &BareJid) -> Result<Option<Preferences>, ArchiveError>;

    /// Sets what the user wants archived. It holds for ever when this returns.
    ///
    /// # Errors
    ///
    /// What was said before may still hold.
    async fn set_preferences(
        &self,
        owner: &BareJid,
        preferences: Preferences,
    ) -> Result<(), ArchiveError>;

    /// Forgets the whole archive and the preferences of an account that is no
    /// more.
    ///
    /// # Errors
    ///
    /// The archive may still be there.
    async fn remove(&self, owner: &BareJid) -> Result<(), ArchiveError>;
}

/// Who is in whose roster (RFC 6121 §2). Asked on the path of a message:
/// answer from memory.
pub trait Contacts: Send + Sync + 'static {
    /// Whether `contact` is in the roster of `account`.
    fn has(&self, account: &BareJid, contact: &BareJid) -> bool;
}

/// Who may read the archives of our rooms: whoever may enter now (XEP-0313
/// §8.4). Answered from memory.
pub trait RoomAccess: Send + Sync + 'static {
    /// What `asker`, a real address and not an occupant's, may do.
    fn access(&self, room: &BareJid, asker: &Jid) -> Access;
}

/// What somebody may do with a room's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read it.
    Granted,
    /// Not read it.
    Denied,
    /// There is no such room.
    NoSuchRoom,
}

/// A message to be archived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Whose archive.
    pub owner: BareJid,
    /// The archive ID (XEP-0359), unique in that archive for ever.
    pub id: String,
    /// When the server took the message in. Archive order is not by time.
    pub at: Time,
    /// The other end: who sent it, or to whom it went. The owner itself, with
    /// or without resource, if it wrote to itself.
    pub with: Jid,
    /// Which way it went.
    pub direction: Direction,
    /// The type, as RFC 6121 §5.2.2 reads it.
    pub type_: MessageType,
    /// The `id` attribute that the sender gave it.
    pub message_id: Option<String>,
    /// The whole stanza as it would stand in `<forwarded/>` (XEP-0297): UTF-8,
    /// with `xmlns='jabber:client'`, forged IDs removed and no stamp added.
    pub stanza: Arc<[u8]>,
}

/// A message that lies in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub position: Position,
    /// The message.
    pub row: Row,
}

/// A place in one archive. Later messages have greater ones; nothing follows
/// from the distance between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What [`ArchiveStore::append`] promises about a message it took.
#[derive(Debug)]
#[must_use = "tells where the message lies"]
#[non_exhaustive]
pub struct Accepted {
    /// Where it lies.
    pub position: Position,
    /// When it outlives a crash.
    pub durable: Durable,
}

/// Resolves when an accepted message outlives a crash, or never will.
///
/// An error means that the message is not in the archive after all; its ID is
/// not used again. Nobody need wait: the store goes on by itself.
#[must_use = "until this resolves, a crash may take the message"]
pub struct Durable(Option<BoxFuture<'static, Result<(), ArchiveError>>>);

/// Why an archive did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The ID stands for another message of that archive.
    // The ID is not in the text: part of it may be a client's own words.
    #[error("an ID stands for another message in the archive of {owner}")]
    IdTaken {
        /// Whose archive.
        owner: BareJid,
        /// The ID.
        id: String,
    },
    /// The message alone is larger than an archive may be.
    #[error("the message has {bytes} bytes; an archive may have {limit}")]
    MessageTooLarge {
        /// How large it is.
        bytes: usize,
        /// How large an archive may be.
        limit: usize,
    },
    /// The store has as many archives as it may have.
    #[error("the store holds {0} archives and takes no more")]
    TooManyArchives(usize),
    /// There is no room for it: the disk is full.
    #[error("the archive's store is full")]
    NoRoom(#[source] Box<dyn Error + Send + Sync>),
    /// The store itself failed.
    #[error("the archive's store failed")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

impl Row {
    /// A message of type `normal` without an `id`; both are fields to set.
    pub fn new(
        owner: BareJid,
        id: impl Into<String>,
        at: Time,
        with: impl Into<Jid>,
        direction: Direction,
        stanza: impl Into<Arc<[u8]>>,
    ) -> Self {
        Self {
            owner,
            id: id.into(),
            at,
            with: with.into(),
            direction,
            type_: MessageType::Normal,
            message_id: None,
            stanza: stanza.into(),
        }
    }
}

impl Accepted {
    /// Accepted at this place, and as durable as it will ever be.
    pub fn at(position: Position) -> Self {
        Self {
            position,
            durable: Durable::now(),
        }
    }

    /// Accepted at this place, and durable when the future resolves.
    pub fn until(
        position: Position,
        durable: impl Future<Output = Result<(), ArchiveError>> + Send + 'static,
    ) -> Self {
        Self {
            position,
            durable: Durable(Some(Box::pin(durable))),
        }
    }
}

impl Durable {
    /// Nothing to wait for.
    pub fn now() -> Self {
        Self(None)
    }

    /// Whether there is nothing to wait for.
    pub fn is_now(&self) -> bool {
        self.0.is_none()
    }
}

impl Future for Durable {
    type Output = Result<(), ArchiveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(durable) => durable.as_mut().poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("is_now", &self.is_now())
            .finish()
    }
}
