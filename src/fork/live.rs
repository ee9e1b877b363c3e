//! The machines of this layer behind their locks, as stacks share them.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jid::{BareJid, FullJid, Jid};

use crate::flow::Occupancy;

use super::bare;
use super::rooms::Rooms;
use super::state::Accounts;

/// Every message asks for its account, so accounts are spread over this many
/// locks. No lock is held while anything else is done.
const SHARDS: usize = 16;

/// [`Accounts`], sharded.
#[derive(Debug, Default)]
pub(super) struct SharedAccounts([RwLock<Accounts>; SHARDS]);

/// [`Rooms`], as an answer to who is where.
#[derive(Debug, Default)]
pub(super) struct SharedRooms(Mutex<Rooms>);

// Every change of the machines is whole, so a poisoned lock is as good as new.

impl SharedAccounts {
    /// The accounts of which this is one, to look at.
    pub(super) fn of(&self, account: &Jid) -> RwLockReadGuard<'_, Accounts> {
        self.shard(account)
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts of which this is one, to change.
    pub(super) fn of_mut(&self, account: &Jid) -> RwLockWriteGuard<'_, Accounts> {
        self.shard(account)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, account: &Jid) -> &RwLock<Accounts> {
        // The names of accounts differ enough for the sum of their letters to
        // spread them; a hash would be the dearest part of looking.
        let sum: usize = bare(account).bytes().map(usize::from).sum();
        &self.0[sum % SHARDS]
    }
}

impl SharedRooms {
    pub(super) fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy for SharedRooms {
    fn known(&self, account: &BareJid, room: &BareJid) -> bool {
        !self.sessions(account, room).is_empty()
    }

    fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        self.lock().sessions(account, room)
    }
}
