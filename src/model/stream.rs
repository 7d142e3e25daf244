//! Streams, lanes and offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::limits;

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

/// What can be set on a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// How long a record is kept after its arrival: 24 to 8,760 hours.
    pub retention_hours: u32,
    /// Largest accepted batch, in bytes (Kafka's `max.message.bytes`).
    pub batch_bytes_max: u32,
    /// Whether the log overwrites the records' timestamps with their arrival (Kafka's `LogAppendTime`).
    pub arrival_stamped: bool,
    /// Whether a record without a key is refused (Kafka: topics with `cleanup.policy=compact`).
    pub keys_required: bool,
    /// Consumers registered for fan-out: each has read throughput of its own. At most [`limits::FAN_OUT_CONSUMERS_MAX`].
    #[serde(default)]
    pub fan_out: BTreeSet<String>,
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
            fan_out: BTreeSet::new(),
            notes: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The retention as a span of time.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_hours) * 3_600)
    }
}
