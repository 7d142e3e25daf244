//! The journal's index entry: where some neighbouring blocks of one lane lie.
//!
//! One entry covers up to [`RUN_BYTES`] of a lane, all in one segment. Runs of a lane follow each other without a gap,
//! so a missing one shows; each carries its own checksum, so a damaged one shows too.

use bytes::Bytes;

use crate::model::{LaneId, Offset, Timestamp};

use super::format::{BLOCK_PREFIX_BYTES, Reader};

/// A run is closed when it covers this much, or [`RUN_BLOCKS`].
const RUN_BYTES: u64 = 256 << 10;
/// Keeps an index value near 1 KB: sled moves values of 7 KB and more into files of their own.
const RUN_BLOCKS: usize = 64;

/// Where one block lies in the run's segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Its first offset.
    pub(super) base: Offset,
    /// Where its entry begins.
    pub(super) position: u32,
    /// Bytes of the whole entry.
    pub(super) entry_bytes: u32,
}

impl Place {
    /// Bytes of the batch in the entry.
    pub(super) fn batch_bytes(self) -> usize {
        (self.entry_bytes as usize).saturating_sub(BLOCK_PREFIX_BYTES)
    }
}

/// Neighbouring blocks of one lane in one segment; without blocks, a hole that the operator accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) segment: u64,
    pub(super) base: Offset,
    pub(super) next: Offset,
    /// Arrival of the last block: never earlier than that of the run before.
    pub(super) arrived_last: Timestamp,
    /// Latest creation time in this run.
    pub(super) created_max: Timestamp,
    /// Latest creation time in the lane up to the end of this run: it only grows, so it can be searched by halves.
    pub(super) created_so_far: Timestamp,
    pub(super) places: Vec<Place>,
}

/// A block that was written: what a run needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) place: Place,
    pub(super) next: Offset,
    pub(super) arrived_at: Timestamp,
    pub(super) created_max: Timestamp,
}

impl Run {
    /// A run that begins with `block`, in a lane whose records so far were created at `created_so_far` at the latest.
    pub(super) fn starting_with(segment: u64, block: Written, created_so_far: Timestamp) -> Self {
        Self {
            segment,
            base: block.place.base,
            next: block.next,
            arrived_last: block.arrived_at,
            created_max: block.created_max,
            created_so_far: created_so_far.max(block.created_max),
            places: vec![block.place],
        }
    }

    /// Offsets that are gone.
    pub(super) fn hole(segment: u64, base: Offset, next: Offset, created_so_far: Timestamp) -> Self {
        let before = Timestamp(i64::MIN);
        Self { segment, base, next, arrived_last: before, created_max: before, created_so_far, places: Vec::new() }
    }

    /// Takes one more block in, which must begin where the run ends.
    pub(super) fn extend(&mut self, block: Written) {
        self.next = block.next;
        self.arrived_last = self.arrived_last.max(block.arrived_at);
        self.created_max = self.created_max.max(block.created_max);
        self.created_so_far = self.created_so_far.max(block.created_max);
        self.places.push(block.place);
    }

    /// Whether the next block begins a new run.
    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= RUN_BLOCKS || self.bytes() >= RUN_BYTES
    }

    /// Bytes of its entries.
    pub(super) fn bytes(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.entry_bytes)).sum()
    }

    /// Where in the segment its last block ends.
    pub(super) fn end(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.position) + u64::from(place.entry_bytes)).max().unwrap_or(0)
    }

    /// Its blocks with the offset behind each.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Place, Offset)> + '_ {
        let ends = self.places.iter().skip(1).map(|place| place.base).chain([self.next]);
        self.places.iter().copied().zip(ends)
    }

    /// The key of the run of `lane` that begins at `base`: big-endian, so that keys sort as offsets do.
    pub(super) fn key(lane: LaneId, base: Offset) -> [u8; 28] {
        let mut key = [0; 28];
        key[..16].copy_from_slice(lane.stream.0.as_bytes());
        key[16..20].copy_from_slice(&lane.lane.0.to_be_bytes());
        key[20..].copy_from_slice(&base.0.to_be_bytes());
        key
    }

    /// The value under that key.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(52 + 16 * self.places.len());
        out.extend_from_slice(&self.segment.to_le_bytes());
        for number in [self.base.0, self.next.0, self.arrived_last.0, self.created_max.0, self.created_so_far.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for place in &self.places {
            out.extend_from_slice(&place.base.0.to_le_bytes());
            out.extend_from_slice(&place.position.to_le_bytes());
            out.extend_from_slice(&place.entry_bytes.to_le_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads a value; `None` if it is damaged.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (fields, crc) = value.split_at_checked(value.len().checked_sub(4)?)?;
        if crc32c::crc32c(fields).to_le_bytes() != crc {
            return None;
        }
        let mut fields = Reader(Bytes::copy_from_slice(fields));
        let segment = fields.u64()?;
        let (base, next) = (Offset(fields.i64()?), Offset(fields.i64()?));
        let [arrived_last, created_max, created_so_far] = [fields.i64()?, fields.i64()?, fields.i64()?].map(Timestamp);
        let mut places = Vec::with_capacity(fields.0.len() / 16);
        while !fields.0.is_empty() {
            places.push(Place { base: Offset(fields.i64()?), position: fields.u32()?, entry_bytes: fields.u32()? });
        }
        Some(Self { segment, base, next, arrived_last, created_max, created_so_far, places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back_as_it_was_written_and_damage_is_noticed() {
        let block = |base, next| Written {
            place: Place { base: Offset(base), position: 100, entry_bytes: 50 },
            next: Offset(next),
            arrived_at: Timestamp(base),
            created_max: Timestamp(-base),
        };
        let mut run = Run::starting_with(9, block(10, 15), Timestamp(2));
        run.extend(block(15, 20));
        assert_eq!((run.next, run.created_max, run.created_so_far, run.bytes()), (Offset(20), Timestamp(-10), Timestamp(2), 100));
        assert_eq!(run.blocks().map(|(place, end)| (place.base.0, end.0)).collect::<Vec<_>>(), [(10, 15), (15, 20)]);

        let value = run.encode();
        assert_eq!(Run::decode(&value), Some(run));
        for at in 0..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 4;
            assert_eq!(Run::decode(&flipped), None);
        }
        assert_eq!(Run::decode(&[]), None);
    }
}
