//! Stanzas that are kept once, however many machines keep them.
//!
//! Where fifty accounts of a server sit in one room, each hears the same
//! presence of the same occupants and the same messages. A machine keeps a
//! pointer; the bytes stand here, without `to` and a presence's `id`, which are
//! all that differs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use crate::middleware::Hashed;
use crate::stanza::{Form, Kind, Stanza, Time};

use super::hash::Secret;
use super::lock;

/// The kept stanzas, each of which holds no lock but that of its shard.
///
/// None is kept for long after its last machine let it go: a
/// [`sweep`](Pool::sweep) finds it. What is said in a room goes as fast as it comes,
/// so it does not wait for one: [`let_go`](Pool::let_go).
#[derive(Debug, Default)]
pub(super) struct Pool {
    shards: [Mutex<Shard>; SHARDS],
    /// What people write decides where it is kept, so they must not know how.
    secret: Secret,
    /// Whose turn it is to be swept.
    next: AtomicUsize,
}

const SHARDS: usize = 16;

#[derive(Debug, Default)]
struct Shard {
    /// By the hash of their bytes.
    kept: HashMap<u64, Kept, BuildHasherDefault<Hashed>>,
    /// How many were left when it was swept last.
    left: usize,
}

/// One stanza as bytes, shared by all who keep an equal one.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wire: Box<[u8]>,
    /// Where the pool has it.
    hash: u64,
    /// The nick whose presence it is, so that it is found without parsing;
    /// nothing for a message.
    nick: Box<str>,
    /// When it came, to the first who heard it.
    at: Time,
    /// What tells a message from others, once somebody has wanted to know.
    key: OnceLock<u64>,
}

impl Pool {
    /// Keeps a stanza without its `to`, and a presence without its `id`: the
    /// rest is the same for everybody.
    pub(super) fn keep(&self, stanza: &Stanza) -> Kept {
        self.keep_unless(stanza, Time::EPOCH, |_| true)
    }

    /// The same for what was said at this time. Equal messages are one, with one
    /// time, where they come at about the same time: one message, heard by
    /// several accounts, and not the same words once more.
    pub(super) fn keep_said(&self, stanza: &Stanza, at: Time) -> Kept {
        const AT_ONCE: Duration = Duration::from_secs(60);
        self.keep_unless(stanza, at, |known| {
            at.since(known).max(known.since(at)) < AT_ONCE
        })
    }

    fn keep_unless(&self, stanza: &Stanza, at: Time, is_same: impl FnOnce(Time) -> bool) -> Kept {
        let is_presence = stanza.kind() == Kind::Presence;
        if is_presence && stanza.id().is_some() {
            let mut anonymous = stanza.clone();
            anonymous.set_id(None);
            return self.keep_unless(&anonymous, at, is_same);
        }
        written(stanza, |wire| {
            let hash = self.secret.of(wire);
            let mut shard = self.shard(hash);
            let place = shard.kept.entry(hash);
            if let Entry::Occupied(known) = &place
                && *known.get().0.wire == *wire
                && is_same(known.get().at())
            {
                return known.get().clone();
            }
            let nick = stanza.from().and_then(|from| from.resource());
            let nick = nick.filter(|_| is_presence);
            let new = Kept(Arc::new(Shared {
                wire: wire.into(),
                hash,
                nick: nick.map_or("", |nick| nick.as_str()).into(),
                at,
                key: OnceLock::new(),
            }));
            // Should two have one hash, the earlier one is kept apart.
            place.insert_entry(new.clone());
            new
        })
    }

    /// Forgets this, if nobody else keeps it.
    pub(super) fn let_go(&self, kept: Kept) {
        let is_last = || Arc::strong_count(&kept.0) == 2;
        if !is_last() {
            return;
        }
        let mut shard = self.shard(kept.0.hash);
        // The pool's own is not always this: one of two that have one hash is
        // kept apart.
        if let Entry::Occupied(known) = shard.kept.entry(kept.0.hash)
            && Arc::ptr_eq(&known.get().0, &kept.0)
            && is_last()
        {
            known.remove();
        }
    }

    /// Forgets what nobody keeps any more: everywhere in so many calls as
    /// there are shards, and at once where much has come since the last time.
    pub(super) fn sweep(&self) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        for (index, shard) in self.shards.iter().enumerate() {
            let mut shard = lock(shard);
            if index == turn || shard.kept.len() > 2 * shard.left + 16 {
                shard.kept.retain(|_, kept| Arc::strong_count(&kept.0) > 1);
                let left = shard.kept.len();
                shard.left = left;
                shard.kept.shrink_to(2 * left);
            }
        }
    }

    /// How many different stanzas are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).kept.len())
            .sum::<usize>()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // By bits that the table in it does not look at.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

/// Lets `look` see a stanza's bytes, without `to`. They are written where the last
/// one's were, since of what several accounts hear all but the first are only
/// compared, and what is kept is copied to a place of its size.
fn written<R>(stanza: &Stanza, look: impl FnOnce(&[u8]) -> R) -> R {
    WIRE.with_borrow_mut(|wire| {
        // Whatever a panic left there.
        wire.clear();
        stanza.write_without_to(wire, Form::Stream);
        let seen = look(wire);
        wire.clear();
        wire.shrink_to(ROOM);
        seen
    })
}

/// How much of [`WIRE`] stays allocated; more than nearly all stanzas need.
const ROOM: usize = 16 * 1024;

thread_local! {
    static WIRE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Kept {
    /// Whose presence it is.
    pub(super) fn nick(&self) -> &str {
        &self.0.nick
    }

    /// When it came, if it is something that was said.
    pub(super) fn at(&self) -> Time {
        self.0.at
    }

    /// The stanza, read again. `None` cannot be: it was written by us.
    pub(super) fn stanza(&self) -> Option<Stanza> {
        Stanza::parse(&self.0.wire).ok()
    }

    /// What tells a message from others: `read` finds that out, once for all
    /// who keep it.
    pub(super) fn key(&self, read: impl FnOnce(&Stanza) -> u64) -> u64 {
        let key = &self.0.key;
        *key.get_or_init(|| self.stanza().map_or(0, |stanza| read(&stanza)))
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.wire.len()
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.wire == other.0.wire
    }
}

impl Eq for Kept {}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(to: &str) -> Stanza {
        let xml =
            format!("<presence from='r@muc.example/Bob' to='{to}'><show>away</show></presence>");
        Stanza::parse(xml.as_bytes()).unwrap()
    }

    #[test]
    fn equal_stanzas_to_different_accounts_are_kept_once() {
        let pool = Pool::default();
        let one = pool.keep(&presence("alice@a.example").with_id("1"));
        let other = pool.keep(&presence("carol@a.example").with_id("2"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(pool.len(), 1);
        assert_eq!(one.nick(), "Bob");
        let again = one.stanza().expect("what was written is read");
        assert!(again.to().is_none() && again.id().is_none());
        assert_eq!(pool.keep(&again), one);
    }

    #[test]
    fn the_id_of_a_message_belongs_to_it() {
        let pool = Pool::default();
        let message = Stanza::message().with_text_child("body", "hi");
        let one = pool.keep(&message.clone().with_id("1"));
        let other = pool.keep(&message.with_id("2"));
        assert_ne!(one, other);
        assert_eq!(one.stanza().unwrap().id(), Some("1"));
    }

    #[test]
    fn the_same_words_are_one_message_if_they_come_at_about_the_same_time() {
        let pool = Pool::default();
        let message = Stanza::message().with_text_child("body", "hi");
        let kept = [1_000, 1_010, 990, 2_000, 2_010]
            .map(|seconds| pool.keep_said(&message, Time::from_secs(seconds)));
        let at = kept.each_ref().map(Kept::at);
        let [first, second] = [1_000, 2_000].map(Time::from_secs);
        assert_eq!(at, [first, first, first, second, second]);
        assert!(Arc::ptr_eq(&kept[0].0, &kept[2].0));
        assert!(Arc::ptr_eq(&kept[3].0, &kept[4].0));
    }

    #[test]
    fn what_nobody_keeps_is_forgotten_and_the_rest_stays() {
        let pool = Pool::default();
        let [kept, other] = ["alice", "carol"].map(|name| {
            let status = Stanza::presence().with_text_child("status", name);
            pool.keep(&status)
        });
        drop(other);
        for _ in 0..SHARDS {
            pool.sweep();
        }
        assert_eq!(pool.len(), 1);
        drop(kept);
        for _ in 0..SHARDS {
            pool.sweep();
        }
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn what_the_last_who_keeps_it_lets_go_is_forgotten_at_once() {
        let pool = Pool::default();
        let message = Stanza::message().with_text_child("body", "hi");
        let keep = |seconds| pool.keep_said(&message, Time::from_secs(seconds));
        let [first, second, later] = [1_000, 1_010, 2_000].map(keep);
        pool.let_go(first);
        assert_eq!(pool.len(), 1, "the same words, said later");
        pool.let_go(later.clone());
        assert_eq!(pool.len(), 1, "somebody keeps it");
        pool.let_go(second);
        assert_eq!(pool.len(), 1, "it was kept apart");
        pool.let_go(later);
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn a_large_stanza_leaves_no_large_buffer_behind() {
        let pool = Pool::default();
        for length in [10, 10 * ROOM] {
            let message = Stanza::message().with_text_child("body", &"a".repeat(length));
            assert!(pool.keep(&message).len() > length);
            let room = WIRE.with_borrow(Vec::capacity);
            assert!((1..=ROOM).contains(&room), "{room}");
        }
    }

    #[test]
    fn a_flood_is_forgotten_at_the_next_sweep() {
        let pool = Pool::default();
        for number in 0..10_000 {
            let status = number.to_string();
            pool.keep(&Stanza::presence().with_text_child("status", &status));
        }
        pool.sweep();
        assert_eq!(pool.len(), 0);
    }
}
