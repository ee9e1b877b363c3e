//! Who registered with one room, and who of them is away. Pure.

use std::sync::Arc;

use jid::{BareJid, Jid};

use crate::flow::{Affiliation, Away, Snapshot};

use super::rules::Bounce;

/// The registrants of one room, sorted by address, and who unregistered while
/// it was paused: whoever is kicked cannot undo that by registering anew.
#[derive(Debug, Default)]
pub(super) struct Registrants {
    /// What is forwarded shares it.
    addresses: Arc<Vec<Jid>>,
    /// The same in the same order.
    states: Vec<Registrant>,
    /// Who is away, as long as a broadcast brings this same snapshot.
    away: Option<(Arc<Snapshot>, Away)>,
}

#[derive(Debug, Default)]
pub(super) struct Registrant {
    standing: Standing,
    /// How often in a row its server refused, and the number of the newest
    /// message that it refused.
    refusals: u32,
    refused: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Standing {
    /// What it misses is forwarded.
    #[default]
    InForce,
    /// It was kicked, and has not been back.
    Paused,
    /// It was kicked, has not been back, and is not registered any more.
    Kicked,
}

impl Registrants {
    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub(super) fn get(&self, account: &Jid) -> Option<&Registrant> {
        let place = self.addresses.binary_search(account).ok()?;
        self.states.get(place)
    }

    pub(super) fn get_mut(&mut self, account: &Jid) -> Option<&mut Registrant> {
        let place = self.addresses.binary_search(account).ok()?;
        self.states.get_mut(place)
    }

    /// Says whether it is new.
    pub(super) fn put(&mut self, account: &BareJid, paused: bool) -> bool {
        let standing = match paused {
            true => Standing::Paused,
            false => Standing::InForce,
        };
        let registrant = Registrant {
            standing,
            ..Registrant::default()
        };
        self.away = None;
        match self.addresses.binary_search(account) {
            Ok(place) => {
                self.states[place] = registrant;
                false
            }
            Err(place) => {
                Arc::make_mut(&mut self.addresses).insert(place, account.clone().into());
                self.states.insert(place, registrant);
                true
            }
        }
    }

    /// Ends a registration, and keeps in mind who was kicked. Says whether its
    /// place is free.
    pub(super) fn remove(&mut self, account: &BareJid) -> bool {
        match self.get_mut(account) {
            Some(registrant) if registrant.was_kicked() => {
                registrant.standing = Standing::Kicked;
                false
            }
            _ => self.free(account),
        }
    }

    /// Who was kicked and is not registered need not be kept in mind any more.
    /// Says whether its place is free.
    pub(super) fn forgive(&mut self, account: &BareJid) -> bool {
        let registrant = self.get(account);
        registrant.is_some_and(|it| it.standing == Standing::Kicked) && self.free(account)
    }

    fn free(&mut self, account: &BareJid) -> bool {
        let Ok(place) = self.addresses.binary_search(account) else {
            return false;
        };
        self.away = None;
        Arc::make_mut(&mut self.addresses).remove(place);
        self.states.remove(place);
        true
    }

    /// Members who are away: registered, not kicked, not outcast and not
    /// without affiliation, and without an occupant of whatever nick.
    ///
    /// Broadcasts between two changes of the room share a snapshot, so this
    /// is worked out once for them all.
    pub(super) fn away(&mut self, snapshot: &Arc<Snapshot>) -> Away {
        if let Some((known, away)) = &self.away
            && Arc::ptr_eq(known, snapshot)
        {
            return away.clone();
        }
        // All three lists are sorted by address: one walk.
        let (mut occupants, mut members) = (&*snapshot.occupants, &*snapshot.members);
        let mut places = Vec::new();
        for (place, (account, state)) in (0..).zip(self.addresses.iter().zip(&self.states)) {
            let occupant = next(&mut occupants, account, |occupant| occupant);
            let member = next(&mut members, account, |member| &member.jid);
            let is_member = member.is_some_and(|it| it.affiliation >= Affiliation::Member);
            if is_member && occupant.is_none() && state.is_in_force() {
                places.push(place);
            }
        }
        let away = Away::among(self.addresses.clone(), places);
        self.away = Some((snapshot.clone(), away.clone()));
        away
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Jid> {
        self.addresses.iter()
    }
}

impl Registrant {
    /// What it misses is forwarded.
    pub(super) fn is_in_force(&self) -> bool {
        self.standing == Standing::InForce
    }

    /// It is registered, in force or paused.
    pub(super) fn is_registered(&self) -> bool {
        self.standing != Standing::Kicked
    }

    /// It was kicked and has not been back, registered or not.
    pub(super) fn was_kicked(&self) -> bool {
        self.standing != Standing::InForce
    }

    /// The account has been in the room.
    pub(super) fn entered(&mut self) {
        self.refusals = 0;
    }

    /// A message of this number came back. Says whether that ends the
    /// registration: at once, or after so many refusals in a row.
    pub(super) fn bounced(&mut self, number: u64, bounce: Bounce, limit: u32) -> bool {
        match bounce {
            Bounce::Gone => return true,
            Bounce::Transient => return false,
            Bounce::Refused if number <= self.refused => return false,
            Bounce::Refused => {}
        }
        // One that was not refused in between ends the row.
        let follows = number == self.refused + 1;
        self.refusals = if follows { self.refusals } else { 0 } + 1;
        self.refused = number;
        self.refusals >= limit
    }
}

/// The one with this address in a sorted list of which everything before it is
/// done with.
fn next<'a, T>(list: &mut &'a [T], address: &Jid, of: impl Fn(&T) -> &Jid) -> Option<&'a T> {
    while let [first, rest @ ..] = *list {
        let order = of(first).cmp(address);
        if order.is_gt() {
            return None;
        }
        *list = rest;
        if order.is_eq() {
            return Some(first);
        }
    }
    None
}
