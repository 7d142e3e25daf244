//! Kinesis sequence numbers as arithmetic over offsets.
//!
//! AWS's own layout, version 2: a 186-bit integer printed in decimal. From the least significant bit: version 2 (4 bits),
//! shard index (32), record time in seconds (36), zero (8), sequence index (64, top bit 0), low nibble of the shard index (4),
//! shard creation in seconds (36), the constant 2 (4). The sequence index is offset + 1, so that index 0 is the shard's start
//! and the largest one its end.

use std::fmt;
use std::str::FromStr;

use super::{Offset, ShardId, Timestamp};

/// A sequence number: where in which shard, made when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SequenceNumber {
    /// Creation of the shard, in seconds since the epoch.
    pub shard_created: u64,
    /// The shard.
    pub shard: ShardId,
    /// Offset + 1; 0 is the shard's start, 2^63 - 1 its end.
    pub index: u64,
    /// Arrival of the record, in seconds since the epoch.
    pub arrived: u64,
}

/// Why a text is not a sequence number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidSequenceNumber {
    /// Not a decimal number of at most 56 digits.
    #[error("a sequence number is a decimal number of 56 digits; got {0:?}")]
    NotDecimal(String),
    /// A number whose fixed bits are not those of version 2.
    #[error("{0} does not have the layout of a version 2 sequence number (186 bits that start and end with 2)")]
    Layout(String),
}

/// Of every sequence number: it lies between 2^185 and 2^186.
const DIGITS: usize = 56;
const INDEX_MAX: u64 = i64::MAX as u64;
const SECONDS_MAX: u64 = (1 << 36) - 1;

impl SequenceNumber {
    /// The number of the record at `offset` of `shard`. Times are clamped to the 36 bits they have.
    pub fn of(shard: ShardId, shard_created_at: Timestamp, offset: Offset, arrived_at: Timestamp) -> Self {
        Self {
            shard_created: clamp(shard_created_at),
            shard,
            index: u64::try_from(offset.0).unwrap_or(0).saturating_add(1).min(INDEX_MAX),
            arrived: clamp(arrived_at),
        }
    }

    /// Where the shard starts: before its first record.
    pub fn start(shard: ShardId, shard_created_at: Timestamp) -> Self {
        Self { shard_created: clamp(shard_created_at), shard, index: 0, arrived: clamp(shard_created_at) }
    }

    /// Where a closed shard ends: after its last record.
    pub fn end(shard: ShardId, shard_created_at: Timestamp, closed_at: Timestamp) -> Self {
        Self { shard_created: clamp(shard_created_at), shard, index: INDEX_MAX, arrived: clamp(closed_at) }
    }

    /// The record's offset; `None` for the start of a shard.
    pub fn offset(self) -> Option<Offset> {
        self.index.checked_sub(1).and_then(|offset| i64::try_from(offset).ok()).map(Offset)
    }

    /// The upper and the lower 128 bits.
    fn halves(self) -> (u128, u128) {
        let shard = u128::from(self.shard.0);
        let low = 2 | (shard << 4) | (u128::from(self.arrived) << 36) | (u128::from(self.index) << 80);
        let high = (u128::from(self.index) >> 48)
            | ((shard & 0xf) << (144 - 128))
            | (u128::from(self.shard_created) << (148 - 128))
            | (2 << (184 - 128));
        (high, low)
    }
}

fn clamp(at: Timestamp) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0).min(SECONDS_MAX)
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long division in limbs of 32 bits: a page of GetRecords prints up to 10,000 numbers, and 64 bits are divided by a
        // constant in a few instructions, 128 bits in some thirty.
        const GROUP: u64 = 1_000_000_000;
        let (high, low) = self.halves();
        let mut limbs = [high >> 32, high, low >> 96, low >> 64, low >> 32, low].map(|limb| limb as u32);
        let mut digits = [0; 63];
        for group in digits.rchunks_exact_mut(9) {
            let mut rest = 0;
            for limb in &mut limbs {
                let value = (rest << 32) | u64::from(*limb);
                *limb = (value / GROUP) as u32;
                rest = value % GROUP;
            }
            let mut rest = rest as u32;
            for digit in group.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        // The constant at the top makes them 56 digits, all of them.
        f.write_str(str::from_utf8(&digits[63 - DIGITS..]).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        if text.is_empty() || text.len() > DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidSequenceNumber::NotDecimal(text.chars().take(60).collect()));
        }
        let (mut high, mut low) = (0u128, 0u128);
        for digit in text.bytes().map(|b| u128::from(b - b'0')) {
            // 56 digits fit 187 bits, so the upper half never overflows.
            let (bottom, middle) = ((low & u128::from(u64::MAX)) * 10 + digit, (low >> 64) * 10);
            let middle = middle + (bottom >> 64);
            low = (middle << 64) | (bottom & u128::from(u64::MAX));
            high = high * 10 + (middle >> 64);
        }
        let number = Self {
            shard_created: ((high >> (148 - 128)) as u64) & SECONDS_MAX,
            shard: ShardId((low >> 4) as u32),
            index: ((high << 48) as u64) | ((low >> 80) as u64),
            arrived: ((low >> 36) as u64) & SECONDS_MAX,
        };
        // Whatever the fields do not carry must be exactly what we would print.
        if number.index > INDEX_MAX || number.halves() != (high, low) {
            return Err(InvalidSequenceNumber::Layout(text.to_owned()));
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CREATION: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn the_numbers_are_those_of_aws() {
        for (number, text) in [
            (SequenceNumber::start(ShardId(0), CREATION), "49646437577108476416916876405825929425585429676275269634"),
            (SequenceNumber::start(ShardId(1), CREATION), "49646437577130777162115407028967465143858078037781250066"),
            (
                SequenceNumber::end(ShardId(0), CREATION, Timestamp(1_700_000_100_000)),
                "49646437577119626789516141717395488358902146099801227266",
            ),
            (
                SequenceNumber::start(ShardId(2), Timestamp(1_700_000_101_000)),
                "49646437613191082148139424648830721590730485533618733090",
            ),
        ] {
            assert_eq!(number.to_string(), text);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn what_is_not_a_sequence_number_says_why() {
        for text in ["", "x", "-1", &"9".repeat(57)] {
            assert!(matches!(text.parse::<SequenceNumber>(), Err(InvalidSequenceNumber::NotDecimal(_))), "{text}");
        }
        for text in ["0", "5", "49646437577108476416916876405825929425585429676275269635", &"9".repeat(56)] {
            assert!(matches!(text.parse::<SequenceNumber>(), Err(InvalidSequenceNumber::Layout(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn offset_to_number_to_offset_is_exact(
            shard in any::<u32>(), offset in 0..i64::MAX - 1, created in 0..(1i64 << 36), arrived in 0..(1i64 << 36),
        ) {
            let number = SequenceNumber::of(ShardId(shard), Timestamp(created * 1000), Offset(offset), Timestamp(arrived * 1000));
            prop_assert_eq!(number.offset(), Some(Offset(offset)));
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn numbers_of_a_shard_sort_as_its_offsets_do(offset in 0..i64::MAX - 2, arrived in 0..(1i64 << 34), later in 0..1_000i64) {
            let at = |offset, second: i64| {
                let text = SequenceNumber::of(ShardId(3), CREATION, Offset(offset), Timestamp(second * 1000)).to_string();
                (text.len(), text)
            };
            prop_assert!(at(offset, arrived) < at(offset + 1, arrived + later));
        }
    }
}
