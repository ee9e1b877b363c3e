//! The sessions that have joined the account in a room.

use std::sync::Arc;

use jid::FullJid;

use super::super::pool::Kept;
use super::Wanted;

/// In the order of their names, so that what is done for all of them is done in
/// the same order in every run. The names stand in a list of their own, which
/// everything that goes to all of them shares.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    names: Arc<[FullJid]>,
    here: Vec<Here>,
}

/// A session that has joined the account here.
#[derive(Debug)]
pub(super) struct Here {
    /// What it shows, without what concerns joining.
    pub(super) presence: Kept,
    pub(super) priority: i8,
    /// Which of several presences came last.
    pub(super) latest: u64,
    /// It has not got history and subject yet, and wants this much.
    pub(super) settling: Option<Wanted>,
}

impl Sessions {
    pub(super) fn names(&self) -> Arc<[FullJid]> {
        self.names.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.here.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    pub(super) fn has(&self, session: &FullJid) -> bool {
        self.find(session).is_ok()
    }

    pub(super) fn get_mut(&mut self, session: &FullJid) -> Option<&mut Here> {
        let found = self.find(session).ok()?;
        self.here.get_mut(found)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FullJid, &Here)> {
        self.names.iter().zip(&self.here)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&FullJid, &mut Here)> {
        self.names.iter().zip(&mut self.here)
    }

    /// Puts it in, in the place of what was known of it.
    pub(super) fn put(&mut self, session: FullJid, here: Here) {
        match self.find(&session) {
            Ok(found) => self.here[found] = here,
            Err(place) => {
                self.here.insert(place, here);
                let mut names = self.names.to_vec();
                names.insert(place, session);
                self.names = names.into();
            }
        }
    }

    /// Takes it out. Says whether it was there.
    pub(super) fn remove(&mut self, session: &FullJid) -> bool {
        let Ok(found) = self.find(session) else {
            return false;
        };
        self.here.remove(found);
        let mut names = self.names.to_vec();
        names.remove(found);
        self.names = names.into();
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn find(&self, session: &FullJid) -> Result<usize, usize> {
        self.names.binary_search(session)
    }
}
