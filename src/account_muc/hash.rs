//! A quick hash that nobody outside can foresee.
//!
//! Every message of a room is hashed for the pool, and every stanza's account
//! for the table; the standard library's hash would be a tenth of all that is
//! done for them. This one multiplies sixteen bytes at a time with what is
//! known only here, as wyhash does.

use std::hash::{BuildHasher, Hasher, RandomState};

/// What is known only here.
#[derive(Clone, Debug)]
pub(super) struct Secret([u64; 2]);

/// A hash under way.
#[derive(Debug)]
pub(super) struct Folding {
    secret: u64,
    hash: u64,
}

impl Default for Secret {
    fn default() -> Self {
        Self([1, 2].map(|number: u8| RandomState::new().hash_one(number)))
    }
}

impl Secret {
    /// The hash of bytes, in one go.
    pub(super) fn of(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

impl BuildHasher for Secret {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        let [secret, hash] = self.0;
        Folding { secret, hash }
    }
}

impl Folding {
    fn take(&mut self, one: u64, other: u64) {
        self.hash = fold(one ^ self.secret, other ^ self.hash);
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<16>();
        for chunk in chunks {
            let (one, other) = chunk.split_at(8);
            self.take(number(one), number(other));
        }
        let (one, other) = rest.split_at(rest.len().min(8));
        // With the length, so that a zero at the end is not nothing.
        self.take(number(one), number(other) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte), 0);
    }

    fn finish(&self) -> u64 {
        fold(self.hash, self.secret)
    }
}

/// Up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

/// Both halves of the product.
#[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_differ_a_little_are_far_apart() {
        let secret = Secret::default();
        let mut slots = HashSet::new();
        for number in 0..4_096 {
            slots.insert(secret.hash_one(format!("alice{number}@a.example")) % 65_536);
        }
        // Of as many thrown at random, some 3,970 slots are hit.
        assert!(slots.len() > 3_800, "{}", slots.len());
    }

    #[test]
    fn what_is_longer_by_nothing_differs_and_so_does_another_secret() {
        let secret = Secret::default();
        let of = |text: &str| secret.hash_one(text);
        assert_eq!(of("room"), of("room"));
        assert_ne!(of("room"), of("room\0"));
        assert_ne!(of("0123456789abcdef"), of("0123456789abcdef\0"));
        assert_ne!(of("room"), Secret::default().hash_one("room"));
    }
}
