//! The bytes of the commit log. Pure: no file is touched here.
//!
//! A segment file is a header and then entries. Numbers are little-endian.
//!
//! ```text
//! header   magic "SHGATE01" · format u32 · number u64 · length of the segment before it u64 · end of the snapshot u64
//!          · mark u32 · CRC-32C of those u32
//! entry    mark u32 · length of body u32 · synced u32 · CRC-32C of length, synced and body u32 · body
//! body     kind u8 · contents
//! ```
//!
//! The mark is drawn for each segment, so that nothing a client puts into a record can pass for an entry.
//!
//! `synced` is how far the segment was known to be on disk when the entry was written. It is what tells a torn tail
//! from damage: bytes before a `synced` that a later whole entry carries were acknowledged, and must be good.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use crate::model::{Lane, LaneId, Offset, StreamId, Timestamp};
use crate::store::Write;

/// The version of this format; a directory of another one is refused.
pub(super) const FORMAT: u32 = 3;
pub(super) const HEADER_BYTES: u64 = 44;
/// Bytes of an entry before its body.
pub(super) const PREFIX_BYTES: usize = 16;
/// Bytes of the smallest entry: its body is its kind.
pub(super) const ENTRY_BYTES_MIN: usize = PREFIX_BYTES + 1;
/// Bytes of a block entry before the batch.
pub(super) const BLOCK_PREFIX_BYTES: usize = PREFIX_BYTES + 1 + LANE_BYTES + 8 + 4;

const HEADER_MAGIC: [u8; 8] = *b"SHGATE01";
const LANE_BYTES: usize = 20;

/// What the entries of one segment begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(pub(super) [u8; 4]);

impl Mark {
    /// One that nobody outside the process can guess.
    pub(super) fn draw() -> Self {
        Self((RandomState::new().hash_one(0) as u32).to_le_bytes())
    }
}

/// What one entry says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// A batch, new in its lane, or (`moved`) copied forward from a segment that is to be unlinked.
    /// `origin`: the lane that its producer wrote to, which may be `lane` itself.
    Block { lane: LaneId, origin: Lane, arrived_at: Timestamp, moved: bool, batch: Bytes },
    /// Changes of the ledger, carried out together.
    Writes(Vec<Write>),
    /// Nothing before the offset is kept.
    Trim { lane: LaneId, before: Offset },
    /// The lanes are forgotten.
    Remove(Vec<LaneId>),
    /// Part of the snapshot: one lane's head and the latest creation time of its records.
    LaneSnapshot { lane: LaneId, created_max: Timestamp, head: Bytes },
    /// Part of the snapshot: keys of the ledger.
    LedgerSnapshot(Vec<Write>),
    /// The snapshot is whole.
    SnapshotEnd,
    /// The store was closed in order; everything before is on disk.
    Closed,
    /// Part of the snapshot: offsets lost to damage that the operator chose to step over.
    Hole { lane: LaneId, first: Offset, next: Offset },
    /// Bytes that were damaged, and were given up by a repair.
    Void,
}

const BLOCK: u8 = 1;
const MOVED: u8 = 2;
const WRITES: u8 = 3;
const TRIM: u8 = 4;
const REMOVE: u8 = 5;
const LANE_SNAPSHOT: u8 = 6;
const LEDGER_SNAPSHOT: u8 = 7;
const SNAPSHOT_END: u8 = 8;
const CLOSED: u8 = 9;
const HOLE: u8 = 10;
const VOID: u8 = 11;

/// What stands in an entry's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    pub(super) body_bytes: u32,
    pub(super) synced: u32,
    crc: u32,
}

impl Prefix {
    /// Reads the prefix at the start of `bytes`; `None` if they are no prefix of a segment with this mark.
    pub(super) fn parse(bytes: &[u8], mark: Mark) -> Option<Self> {
        let bytes = bytes.get(..PREFIX_BYTES)?;
        let number = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        bytes.starts_with(&mark.0).then_some(Self { body_bytes: number(4)?, synced: number(8)?, crc: number(12)? })
    }

    /// Whether `body` is what was written.
    pub(super) fn matches(&self, body: &[u8]) -> bool {
        checksum(self.body_bytes, self.synced, [body].into_iter()) == self.crc
    }

    /// Bytes of the whole entry.
    pub(super) fn entry_bytes(&self) -> usize {
        PREFIX_BYTES + self.body_bytes as usize
    }
}

/// The prefix of the whole entry that `bytes` begin with; `None` if they do not begin with one.
pub(super) fn whole_entry(bytes: &[u8], mark: Mark) -> Option<Prefix> {
    let prefix = Prefix::parse(bytes, mark)?;
    bytes.get(PREFIX_BYTES..prefix.entry_bytes()).is_some_and(|body| prefix.matches(body)).then_some(prefix)
}

fn checksum<'a>(body_bytes: u32, synced: u32, parts: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut fixed = [0u8; 8];
    fixed[..4].copy_from_slice(&body_bytes.to_le_bytes());
    fixed[4..].copy_from_slice(&synced.to_le_bytes());
    parts.fold(crc32c::crc32c(&fixed), crc32c::crc32c_append)
}

impl Entry {
    /// Appends the entry to `out`, except for a block's batch, which the caller writes right behind it: payload is not copied.
    pub(super) fn encode(&self, mark: Mark, synced: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        let mut behind: &[u8] = &[];
        match self {
            Self::Block { lane, origin, arrived_at, moved, batch } => {
                out.push(if *moved { MOVED } else { BLOCK });
                put_lane(out, *lane);
                out.extend_from_slice(&arrived_at.0.to_le_bytes());
                out.extend_from_slice(&origin.0.to_le_bytes());
                behind = batch;
            }
            Self::Writes(writes) => {
                out.push(WRITES);
                put_writes(out, writes);
            }
            Self::LedgerSnapshot(writes) => {
                out.push(LEDGER_SNAPSHOT);
                put_writes(out, writes);
            }
            Self::Trim { lane, before } => {
                out.push(TRIM);
                put_lane(out, *lane);
                out.extend_from_slice(&before.0.to_le_bytes());
            }
            Self::Remove(lanes) => {
                out.push(REMOVE);
                lanes.iter().for_each(|lane| put_lane(out, *lane));
            }
            Self::LaneSnapshot { lane, created_max, head } => {
                out.push(LANE_SNAPSHOT);
                put_lane(out, *lane);
                out.extend_from_slice(&created_max.0.to_le_bytes());
                out.extend_from_slice(head);
            }
            Self::SnapshotEnd => out.push(SNAPSHOT_END),
            Self::Closed => out.push(CLOSED),
            Self::Hole { lane, first, next } => {
                out.push(HOLE);
                put_lane(out, *lane);
                out.extend_from_slice(&first.0.to_le_bytes());
                out.extend_from_slice(&next.0.to_le_bytes());
            }
            Self::Void => out.push(VOID),
        }
        fill_prefix(out, start, mark, synced, behind);
    }

    /// A `Void` that takes `bytes` bytes, which are as many as some whole entries had; more if no entry is so small.
    pub(super) fn void(mark: Mark, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes.max(ENTRY_BYTES_MIN)];
        out[PREFIX_BYTES] = VOID;
        fill_prefix(&mut out, 0, mark, 0, &[]);
        out
    }

    /// Reads a body whose checksum was right; `None` if this version never wrote such a body.
    pub(super) fn decode(body: &Bytes) -> Option<Self> {
        let mut rest = Reader(body.clone());
        let entry = match rest.u8()? {
            kind @ (BLOCK | MOVED) => Self::Block {
                moved: kind == MOVED,
                lane: rest.lane()?,
                arrived_at: Timestamp(rest.i64()?),
                origin: Lane(rest.u32()?),
                batch: rest.take_all(),
            },
            WRITES => Self::Writes(rest.writes()?),
            LEDGER_SNAPSHOT => Self::LedgerSnapshot(rest.writes()?),
            TRIM => Self::Trim { lane: rest.lane()?, before: Offset(rest.i64()?) },
            REMOVE => {
                let mut lanes = Vec::new();
                while !rest.0.is_empty() {
                    lanes.push(rest.lane()?);
                }
                Self::Remove(lanes)
            }
            LANE_SNAPSHOT => {
                Self::LaneSnapshot { lane: rest.lane()?, created_max: Timestamp(rest.i64()?), head: rest.take_all() }
            }
            SNAPSHOT_END => Self::SnapshotEnd,
            CLOSED => Self::Closed,
            HOLE => Self::Hole { lane: rest.lane()?, first: Offset(rest.i64()?), next: Offset(rest.i64()?) },
            VOID => {
                rest.take_all();
                Self::Void
            }
            _ => return None,
        };
        rest.0.is_empty().then_some(entry)
    }
}

/// What a segment begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) number: u64,
    /// Length of the segment before it.
    pub(super) previous_bytes: u64,
    /// Where its snapshot ends and what was written after it was begun starts.
    pub(super) snapshot_end: u64,
    pub(super) mark: Mark,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES as usize);
        out.extend_from_slice(&HEADER_MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.previous_bytes.to_le_bytes());
        out.extend_from_slice(&self.snapshot_end.to_le_bytes());
        out.extend_from_slice(&self.mark.0);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`; `None` if they do not begin with one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.get(..HEADER_BYTES as usize - 4)?;
        let mut rest = Reader(Bytes::copy_from_slice(bytes.get(..HEADER_BYTES as usize)?));
        let known = rest.take(HEADER_MAGIC.len())?.as_ref() == HEADER_MAGIC && rest.u32()? == FORMAT;
        let header =
            Self { number: rest.u64()?, previous_bytes: rest.u64()?, snapshot_end: rest.u64()?, mark: Mark(rest.array()?) };
        (known && rest.u32()? == crc32c::crc32c(fixed)).then_some(header)
    }
}

/// Writes the prefix of the entry that begins at `start` of `out`, and whose body ends with `behind`.
fn fill_prefix(out: &mut [u8], start: usize, mark: Mark, synced: u32, behind: &[u8]) {
    let (prefix, body) = out[start..].split_at_mut(PREFIX_BYTES);
    let body_bytes = u32::try_from(body.len() + behind.len()).unwrap_or(u32::MAX);
    let crc = checksum(body_bytes, synced, [&*body, behind].into_iter());
    prefix[..4].copy_from_slice(&mark.0);
    prefix[4..8].copy_from_slice(&body_bytes.to_le_bytes());
    prefix[8..12].copy_from_slice(&synced.to_le_bytes());
    prefix[12..].copy_from_slice(&crc.to_le_bytes());
}

fn put_lane(out: &mut Vec<u8>, lane: LaneId) {
    out.extend_from_slice(lane.stream.0.as_bytes());
    out.extend_from_slice(&lane.lane.0.to_le_bytes());
}

const DELETED: u32 = u32::MAX;

fn put_writes(out: &mut Vec<u8>, writes: &[Write]) {
    for write in writes {
        let (key, value) = match write {
            Write::Put { key, value } => (key, Some(value)),
            Write::Delete { key } => (key, None),
        };
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&value.map_or(DELETED, |value| value.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.map_or(&[], |value| value));
    }
}

/// Takes fields off the front of some bytes.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn take(&mut self, bytes: usize) -> Option<Bytes> {
        (bytes <= self.0.len()).then(|| self.0.split_to(bytes))
    }

    fn take_all(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|bytes| bytes.as_ref().try_into().ok())
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn lane(&mut self) -> Option<LaneId> {
        let stream = StreamId(uuid::Uuid::from_bytes(self.array()?));
        Some(LaneId { stream, lane: Lane(self.u32()?) })
    }

    fn writes(&mut self) -> Option<Vec<Write>> {
        let mut writes = Vec::new();
        while !self.0.is_empty() {
            let (key_bytes, value_bytes) = (self.u32()?, self.u32()?);
            let key = self.take(key_bytes as usize)?;
            writes.push(match value_bytes {
                DELETED => Write::Delete { key },
                bytes => Write::Put { key, value: self.take(bytes as usize)? },
            });
        }
        Some(writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARK: Mark = Mark(*b"mark");

    fn lane() -> LaneId {
        LaneId { stream: StreamId(uuid::Uuid::from_u128(7)), lane: Lane(3) }
    }

    fn block(origin: Lane, arrived_at: i64, moved: bool, batch: &'static [u8]) -> Entry {
        Entry::Block { lane: lane(), origin, arrived_at: Timestamp(arrived_at), moved, batch: Bytes::from_static(batch) }
    }

    fn written(entry: &Entry, synced: u32) -> Vec<u8> {
        let mut out = Vec::new();
        entry.encode(MARK, synced, &mut out);
        if let Entry::Block { batch, .. } = entry {
            out.extend_from_slice(batch);
        }
        out
    }

    #[test]
    fn every_kind_of_entry_comes_back_as_it_was_written() {
        let writes = vec![
            Write::Put { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"value") },
            Write::Put { key: Bytes::from_static(b"empty"), value: Bytes::new() },
            Write::Delete { key: Bytes::from_static(b"gone") },
        ];
        for entry in [
            block(Lane(3), -5, false, b"batch"),
            block(Lane(9), 9, true, b""),
            Entry::Writes(writes.clone()),
            Entry::LedgerSnapshot(writes),
            Entry::Trim { lane: lane(), before: Offset(12) },
            Entry::Remove(vec![lane(), lane()]),
            Entry::LaneSnapshot { lane: lane(), created_max: Timestamp(4), head: Bytes::from_static(b"head") },
            Entry::SnapshotEnd,
            Entry::Closed,
            Entry::Hole { lane: lane(), first: Offset(1), next: Offset(2) },
            Entry::Void,
        ] {
            let bytes = written(&entry, 77);
            let prefix = Prefix::parse(&bytes, MARK).unwrap();
            assert_eq!((prefix.entry_bytes(), prefix.synced), (bytes.len(), 77));
            let body = Bytes::copy_from_slice(&bytes[PREFIX_BYTES..]);
            assert!(prefix.matches(&body));
            assert_eq!(Entry::decode(&body), Some(entry));
        }
    }

    #[test]
    fn a_void_fills_its_place_exactly() {
        for bytes in [PREFIX_BYTES + 1, 100, 70_000] {
            let void = Entry::void(MARK, bytes);
            assert_eq!(whole_entry(&void, MARK).map(|prefix| prefix.entry_bytes()), Some(bytes));
            assert_eq!(Entry::decode(&Bytes::from(void).slice(PREFIX_BYTES..)), Some(Entry::Void));
        }
    }

    #[test]
    fn an_entry_of_another_segment_is_no_entry_of_this_one() {
        let bytes = written(&Entry::Closed, 0);
        assert!(whole_entry(&bytes, MARK).is_some());
        assert_eq!(whole_entry(&bytes, Mark(*b"Mark")), None);
    }

    #[test]
    fn a_header_is_known_by_its_checksum() {
        let header = Header { number: 42, previous_bytes: 7_000, snapshot_end: 50, mark: MARK };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(Header::decode(&flipped), None, "bit 0 of byte {at}");
        }
    }

    proptest! {
        #[test]
        fn one_flipped_bit_is_always_noticed(at in 0usize..64, bit in 0u8..8) {
            let bytes = written(&block(Lane(3), 1, false, b"0123456789"), 5);
            let mut flipped = bytes.clone();
            let at = at % flipped.len();
            flipped[at] ^= 1 << bit;
            let whole = Prefix::parse(&flipped, MARK)
                .is_some_and(|prefix| prefix.entry_bytes() == flipped.len() && prefix.matches(&flipped[PREFIX_BYTES..]));
            prop_assert!(!whole);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Prefix::parse(&noise, MARK), Header::decode(&noise), Entry::decode(&Bytes::from(noise)));
        }
    }
}
