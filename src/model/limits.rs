//! Every published number, once, with its source and date.
//!
//! A number that only this program chose is marked *ours*.

use std::time::Duration;

/// Characters in a stream name. Kinesis API reference, CreateStream, 2026-11.
pub const STREAM_NAME_CHARS_MAX: usize = 128;

/// Shortest and default retention. Kinesis developer guide, "Changing the data retention period", 2026-11.
pub const RETENTION_HOURS_MIN: u32 = 24;
/// Longest retention: 365 days. Kinesis developer guide, 2026-11.
pub const RETENTION_HOURS_MAX: u32 = 8_760;

/// Default of `max.message.bytes`: one batch of Kinesis's 1 MiB record and Kafka's 12 bytes of log overhead
/// (Apache Kafka 4.4 topic configs), 2026-11.
pub const BATCH_BYTES_DEFAULT: u32 = 1_048_588;
/// Largest accepted `max.message.bytes`: Kinesis's largest record, 10 MiB (UpdateMaxRecordSize, 2026-11), and the
/// same 12 bytes.
pub const BATCH_BYTES_MAX: u32 = 10 * 1_048_576 + 12;

/// Records that a compressed batch may claim: 128 MiB of the smallest records, which take 7 bytes each. *Ours*.
pub const COMPRESSED_RECORDS_MAX: usize = (128 << 20) / 7;

/// Shards in one stream. *Ours*: AWS has no fixed limit within the account quota; this one bounds memory.
pub const SHARDS_MAX: u32 = 10_000;

/// Idempotent batches remembered per producer and lane. Apache Kafka, `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`, 4.4.
pub const PRODUCER_BATCHES: usize = 5;
/// Producers remembered per lane before the longest silent one is forgotten. *Ours*.
pub const PRODUCERS_PER_LANE_MAX: usize = 4_096;
/// A producer silent for this long is forgotten. Apache Kafka, `producer.id.expiration.ms`, 4.4.
pub const PRODUCER_IDLE_MAX: Duration = Duration::from_secs(86_400);
