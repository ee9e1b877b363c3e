use async_trait::async_trait;
use jid::{BareJid, FullJid};
use thiserror::Error;

use crate::flow::BoxError;
use crate::stanza::Time;

/// Where the layer keeps which account sits in which room, so that a restart
/// does not leave ghosts behind.
///
/// One record per account and room, small, written when the account joins,
/// changes its nick or leaves, and told by value: the same thing may be told
/// twice. The library's own are in [`store`](crate::store);
/// `store::contract` (feature `testkit`) is the suite that each passes.
#[async_trait]
pub trait SeatStore: Send + Sync + 'static {
    /// Keeps a seat in the place of what was kept for its account and room.
    /// When this returns, it outlives the process.
    ///
    /// # Errors
    ///
    /// The old record, or none, is still there.
    async fn put(&self, seat: Seat) -> Result<(), SeatError>;

    /// Forgets a seat. To forget one that is not there is no error.
    ///
    /// # Errors
    ///
    /// It may still be there.
    async fn remove(&self, account: &BareJid, room: &BareJid) -> Result<(), SeatError>;

    /// Forgets all seats of an account that is no more.
    ///
    /// # Errors
    ///
    /// Some may still be there.
    async fn remove_account(&self, account: &BareJid) -> Result<(), SeatError>;

    /// All seats, by account and room.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn list(&self) -> Result<Vec<Seat>, SeatError>;
}

/// An account's seat in a room, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seat {
    /// Whose.
    pub account: BareJid,
    /// The occupant JID: the room, and the nick there.
    pub occupant: FullJid,
    /// What is known to be the case, or is just being done.
    pub state: SeatState,
    /// The password that the room asks for (XEP-0045 §7.2.6), as it is.
    pub password: Option<String>,
    /// Whether a bookmark wants the account there (XEP-0402).
    pub autojoin: bool,
    /// Whether the account came by MUC2's `<join/>`, and so has to go by its
    /// `<part/>`.
    pub by_request: bool,
    /// When the room was heard last; history since then is asked for.
    pub heard: Option<Time>,
}

/// What a kept seat is about to be, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatState {
    /// The account asked to join.
    Joining,
    /// It is in the room.
    Joined,
    /// It is leaving.
    Leaving,
}

/// A store of seats failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeatError {
    /// What the store stands on failed.
    #[error("the store of seats in rooms failed")]
    Store(#[source] BoxError),
}

impl Seat {
    /// A seat that is about to be taken.
    pub fn new(account: BareJid, occupant: FullJid) -> Self {
        Self {
            account,
            occupant,
            state: SeatState::Joining,
            password: None,
            autojoin: false,
            by_request: false,
            heard: None,
        }
    }

    /// The room.
    pub fn room(&self) -> BareJid {
        self.occupant.to_bare()
    }
}
