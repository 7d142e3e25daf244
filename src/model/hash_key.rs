//! The 128-bit hash key space that the open shards of a stream divide between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point of the hash key space, 0 to 2^128 - 1 (Kinesis API reference, `HashKeyRange`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HashKey(pub u128);

/// A closed range of the hash key space; both ends belong to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HashKeyRange {
    /// First key.
    pub start: HashKey,
    /// Last key.
    pub end: HashKey,
}

impl HashKeyRange {
    /// The whole space divided evenly in `count` ranges, as CreateStream does; the last one takes the remainder.
    pub fn divide(count: u32) -> Vec<Self> {
        let parts = u128::from(count);
        // The space has one key more than the largest number: 2^128 divided by the parts, rounded down.
        let (Some(width), Some(rest)) = (u128::MAX.checked_div(parts), u128::MAX.checked_rem(parts)) else { return Vec::new() };
        let width = if parts > 1 && rest + 1 == parts { width + 1 } else { width };
        let end = |part| if part + 1 == parts { u128::MAX } else { width * (part + 1) - 1 };
        (0..parts).map(|part| Self { start: HashKey(width * part), end: HashKey(end(part)) }).collect()
    }

    /// Both halves; `None` for a single key.
    pub fn split(self) -> Option<(Self, Self)> {
        if self.start >= self.end {
            return None;
        }
        let middle = self.start.0 + (self.end.0 - self.start.0) / 2;
        Some((Self { start: self.start, end: HashKey(middle) }, Self { start: HashKey(middle + 1), end: self.end }))
    }

    /// Keys in the range less one, so that the whole space has a width too.
    pub fn width(self) -> u128 {
        self.end.0 - self.start.0
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Decimal text, as in the API: JSON numbers lose digits beyond 2^53.
impl Serialize for HashKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_even_division_covers_the_whole_space_without_gap_or_overlap() {
        for count in [1, 2, 3, 7, 1_000] {
            let ranges = HashKeyRange::divide(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!(ranges[0].start, HashKey(0));
            assert_eq!(ranges[ranges.len() - 1].end, HashKey(u128::MAX));
            assert!(ranges.windows(2).all(|w| w[0].end.0 + 1 == w[1].start.0));
        }
        assert!(HashKeyRange::divide(0).is_empty());
    }

    #[test]
    fn the_even_division_is_that_of_aws() {
        // Half the space, and the ranges of three shards (kinesalite, `createStream.js`).
        assert_eq!(HashKeyRange::divide(2)[1].start, HashKey(1 << 127));
        assert_eq!(HashKeyRange::divide(4)[3].start, HashKey(3 << 126));
        let third = 113_427_455_640_312_821_154_458_202_477_256_070_485;
        assert_eq!(HashKeyRange::divide(3)[0].end, HashKey(third - 1));
        assert_eq!(HashKeyRange::divide(3)[2].start, HashKey(2 * third));
    }

    #[test]
    fn a_split_range_is_its_two_halves() {
        let whole = HashKeyRange::divide(1)[0];
        let (low, high) = whole.split().unwrap();
        assert_eq!((low.start, high.end), (whole.start, whole.end));
        assert_eq!(low.end.0 + 1, high.start.0);
        assert_eq!(low.width(), high.width());
        assert_eq!(HashKeyRange { start: HashKey(5), end: HashKey(5) }.split(), None);
    }
}
