//! Chance that is the same for the same seed.

use shardgate::env::{Entropy, SeededEntropy};

/// Draws of one seed.
pub(crate) struct Chance(SeededEntropy);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Another one, whose draws do not depend on how many were made here.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.0.uuid().as_u64_pair().0)
    }

    /// 0 to `bound - 1`; 0 if that is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Whether a draw of `n` hits.
    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub(crate) fn of<T: Copy>(&self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
