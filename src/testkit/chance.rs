use std::sync::{Arc, Mutex, PoisonError};

use crate::flow::Entropy;

/// A small generator (SplitMix64): the same seed gives the same world.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The remainder is below a `usize`, so nothing is cut off.
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }
}

/// Bytes that look random and are the same in every run; see
/// [`World::entropy`](super::World::entropy).
#[derive(Clone, Debug)]
pub struct SeededEntropy(Arc<Mutex<Chance>>);

impl SeededEntropy {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Chance::new(seed))))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let random = chance.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}
