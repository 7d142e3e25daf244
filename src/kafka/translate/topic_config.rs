//! **The topic configs**: one table line each, with its type, its default and the values accepted.
//!
//! The names, types and ranges are those of Apache Kafka 4.4 (`LogConfig.CONFIG`), except where Kinesis's rules hold:
//! `retention.ms`, `retention.bytes` and `max.message.bytes`. Most configs steer what only Kafka's storage has (segments, indexes,
//! cleaner, tiers); they are checked, stored and shown, so that tools find what they set, and their documentation says so.
//!
//! Left out on purpose: `message.format.version` and `message.downconversion.enable`, which Kafka removed in 4.0.

use super::broker_config::LIMITS_PROFILE;
use super::shown::Kind;
use super::{Refusal, quoted};
use crate::model::limits;

/// Name of the retention time.
pub(super) const RETENTION_MS: &str = "retention.ms";
/// Name of what happens to old records.
pub(super) const CLEANUP_POLICY: &str = "cleanup.policy";
/// Name of the batch limit.
pub(super) const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
/// Name of whose clock stamps records.
pub(super) const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// Name of the consumers that have read throughput of their own.
pub(super) const FAN_OUT_CONSUMERS: &str = "kinesis.fanout.consumers";
/// Name of whether aggregates of the Kinesis Producer Library are opened.
pub(super) const DEAGGREGATE: &str = "kinesis.deaggregate";
/// Name of who decides how many shards there are.
pub(super) const STREAM_MODE: &str = "kinesis.stream.mode";
/// Name of the compaction delay.
pub(super) const MIN_COMPACTION_LAG: &str = "min.compaction.lag.ms";
/// Name of the longest compaction delay.
pub(super) const MAX_COMPACTION_LAG: &str = "max.compaction.lag.ms";

/// The value of [`TIMESTAMP_TYPE`] that has the log stamp records.
pub(super) const LOG_APPEND_TIME: &str = "LogAppendTime";
/// The value of [`CLEANUP_POLICY`] that asks for compaction.
pub(super) const COMPACT: &str = "compact";

/// Milliseconds in an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;

/// Longest value of a list, in bytes. *Ours*: it bounds what one topic keeps in the ledger.
const LIST_BYTES_MAX: usize = 4_096;

/// Characters in the name of a fan-out consumer. Kinesis API reference, RegisterStreamConsumer, 2026-11.
const CONSUMER_NAME_CHARS_MAX: usize = 128;

/// What a topic config is.
#[derive(Debug)]
pub(crate) struct TopicConfig {
    /// Its name.
    pub(super) name: &'static str,
    /// The type of its value.
    pub(super) kind: Kind,
    /// Its value if nobody sets it; `retention.ms` has another one under compaction.
    pub(super) default: &'static str,
    accepts: Accepts,
    /// The broker config with its default, if Kafka has one (Apache Kafka, `ServerTopicConfigSynonyms`, 4.4).
    pub(super) broker_name: Option<&'static str>,
    /// What it does here, in words.
    pub(super) documentation: &'static str,
}

/// Which values a config takes.
#[derive(Debug)]
enum Accepts {
    /// `true` or `false`, in any case.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// -1 or a whole number from the first to the second.
    DefaultOr(i64, i64),
    /// A number from 0 to 1.
    Fraction,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One or more of these, each once.
    Some(&'static [&'static str]),
    /// Nothing, `*`, or pairs `partition:broker`.
    Replicas,
    /// Names of consumers, as many as Kinesis registers (Kinesis API reference, `ConsumerName`).
    Consumers,
    /// A time within Kinesis's range of hours, rounded up to the hour, or -1 for the longest.
    Retention,
    /// -1: records go by their time only.
    AnySize,
}

const LONG_MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;

/// Every topic config that can be set, in name order.
pub(super) const TABLE: &[TopicConfig] = &[
    TopicConfig {
        name: CLEANUP_POLICY,
        kind: Kind::List,
        default: "delete",
        accepts: Accepts::Some(&["delete", COMPACT]),
        broker_name: Some("log.cleanup.policy"),
        documentation: "What happens to old records. Whatever is set, records are removed when their retention ends and never \
                        before: compaction is stored and shown, not carried out. With compact, records without a key are refused \
                        and retention.ms is 8760 hours unless it is set.",
    },
    TopicConfig {
        name: "compression.gzip.level",
        kind: Kind::Int,
        default: "-1",
        accepts: Accepts::DefaultOr(1, 9),
        broker_name: Some("compression.gzip.level"),
        documentation: "Level for recompression with gzip. Stored and shown only: batches stay as they were sent.",
    },
    TopicConfig {
        name: "compression.lz4.level",
        kind: Kind::Int,
        default: "9",
        accepts: Accepts::Whole(1, 17),
        broker_name: Some("compression.lz4.level"),
        documentation: "Level for recompression with lz4. Stored and shown only: batches stay as they were sent.",
    },
    TopicConfig {
        name: "compression.type",
        kind: Kind::String,
        default: "producer",
        accepts: Accepts::OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        broker_name: Some("compression.type"),
        documentation: "Codec of stored batches. Only producer is carried out: batches stay as they were sent. Other values are \
                        stored and shown.",
    },
    TopicConfig {
        name: "compression.zstd.level",
        kind: Kind::Int,
        default: "3",
        accepts: Accepts::Whole(-131_072, 22),
        broker_name: Some("compression.zstd.level"),
        documentation: "Level for recompression with zstd. Stored and shown only: batches stay as they were sent.",
    },
    TopicConfig {
        name: "delete.retention.ms",
        kind: Kind::Long,
        default: "86400000",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.cleaner.delete.retention.ms"),
        documentation: "How long a compacted topic keeps tombstones. Stored and shown only: nothing is compacted.",
    },
    TopicConfig {
        name: "file.delete.delay.ms",
        kind: Kind::Long,
        default: "60000",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.segment.delete.delay.ms"),
        documentation: "Delay before a file is unlinked. Stored and shown only: the store decides.",
    },
    TopicConfig {
        name: "flush.messages",
        kind: Kind::Long,
        default: "9223372036854775807",
        accepts: Accepts::Whole(1, LONG_MAX),
        broker_name: Some("log.flush.interval.messages"),
        documentation: "Records between forced writes to disk. Stored and shown only: every acknowledged record is on disk already.",
    },
    TopicConfig {
        name: "flush.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.flush.interval.ms"),
        documentation: "Time between forced writes to disk. Stored and shown only: every acknowledged record is on disk already.",
    },
    TopicConfig {
        name: "follower.replication.throttled.replicas",
        kind: Kind::List,
        default: "",
        accepts: Accepts::Replicas,
        broker_name: None,
        documentation: "Replicas whose copying is slowed on the receiving side. Stored and shown only: there is no replication.",
    },
    TopicConfig {
        name: "index.interval.bytes",
        kind: Kind::Int,
        default: "4096",
        accepts: Accepts::Whole(0, INT_MAX),
        broker_name: Some("log.index.interval.bytes"),
        documentation: "Bytes between entries of the offset index. Stored and shown only: the store has its own index.",
    },
    TopicConfig {
        name: DEAGGREGATE,
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: None,
        documentation: "Whether aggregates of the Kinesis Producer Library are opened when they are put: each user record gets an \
                        offset and a sequence number of its own, for consumers of either kind. Counts for later writes; records \
                        that Kafka's producers write stay as they are.",
    },
    TopicConfig {
        name: FAN_OUT_CONSUMERS,
        kind: Kind::List,
        default: "",
        accepts: Accepts::Consumers,
        broker_name: None,
        documentation: "Consumers, by their client.id, that have read throughput of their own from each shard (enhanced fan-out).",
    },
    TopicConfig {
        name: STREAM_MODE,
        kind: Kind::String,
        default: "PROVISIONED",
        accepts: Accepts::OneOf(&["PROVISIONED", "ON_DEMAND"]),
        broker_name: None,
        documentation: "Who decides how many shards the stream has: its owner, or its traffic. A topic created with ON_DEMAND and \
                        without a number of partitions has 4, and gets more as its shards are split: within 15 minutes it \
                        carries twice the highest throughput of its last 30 days. At most 2 changes a day.",
    },
    TopicConfig {
        name: "leader.replication.throttled.replicas",
        kind: Kind::List,
        default: "",
        accepts: Accepts::Replicas,
        broker_name: None,
        documentation: "Replicas whose copying is slowed on the sending side. Stored and shown only: there is no replication.",
    },
    TopicConfig {
        name: "local.retention.bytes",
        kind: Kind::Long,
        default: "-2",
        accepts: Accepts::Whole(-2, LONG_MAX),
        broker_name: Some("log.local.retention.bytes"),
        documentation: "Bytes kept locally when older ones are in remote storage. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "local.retention.ms",
        kind: Kind::Long,
        default: "-2",
        accepts: Accepts::Whole(-2, LONG_MAX),
        broker_name: Some("log.local.retention.ms"),
        documentation: "Time kept locally when older records are in remote storage. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: MAX_COMPACTION_LAG,
        kind: Kind::Long,
        default: "9223372036854775807",
        accepts: Accepts::Whole(1, LONG_MAX),
        broker_name: Some("log.cleaner.max.compaction.lag.ms"),
        documentation: "Longest time a record stays uncompacted. Stored and shown only: nothing is compacted.",
    },
    TopicConfig {
        name: MAX_MESSAGE_BYTES,
        kind: Kind::Int,
        default: "1048588",
        accepts: Accepts::Whole(1, limits::BATCH_BYTES_MAX as i64),
        broker_name: Some("message.max.bytes"),
        documentation: "Largest accepted record batch in bytes, as sent. The default is one 1 MiB Kinesis record, the largest value \
                        one of 10 MiB.",
    },
    TopicConfig {
        name: "message.timestamp.after.max.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.message.timestamp.after.max.ms"),
        documentation: "How far a record's timestamp may be ahead of arrival. Stored and shown only: retention counts from arrival, so \
                        no timestamp does harm.",
    },
    TopicConfig {
        name: "message.timestamp.before.max.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.message.timestamp.before.max.ms"),
        documentation: "How far a record's timestamp may be behind arrival. Stored and shown only: retention counts from arrival, so no \
                        timestamp does harm.",
    },
    TopicConfig {
        name: TIMESTAMP_TYPE,
        kind: Kind::String,
        default: "CreateTime",
        accepts: Accepts::OneOf(&["CreateTime", LOG_APPEND_TIME]),
        broker_name: Some("log.message.timestamp.type"),
        documentation: "Whose clock a record's timestamp is from: CreateTime keeps the producer's, LogAppendTime replaces it by the \
                        arrival.",
    },
    TopicConfig {
        name: "min.cleanable.dirty.ratio",
        kind: Kind::Double,
        default: "0.5",
        accepts: Accepts::Fraction,
        broker_name: Some("log.cleaner.min.cleanable.ratio"),
        documentation: "Share of uncompacted bytes at which compaction begins. Stored and shown only: nothing is compacted.",
    },
    TopicConfig {
        name: MIN_COMPACTION_LAG,
        kind: Kind::Long,
        default: "0",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.cleaner.min.compaction.lag.ms"),
        documentation: "Shortest time a record stays uncompacted. Stored and shown only: nothing is compacted.",
    },
    TopicConfig {
        name: "min.insync.replicas",
        kind: Kind::Int,
        default: "1",
        accepts: Accepts::Whole(1, INT_MAX),
        broker_name: Some("min.insync.replicas"),
        documentation: "Replicas that must have a record before acks=all is answered. Stored and shown only: there is one replica and \
                        it has the record on disk.",
    },
    TopicConfig {
        name: "preallocate",
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: Some("log.preallocate"),
        documentation: "Whether a new segment's file gets its full size at once. Stored and shown only: the store decides.",
    },
    TopicConfig {
        name: "remote.copy.lag.bytes",
        kind: Kind::Long,
        default: "-1",
        accepts: Accepts::Whole(-1, LONG_MAX),
        broker_name: None,
        documentation: "Bytes by which copying to remote storage stays behind. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "remote.copy.lag.ms",
        kind: Kind::Long,
        default: "0",
        accepts: Accepts::Whole(-1, LONG_MAX),
        broker_name: None,
        documentation: "Time by which copying to remote storage stays behind. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "remote.log.copy.disable",
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: None,
        documentation: "Whether copying to remote storage has stopped. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "remote.log.delete.on.disable",
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: None,
        documentation: "Whether switching remote storage off deletes what is there. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "remote.storage.enable",
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: None,
        documentation: "Whether older records move to remote storage. Stored and shown only: there is no remote storage.",
    },
    TopicConfig {
        name: "retention.bytes",
        kind: Kind::Long,
        default: "-1",
        accepts: Accepts::AnySize,
        broker_name: Some("log.retention.bytes"),
        documentation: "Size at which the oldest records go. Only -1 is accepted: a stream keeps every record until its retention ends.",
    },
    TopicConfig {
        name: RETENTION_MS,
        kind: Kind::Long,
        default: "86400000",
        accepts: Accepts::Retention,
        broker_name: Some("log.retention.ms"),
        documentation: "How long a record is kept after its arrival: 24 to 8760 hours, rounded up to the hour; -1 means 8760 hours.",
    },
    TopicConfig {
        name: "segment.bytes",
        kind: Kind::Int,
        default: "1073741824",
        accepts: Accepts::Whole(1_048_576, INT_MAX),
        broker_name: Some("log.segment.bytes"),
        documentation: "Size of one file of the log. Stored and shown only: the store decides.",
    },
    TopicConfig {
        name: "segment.index.bytes",
        kind: Kind::Int,
        default: "10485760",
        accepts: Accepts::Whole(4, INT_MAX),
        broker_name: Some("log.index.size.max.bytes"),
        documentation: "Size of one file of the offset index. Stored and shown only: the store has its own index.",
    },
    TopicConfig {
        name: "segment.jitter.ms",
        kind: Kind::Long,
        default: "0",
        accepts: Accepts::Whole(0, LONG_MAX),
        broker_name: Some("log.roll.jitter.ms"),
        documentation: "Random part of the time after which a new file is begun. Stored and shown only: the store decides.",
    },
    TopicConfig {
        name: "segment.ms",
        kind: Kind::Long,
        default: "604800000",
        accepts: Accepts::Whole(1, LONG_MAX),
        broker_name: Some("log.roll.ms"),
        documentation: "Time after which a new file is begun. Stored and shown only: the store decides.",
    },
    TopicConfig {
        name: "unclean.leader.election.enable",
        kind: Kind::Boolean,
        default: "false",
        accepts: Accepts::Flag,
        broker_name: Some("unclean.leader.election.enable"),
        documentation: "Whether a replica that lags may become leader. Stored and shown only: there is one replica.",
    },
];

/// What is shown of the stream under a topic, and can be set by no Kafka request.
pub(super) const READ_ONLY: [&str; 3] = [STREAM_ARN, OPEN_SHARDS, LIMITS_PROFILE];
/// The stream's name for Kinesis clients.
pub(super) const STREAM_ARN: &str = "kinesis.stream.arn";
/// How many shards take records.
pub(super) const OPEN_SHARDS: &str = "kinesis.shard.count.open";

/// The config `name`; INVALID_CONFIG, with the nearest known name, if it cannot be set or does not exist.
pub(super) fn find(name: &str) -> Result<&'static TopicConfig, Refusal> {
    if let Some(known) = TABLE.iter().find(|config| config.name == name) {
        return Ok(known);
    }
    if READ_ONLY.contains(&name) {
        return Err(Refusal::config(format!("the topic config {name} is read-only")));
    }
    if let Some(meant) = TABLE.iter().find(|config| config.broker_name == Some(name)) {
        return Err(Refusal::config(format!("{name} is a broker config; the topic config for it is {}", meant.name)));
    }
    // A client's name can be as long as a frame; no known one is longer than this.
    let start: String = name.chars().take(64).collect();
    let nearness = |known: &&str| strsim::jaro_winkler(known, &start);
    let names = TABLE.iter().map(|config| config.name);
    let nearest = names.max_by(|a, b| nearness(a).total_cmp(&nearness(b))).unwrap_or_default();
    Err(Refusal::config(format!("there is no topic config {}; the nearest one is {nearest}", quoted(name))))
}

impl TopicConfig {
    /// `value` as it is stored and shown; INVALID_CONFIG naming the values accepted if it is none of them.
    pub(super) fn accept(&self, value: &str) -> Result<String, Refusal> {
        self.accepts
            .accept(value.trim())
            .ok_or_else(|| Refusal::config(format!("{} is {}; accepted: {}", self.name, quoted(value), self.accepts.words())))
    }

    /// The single values of the list `value`.
    pub(super) fn items(value: &str) -> Vec<&str> {
        value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }
}

impl Accepts {
    fn accept(&self, value: &str) -> Option<String> {
        match self {
            Self::Flag => value.to_ascii_lowercase().parse::<bool>().ok().map(|flag| flag.to_string()),
            Self::Whole(least, most) => whole(value, *least, *most),
            Self::DefaultOr(least, most) => whole(value, -1, -1).or_else(|| whole(value, *least, *most)),
            Self::Fraction => {
                value.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).map(|ratio| format!("{ratio:?}"))
            }
            Self::OneOf(known) => known.contains(&value).then(|| value.to_owned()),
            Self::Some(known) => some_of(value, known),
            Self::Replicas => replicas(value),
            Self::Consumers => consumers(value),
            Self::Retention => retention(value),
            Self::AnySize => whole(value, -1, -1),
        }
    }

    /// What is accepted, for a person.
    fn words(&self) -> String {
        match self {
            Self::Flag => "true, false".to_owned(),
            Self::Whole(least, most) => format!("{least} to {most}"),
            Self::DefaultOr(least, most) => format!("-1, and {least} to {most}"),
            Self::Fraction => "0 to 1".to_owned(),
            Self::OneOf(known) => known.join(", "),
            Self::Some(known) => format!("one or more of {}, each once, separated by commas", known.join(", ")),
            Self::Replicas => {
                format!("nothing, *, or partition:broker pairs separated by commas, in at most {LIST_BYTES_MAX} bytes")
            }
            Self::Consumers => format!(
                "nothing, or at most {} names of 1 to {CONSUMER_NAME_CHARS_MAX} characters of a-z, A-Z, 0-9, _, . and -, each once, separated by commas",
                limits::FAN_OUT_CONSUMERS_MAX
            ),
            Self::Retention => format!(
                "{} ({} hours) to {} ({} hours), rounded up to the hour, and -1 for {} hours",
                u64::from(limits::RETENTION_HOURS_MIN) * HOUR_MS,
                limits::RETENTION_HOURS_MIN,
                u64::from(limits::RETENTION_HOURS_MAX) * HOUR_MS,
                limits::RETENTION_HOURS_MAX,
                limits::RETENTION_HOURS_MAX,
            ),
            Self::AnySize => {
                format!("only -1, since records stay until their retention ends whatever their size; set {RETENTION_MS} instead")
            }
        }
    }
}

fn whole(value: &str, least: i64, most: i64) -> Option<String> {
    value.parse::<i64>().ok().filter(|number| (least..=most).contains(number)).map(|number| number.to_string())
}

fn some_of(value: &str, known: &[&str]) -> Option<String> {
    let items: Vec<&str> = value.split(',').map(str::trim).collect();
    let right = |(at, item): (usize, &&str)| known.contains(item) && !items.iter().take(at).any(|earlier| earlier == item);
    items.iter().enumerate().all(right).then(|| items.join(","))
}

fn replicas(value: &str) -> Option<String> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = |item: &&str| item.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker));
    let items = TopicConfig::items(value);
    let right = value.len() <= LIST_BYTES_MAX && (value == "*" || items.iter().all(pair));
    right.then(|| items.join(","))
}

fn consumers(value: &str) -> Option<String> {
    let items = TopicConfig::items(value);
    let named = |item: &&str| {
        item.len() <= CONSUMER_NAME_CHARS_MAX && item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let once = (0..).zip(&items).all(|(at, item)| !items.iter().take(at).any(|earlier| earlier == item));
    let right = items.len() <= limits::FAN_OUT_CONSUMERS_MAX && once && items.iter().all(named);
    right.then(|| items.join(","))
}

fn retention(value: &str) -> Option<String> {
    let (least, most) = (u64::from(limits::RETENTION_HOURS_MIN) * HOUR_MS, u64::from(limits::RETENTION_HOURS_MAX) * HOUR_MS);
    let millis = match value {
        "-1" => most,
        _ => value.parse().ok().filter(|millis| (least..=most).contains(millis))?,
    };
    Some(millis.next_multiple_of(HOUR_MS).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Apache Kafka 4.4 knows (`LogConfig.nonInternalConfigNames`), written down apart from the table.
    const KAFKA_4_4: [&str; 35] = [
        "cleanup.policy",
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "remote.copy.lag.bytes",
        "remote.copy.lag.ms",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    ];

    #[test]
    fn every_topic_config_of_kafka_is_known_and_no_other_but_our_own() {
        let (ours, kafkas): (Vec<_>, Vec<_>) =
            TABLE.iter().map(|config| config.name).partition(|name| name.starts_with("kinesis."));
        assert_eq!((kafkas, ours), (KAFKA_4_4.to_vec(), vec![DEAGGREGATE, FAN_OUT_CONSUMERS, STREAM_MODE]));
    }

    #[test]
    fn every_config_says_what_it_does() {
        for config in TABLE {
            assert!(config.documentation.len() > 40 && config.documentation.ends_with('.'), "{}", config.name);
            assert!(!config.documentation.contains("  "), "{}", config.name);
        }
    }

    #[test]
    fn every_default_is_accepted_as_it_stands() {
        for config in TABLE {
            assert_eq!(config.accept(config.default), Ok(config.default.to_owned()), "{}", config.name);
        }
    }

    #[test]
    fn values_are_accepted_in_the_range_of_each_config_and_shown_in_one_form() {
        for (name, value, shown) in [
            ("cleanup.policy", "compact", "compact"),
            ("cleanup.policy", " compact , delete ", "compact,delete"),
            ("cleanup.policy", "delete,compact", "delete,compact"),
            ("compression.gzip.level", "-1", "-1"),
            ("compression.gzip.level", "9", "9"),
            ("compression.lz4.level", "17", "17"),
            ("compression.type", "zstd", "zstd"),
            ("compression.type", "uncompressed", "uncompressed"),
            ("compression.zstd.level", "-131072", "-131072"),
            ("compression.zstd.level", "22", "22"),
            ("delete.retention.ms", "0", "0"),
            ("flush.messages", "1", "1"),
            ("follower.replication.throttled.replicas", "*", "*"),
            ("kinesis.fanout.consumers", "", ""),
            ("kinesis.fanout.consumers", "a, B_c.d-9", "a,B_c.d-9"),
            ("kinesis.stream.mode", "ON_DEMAND", "ON_DEMAND"),
            ("leader.replication.throttled.replicas", "0:1, 2:3", "0:1,2:3"),
            ("leader.replication.throttled.replicas", "", ""),
            ("local.retention.ms", "-2", "-2"),
            ("max.compaction.lag.ms", "9223372036854775807", "9223372036854775807"),
            ("max.message.bytes", "1", "1"),
            ("max.message.bytes", "10485772", "10485772"),
            ("message.timestamp.type", "LogAppendTime", "LogAppendTime"),
            ("min.cleanable.dirty.ratio", "0", "0.0"),
            ("min.cleanable.dirty.ratio", "0.01", "0.01"),
            ("min.cleanable.dirty.ratio", "1.0", "1.0"),
            ("min.insync.replicas", "2", "2"),
            ("preallocate", "TRUE", "true"),
            ("retention.bytes", "-1", "-1"),
            ("retention.ms", "86400000", "86400000"),
            ("retention.ms", "86400001", "90000000"),
            ("retention.ms", " 604800000 ", "604800000"),
            ("retention.ms", "31536000000", "31536000000"),
            ("retention.ms", "-1", "31536000000"),
            ("segment.bytes", "1048576", "1048576"),
            ("segment.bytes", "2147483647", "2147483647"),
            ("segment.index.bytes", "4", "4"),
            ("unclean.leader.election.enable", "False", "false"),
        ] {
            assert_eq!(find(name).unwrap().accept(value), Ok(shown.to_owned()), "{name}={value}");
        }
    }

    #[test]
    fn a_refused_value_is_named_with_what_is_accepted() {
        for (name, value, accepted) in [
            ("cleanup.policy", "", "one or more of delete, compact"),
            ("cleanup.policy", "compact,compact", "each once"),
            ("cleanup.policy", "compact,shrink", "one or more of delete, compact"),
            ("compression.gzip.level", "0", "-1, and 1 to 9"),
            ("compression.gzip.level", "10", "-1, and 1 to 9"),
            ("compression.lz4.level", "18", "1 to 17"),
            ("compression.type", "GZIP", "producer, uncompressed, gzip, snappy, lz4, zstd"),
            ("compression.zstd.level", "23", "-131072 to 22"),
            ("delete.retention.ms", "-1", "0 to 9223372036854775807"),
            ("delete.retention.ms", "9223372036854775808", "0 to 9223372036854775807"),
            ("flush.messages", "0", "1 to "),
            ("follower.replication.throttled.replicas", "*,0:1", "partition:broker"),
            ("kinesis.deaggregate", "1", "true, false"),
            ("kinesis.fanout.consumers", "a,b,a", "each once"),
            ("kinesis.stream.mode", "on-demand", "PROVISIONED, ON_DEMAND"),
            ("kinesis.fanout.consumers", "a b", "at most 20 names of 1 to 128 characters"),
            ("leader.replication.throttled.replicas", "0-1", "partition:broker"),
            ("leader.replication.throttled.replicas", "0:", "partition:broker"),
            ("local.retention.ms", "-3", "-2 to "),
            ("max.compaction.lag.ms", "0", "1 to "),
            ("max.message.bytes", "0", "1 to 10485772"),
            ("max.message.bytes", "10485773", "1 to 10485772"),
            ("message.timestamp.type", "createtime", "CreateTime, LogAppendTime"),
            ("min.cleanable.dirty.ratio", "1.1", "0 to 1"),
            ("min.cleanable.dirty.ratio", "NaN", "0 to 1"),
            ("min.insync.replicas", "0", "1 to 2147483647"),
            ("min.insync.replicas", "one", "1 to 2147483647"),
            ("preallocate", "yes", "true, false"),
            ("remote.copy.lag.ms", "-2", "-1 to "),
            (
                "retention.bytes",
                "1000",
                "only -1, since records stay until their retention ends whatever their size; set retention.ms instead",
            ),
            ("retention.ms", "86399999", "86400000 (24 hours) to 31536000000 (8760 hours), rounded up to the hour, and -1"),
            ("retention.ms", "31536000001", "86400000 (24 hours) to 31536000000 (8760 hours)"),
            ("retention.ms", "0", "86400000 (24 hours)"),
            ("retention.ms", "-2", "86400000 (24 hours)"),
            ("retention.ms", "1d", "86400000 (24 hours)"),
            ("segment.bytes", "1048575", "1048576 to 2147483647"),
            ("segment.bytes", "2147483648", "1048576 to 2147483647"),
            ("segment.index.bytes", "3", "4 to "),
            ("segment.ms", "0", "1 to "),
        ] {
            let refusal = find(name).unwrap().accept(value).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidConfig);
            assert!(refusal.words.starts_with(&format!("{name} is {value:?}; accepted: ")), "{}", refusal.words);
            assert!(refusal.words.contains(accepted), "{}", refusal.words);
        }
    }

    #[test]
    fn a_list_has_a_longest_length() {
        let list = "0:1,".repeat(LIST_BYTES_MAX / 4);
        let replicas = find("leader.replication.throttled.replicas").unwrap();
        assert!(replicas.accept(&list).is_ok());
        assert!(replicas.accept(&format!("{list}0:1")).is_err());
    }

    #[test]
    fn an_unknown_config_is_named_with_the_nearest_one() {
        for (name, nearest) in [
            ("retention.sm", "retention.ms"),
            ("retention", "retention.ms"),
            ("max.message.byte", "max.message.bytes"),
            ("cleanup_policy", "cleanup.policy"),
            ("", ""),
        ] {
            let refusal = find(name).unwrap_err();
            assert_eq!(refusal.error, kafka_protocol::ResponseError::InvalidConfig);
            assert!(
                refusal.words.starts_with(&format!("there is no topic config {name:?}; the nearest one is {nearest}")),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn a_brokers_name_for_a_config_leads_to_the_topics_name() {
        let refusal = find("log.retention.ms").unwrap_err();
        assert_eq!(refusal, Refusal::config("log.retention.ms is a broker config; the topic config for it is retention.ms"));
    }

    #[test]
    fn what_only_shows_the_stream_cannot_be_set() {
        for name in READ_ONLY {
            assert_eq!(find(name).unwrap_err(), Refusal::config(format!("the topic config {name} is read-only")));
        }
    }
}
