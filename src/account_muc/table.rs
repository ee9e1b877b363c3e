//! The machines of all accounts, behind locks, as stacks share them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jid::{BareJid, FullJid, Jid};
use thiserror::Error;

use crate::flow::Occupancy;
use crate::middleware::Sieve;
use crate::stanza::Time;

use super::bare;
use super::hash::Secret;
use super::machine::Machine;
use super::port::Seat;

/// Every stanza asks for its account, so accounts are spread over this many
/// locks. No lock is held while anything else is done.
pub(super) const SHARDS: usize = 16;

/// The machines, by account and room.
#[derive(Debug, Default)]
pub(super) struct Table {
    shards: [RwLock<Accounts>; SHARDS],
    /// The rooms, once for each machine: most stanzas are to or from none.
    rooms: Sieve,
}

/// Accounts that are in a room, or mean to be.
type Accounts = HashMap<Box<str>, Rooms, Secret>;

/// In the order of their names, so that what is done for all of them is done
/// in the same order in every run.
///
/// Boxed, since a map has room for several where it has one, and most accounts
/// are in few.
pub(super) type Rooms = BTreeMap<Box<str>, Box<Machine>>;

/// The account has as many rooms as it may have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the account is in {0} rooms already")]
pub(super) struct TooManyRooms(pub(super) usize);

impl Table {
    /// Whether this account has anything to do with any room.
    pub(super) fn has_account(&self, account: &Jid) -> bool {
        self.read(account).contains_key(bare(account))
    }

    /// Whether this account has anything to do with this room.
    pub(super) fn has(&self, account: &Jid, room: &Jid) -> bool {
        self.rooms.may_hold(bare(room))
            && self
                .read(account)
                .get(bare(account))
                .is_some_and(|rooms| rooms.contains_key(bare(room)))
    }

    /// Lets something happen to a machine, and forgets it if it is idle then.
    pub(super) fn visit<R>(
        &self,
        account: &Jid,
        room: &Jid,
        visit: impl FnOnce(&mut Machine) -> R,
    ) -> Option<R> {
        let mut accounts = self.write(account);
        let rooms = accounts.get_mut(bare(account))?;
        let machine = rooms.get_mut(bare(room))?;
        let result = visit(machine);
        if machine.is_idle() {
            rooms.remove(bare(room));
            self.rooms.remove(bare(room));
            if rooms.is_empty() {
                accounts.remove(bare(account));
            }
        }
        Some(result)
    }

    /// A stanza of a session is on its way to the machine of this seat. Makes
    /// the machine, unless that is one too many.
    pub(super) fn hand_over(
        &self,
        account: &BareJid,
        seat: &FullJid,
        at: Time,
        limit: usize,
    ) -> Result<(), TooManyRooms> {
        let mut accounts = self.write(account);
        let rooms = accounts.entry(account.as_str().into()).or_default();
        if rooms.len() >= limit && !rooms.contains_key(bare(seat)) {
            return Err(TooManyRooms(limit));
        }
        rooms
            .entry(bare(seat).into())
            .or_insert_with(|| {
                self.rooms.insert(bare(seat));
                Box::new(Machine::new(account.clone(), seat.clone()))
            })
            .hand_over(at);
        Ok(())
    }

    /// What is to be written down about a seat; `None` for nothing.
    pub(super) fn record(&self, account: &BareJid, room: &BareJid) -> Option<Seat> {
        let accounts = self.read(account);
        accounts.get(account.as_str())?.get(room.as_str())?.record()
    }

    /// Puts in a machine that begins with what was kept.
    pub(super) fn restore(&self, seat: Seat) {
        let account = seat.account.clone();
        let room = seat.room();
        let mut accounts = self.write(&account);
        let rooms = accounts.entry(account.as_str().into()).or_default();
        rooms.entry(room.as_str().into()).or_insert_with(|| {
            self.rooms.insert(room.as_str());
            Box::new(Machine::restored(seat))
        });
    }

    /// Lets something happen to every machine, account by account.
    pub(super) fn visit_all(&self, mut visit: impl FnMut(&BareJid, &mut Machine)) {
        for shard in &self.shards {
            let mut accounts = shard.write().unwrap_or_else(PoisonError::into_inner);
            let mut names: Vec<_> = accounts.keys().cloned().collect();
            names.sort_unstable();
            for name in names {
                let Some(rooms) = accounts.get_mut(&name) else {
                    continue;
                };
                rooms.retain(|room, machine| {
                    let account = machine.account().clone();
                    visit(&account, machine);
                    self.stays(room, machine)
                });
                if rooms.is_empty() {
                    accounts.remove(&name);
                }
            }
        }
    }

    /// Lets something happen to every machine of an account.
    pub(super) fn visit_rooms(&self, account: &Jid, mut visit: impl FnMut(&mut Machine)) {
        let mut accounts = self.write(account);
        let Some(rooms) = accounts.get_mut(bare(account)) else {
            return;
        };
        rooms.retain(|room, machine| {
            visit(machine);
            self.stays(room, machine)
        });
        if rooms.is_empty() {
            accounts.remove(bare(account));
        }
    }

    /// Takes all machines of an account that is no more.
    pub(super) fn remove(&self, account: &Jid) -> Rooms {
        let rooms = self.write(account).remove(bare(account));
        let rooms = rooms.unwrap_or_default();
        for room in rooms.keys() {
            self.rooms.remove(room);
        }
        rooms
    }

    /// Whether a machine stays in the table. One that does not is gone from
    /// the sieve as well.
    fn stays(&self, room: &str, machine: &Machine) -> bool {
        let stays = !machine.is_idle();
        if !stays {
            self.rooms.remove(room);
        }
        stays
    }

    /// Which lock an account is behind.
    pub(super) fn shard(account: &Jid) -> usize {
        // The names of accounts differ enough for the sum of their letters to
        // spread them; a hash would be the dearest part of looking.
        let sum: usize = bare(account).bytes().map(usize::from).sum();
        sum % SHARDS
    }

    // Every change of a machine is whole, so a poisoned lock is as good as new.

    pub(super) fn read(&self, account: &Jid) -> RwLockReadGuard<'_, Accounts> {
        self.shards[Self::shard(account)]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, account: &Jid) -> RwLockWriteGuard<'_, Accounts> {
        self.shards[Self::shard(account)]
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy for Table {
    fn known(&self, account: &BareJid, room: &BareJid) -> bool {
        let accounts = self.read(account);
        let machine = accounts
            .get(account.as_str())
            .and_then(|rooms| rooms.get(room.as_str()));
        machine.is_some_and(|machine| machine.is_known())
    }

    fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        let accounts = self.read(account);
        let machine = accounts
            .get(account.as_str())
            .and_then(|rooms| rooms.get(room.as_str()));
        machine.map_or_else(Vec::new, |machine| machine.sessions().to_vec())
    }
}
