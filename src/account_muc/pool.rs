//! Stanzas that are kept once, however many machines keep them.
//!
//! Where fifty accounts of a server sit in one room, each hears the same
//! presence of the same occupants. A machine keeps a pointer; the bytes stand
//! here, without `to` and `id`, which are all that differs.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stanza::Stanza;

/// The kept stanzas. None is kept for long after its last machine let it go:
/// [`sweep`](Pool::sweep).
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<HashSet<Kept>>);

/// One stanza as bytes, shared by all who keep an equal one.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    /// The nick whose presence it is, so that it is found without parsing.
    nick: Box<str>,
    wire: Box<str>,
}

impl Pool {
    /// Keeps a stanza without its `to` and `id`.
    pub(super) fn keep(&self, stanza: &Stanza) -> Kept {
        let mut stanza = stanza.clone();
        stanza.set_to(None);
        stanza.set_id(None);
        self.keep_with_id(&stanza)
    }

    /// The same with its `id`, which belongs to a message.
    pub(super) fn keep_with_id(&self, stanza: &Stanza) -> Kept {
        let mut stanza = stanza.clone();
        stanza.set_to(None);
        let wire = stanza.to_xml();
        let mut kept = self.lock();
        if let Some(known) = kept.get(wire.as_str()) {
            return known.clone();
        }
        let resource = stanza.from().and_then(|from| from.resource());
        let new = Kept(Arc::new(Entry {
            nick: resource.map_or("", |nick| nick.as_str()).into(),
            wire: wire.into(),
        }));
        kept.insert(new.clone());
        new
    }

    /// Forgets what nobody keeps any more.
    pub(super) fn sweep(&self) {
        let mut kept = self.lock();
        kept.retain(|kept| Arc::strong_count(&kept.0) > 1);
        if kept.capacity() > kept.len() * 4 {
            kept.shrink_to_fit();
        }
    }

    /// How many different stanzas are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Kept>> {
        // Every change is whole, so a poisoned lock is as good as new.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whose presence it is.
    pub(super) fn nick(&self) -> &str {
        &self.0.nick
    }

    /// The stanza, read again. `None` cannot be: it was written by us.
    pub(super) fn stanza(&self) -> Option<Stanza> {
        Stanza::parse(self.0.wire.as_bytes()).ok()
    }

    /// Its length in bytes, by which `maxchars` is measured.
    pub(super) fn len(&self) -> usize {
        self.0.wire.len()
    }
}

impl Borrow<str> for Kept {
    fn borrow(&self) -> &str {
        &self.0.wire
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.wire.hash(state);
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
    fn what_nobody_keeps_is_forgotten() {
        let pool = Pool::default();
        let kept = pool.keep(&presence("alice@a.example"));
        pool.sweep();
        assert_eq!(pool.len(), 1);
        drop(kept);
        pool.sweep();
        assert_eq!(pool.len(), 0);
    }
}
