//! "Certainly not" without a lock.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// Says for most keys that a table does not hold them, in a nanosecond or two
/// and without a lock.
///
/// Most stanzas do not concern most layers, so [`Feature::concerns`] had
/// better not take a lock and hash with a cryptographic function to find that
/// out. Keep a sieve beside the table:
///
/// 1. [`Sieve::insert`] when a key comes into the table, *before* anybody may
///    expect to find it there, and [`Sieve::remove`] after it has left: as
///    many of the one as of the other.
/// 2. Where [`Sieve::may_hold`] says no, the table does not hold the key.
///    Where it says yes, look.
///
/// It has 65,536 slots of one byte and one slot per key, so it is worth its
/// 64 KiB while the table holds some ten thousand keys (of which 14 % of the
/// others are then looked up in vain) and does no harm beyond. A slot that
/// 255 keys share says yes for good. Whoever chooses keys that share a slot
/// makes us look into the table, and that is all.
///
/// [`Feature::concerns`]: super::Feature::concerns
///
/// ```
/// use tower_xmpp::middleware::Sieve;
///
/// let rooms = Sieve::default();
/// rooms.insert("muc.example");
/// assert!(rooms.may_hold("muc.example"));
/// assert!(!rooms.may_hold("b.example"));
/// ```
pub struct Sieve(Box<[AtomicU8; SLOTS]>);

const SLOTS: usize = 1 << 16;

impl Sieve {
    /// False only if the key is not in the table.
    #[inline]
    pub fn may_hold(&self, key: &str) -> bool {
        self.slot(key).load(Ordering::Acquire) != 0
    }

    /// The key comes into the table.
    pub fn insert(&self, key: &str) {
        self.change(key, |keys| keys.saturating_add(1));
    }

    /// The key has left the table.
    pub fn remove(&self, key: &str) {
        // How many keys share a full slot is not known any more.
        self.change(key, |keys| match keys {
            0 | u8::MAX => keys,
            keys => keys - 1,
        });
    }

    fn change(&self, key: &str, change: impl Fn(u8) -> u8) {
        // `fetch_update` fails only where the closure gives up.
        let _ = self
            .slot(key)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |keys| {
                Some(change(keys))
            });
    }

    #[inline]
    fn slot(&self, key: &str) -> &AtomicU8 {
        &self.0[hash(key) % SLOTS]
    }
}

/// From the first, the middle and the last eight bytes: all of it up to 24, as
/// much as most addresses have, in three steps whatever its length. Longer
/// keys that differ elsewhere alone share a slot. Nobody gains anything from
/// that, so it need not resist those who look for it.
#[inline]
fn hash(key: &str) -> usize {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let bytes = key.as_bytes();
    let mut hash = bytes.len() as u64;
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let middle = &bytes[bytes.len() / 2 - 4..];
            for word in [Some(first), middle.first_chunk(), Some(last)] {
                hash ^= word.map_or(0, |word| u64::from_le_bytes(*word));
                hash = hash.wrapping_mul(MIX);
                hash ^= hash >> 32;
            }
        }
        _ => {
            hash = (hash ^ short(bytes)).wrapping_mul(MIX);
            hash ^= hash >> 32;
        }
    }
    (hash >> 40) as usize
}

/// Fewer than eight bytes as one word: no address of a person is that short.
#[cold]
fn short(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl Default for Sieve {
    fn default() -> Self {
        Sieve(Box::new([const { AtomicU8::new(0) }; SLOTS]))
    }
}

impl fmt::Debug for Sieve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sieve").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_in_the_table_is_never_denied(
            steps in prop::collection::vec(("[a-d]{0,12}", any::<bool>()), 0..200),
        ) {
            let (sieve, mut table) = (Sieve::default(), BTreeMap::<String, usize>::new());
            for (key, comes) in steps {
                let count = table.entry(key.clone()).or_default();
                if comes {
                    sieve.insert(&key);
                    *count += 1;
                } else if *count > 0 {
                    *count -= 1;
                    sieve.remove(&key);
                }
            }
            for (key, count) in &table {
                prop_assert!(*count == 0 || sieve.may_hold(key), "{key}");
            }
        }
    }

    #[test]
    fn what_has_left_is_denied_again_and_few_others_pass() {
        let sieve = Sieve::default();
        let name = |number| format!("alice{number}@a.example");
        for number in 0..1_000 {
            sieve.insert(&name(number));
        }
        let passing = (1_000..11_000).filter(|&number| sieve.may_hold(&name(number)));
        assert!(passing.count() < 400, "1,000 keys fill 1.5 % of the slots");
        for number in 0..1_000 {
            sieve.remove(&name(number));
        }
        assert!((0..11_000).all(|number| !sieve.may_hold(&name(number))));
    }

    #[test]
    fn a_full_slot_says_yes_for_good() {
        let sieve = Sieve::default();
        for _ in 0..300 {
            sieve.insert("a");
        }
        for _ in 0..300 {
            sieve.remove("a");
        }
        assert!(sieve.may_hold("a"));
        sieve.remove("b");
        assert!(!sieve.may_hold("b"));
    }
}
