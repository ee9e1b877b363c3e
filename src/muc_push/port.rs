use async_trait::async_trait;
use jid::{BareJid, Jid};
use thiserror::Error;

use crate::flow::{Affiliation, BoxError, bare};

/// Where push registrations are kept.
///
/// A layer reads all of it when it is made, and from then on only writes. A
/// store is told by value and may be told the same thing twice. The library's
/// own are in [`store`](crate::store), and `store::contract` (feature
/// `testkit`) is the suite that every store passes, yours too.
#[async_trait]
pub trait Targets: Send + Sync + 'static {
    /// Everything there is, oldest first.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn all(&self) -> Result<Vec<Target>, TargetError>;

    /// Keeps this target as the newest, in place of an older one of the same
    /// [key](Target::is_same). It is durable when this returns.
    ///
    /// # Errors
    ///
    /// What was kept before still is.
    async fn put(&self, target: Target) -> Result<(), TargetError>;

    /// Forgets the target of this key, if there is one.
    ///
    /// # Errors
    ///
    /// It may still be there.
    async fn remove(&self, target: &Target) -> Result<(), TargetError>;
}

/// Somebody to be notified (XEP-0357 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The room, or the service for all of its rooms.
    pub room: BareJid,
    /// Whose it is.
    pub account: BareJid,
    /// Who is notified: a client, its account, or a push service.
    pub jid: Jid,
    /// The node it is told.
    pub node: Option<String>,
    /// The form of publish-options, as XML.
    pub options: Option<String>,
}

/// What somebody is to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The affiliation.
    pub affiliation: Affiliation,
    /// Whether only members may enter.
    pub members_only: bool,
}

/// Who may enter which room: the room's service knows.
pub trait Doors: Send + Sync + 'static {
    /// What an account is to a room; `None` if there is no such room.
    fn standing(&self, room: &BareJid, account: &BareJid) -> Option<Standing>;
}

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The store has as many targets as it may have.
    #[error("the store holds {0} push targets and takes no more")]
    Full(usize),
    /// The store itself failed.
    #[error("the store of push targets failed")]
    Store(#[source] BoxError),
}

impl Target {
    /// Whether both are one registration: the same client or service, and node,
    /// of the same account in the same room. Options do not count.
    pub fn is_same(&self, other: &Target) -> bool {
        self.room == other.room
            && self.account == other.account
            && self.jid == other.jid
            && self.node == other.node
    }

    /// Whether a client or its account is notified, rather than a service.
    pub fn is_direct(&self) -> bool {
        bare(&self.jid) == self.account.as_str()
    }
}

impl Standing {
    /// Whether one may be in the room.
    pub fn may_enter(self) -> bool {
        match self.affiliation {
            Affiliation::Outcast => false,
            Affiliation::None => !self.members_only,
            _ => true,
        }
    }
}
