use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jid::BareJid;

use crate::archive::{
    Accepted, ArchiveError, ArchiveStore, Entry, Page, Position, Preferences, Row,
};
use crate::stanza::Time;

/// Archives in memory: bounded, fast, and gone with the process.
///
/// A full archive drops its oldest messages, and remembers the IDs of as many
/// of them as it may hold messages, if clients made them. A store that holds as many
/// archives as it may refuses the next with
/// [`ArchiveError::TooManyArchives`], and serves the others as before.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    limits: MemoryArchiveLimits,
    archives: Mutex<HashMap<BareJid, Account>>,
}

/// The bounds of a [`MemoryArchive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryArchiveLimits {
    /// Messages per account. Default 10,000.
    pub messages: usize,
    /// Bytes per account: stanzas, IDs and addresses, without what it costs to
    /// find them. Default 16 MiB.
    pub bytes: usize,
    /// Accounts. Default 10,000.
    pub accounts: usize,
}

#[derive(Debug, Default)]
struct Account {
    /// By position, oldest first.
    entries: VecDeque<Entry>,
    by_id: HashMap<String, Position>,
    /// Computed IDs of messages that are gone, oldest first; `by_id` has them.
    spent: VecDeque<String>,
    bytes: usize,
    last: u64,
    preferences: Option<Preferences>,
}

impl MemoryArchive {
    /// A store with these bounds.
    pub fn new(limits: MemoryArchiveLimits) -> Self {
        Self {
            limits,
            archives: Mutex::default(),
        }
    }

    fn archives(&self) -> MutexGuard<'_, HashMap<BareJid, Account>> {
        // Nothing panics while the lock is held, except out of memory.
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ArchiveStore for MemoryArchive {
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError> {
        let bytes = weight(&row);
        if bytes > self.limits.bytes {
            return Err(ArchiveError::MessageTooLarge {
                bytes,
                limit: self.limits.bytes,
            });
        }
        let mut archives = self.archives();
        let held = archives.len();
        if held >= self.limits.accounts && !archives.contains_key(&row.owner) {
            return Err(ArchiveError::TooManyArchives(held));
        }
        let account = archives.entry(row.owner.clone()).or_default();
        let position = match account.find(&row.id) {
            Some(there) if there.row == row => there.position,
            None if !account.by_id.contains_key(&row.id) => account.push(row, bytes, &self.limits),
            _ => {
                let Row { owner, id, .. } = row;
                return Err(ArchiveError::IdTaken { owner, id });
            }
        };
        Ok(Accepted::at(position))
    }

    async fn get(&self, owner: &BareJid, id: &str) -> Result<Option<Entry>, ArchiveError> {
        let archives = self.archives();
        let found = archives.get(owner).and_then(|account| account.find(id));
        Ok(found.cloned())
    }

    async fn page(&self, owner: &BareJid, page: Page) -> Result<Vec<Entry>, ArchiveError> {
        let archives = self.archives();
        let Some(account) = archives.get(owner) else {
            return Ok(Vec::new());
        };
        let entries = &account.entries;
        let start = page.after.map_or(0, |after| {
            entries.partition_point(|entry| entry.position <= after)
        });
        let end = page.before.map_or(entries.len(), |before| {
            entries.partition_point(|entry| entry.position < before)
        });
        let admitted = entries
            .range(start..end.max(start))
            .filter(|entry| page.admits(entry));
        if !page.newest {
            return Ok(admitted.take(page.limit).cloned().collect());
        }
        let mut found: Vec<_> = admitted.rev().take(page.limit).cloned().collect();
        found.reverse();
        Ok(found)
    }

    async fn replace(
        &self,
        owner: &BareJid,
        id: &str,
        stanza: Arc<[u8]>,
    ) -> Result<bool, ArchiveError> {
        let mut archives = self.archives();
        let Some(account) = archives.get_mut(owner) else {
            return Ok(false);
        };
        let Some(index) = account.index(id) else {
            return Ok(false);
        };
        let row = &mut account.entries[index].row;
        account.bytes -= weight(row);
        row.stanza = stanza;
        account.bytes += weight(row);
        account.shrink(&self.limits);
        Ok(true)
    }

    async fn expire(&self, before: Time) -> Result<u64, ArchiveError> {
        let mut gone = 0;
        #[expect(
            clippy::iter_over_hash_type,
            reason = "archives do not know each other"
        )]
        for account in self.archives().values_mut() {
            while account
                .entries
                .front()
                .is_some_and(|entry| entry.row.at < before)
            {
                account.drop_oldest(&self.limits);
                gone += 1;
            }
        }
        Ok(gone)
    }

    async fn preferences(&self, owner: &BareJid) -> Result<Option<Preferences>, ArchiveError> {
        let archives = self.archives();
        Ok(archives
            .get(owner)
            .and_then(|account| account.preferences.clone()))
    }

    async fn set_preferences(
        &self,
        owner: &BareJid,
        preferences: Preferences,
    ) -> Result<(), ArchiveError> {
        let mut archives = self.archives();
        let held = archives.len();
        if held >= self.limits.accounts && !archives.contains_key(owner) {
            return Err(ArchiveError::TooManyArchives(held));
        }
        archives.entry(owner.clone()).or_default().preferences = Some(preferences);
        Ok(())
    }

    async fn remove(&self, owner: &BareJid) -> Result<(), ArchiveError> {
        self.archives().remove(owner);
        Ok(())
    }
}

impl Account {
    fn find(&self, id: &str) -> Option<&Entry> {
        self.entries.get(self.index(id)?)
    }

    fn index(&self, id: &str) -> Option<usize> {
        let position = self.by_id.get(id)?;
        self.entries
            .binary_search_by_key(position, |entry| entry.position)
            .ok()
    }

    /// Adds a row, and drops the oldest ones until all fit. The new row is
    /// within the limits by itself.
    fn push(&mut self, row: Row, bytes: usize, limits: &MemoryArchiveLimits) -> Position {
        self.last += 1;
        let position = Position(self.last);
        self.bytes += bytes;
        self.by_id.insert(row.id.clone(), position);
        self.entries.push_back(Entry { position, row });
        self.shrink(limits);
        position
    }

    fn shrink(&mut self, limits: &MemoryArchiveLimits) {
        while self.entries.len() > limits.messages.max(1) || self.bytes > limits.bytes {
            self.drop_oldest(limits);
        }
    }

    fn drop_oldest(&mut self, limits: &MemoryArchiveLimits) {
        let Some(Entry { row, .. }) = self.entries.pop_front() else {
            return;
        };
        self.bytes -= weight(&row);
        if is_random(&row.id) {
            self.by_id.remove(&row.id);
            return;
        }
        self.spent.push_back(row.id);
        if self.spent.len() > limits.messages
            && let Some(forgotten) = self.spent.pop_front()
        {
            self.by_id.remove(&forgotten);
        }
    }
}

impl Default for MemoryArchiveLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 << 20,
            accounts: 10_000,
        }
    }
}

/// An ID that the server made never comes a second time.
fn is_random(id: &str) -> bool {
    id.starts_with('-')
}

fn weight(row: &Row) -> usize {
    let message_id = row.message_id.as_ref().map_or(0, String::len);
    row.stanza.len() + row.id.len() + row.with.as_str().len() + message_id
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::archive::Direction;
    use crate::stanza::Time;

    #[test]
    fn what_is_dropped_or_refused_leaves_nothing_behind() {
        let store = MemoryArchive::new(MemoryArchiveLimits {
            messages: 3,
            ..MemoryArchiveLimits::default()
        });
        let alice: BareJid = "alice@a.example".parse().unwrap();
        for number in 0..10 {
            for body in ["hi", "ho"] {
                let (id, at) = (format!("-{number}"), Time::from_secs(0));
                let (with, way) = (alice.clone(), Direction::Incoming);
                let row = Row::new(alice.clone(), id, at, with, way, body.as_bytes());
                let appended = block_on(store.append(row));
                assert_eq!(appended.is_ok(), body == "hi", "the ID is taken");
            }
        }
        let archives = store.archives();
        let account = &archives[&alice];
        assert_eq!((account.entries.len(), account.by_id.len()), (3, 3));
        let weights: usize = account.entries.iter().map(|e| weight(&e.row)).sum();
        assert_eq!(account.bytes, weights);
    }
}
