use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use jid::{BareJid, Jid};
use thiserror::Error;

use crate::stanza::{MessageType, Time};

use super::Direction;

/// Where archives are kept: one per account, each a row of messages in the
/// order in which they were appended.
///
/// A store is asked by address and told by value, and may be told the same
/// thing twice; nothing in it presumes one process. The library's own are in
/// [`store`](crate::store), and `store::contract` (feature `testkit`) is the
/// suite that every store passes, yours too.
#[async_trait]
pub trait ArchiveStore: Send + Sync + 'static {
    /// Puts a message at the end of its owner's archive. When this returns,
    /// the message has its place there: messages appended later come after it.
    ///
    /// Appending the same row again changes nothing and returns its place.
    ///
    /// A full archive drops its oldest messages, and leaves no holes
    /// (XEP-0313 §3.2); their IDs are not used again.
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

    /// Forgets the whole archive of an account that is no more.
    ///
    /// # Errors
    ///
    /// The archive may still be there.
    async fn remove(&self, owner: &BareJid) -> Result<(), ArchiveError>;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "tells where the message lies"]
#[non_exhaustive]
pub struct Accepted {
    /// Where it lies.
    pub position: Position,
}

/// Which part of an archive is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Only what comes after this place. It need not be taken any more.
    pub after: Option<Position>,
    /// At most so many, the oldest first.
    pub limit: usize,
}

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
    /// Accepted at this place.
    pub fn at(position: Position) -> Self {
        Self { position }
    }
}

impl Page {
    /// The oldest `limit` messages.
    pub fn oldest(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The same, beginning after a place.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.after = Some(position);
        self
    }
}
