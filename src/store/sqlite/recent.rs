//! Which messages have been accepted and are not in the indexes yet.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jid::BareJid;

use crate::archive::TOKEN_LENGTH;
use crate::middleware::Hashed;

use super::SqliteError;

/// Gives every message its place, in the order in which the writer gets them,
/// and knows enough of the newest to tell what has to be looked up.
pub(super) struct Recent {
    state: Mutex<State>,
    /// IDs and owners are known by their hashes only: two of the same are
    /// looked up in vain, no more.
    hasher: RandomState,
}

/// What is to be done before a message may be put at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: its ID is random, and none of the newest has it.
    None,
    /// Its ID may lie there already: a client made it.
    Maybe,
    /// One of the newest seems to have it.
    Likely,
}

/// Where a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: i64,
    pub(super) doubt: Doubt,
    /// What was written before did not get to the disk: this is believed when
    /// it has.
    pub(super) in_trouble: bool,
    id: u64,
    owner: u64,
}

#[derive(Default)]
struct State {
    last: i64,
    settled: i64,
    in_trouble: bool,
    ids: Hashes,
    owners: Hashes,
}

type Hashes = HashMap<u64, Known, BuildHasherDefault<Hashed>>;

/// What is known of an ID, or of an owner.
#[derive(Default)]
struct Known {
    newest: i64,
    /// How many messages have it; rather too many than too few.
    messages: u32,
}

impl Recent {
    /// Places begin after this one.
    pub(super) fn after(last: i64) -> Self {
        let state = State {
            last,
            settled: last,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            hasher: RandomState::new(),
        }
    }

    /// Takes a message in: `push` hands it to the writer, with its place.
    pub(super) fn take_in<T>(
        &self,
        owner: &BareJid,
        id: &str,
        push: impl FnOnce(Place) -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        let is_ours = is_one_of_ours(id);
        let owner = self.hasher.hash_one(owner);
        let id = self.hasher.hash_one((owner, id));
        // Held meanwhile, so that places and the writer's queue have one order.
        let mut state = self.lock();
        let doubt = match state.ids.contains_key(&id) {
            true => Doubt::Likely,
            false if is_ours => Doubt::None,
            false => Doubt::Maybe,
        };
        let place = Place {
            number: state.last + 1,
            doubt,
            in_trouble: state.in_trouble,
            id,
            owner,
        };
        let pushed = push(place)?;
        state.last = place.number;
        let State { ids, owners, .. } = &mut *state;
        for known in [ids.entry(id), owners.entry(owner)] {
            let known = known.or_default();
            known.newest = place.number;
            known.messages = known.messages.saturating_add(1);
        }
        Ok(pushed)
    }

    /// Nothing lies at these places, and nothing will: nobody has to look there.
    pub(super) fn forget(&self, places: impl IntoIterator<Item = Place>) {
        let mut state = self.lock();
        for place in places {
            // Else it has been forgotten together with others.
            if place.number > state.settled {
                forget(&mut state.ids, place.id);
                forget(&mut state.owners, place.owner);
            }
        }
    }

    /// Something could not be written, or could be again.
    pub(super) fn set_trouble(&self, in_trouble: bool) {
        self.lock().in_trouble = in_trouble;
    }

    /// Whether what was written last did not get to the disk.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.lock().in_trouble
    }

    /// Whether something of this archive is in no index yet.
    pub(super) fn has(&self, owner: &BareJid) -> bool {
        let owner = self.hasher.hash_one(owner);
        self.lock().owners.contains_key(&owner)
    }

    /// All up to this place is in the indexes.
    pub(super) fn settled(&self, place: i64) {
        let mut state = self.lock();
        state.settled = place;
        state.ids.retain(|_, known| known.newest > place);
        state.owners.retain(|_, known| known.newest > place);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(all: &mut Hashes, key: u64) {
    if let Entry::Occupied(mut known) = all.entry(key) {
        known.get_mut().messages -= 1;
        if known.get().messages == 0 {
            known.remove();
        }
    }
}

impl std::fmt::Debug for Recent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Recent")
            .field("ids", &state.ids.len())
            .field("in_trouble", &state.in_trouble)
            .finish_non_exhaustive()
    }
}

/// An ID of 130 random bits, as [`new_id`](crate::archive::new_id) makes them: nobody
/// else has it.
fn is_one_of_ours(id: &str) -> bool {
    id.len() == 1 + TOKEN_LENGTH && is_random(id)
}

/// An ID that the server made never comes a second time.
pub(super) fn is_random(id: &str) -> bool {
    id.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of ours.
    const ID: &str = "-abcdefghijklmnopqrstuvwxyz";

    fn take(recent: &Recent, owner: &str, id: &str) -> Place {
        let taken = recent.take_in(&jid(owner), id, Ok);
        taken.expect("it is taken")
    }

    fn jid(owner: &str) -> BareJid {
        owner.parse().expect("a bare JID")
    }

    #[test]
    fn only_random_ids_that_are_new_are_beyond_doubt_until_all_before_is_settled() {
        let recent = Recent::after(7);
        let take = |owner, id| {
            let place = take(&recent, owner, id);
            (place.number, place.doubt)
        };
        assert_eq!(take("alice@a.example", ID), (8, Doubt::None));
        assert_eq!(take("bob@a.example", ID), (9, Doubt::None));
        assert_eq!(take("alice@a.example", "token1"), (10, Doubt::Maybe));
        assert_eq!(take("alice@a.example", ID), (11, Doubt::Likely));
        assert_eq!(take("alice@a.example", "token1"), (12, Doubt::Likely));
        assert_eq!(take("alice@a.example", "-1"), (13, Doubt::Maybe));
        recent.settled(11);
        assert_eq!(take("alice@a.example", ID), (14, Doubt::None));
        assert_eq!(take("alice@a.example", "token1"), (15, Doubt::Likely));
        assert!(!recent.has(&jid("bob@a.example")));
        assert!(recent.has(&jid("alice@a.example")));
    }

    #[test]
    fn what_the_writer_does_not_get_takes_no_place() {
        let recent = Recent::after(0);
        let refused = recent.take_in(&jid("alice@a.example"), ID, |_| {
            Err::<(), _>(SqliteError::Overloaded)
        });
        assert_eq!(refused, Err(SqliteError::Overloaded));
        let taken = take(&recent, "alice@a.example", ID);
        assert_eq!((taken.number, taken.doubt), (1, Doubt::None));
    }

    #[test]
    fn what_could_not_be_written_is_forgotten_and_nothing_else() {
        let recent = Recent::after(0);
        let take = |owner, id| take(&recent, owner, id);
        let alice = jid("alice@a.example");
        let first = take("alice@a.example", "token1");
        let second = take("alice@a.example", "token2");
        recent.forget([second]);
        assert!(recent.has(&alice), "the first is there");
        assert_eq!(take("alice@a.example", "token1").doubt, Doubt::Likely);
        let again = take("alice@a.example", "token2");
        assert_eq!(again.doubt, Doubt::Maybe);
        recent.settled(again.number);
        let third = take("alice@a.example", "token1");
        // It was found, and goes all the same: what came later stays.
        recent.forget([first]);
        assert!(recent.has(&alice), "the third is there");
        recent.forget([third]);
        assert!(!recent.has(&alice));
        assert!(recent.lock().ids.is_empty());
    }

    #[test]
    fn while_nothing_gets_to_the_disk_each_place_says_so() {
        let recent = Recent::after(0);
        let is_in_trouble = || take(&recent, "alice@a.example", ID).in_trouble;
        assert!(!is_in_trouble());
        recent.set_trouble(true);
        assert!(is_in_trouble());
        recent.set_trouble(false);
        assert!(!is_in_trouble());
    }
}
