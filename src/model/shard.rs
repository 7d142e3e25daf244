//! A shard: a piece of the hash key space and of one lane's offsets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HashKeyRange, Lane, Offset, SequenceNumber, Timestamp};

/// The number in `shardId-000000000007`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// One shard of a stream. A lane's shards follow each other: where one ends, its child begins, so offsets run on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    /// Unique in the stream, never used again.
    pub id: ShardId,
    /// The lane whose offsets the shard holds.
    pub lane: Lane,
    /// The shard it was split or merged from.
    pub parent: Option<ShardId>,
    /// The other parent of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// The hash keys it takes while open.
    pub keys: HashKeyRange,
    /// The first offset of the lane that belongs to it.
    pub first: Offset,
    /// The first offset that no longer does; `None` while the shard is open.
    pub end: Option<Offset>,
    /// When it was opened: part of its sequence numbers.
    pub created_at: Timestamp,
    /// When it was closed, to the second.
    pub closed_at: Option<Timestamp>,
    /// Whether it was past the retention when that was raised: what is gone does not come back.
    #[serde(default)]
    pub expired: bool,
}

impl Shard {
    /// Whether records can still be written to it.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// The sequence number before its first record (Kinesis: StartingSequenceNumber).
    pub fn start(&self) -> SequenceNumber {
        SequenceNumber::start(self.id, self.created_at)
    }

    /// The sequence number behind its last record, `None` while it is open (Kinesis: EndingSequenceNumber).
    pub fn ending(&self) -> Option<SequenceNumber> {
        self.closed_at.map(|closed_at| SequenceNumber::end(self.id, self.created_at, closed_at))
    }

    /// Whether the record at `offset` of the lane is in this shard.
    pub fn holds(&self, offset: Offset) -> bool {
        offset >= self.first && self.end.is_none_or(|end| offset < end)
    }
}
