//! Repeatable chance.

use shardgate::env::{Entropy, SeededEntropy};

/// Repeatable chance.
pub(crate) struct Chance(SeededEntropy);

impl Chance {
    pub(crate) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.uuid().as_u128() % bound as u128).unwrap()
    }

    pub(crate) fn noise(&self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.below(256) as u8).collect()
    }
}

pub(crate) fn chance(seed: u64) -> Chance {
    Chance(SeededEntropy::new(seed))
}
