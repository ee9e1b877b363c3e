//! Who is in the room, as the room says it.

use std::mem;

use super::super::pool::Kept;

/// The presence of everybody but us, by nick. Sorted, so that a replay is the
/// same in every run; a pointer each, so that a thousand machines can keep it.
#[derive(Clone, Debug, Default)]
pub(super) struct Occupants(Vec<Kept>);

impl Occupants {
    /// Keeps a presence in the place of the nick's last one, unless that
    /// would be more than `limit` nicks. Says whether it is news.
    pub(super) fn put(&mut self, presence: Kept, limit: usize) -> bool {
        match self.find(presence.nick()) {
            Ok(found) => mem::replace(&mut self.0[found], presence.clone()) != presence,
            Err(place) => {
                if self.0.len() < limit {
                    self.0.insert(place, presence);
                }
                true
            }
        }
    }

    /// Forgets a nick. Says whether it was known.
    pub(super) fn remove(&mut self, nick: &str) -> bool {
        match self.find(nick) {
            Ok(found) => {
                self.0.remove(found);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn get(&self, nick: &str) -> Option<&Kept> {
        self.find(nick).ok().map(|found| &self.0[found])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.0.iter()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    fn find(&self, nick: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|kept| kept.nick().cmp(nick))
    }
}
