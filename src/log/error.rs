//! What the log refuses, in its own words. Each door translates these in one file, with an exhaustive match.

use std::time::Duration;

use crate::batch;
use crate::model::limits::{BATCH_BYTES_MAX, LANES_MAX};
use crate::model::{HashKey, HashKeyRange, Mode, Offset, ShardId, Status, StreamName, Throughput};
use crate::store;

/// Why the log did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No stream has that name or id.
    #[error("there is no stream {0}")]
    UnknownStream(String),
    /// The stream has fewer lanes.
    #[error("stream {stream} has no lane {lane}")]
    UnknownLane {
        /// The stream.
        stream: StreamName,
        /// The lane asked for.
        lane: u32,
    },
    /// The stream never had such a shard, or has it no more.
    #[error("stream {stream} has no shard {shard}")]
    UnknownShard {
        /// The stream.
        stream: StreamName,
        /// The shard asked for.
        shard: ShardId,
    },
    /// The shard takes no records any more: it was split or merged.
    #[error("{shard} of stream {stream} is closed")]
    ShardClosed {
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
    },
    /// A shard cannot be split there.
    #[error(
        "{shard} of stream {stream} cannot be split at {key}: that must be greater than one plus its first key {} and less than \
         its last key {}", keys.start, keys.end
    )]
    SplitKey {
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
        /// Where its second child would begin.
        key: HashKey,
        /// The shard's own keys.
        keys: HashKeyRange,
    },
    /// Two shards cannot be merged: the second one's keys do not follow the first one's.
    #[error("{first} and {second} of stream {stream} are no neighbours that could be merged")]
    NotAdjacent {
        /// The stream.
        stream: StreamName,
        /// The shard with the lower keys.
        first: ShardId,
        /// The shard with the higher keys.
        second: ShardId,
    },
    /// The stream is still busy with the last change.
    #[error("stream {stream} is {status}; it can be changed when it is ACTIVE")]
    NotActive {
        /// The stream.
        stream: StreamName,
        /// What it is doing.
        status: Status,
    },
    /// A stream in this mode has its shards changed by somebody else: by its traffic, or by its owner.
    #[error("stream {stream} is in mode {mode}, in which its {} decides how many shards it has", decider(*mode))]
    WrongMode {
        /// The stream.
        stream: StreamName,
        /// Its mode.
        mode: Mode,
    },
    /// All provisioned streams would have too many open shards together.
    #[error("{more} more shards were asked for; {open} are open in all, and at most {max} may be (--shard-quota)")]
    ShardQuota {
        /// How many are open.
        open: u32,
        /// How many may be.
        max: u32,
        /// How many were asked for on top.
        more: u32,
    },
    /// All streams would have too many lanes together.
    #[error("there are {count} lanes and {more} more were asked for; at most {LANES_MAX} in all are kept")]
    LaneQuota {
        /// How many there are.
        count: u64,
        /// How many were asked for on top.
        more: u64,
    },
    /// There are as many streams in on-demand mode as there may be.
    #[error("there are {max} streams in mode ON_DEMAND, and no more may be")]
    OnDemandStreams {
        /// How many may be.
        max: usize,
    },
    /// A stream cannot be scaled by so much at once.
    #[error(
        "stream {stream} has {open} open shards and can be scaled to at least half and at most double of that; {target} were asked for"
    )]
    ScaleTarget {
        /// The stream.
        stream: StreamName,
        /// How many shards are open.
        open: u32,
        /// How many were asked for.
        target: u32,
    },
    /// The stream was scaled too often.
    #[error("stream {stream} was scaled {max} times within 24 hours, and cannot be scaled more often")]
    ScalingRate {
        /// The stream.
        stream: StreamName,
        /// How often it may be.
        max: usize,
    },
    /// The stream's mode was switched too often.
    #[error("the mode of stream {stream} was switched {max} times within 24 hours, and cannot be switched more often")]
    ModeSwitchRate {
        /// The stream.
        stream: StreamName,
        /// How often it may be.
        max: usize,
    },
    /// The name is taken.
    #[error("stream {0} already exists")]
    StreamExists(StreamName),
    /// The batch is larger than the stream accepts.
    #[error("the batch has {bytes} bytes; the stream accepts at most {max}, and can be set to accept up to {BATCH_BYTES_MAX}")]
    BatchTooLarge {
        /// Its size.
        bytes: usize,
        /// The stream's `batch_bytes_max`.
        max: u32,
    },
    /// The stream accepts only records with a key; which of the batch have none, the first of them at least.
    #[error("{}; the stream accepts only records with one", without_key(.0))]
    KeysMissing(Vec<i32>),
    /// The bytes are no batch.
    #[error(transparent)]
    InvalidBatch(#[from] batch::Invalid),
    /// The offset cannot be read: expired, or not written yet.
    #[error("offset {asked} is outside {horizon} to {tip}")]
    OutOfRange {
        /// The offset asked for.
        asked: Offset,
        /// The first that can be read.
        horizon: Offset,
        /// The one that will be written next.
        tip: Offset,
    },
    /// A batch of the producer is missing before this one, or this one is too old to be known.
    #[error("producer {producer} sent sequence {found}, but {expected} is next")]
    OutOfOrder {
        /// The producer's id.
        producer: i64,
        /// The sequence that is next.
        expected: i32,
        /// The sequence found.
        found: i32,
    },
    /// A newer incarnation of the producer writes here.
    #[error("producer {producer} has epoch {found}, but {current} is in use")]
    Fenced {
        /// The producer's id.
        producer: i64,
        /// The epoch in use.
        current: i16,
        /// The epoch found.
        found: i16,
    },
    /// The producer has a transaction open in the lane, and the batch is not part of it.
    #[error("producer {producer} has a transaction open here; what it writes before the end of that has to be part of it")]
    InTransaction {
        /// The producer's id.
        producer: i64,
    },
    /// As many aborted transactions are remembered as there may be.
    #[error(
        "{max} aborted transactions have records that can still be read, and no more may have; no transaction is begun until some \
         are past their retention"
    )]
    AbortedTransactions {
        /// How many may be.
        max: usize,
    },
    /// The shard carries no more for now; nothing was written.
    #[error(
        "{shard} of stream {stream} is over its throughput of {} bytes and {} records a second; the write would be answered after {wait:?}",
        rates.write_bytes, rates.write_records
    )]
    WriteThroughput {
        /// The stream.
        stream: StreamName,
        /// Its shard.
        shard: ShardId,
        /// What the shard carries.
        rates: Throughput,
        /// How long the write would have had to wait.
        wait: Duration,
    },
    /// The shard gives no more for now.
    #[error("{shard} of stream {stream} is over its read throughput; it can be read again after {wait:?}")]
    ReadThroughput {
        /// The stream.
        stream: StreamName,
        /// Its shard.
        shard: ShardId,
        /// How long that takes.
        wait: Duration,
    },
    /// The number of lanes cannot be had.
    #[error("{0}")]
    Lanes(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Which records have no key, in words.
fn without_key(records: &[i32]) -> String {
    let (first, others) = (records.first().copied().unwrap_or_default(), records.len().saturating_sub(1));
    match others {
        0 => format!("record {first} of the batch has no key"),
        _ => format!("record {first} of the batch has no key, nor have {others} others"),
    }
}

/// Who decides how many shards a stream has.
fn decider(mode: Mode) -> &'static str {
    match mode {
        Mode::Provisioned => "owner",
        Mode::OnDemand => "traffic",
    }
}
