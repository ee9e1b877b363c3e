//! The machines of all accounts, behind locks, as stacks share them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jid::{BareJid, FullJid, Jid};
use thiserror::Error;

use crate::flow::Occupancy;
use crate::middleware::Sieve;
use crate::stanza::Time;

use super::bare;
use super::hash::Secret;
use super::machine::Machine;
use super::options::Options;
use super::port::Seat;

/// Every stanza asks for its account, so accounts are spread over this many
/// locks. No lock is held while anything else is done.
pub(super) const SHARDS: usize = 16;

/// The machines, by account and room.
#[derive(Debug, Default)]
pub(super) struct Table {
    shards: [RwLock<Shard>; SHARDS],
    /// The rooms, once for each machine: most stanzas are to or from none.
    rooms: Sieve,
    pub(super) options: Options,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    accounts: Accounts,
    /// When to look at which machine, so that a tick looks at no other. There
    /// is one for each: it may ring too early, and then is set anew, so that
    /// what puts off what is due, as everything does that is heard in a room,
    /// need not touch it.
    alarms: BTreeSet<Alarm>,
}

/// When, and whose machine for which room.
type Alarm = (Time, Box<str>, Box<str>);

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
        self.read(account).accounts.contains_key(bare(account))
    }

    /// Whether this account has anything to do with this room.
    #[inline]
    pub(super) fn has(&self, account: &Jid, room: &Jid) -> bool {
        self.may_have(room) && self.does_have(account, room)
    }

    /// False only if no account has anything to do with this room.
    #[inline]
    pub(super) fn may_have(&self, room: &Jid) -> bool {
        self.rooms.may_hold(bare(room))
    }

    #[inline(never)]
    fn does_have(&self, account: &Jid, room: &Jid) -> bool {
        self.read(account)
            .accounts
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
        self.visit_in(&mut self.write(account), bare(account), bare(room), visit)
    }

    fn visit_in<R>(
        &self,
        shard: &mut Shard,
        account: &str,
        room: &str,
        visit: impl FnOnce(&mut Machine) -> R,
    ) -> Option<R> {
        let rooms = shard.accounts.get_mut(account)?;
        let machine = rooms.get_mut(room)?;
        let result = visit(machine);
        if !self.stays(&mut shard.alarms, room, machine) {
            rooms.remove(room);
            if rooms.is_empty() {
                shard.accounts.remove(account);
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
    ) -> Result<(), TooManyRooms> {
        let shard = &mut *self.write(account);
        let limit = self.options.limits.rooms;
        let known = shard.accounts.get(account.as_str());
        if known.map_or(0, BTreeMap::len) >= limit
            && known.is_none_or(|rooms| !rooms.contains_key(bare(seat)))
        {
            return Err(TooManyRooms(limit));
        }
        let rooms = shard.accounts.entry(account.as_str().into()).or_default();
        let machine = rooms.entry(bare(seat).into()).or_insert_with(|| {
            self.rooms.insert(bare(seat));
            Box::new(Machine::new(account.clone(), seat.clone()))
        });
        machine.hand_over(at);
        self.stays(&mut shard.alarms, bare(seat), machine);
        Ok(())
    }

    /// What is to be written down about a seat; `None` for nothing.
    pub(super) fn record(&self, account: &BareJid, room: &BareJid) -> Option<Seat> {
        let shard = self.read(account);
        let rooms = shard.accounts.get(account.as_str())?;
        rooms.get(room.as_str())?.record()
    }

    /// Puts in a machine that begins with what was kept.
    pub(super) fn restore(&self, seat: Seat) {
        let account = seat.account.clone();
        let room = seat.room();
        let shard = &mut *self.write(&account);
        let rooms = shard.accounts.entry(account.as_str().into()).or_default();
        let machine = rooms.entry(room.as_str().into()).or_insert_with(|| {
            self.rooms.insert(room.as_str());
            Box::new(Machine::restored(seat))
        });
        self.stays(&mut shard.alarms, room.as_str(), machine);
    }

    /// Lets something happen to every machine, account by account.
    pub(super) fn visit_all(&self, mut visit: impl FnMut(&BareJid, &mut Machine)) {
        for shard in &self.shards {
            let shard = &mut *shard.write().unwrap_or_else(PoisonError::into_inner);
            let mut names: Vec<_> = shard.accounts.keys().cloned().collect();
            names.sort_unstable();
            for name in names {
                self.visit_rooms_in(shard, &name, |machine| {
                    let account = machine.account().clone();
                    visit(&account, machine);
                });
            }
        }
    }

    /// Lets something happen to every machine for which something is due, what
    /// has been due longest first.
    pub(super) fn visit_due(&self, at: Time, mut visit: impl FnMut(&BareJid, &mut Machine)) {
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            while let Some(alarm) = shard.alarms.pop_first() {
                if alarm.0 > at {
                    shard.alarms.insert(alarm);
                    break;
                }
                due.push(alarm);
            }
        }
        due.sort_unstable();
        for (_, account, room) in due {
            let shard = &self.shards[Self::shard_of(&account)];
            let shard = &mut *shard.write().unwrap_or_else(PoisonError::into_inner);
            self.visit_in(shard, &account, &room, |machine| {
                machine.alarm = None;
                let account = machine.account().clone();
                visit(&account, machine);
            });
        }
    }

    /// Lets something happen to every machine of an account.
    pub(super) fn visit_rooms(&self, account: &Jid, visit: impl FnMut(&mut Machine)) {
        self.visit_rooms_in(&mut self.write(account), bare(account), visit);
    }

    fn visit_rooms_in(
        &self,
        shard: &mut Shard,
        account: &str,
        mut visit: impl FnMut(&mut Machine),
    ) {
        let Some(rooms) = shard.accounts.get_mut(account) else {
            return;
        };
        rooms.retain(|room, machine| {
            visit(machine);
            self.stays(&mut shard.alarms, room, machine)
        });
        if rooms.is_empty() {
            shard.accounts.remove(account);
        }
    }

    /// Takes all machines of an account that is no more.
    pub(super) fn remove(&self, account: &Jid) -> Rooms {
        let shard = &mut *self.write(account);
        let mut rooms = shard.accounts.remove(bare(account)).unwrap_or_default();
        for (room, machine) in &mut rooms {
            self.rooms.remove(room);
            set_alarm(&mut shard.alarms, machine, None);
        }
        rooms
    }

    /// Whether a machine stays in the table, and when to look at it next. One
    /// that does not stay is gone from the sieve as well.
    fn stays(&self, alarms: &mut BTreeSet<Alarm>, room: &str, machine: &mut Machine) -> bool {
        let stays = !machine.is_idle();
        if !stays {
            self.rooms.remove(room);
            set_alarm(alarms, machine, None);
            return false;
        }
        if let Some(due) = machine.due(&self.options)
            && machine.alarm.is_none_or(|alarm| due < alarm)
        {
            set_alarm(alarms, machine, Some(due));
        }
        true
    }

    /// Which lock an account is behind.
    pub(super) fn shard(account: &Jid) -> usize {
        Self::shard_of(bare(account))
    }

    fn shard_of(account: &str) -> usize {
        // The names of accounts differ enough for the sum of their letters to
        // spread them; a hash would be the dearest part of looking.
        let sum: usize = account.bytes().map(usize::from).sum();
        sum % SHARDS
    }

    // Every change of a machine is whole, so a poisoned lock is as good as new.

    fn read(&self, account: &Jid) -> RwLockReadGuard<'_, Shard> {
        self.shards[Self::shard(account)]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, account: &Jid) -> RwLockWriteGuard<'_, Shard> {
        self.shards[Self::shard(account)]
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy for Table {
    fn known(&self, account: &BareJid, room: &BareJid) -> bool {
        let shard = self.read(account);
        let machine = shard
            .accounts
            .get(account.as_str())
            .and_then(|rooms| rooms.get(room.as_str()));
        machine.is_some_and(|machine| machine.is_known())
    }

    fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        let shard = self.read(account);
        let machine = shard
            .accounts
            .get(account.as_str())
            .and_then(|rooms| rooms.get(room.as_str()));
        machine.map_or_else(Vec::new, |machine| machine.sessions().to_vec())
    }
}

fn set_alarm(alarms: &mut BTreeSet<Alarm>, machine: &mut Machine, due: Option<Time>) {
    let whose = |at: Time| {
        (
            at,
            machine.account().as_str().into(),
            machine.room_name().into(),
        )
    };
    if let Some(alarm) = machine.alarm {
        alarms.remove(&whose(alarm));
    }
    if let Some(due) = due {
        alarms.insert(whose(due));
    }
    machine.alarm = due;
}
