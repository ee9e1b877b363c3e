use async_trait::async_trait;
use jid::BareJid;
use thiserror::Error;

use crate::flow::BoxError;
use crate::stanza::Stanza;

/// Where it is kept which accounts want the messages of which rooms while they
/// are away.
///
/// Both sides keep this, each for itself: a room's server for all who
/// registered with its rooms, a user's server for the rooms that its users
/// registered with. A server with both gives each side a store of its own.
///
/// A layer reads all of it when it is made, and from then on only writes. A
/// store is told by value and may be told the same thing twice. The library's
/// own are in [`store`](crate::store), and `store::contract` (feature
/// `testkit`) is the suite that every store passes, yours too.
#[async_trait]
pub trait Registrations: Send + Sync + 'static {
    /// Everything there is, in any order.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn all(&self) -> Result<Vec<Registration>, RegistrationError>;

    /// Keeps this registration, in place of an older one of the same account
    /// with the same room. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// What was kept before still is.
    async fn put(&self, registration: Registration) -> Result<(), RegistrationError>;

    /// Forgets the registration of an account with a room, if there is one.
    ///
    /// # Errors
    ///
    /// It may still be there.
    async fn remove(&self, room: &BareJid, account: &BareJid) -> Result<(), RegistrationError>;

    /// Forgets all registrations with a room.
    ///
    /// # Errors
    ///
    /// Some may still be there.
    async fn remove_room(&self, room: &BareJid) -> Result<(), RegistrationError>;
}

/// Who wakes a user's devices (XEP-0357), wherever the host does that.
pub trait Notify: Send + Sync + 'static {
    /// A room has written to the account, and no client will see it by itself.
    /// It does not block.
    fn notify(&self, account: &BareJid, message: &Stanza);
}

/// An account wants a room's messages while it is away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registration {
    /// The room.
    pub room: BareJid,
    /// The account.
    pub account: BareJid,
    /// It was kicked and has not been back: nothing is forwarded meanwhile.
    /// Only a room's side knows.
    pub paused: bool,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The store has as many registrations as it may have.
    #[error("the store holds {0} registrations and takes no more")]
    Full(usize),
    /// The store itself failed.
    #[error("the store of registrations failed")]
    Store(#[source] BoxError),
}

impl Registration {
    /// A registration that is in force.
    pub fn new(room: BareJid, account: BareJid) -> Self {
        Self {
            room,
            account,
            paused: false,
        }
    }
}
