//! Who registered with which room, and what is on its way to them. Pure:
//! told of time and traffic, it says to whom a message goes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};

use crate::flow::{Away, Snapshot};
use crate::stanza::{Stanza, Time};

use super::registrants::{Registrant, Registrants};
use super::rules::Bounce;
use super::{Limits, Registration};

/// The rooms of one server that anybody registered with.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    limits: Limits,
    rooms: HashMap<BareJid, Room>,
    /// Places that are taken in all.
    registrants: usize,
    /// Rooms in which messages wait, and how many there are in all.
    paced: BTreeSet<BareJid>,
    waiting: usize,
}

/// One room; in none are all places free.
#[derive(Debug, Default)]
struct Room {
    registrants: Registrants,
    /// The newest messages that were forwarded, with running numbers.
    recent: VecDeque<Forwarded>,
    number: u64,
    /// Copies that have left since `window` began.
    copies: usize,
    window: Option<Time>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Forwarded {
    number: u64,
    id: Option<u64>,
    to: Away,
}

/// A message that has not gone to all of its recipients yet.
#[derive(Debug)]
struct Waiting {
    stanza: Stanza,
    to: Away,
    next: usize,
}

/// How many messages of a room a bounce is matched with.
const RECENT: usize = 128;

/// After which time a room may send as many copies again.
const WINDOW: Duration = Duration::from_secs(5);

/// What a bounce came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounced {
    /// It is about something else, and not ours.
    NotOurs,
    /// Nothing changes.
    Noted,
    /// The registration has to end.
    Over,
}

impl Rooms {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether one more account may register with the room. Who has done so
    /// always may.
    pub(super) fn has_space(&self, room: &BareJid, account: &BareJid) -> bool {
        let there = self.rooms.get(room).map(|room| &room.registrants);
        there.is_some_and(|there| there.get(account).is_some())
            || (there.map_or(0, Registrants::len) < self.limits.per_room
                && self.registrants < self.limits.total)
    }

    /// Takes a registration in. Returns whether it is the room's first, and
    /// whether it is new.
    pub(super) fn put(&mut self, registration: &Registration) -> (bool, bool) {
        let is_first = !self.rooms.contains_key(&registration.room);
        let room = self.rooms.entry(registration.room.clone()).or_default();
        let account = &registration.account;
        let is_new = room.registrants.put(account, registration.paused);
        self.registrants += usize::from(is_new);
        (is_first, is_new)
    }

    /// Ends a registration; that of who was kicked leaves a trace, which takes
    /// its place. Returns whether the room, and whether the account, is gone
    /// from here.
    pub(super) fn remove(&mut self, room: &BareJid, account: &BareJid) -> (bool, bool) {
        self.frees(room, |registrants| registrants.remove(account))
    }

    /// The account may register as if it had never been kicked. Returns the same.
    pub(super) fn forgive(&mut self, room: &BareJid, account: &BareJid) -> (bool, bool) {
        self.frees(room, |registrants| registrants.forgive(account))
    }

    fn frees(
        &mut self,
        room: &BareJid,
        frees: impl FnOnce(&mut Registrants) -> bool,
    ) -> (bool, bool) {
        let Some(found) = self.rooms.get_mut(room) else {
            return (false, false);
        };
        let is_free = frees(&mut found.registrants);
        self.registrants -= usize::from(is_free);
        let was_last = found.registrants.is_empty();
        if was_last {
            self.remove_room(room);
        }
        (was_last, is_free)
    }

    /// Forgets a room. Returns who had a place in it.
    pub(super) fn remove_room(&mut self, room: &BareJid) -> Vec<BareJid> {
        let Some(gone) = self.rooms.remove(room) else {
            return Vec::new();
        };
        self.registrants -= gone.registrants.len();
        self.waiting -= gone.waiting.len();
        self.paced.remove(room);
        gone.registrants.iter().map(Jid::to_bare).collect()
    }

    /// Whether the account is registered, and if so, whether it is paused.
    pub(super) fn paused(&self, room: &BareJid, account: &BareJid) -> Option<bool> {
        let registrant = self.rooms.get(room)?.registrants.get(account)?;
        let is_registered = registrant.is_registered();
        is_registered.then(|| registrant.was_kicked())
    }

    /// Whether the account was kicked and has not been back, registered or not.
    pub(super) fn was_kicked(&self, room: &BareJid, account: &BareJid) -> bool {
        let room = self.rooms.get(room);
        let registrant = room.and_then(|room| room.registrants.get(account));
        registrant.is_some_and(Registrant::was_kicked)
    }

    /// The account has entered the room: whatever went wrong before is over.
    pub(super) fn entered(&mut self, room: &BareJid, account: &BareJid) {
        let registrant = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.registrants.get_mut(account));
        if let Some(registrant) = registrant {
            registrant.entered();
        }
    }

    /// A room broadcasts a message that is worth forwarding: to whom it goes
    /// besides, now. If it may not go to all at once, the rest waits for
    /// [`due`](Self::due); `Err` says how many will never get it, since too
    /// much waits already.
    pub(super) fn forward(
        &mut self,
        at: Time,
        snapshot: &Arc<Snapshot>,
        stanza: &Stanza,
    ) -> (Option<Away>, Result<(), usize>) {
        let Some(room) = self.rooms.get_mut(&snapshot.room) else {
            return (None, Ok(()));
        };
        let away = room.registrants.away(snapshot);
        if away.is_empty() {
            return (None, Ok(()));
        }
        room.remember(stanza, &away);
        let now = room.allowance(at, self.limits.copies).min(away.len());
        room.copies += now;
        if now == away.len() {
            return (Some(away), Ok(()));
        }
        let first = (now > 0).then(|| away.first(now));
        if self.waiting >= self.limits.waiting {
            return (first, Err(away.len() - now));
        }
        room.waiting.push_back(Waiting {
            stanza: stanza.clone(),
            to: away,
            next: now,
        });
        self.waiting += 1;
        self.paced.insert(snapshot.room.clone());
        (first, Ok(()))
    }

    /// What may go now of what waits, in the order of the messages. Whoever
    /// is not registered any more, or was kicked meanwhile, is left out.
    pub(super) fn due(&mut self, at: Time) -> Vec<(BareJid, Jid, Stanza)> {
        let mut due = Vec::new();
        let paced: Vec<BareJid> = self.paced.iter().cloned().collect();
        for address in paced {
            let Some(room) = self.rooms.get_mut(&address) else {
                continue;
            };
            let mut allowance = room.budget(at, self.limits.copies);
            while allowance > 0
                && let Some(front) = room.waiting.front_mut()
            {
                let Some(to) = front.to.get(front.next) else {
                    room.waiting.pop_front();
                    self.waiting -= 1;
                    continue;
                };
                front.next += 1;
                let registrant = room.registrants.get(to);
                if registrant.is_some_and(Registrant::is_in_force) {
                    let stanza = front.stanza.clone().with_to(to.clone());
                    due.push((address.clone(), to.clone(), stanza));
                    allowance -= 1;
                    room.copies += 1;
                }
            }
            // The last one may have been sent to everybody by now.
            while room.waiting.front().is_some_and(Waiting::is_over) {
                room.waiting.pop_front();
                self.waiting -= 1;
            }
            if room.waiting.is_empty() {
                self.paced.remove(&address);
            }
        }
        due
    }

    /// An error came from the account's bare JID.
    pub(super) fn bounced(
        &mut self,
        room: &BareJid,
        account: &BareJid,
        id: Option<&str>,
        bounce: Bounce,
    ) -> Bounced {
        let Some(room) = self.rooms.get_mut(room) else {
            return Bounced::NotOurs;
        };
        let id = id.map(hashed);
        let mut recent = room.recent.iter().rev();
        let forwarded = recent.find(|it| it.id == id && it.to.contains(account));
        let Some(number) = forwarded.map(|forwarded| forwarded.number) else {
            return Bounced::NotOurs;
        };
        let registrant = room.registrants.get_mut(account);
        let Some(registrant) = registrant.filter(|it| it.is_registered()) else {
            // Late: the registration has ended meanwhile.
            return Bounced::Noted;
        };
        match registrant.bounced(number, bounce, self.limits.refusals) {
            true => Bounced::Over,
            false => Bounced::Noted,
        }
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn registrants(&self) -> usize {
        self.registrants
    }

    /// How many messages wait for their turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

impl Room {
    fn remember(&mut self, stanza: &Stanza, to: &Away) {
        self.number += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Forwarded {
            number: self.number,
            id: stanza.id().map(hashed),
            to: to.clone(),
        });
    }

    /// How many copies of a new message may go at once: none while older ones
    /// wait, so that nobody gets them in another order.
    fn allowance(&mut self, at: Time, copies: usize) -> usize {
        if !self.waiting.is_empty() {
            return 0;
        }
        self.budget(at, copies)
    }

    fn budget(&mut self, at: Time, copies: usize) -> usize {
        let is_over = self
            .window
            .is_none_or(|began| at < began || at.since(began) >= WINDOW);
        if is_over {
            (self.window, self.copies) = (Some(at), 0);
        }
        copies.saturating_sub(self.copies)
    }
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.next >= self.to.len()
    }
}

/// An id need not be kept to be known again.
fn hashed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
