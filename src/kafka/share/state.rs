//! What a share group is: its members, the topics they read, and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a share group does not do what it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The change could not be made durable.
    #[error("the share group's state could not be stored")]
    Unavailable,
    /// There is no memory for more groups, members, sessions or records under way.
    #[error("the gateway holds its largest number of share groups, members or records under way")]
    TooMany,
    /// There is no such group.
    #[error("there is no such share group")]
    UnknownGroup,
    /// There is no such member.
    #[error("there is no such member")]
    UnknownMember,
    /// The member speaks of an epoch that is not its own.
    #[error("the member epoch is not the current one")]
    FencedEpoch,
    /// The group has its largest number of members.
    #[error("the share group is full")]
    GroupFull,
    /// The group has members.
    #[error("The group is not empty.")]
    NonEmpty,
    /// There is no session of this member.
    #[error("there is no share session of this member")]
    UnknownSession,
    /// The session is at another epoch.
    #[error("the epoch is not that of the share session")]
    SessionEpoch,
    /// No more sessions are held.
    #[error("the gateway holds its largest number of share sessions")]
    TooManySessions,
    /// A record is not locked for this member.
    #[error("a record is not acquired by this member")]
    RecordState,
    /// A record is behind all that have been delivered.
    #[error("a record is behind all that have been acquired")]
    Undelivered,
    /// Locks are not renewed in this group.
    #[error("the group's config share.renew.acknowledge.enable is false: locks are not renewed")]
    NoRenewal,
    /// The group does not read the partition.
    #[error("the share group does not read this partition")]
    UnknownPartition,
}

/// A partition of a topic's incarnation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place {
    /// The topic's id.
    pub(crate) topic: Uuid,
    /// The number of the partition.
    pub(crate) partition: i32,
}

/// Finds a topic by name: its id and how many partitions it has.
pub(crate) type Lookup<'a> = &'a (dyn Fn(&str) -> Option<(Uuid, u32)> + Sync);

/// The settings of one group. The names in brackets are Apache Kafka's group configs (4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    /// How long a member may be silent (`share.session.timeout.ms`).
    pub(crate) session_timeout: Duration,
    /// How often members are told to send a heartbeat (`share.heartbeat.interval.ms`).
    pub(crate) heartbeat_interval: Duration,
    /// The least time between two assignments (`share.assignment.interval.ms`).
    pub(crate) assignment_interval: Duration,
    /// How long a record is locked (`share.record.lock.duration.ms`).
    pub(crate) lock_duration: Duration,
    /// How often a record is delivered (`share.delivery.count.limit`).
    pub(crate) deliveries_max: i16,
    /// Records of a partition between the first that is not finished and the last that was delivered
    /// (`share.partition.max.record.locks`).
    pub(crate) locks_max: usize,
    /// Whether only what is committed is delivered (`share.isolation.level`).
    pub(crate) is_committed: bool,
    /// Whether members may renew their locks (`share.renew.acknowledge.enable`).
    pub(crate) renews: bool,
}

/// A member's heartbeat.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    /// Its id, which it chose itself.
    pub(crate) member: String,
    /// 0 to join, -1 to leave, else the epoch it was given.
    pub(crate) epoch: i32,
    /// Its rack.
    pub(crate) rack: Option<String>,
    /// Its client's name for itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// The topics it wants, if they have changed.
    pub(crate) topics: Option<BTreeSet<String>>,
}

/// What a heartbeat is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Beaten {
    /// The member's epoch from now on.
    pub(crate) epoch: i32,
    /// When to send the next heartbeat.
    pub(crate) interval: Duration,
    /// What it reads, if it has to be told.
    pub(crate) assignment: Option<BTreeMap<Uuid, BTreeSet<i32>>>,
}

impl Beaten {
    /// For a member that has left.
    pub(super) fn gone(settings: Settings) -> Self {
        Self { epoch: -1, interval: settings.heartbeat_interval, assignment: None }
    }
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<String>,
    /// What it is to read.
    pub(crate) assigned: BTreeMap<Uuid, BTreeSet<i32>>,
    /// When its session ends unless it is heard of, since the coordinator was opened.
    #[serde(skip)]
    pub(super) session_end: Duration,
}

/// A topic that a group has read, or reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) partitions: u32,
}

/// One group, without its partitions' records. All of it outlives the process.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    /// Raised whenever members, topics or who reads what change.
    pub(super) epoch: i32,
    /// The epoch for which it was computed who reads what.
    #[serde(default)]
    pub(super) target_epoch: i32,
    /// When that was, since the coordinator was opened; `None`: nothing need wait for it.
    #[serde(skip)]
    pub(super) assigned_at: Option<Duration>,
    pub(super) members: BTreeMap<String, Member>,
    /// The topics it has state of.
    pub(super) topics: BTreeMap<Uuid, Read>,
}

/// A group with its members.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Its epoch.
    pub(crate) epoch: i32,
    /// The epoch for which it was computed who reads what.
    pub(crate) target_epoch: i32,
    /// Its members by id.
    pub(crate) members: BTreeMap<String, Member>,
}

/// Memory that a group takes beside its texts, in bytes, measured roughly; and an entry of one of its maps.
const GROUP_BYTES: usize = 1_024;
const ENTRY_BYTES: usize = 160;

impl Group {
    /// Memory that it takes, in bytes, measured roughly.
    pub(super) fn bytes(&self) -> usize {
        let topics = self.topics.values().map(|read| ENTRY_BYTES + read.name.len());
        let members = self.members.iter().map(|(id, member)| ENTRY_BYTES + id.len() + member.bytes());
        GROUP_BYTES + 2 * self.name.len() + topics.chain(members).sum::<usize>()
    }

    /// Kafka's name of the state it is in (`GroupState`).
    pub(super) fn state(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }

    /// Whether it reads a partition, or has.
    pub(super) fn reads(&self, place: Place) -> bool {
        let read = self.topics.get(&place.topic);
        read.is_some_and(|read| u32::try_from(place.partition).is_ok_and(|partition| partition < read.partitions))
    }
}

impl Member {
    fn bytes(&self) -> usize {
        let texts = self.client_id.len() + self.client_host.len() + self.rack.as_ref().map_or(0, String::len);
        let topics: usize = self.topics.iter().map(|topic| ENTRY_BYTES / 2 + topic.len()).sum();
        let assigned: usize = self.assigned.values().map(|partitions| ENTRY_BYTES + 16 * partitions.len()).sum();
        ENTRY_BYTES + texts + topics + assigned
    }
}
