//! Every published number, once, with its source and date.
//!
//! A number that only this program chose is marked *ours*.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Bytes of records, with their keys, that an open shard takes in a second. Kinesis API reference, PutRecord: 1 MiB, 2026-11.
pub const WRITE_BYTES_PER_SECOND: u64 = 1_048_576;
/// Records that an open shard takes in a second. Kinesis API reference, PutRecord, 2026-11.
pub const WRITE_RECORDS_PER_SECOND: u64 = 1_000;
/// Bytes that a shard gives in a second to all readers without fan-out. Kinesis API reference, GetRecords: 2 MiB, 2026-11.
pub const READ_BYTES_PER_SECOND: u64 = 2 * 1_048_576;
/// Reads that a shard answers in a second, of all readers without fan-out. Kinesis API reference, GetRecords, 2026-11.
pub const READS_PER_SECOND: u64 = 5;
/// Bytes that a shard gives in a second to each fan-out consumer. Kinesis API reference, SubscribeToShard: 2 MiB, 2026-11.
pub const FAN_OUT_BYTES_PER_SECOND: u64 = 2 * 1_048_576;
/// Fan-out consumers of a stream. Kinesis developer guide, "Quotas and limits", 2026-11.
pub const FAN_OUT_CONSUMERS_MAX: usize = 20;
/// The same for on-demand streams of an account that committed itself to minimum throughput. Kinesis developer guide, 2026-11.
pub const FAN_OUT_CONSUMERS_ADVANTAGE_MAX: usize = 50;
/// Tags of a stream or a consumer. Kinesis API reference, AddTagsToStream, 2026-11.
pub const TAGS_MAX: usize = 50;
/// The longest that the answer to a write is held because its shard is over its throughput. *Ours*: a third of the shortest
/// default request timeout of the usual Kafka clients. `kafka-console-producer` alone gives up sooner, after some 6 s.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);

/// The largest multiple of Kinesis's rates that can be asked for, in percent. *Ours*: a hundred times, more than a shard here does.
pub const LIMITS_PERCENT_MAX: u32 = 10_000;

/// What a shard carries in a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throughput {
    /// Bytes written.
    pub write_bytes: u64,
    /// Records written.
    pub write_records: u64,
    /// Bytes read by all readers without fan-out.
    pub read_bytes: u64,
    /// Reads of all readers without fan-out.
    pub reads: u64,
    /// Bytes read by each fan-out consumer.
    pub fan_out_bytes: u64,
}

/// Which limits are in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What each shard carries; `None`: as much as the machine does, and nothing else is limited either.
    pub throughput: Option<Throughput>,
    /// How often the operations of the Kinesis API may be called, in percent of what AWS allows.
    pub calls_percent: u32,
}

impl Limits {
    /// The limits of Amazon Kinesis Data Streams.
    pub const fn kinesis() -> Self {
        Self::kinesis_percent(100)
    }

    /// So many percent of Kinesis's rates, 1 to [`LIMITS_PERCENT_MAX`]; of reads and records at least one a second. Sizes and counts
    /// stay as they are.
    pub const fn kinesis_percent(percent: u32) -> Self {
        const fn part(of: u64, percent: u32) -> u64 {
            let part = of * percent as u64 / 100;
            if part == 0 { 1 } else { part }
        }
        Self {
            throughput: Some(Throughput {
                write_bytes: part(WRITE_BYTES_PER_SECOND, percent),
                write_records: part(WRITE_RECORDS_PER_SECOND, percent),
                read_bytes: part(READ_BYTES_PER_SECOND, percent),
                reads: part(READS_PER_SECOND, percent),
                fan_out_bytes: part(FAN_OUT_BYTES_PER_SECOND, percent),
            }),
            calls_percent: percent,
        }
    }

    /// No limits.
    pub const fn off() -> Self {
        Self { throughput: None, calls_percent: 100 }
    }
}

/// The names of the profiles; other limits, which only the library can set, are `custom`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            limits if limits == Self::kinesis() => f.write_str("kinesis"),
            limits if limits == Self::off() => f.write_str("off"),
            limits if limits == Self::kinesis_percent(self.calls_percent) => write!(f, "kinesis:{}%", self.calls_percent),
            _ => f.write_str("custom"),
        }
    }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = |text: &str| {
            let percent = text.strip_prefix("kinesis:")?.strip_suffix('%')?.parse().ok()?;
            (1..=LIMITS_PERCENT_MAX).contains(&percent).then_some(percent)
        };
        match text {
            "kinesis" => Ok(Self::kinesis()),
            "off" => Ok(Self::off()),
            _ => percent(text).map(Self::kinesis_percent).ok_or_else(|| {
                format!("kinesis, off, and parts or multiples such as kinesis:50% (1% to {LIMITS_PERCENT_MAX}%) are accepted")
            }),
        }
    }
}

/// Characters in a stream name. Kinesis API reference, CreateStream, 2026-11.
pub const STREAM_NAME_CHARS_MAX: usize = 128;

/// Shortest and default retention. Kinesis developer guide, "Changing the data retention period", 2026-11.
pub const RETENTION_HOURS_MIN: u32 = 24;
/// Longest retention: 365 days. Kinesis developer guide, 2026-11.
pub const RETENTION_HOURS_MAX: u32 = 8_760;

/// The least that a stream's largest record can be, with its key; the default too. Kinesis API reference, UpdateMaxRecordSize:
/// 1 MiB, 2026-11.
pub const RECORD_KIB_MIN: u32 = 1_024;
/// The most that it can be. Kinesis API reference, UpdateMaxRecordSize: 10 MiB, 2026-11.
pub const RECORD_KIB_MAX: u32 = 10_240;
/// What Kafka adds to the largest record to have the largest batch (Apache Kafka 4.4 topic configs, log overhead), 2026-11.
pub const BATCH_OVERHEAD: u32 = 12;
/// Default of `max.message.bytes`: one batch of Kinesis's 1 MiB record.
pub const BATCH_BYTES_DEFAULT: u32 = RECORD_KIB_MIN * 1_024 + BATCH_OVERHEAD;
/// Largest accepted `max.message.bytes`: one batch of Kinesis's largest record.
pub const BATCH_BYTES_MAX: u32 = RECORD_KIB_MAX * 1_024 + BATCH_OVERHEAD;

/// Records that a compressed batch may claim: 128 MiB of the smallest records, which take 7 bytes each. *Ours*.
pub const COMPRESSED_RECORDS_MAX: usize = (128 << 20) / 7;

/// Default of the open shards that all provisioned streams may have together. Kinesis developer guide, "Quotas and limits": 500
/// in most regions until 2025; since then 1,000 to 20,000 (2026-11). Kept small, so that programs meet the quota in tests.
pub const SHARD_QUOTA: u32 = 500;
/// Streams in on-demand mode. Kinesis developer guide, "Quotas and limits", 2026-11.
pub const ON_DEMAND_STREAMS_MAX: usize = 50;
/// Shards of a new stream in on-demand mode. Kinesis developer guide, "Capacity modes": 4 MB/s of writes, 2026-11.
pub const ON_DEMAND_SHARDS: u32 = 4;
/// How many times its peak a stream in on-demand mode carries. Kinesis developer guide, "Choose the right mode", 2026-11.
pub const ON_DEMAND_HEADROOM: u64 = 2;
/// How long such a peak counts, in days. Kinesis developer guide, "Choose the right mode", 2026-11.
pub const ON_DEMAND_PEAK_DAYS: u64 = 30;
/// How long a stream in on-demand mode takes to follow its traffic. Kinesis developer guide, "Choose the right mode", 2026-11.
pub const ON_DEMAND_SPAN: Duration = Duration::from_secs(15 * 60);
/// A shard of a stream in on-demand mode that takes more than this part of what it carries is hot: half. Kinesis developer guide,
/// "Choose the right mode": 500 KB/s, 2026-11.
pub const ON_DEMAND_HOT_PART: u64 = 2;
/// How often a stream may be scaled in 24 hours. Kinesis API reference, UpdateShardCount, 2026-11.
pub const SCALINGS_PER_DAY: usize = 10;
/// How often a stream's mode may be switched in 24 hours. Kinesis API reference, UpdateStreamMode, 2026-11.
pub const MODE_SWITCHES_PER_DAY: usize = 2;

/// Shards in one stream. *Ours*: AWS has no fixed limit within the account quota; this one bounds memory.
pub const SHARDS_MAX: u32 = 10_000;

/// Lanes of all streams together. *Ours*: each takes some 4 KiB of memory, and clients make topics by asking for names.
pub const LANES_MAX: u64 = 12_000;

/// Idempotent batches remembered per producer and lane. Apache Kafka, `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`, 4.4.
pub const PRODUCER_BATCHES: usize = 5;
/// Producers remembered per lane before the longest silent one is forgotten. *Ours*.
pub const PRODUCERS_PER_LANE_MAX: usize = 4_096;
/// Aborted transactions remembered in all lanes together, as long as records of theirs can be read: 32 bytes each. *Ours*: Kafka
/// keeps them in files of their own.
pub const ABORTED_TRANSACTIONS_MAX: usize = 500_000;
/// A producer silent for this long is forgotten. Apache Kafka, `producer.id.expiration.ms`, 4.4.
pub const PRODUCER_IDLE_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_written_as_they_are_read() {
        for text in ["kinesis", "off", "kinesis:1%", "kinesis:50%", "kinesis:250%", "kinesis:10000%"] {
            assert_eq!(text.parse::<Limits>().unwrap().to_string(), text);
        }
        assert_eq!("kinesis:100%".parse(), Ok(Limits::kinesis()));
        for text in
            ["", "Kinesis", "kinesis:", "kinesis:50", "kinesis:0%", "kinesis:10001%", "kinesis:-1%", "kinesis:1.5%", "off:50%"]
        {
            assert!(text.parse::<Limits>().unwrap_err().contains("kinesis:50% (1% to 10000%)"), "{text}");
        }
    }

    #[test]
    fn a_part_of_the_limits_is_one_of_every_rate() {
        let throughput = |percent| Limits::kinesis_percent(percent).throughput.unwrap();
        let half =
            Throughput { write_bytes: 524_288, write_records: 500, read_bytes: 1_048_576, reads: 2, fan_out_bytes: 1_048_576 };
        assert_eq!(throughput(50), half);
        assert_eq!((throughput(1).reads, throughput(1).write_records), (1, 10));
        let custom = Limits { calls_percent: 7, ..Limits::kinesis() };
        assert_eq!(custom.to_string(), "custom");
    }
}
