//! Randomness for ids; nothing here is a secret.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Makes ids that do not repeat.
pub trait Entropy: Send + Sync {
    /// A random (version 4) UUID.
    fn uuid(&self) -> Uuid;

    /// A random number below `bound`; 0 if that is 0.
    fn below(&self, bound: u64) -> u64 {
        // The last bits of an id are as random as it gets.
        let (_, bits) = self.uuid().as_u64_pair();
        (bits << 8 >> 8).checked_rem(bound).unwrap_or(0)
    }
}

/// The machine's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// The same ids in the same order for the same seed.
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a full-period sequence from a counter.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(((u128::from(self.next()) << 64) | u128::from(self.next())).to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_a_bound_comes_up_about_as_often() {
        let entropy = SeededEntropy::new(1);
        let mut times = [0_u32; 16];
        for _ in 0..16_000 {
            times[usize::try_from(entropy.below(16)).unwrap()] += 1;
        }
        assert!(times.iter().all(|times| (800..1_200).contains(times)), "{times:?}");
        assert_eq!(entropy.below(0), 0);
    }
}
