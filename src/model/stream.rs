//! Streams, lanes and offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Timestamp, limits};

/// One incarnation of a stream: a new one at every re-creation. It is Kafka's topic id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub Uuid);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a lane in its stream, which is the number of the Kafka partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub u32);

/// A lane of one stream: the unit in which the journal keeps order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LaneId {
    /// The stream.
    pub stream: StreamId,
    /// Its lane.
    pub lane: Lane,
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.lane.0)
    }
}

/// The place of a record in its lane, from 0; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a stream is doing (Kinesis API reference, `StreamStatus`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It was created just now.
    Creating,
    /// Nothing: only then it can be changed.
    Active,
    /// Its shards or its mode were changed just now.
    Updating,
    /// It goes.
    Deleting,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        })
    }
}

/// Who decides how many shards a stream has (Kinesis API reference, `StreamMode`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Its owner.
    #[default]
    Provisioned,
    /// Its traffic.
    OnDemand,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "PROVISIONED" => Ok(Self::Provisioned),
            "ON_DEMAND" => Ok(Self::OnDemand),
            _ => Err("PROVISIONED and ON_DEMAND are accepted".to_owned()),
        }
    }
}

/// Somebody registered for fan-out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Consumer {
    /// When it was registered. The log writes it down where it is 0.
    pub registered_at: Timestamp,
    /// When it is gone, if it was deregistered: until then it is DELETING. The log writes it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
    /// What its owner calls it by, beside its name. At most [`limits::TAGS_MAX`].
    pub tags: BTreeMap<String, String>,
    /// Who may do what with it, as a document that is kept and shown, not enforced.
    pub policy: Option<String>,
}

impl Consumer {
    /// Whether it was deregistered and is not there any more at `now`.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.gone_at.is_some_and(|gone_at| gone_at <= now)
    }
}

/// What can be set on a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// How long a record is kept after its arrival: 24 to 8,760 hours.
    pub retention_hours: u32,
    /// Largest accepted batch, in bytes (Kafka's `max.message.bytes`).
    pub batch_bytes_max: u32,
    /// Whether the log overwrites the records' timestamps with their arrival (Kafka's `LogAppendTime`).
    pub arrival_stamped: bool,
    /// Who decides how many shards it has.
    #[serde(default)]
    pub mode: Mode,
    /// Whether a record without a key is refused (Kafka: topics with `cleanup.policy=compact`).
    pub keys_required: bool,
    /// Consumers registered for fan-out, by name: each has read throughput of its own. Who was taken out stays for the delay of
    /// changes of state, with the time when it is gone.
    #[serde(default)]
    pub fan_out: BTreeMap<String, Consumer>,
    /// Whether records are spread over all open shards whatever their keys say (Kinesis: RecordDistributionStrategy AUTO).
    #[serde(default)]
    pub spread: bool,
    /// Whether the aggregates that the Kinesis Producer Library puts are opened when they are written, so that each of their user
    /// records is a record of the log.
    #[serde(default)]
    pub deaggregate: bool,
    /// What its owner calls it by, beside its name. At most [`limits::TAGS_MAX`].
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Who may do what with it, as a document that is kept and shown, not enforced.
    #[serde(default)]
    pub policy: Option<String>,
    /// The key that it is said to be encrypted with; kept and shown: the log encrypts nothing.
    #[serde(default)]
    pub encryption_key: Option<String>,
    /// The metrics that its owner wants told for each shard, by name.
    #[serde(default)]
    pub shard_metrics: BTreeSet<String>,
    /// MiB a second of writes that it is to be ready for, if its owner asked for that (Kinesis: WarmThroughput).
    #[serde(default)]
    pub warm_mib: Option<u32>,
    /// What a door stores with the stream for its own clients to see again; the log does not read it.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention_hours: limits::RETENTION_HOURS_MIN,
            batch_bytes_max: limits::BATCH_BYTES_DEFAULT,
            arrival_stamped: false,
            keys_required: false,
            mode: Mode::Provisioned,
            fan_out: BTreeMap::new(),
            spread: false,
            deaggregate: false,
            tags: BTreeMap::new(),
            policy: None,
            encryption_key: None,
            shard_metrics: BTreeSet::new(),
            warm_mib: None,
            notes: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The consumers that are there at `now`, by name; those that are being deregistered are.
    pub fn consumers(&self, now: Timestamp) -> impl Iterator<Item = (&String, &Consumer)> {
        self.fan_out.iter().filter(move |(_, consumer)| !consumer.is_gone(now))
    }

    /// The consumer of that name, if it is there at `now`.
    pub fn consumer(&self, name: &str, now: Timestamp) -> Option<&Consumer> {
        self.fan_out.get(name).filter(|consumer| !consumer.is_gone(now))
    }

    /// The retention as a span of time.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_hours) * 3_600)
    }

    /// The largest record with its key, in KiB: 1,024 to 10,240. One setting with [`batch_bytes_max`](Self::batch_bytes_max),
    /// so that raising the limit through one door raises it on the other.
    pub fn record_kib_max(&self) -> u32 {
        let kib = self.batch_bytes_max.saturating_sub(limits::BATCH_OVERHEAD) / 1_024;
        kib.clamp(limits::RECORD_KIB_MIN, limits::RECORD_KIB_MAX)
    }

    /// Sets the largest record with its key, in KiB.
    pub fn set_record_kib_max(&mut self, kib: u32) {
        self.batch_bytes_max = kib.min(limits::RECORD_KIB_MAX) * 1_024 + limits::BATCH_OVERHEAD;
    }
}
