//! The machines of this layer behind their locks, as stacks share them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jid::{BareJid, FullJid, Jid};

use crate::flow::Occupancy;
use crate::middleware::Sieve;

use super::bare;
use super::rooms::Rooms;
use super::state::Accounts;

/// Every message asks for its account, so accounts are spread over this many
/// locks. No lock is held while anything else is done.
const SHARDS: usize = 16;

/// [`Accounts`], sharded.
#[derive(Debug, Default)]
pub(super) struct SharedAccounts {
    shards: [RwLock<Accounts>; SHARDS],
    /// The accounts in them.
    sieve: Sieve,
}

/// Holds the lock; when it is given back, the sieve knows of the change.
pub(super) struct Change<'a> {
    accounts: RwLockWriteGuard<'a, Accounts>,
    account: &'a Jid,
    took_part: bool,
    sieve: &'a Sieve,
}

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

    /// Whether any session of this account takes part.
    #[inline]
    pub(super) fn take_part(&self, account: &Jid) -> bool {
        self.sieve.may_hold(bare(account)) && self.does_take_part(account)
    }

    #[inline(never)]
    fn does_take_part(&self, account: &Jid) -> bool {
        self.of(account).take_part(account)
    }

    /// The accounts of which this is one, to change what is known of it alone.
    pub(super) fn of_mut<'a>(&'a self, account: &'a Jid) -> Change<'a> {
        let shard = self.shard(account).write();
        let accounts = shard.unwrap_or_else(PoisonError::into_inner);
        Change {
            took_part: accounts.take_part(account),
            accounts,
            account,
            sieve: &self.sieve,
        }
    }

    /// The accounts of which this is one, to note what passes it: who takes
    /// part stays as it is.
    pub(super) fn of_noting(&self, account: &Jid) -> RwLockWriteGuard<'_, Accounts> {
        self.shard(account)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, account: &Jid) -> &RwLock<Accounts> {
        // The names of accounts differ enough for the sum of their letters to
        // spread them; a hash would be the dearest part of looking.
        let sum: usize = bare(account).bytes().map(usize::from).sum();
        &self.shards[sum % SHARDS]
    }
}

impl Deref for Change<'_> {
    type Target = Accounts;

    fn deref(&self) -> &Accounts {
        &self.accounts
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut Accounts {
        &mut self.accounts
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        match (self.took_part, self.accounts.take_part(self.account)) {
            (false, true) => self.sieve.insert(bare(self.account)),
            (true, false) => self.sieve.remove(bare(self.account)),
            _ => {}
        }
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
