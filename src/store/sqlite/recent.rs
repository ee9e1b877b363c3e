//! Which messages have been accepted and are not in the indexes yet.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jid::BareJid;

use crate::archive::{Row, TOKEN_LENGTH};

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

#[derive(Default)]
struct State {
    last: i64,
    /// The newest place of each ID and of each owner.
    ids: HashMap<u64, i64>,
    owners: HashMap<u64, i64>,
}

impl Recent {
    /// Places begin after this one.
    pub(super) fn after(last: i64) -> Self {
        let state = State {
            last,
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
        row: Row,
        push: impl FnOnce(Row, i64, Doubt) -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        let id = self.hasher.hash_one((&row.owner, &row.id));
        let owner = self.hasher.hash_one(&row.owner);
        // Held meanwhile, so that places and the writer's queue have one order.
        let mut state = self.lock();
        let doubt = match state.ids.contains_key(&id) {
            true => Doubt::Likely,
            false if is_one_of_ours(&row.id) => Doubt::None,
            false => Doubt::Maybe,
        };
        let place = state.last + 1;
        let pushed = push(row, place, doubt)?;
        state.last = place;
        state.ids.insert(id, place);
        state.owners.insert(owner, place);
        Ok(pushed)
    }

    /// Whether something of this archive is in no index yet.
    pub(super) fn has(&self, owner: &BareJid) -> bool {
        let owner = self.hasher.hash_one(owner);
        self.lock().owners.contains_key(&owner)
    }

    /// All up to this place is in the indexes.
    pub(super) fn settled(&self, place: i64) {
        let mut state = self.lock();
        state.ids.retain(|_, newest| *newest > place);
        state.owners.retain(|_, newest| *newest > place);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, except out of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Recent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recent")
            .field("ids", &self.lock().ids.len())
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
    use crate::archive::Direction;
    use crate::stanza::Time;

    /// One of ours.
    const ID: &str = "-abcdefghijklmnopqrstuvwxyz";

    fn row(owner: &str, id: &str) -> Row {
        let owner: BareJid = owner.parse().expect("a bare JID");
        let wire = &b"<message/>"[..];
        Row::new(
            owner.clone(),
            id,
            Time::from_secs(0),
            owner,
            Direction::Incoming,
            wire,
        )
    }

    #[test]
    fn only_random_ids_that_are_new_are_beyond_doubt_until_all_before_is_settled() {
        let recent = Recent::after(7);
        let take = |owner, id| recent.take_in(row(owner, id), |_, place, doubt| Ok((place, doubt)));
        assert_eq!(take("alice@a.example", ID), Ok((8, Doubt::None)));
        assert_eq!(take("bob@a.example", ID), Ok((9, Doubt::None)));
        assert_eq!(take("alice@a.example", "token1"), Ok((10, Doubt::Maybe)));
        assert_eq!(take("alice@a.example", ID), Ok((11, Doubt::Likely)));
        assert_eq!(take("alice@a.example", "token1"), Ok((12, Doubt::Likely)));
        assert_eq!(take("alice@a.example", "-1"), Ok((13, Doubt::Maybe)));
        recent.settled(11);
        assert_eq!(take("alice@a.example", ID), Ok((14, Doubt::None)));
        assert_eq!(take("alice@a.example", "token1"), Ok((15, Doubt::Likely)));
        assert!(!recent.has(&"bob@a.example".parse().expect("a bare JID")));
        assert!(recent.has(&"alice@a.example".parse().expect("a bare JID")));
    }

    #[test]
    fn what_the_writer_does_not_get_takes_no_place() {
        let recent = Recent::after(0);
        let refused = recent.take_in(row("alice@a.example", ID), |_, _, _| {
            Err::<(), _>(SqliteError::Overloaded)
        });
        assert_eq!(refused, Err(SqliteError::Overloaded));
        let taken = recent.take_in(row("alice@a.example", ID), |_, place, doubt| {
            Ok((place, doubt))
        });
        assert_eq!(taken, Ok((1, Doubt::None)));
    }
}
