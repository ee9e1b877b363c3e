//! What happened in a world, and because of what.

use std::collections::{BTreeSet, HashMap};

use jid::FullJid;

use crate::flow::{Event, Original, PassId, Route, Trail};
use crate::stanza::{Stanza, Time};

/// The number of an entry.
pub(super) type EntryId = usize;

/// Everything that happened, in order.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    passes: HashMap<(usize, PassId), EntryId>,
    /// Passes that are not over.
    open: BTreeSet<EntryId>,
}

/// One thing that happened.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Time,
    /// The entry that led to it.
    pub(super) because: Option<EntryId>,
    /// The layer that made it; `None` for originals.
    pub(super) by: Option<&'static str>,
    pub(super) what: Happening,
}

#[derive(Debug)]
pub(super) enum Happening {
    /// A client sent a stanza.
    Sent { session: FullJid, stanza: Stanza },
    /// Something happened to a session, a link or the clock.
    Event { host: usize, event: Event },
    /// A host made a stanza by itself, such as a session's last presence.
    Made { host: usize, stanza: Stanza },
    /// A stanza crossed from one host to another.
    Crossed {
        from: usize,
        to: usize,
        stanza: Stanza,
    },
    /// An envelope passed a host's stack.
    Pass {
        host: usize,
        route: Route,
        /// How many passes led to it.
        hops: u8,
        /// `None` for an event.
        stanza: Option<Stanza>,
        /// What became of it; `None` while it is under way.
        original: Option<Original>,
    },
    /// A stanza was put into a session's outbox.
    Delivered {
        session: FullJid,
        stanza: Stanza,
        /// Whether the test said that it expects it.
        expected: bool,
    },
    /// The layer that is named broke and was stepped over; without a name, a
    /// pass broke off.
    Broke {
        host: usize,
        what: String,
        expected: bool,
    },
}

/// Marks a pass number that names an entry of the record rather than a pass:
/// an envelope from outside carries what led to it into its stack.
const FROM_RECORD: u64 = 1 << 63;

impl Record {
    pub(super) fn add(
        &mut self,
        at: Time,
        because: Option<EntryId>,
        by: Option<&'static str>,
        what: Happening,
    ) -> EntryId {
        self.entries.push(Entry {
            at,
            because,
            by,
            what,
        });
        self.entries.len() - 1
    }

    /// What to put into the trail of an envelope that enters because of this.
    pub(super) fn mark(entry: EntryId) -> PassId {
        PassId(FROM_RECORD | entry as u64)
    }

    /// The entry of a pass, or the one that a [mark](Self::mark) names.
    pub(super) fn entry_of(&self, host: usize, pass: PassId) -> Option<EntryId> {
        match pass.0 & FROM_RECORD {
            0 => self.passes.get(&(host, pass)).copied(),
            _ => usize::try_from(pass.0 & !FROM_RECORD).ok(),
        }
    }

    pub(super) fn pass_began(
        &mut self,
        host: usize,
        pass: PassId,
        at: Time,
        trail: &Trail,
        what: Happening,
    ) {
        let because = self.entry_of(host, trail.pass);
        let by = trail.iter().next().map(|hop| hop.layer);
        let entry = self.add(at, because, by, what);
        self.passes.insert((host, pass), entry);
        self.open.insert(entry);
    }

    pub(super) fn pass_ended(&mut self, host: usize, pass: PassId, became: &Original) {
        let Some(entry) = self.entry_of(host, pass) else {
            return;
        };
        if let Happening::Pass { original, .. } = &mut self.entries[entry].what {
            *original = Some(became.clone());
        }
        self.open.remove(&entry);
    }

    /// Passes that are not over.
    pub(super) fn under_way(&self) -> impl Iterator<Item = EntryId> {
        self.open.iter().copied()
    }

    /// A host is gone, and with it what was under way there.
    pub(super) fn crashed(&mut self, gone: usize) {
        let entries = &self.entries;
        self.open.retain(
            |entry| !matches!(entries[*entry].what, Happening::Pass { host, .. } if host == gone),
        );
    }

    /// From an entry to the one that began it all, both included.
    pub(super) fn causes(&self, entry: EntryId) -> impl Iterator<Item = EntryId> {
        std::iter::successors(Some(entry), |entry| self.entries[*entry].because)
    }

    /// What began it all.
    pub(super) fn root(&self, entry: EntryId) -> EntryId {
        self.causes(entry).last().unwrap_or(entry)
    }
}
