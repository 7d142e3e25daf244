//! What is asked of a group of the streams protocol and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::{Endpoint, Settings, Target, Tasks};
use super::topology::{Internal, Topology};
use crate::kafka::group::request::{MemberId, Partitions};
use crate::kafka::group::state::State;

/// Changelog offsets by task.
pub(crate) type TaskOffsets = BTreeMap<(String, i32), i64>;

/// A heartbeat. What is `None` is as it was before.
#[derive(Clone, Default, Debug)]
pub(crate) struct StreamsBeat {
    /// The member's id, which it chose itself.
    pub(crate) member: MemberId,
    /// Its epoch; 0: it joins, -1: it goes, -2: it goes and will be back.
    pub(crate) epoch: i32,
    /// The epoch of the endpoints that it knows.
    pub(crate) endpoint_epoch: i32,
    /// The id that survives its restarts, if it is a static member.
    pub(crate) instance: Option<String>,
    /// Where it is.
    pub(crate) rack: Option<String>,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// How long it may take to give up tasks.
    pub(crate) rebalance_timeout: Option<Duration>,
    /// The application's topology, from a member that joins.
    pub(crate) topology: Option<Topology>,
    /// The tasks it has.
    pub(crate) owned: Option<Target>,
    /// Tasks that it says it warms up, which nobody has given it.
    pub(crate) warming: Tasks,
    /// The process that it is a thread of.
    pub(crate) process: Option<String>,
    /// Where its stores can be asked.
    pub(crate) endpoint: Option<Endpoint>,
    /// Where it is, in its operator's own words.
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// How far its copies of changelogs are.
    pub(crate) offsets: Option<TaskOffsets>,
    /// How far the changelogs are.
    pub(crate) end_offsets: Option<TaskOffsets>,
    /// Whether the whole application is to end.
    pub(crate) shutdown: bool,
    /// The group's settings.
    pub(crate) settings: Settings,
}

/// What keeps a group or a member from its work (`StreamsGroupHeartbeatResponse.Status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub(crate) enum Status {
    /// The member's topology is older than the group's.
    StaleTopology = 0,
    /// Topics that the application reads are not there.
    MissingSourceTopics = 1,
    /// Topics do not have the partitions that the application needs.
    IncorrectlyPartitionedTopics = 2,
    /// Topics that the application needs for itself are not there yet.
    MissingInternalTopics = 3,
    /// A member wants the whole application to end.
    ShutdownApplication = 4,
    /// Tasks are assigned in a while.
    AssignmentDelayed = 5,
    /// The member lacks tags that tell where it is.
    MissingClientTags = 6,
}

/// The answer to a [`StreamsBeat`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct StreamsBeaten {
    /// Its epoch from now on.
    pub(crate) epoch: i32,
    /// When to be heard of next.
    pub(crate) interval: Duration,
    /// What is in the way, each with words.
    pub(crate) statuses: Vec<(Status, String)>,
    /// The tasks that it has from now on; `None`: as before.
    pub(crate) tasks: Option<Target>,
    /// The epoch of the endpoints.
    pub(crate) endpoint_epoch: i32,
    /// All endpoints with what can be asked there; `None`: the member knows.
    pub(crate) endpoints: Option<Vec<Served>>,
    /// Topics to create for the application: each with its number of partitions.
    pub(crate) missing: Vec<(Internal, i32)>,
}

/// What can be asked at an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Served {
    /// Where.
    pub(crate) endpoint: Endpoint,
    /// The partitions of its active tasks.
    pub(crate) active: Partitions,
    /// The partitions of its standby tasks.
    pub(crate) standby: Partitions,
}

/// A group, as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DescribedStreams {
    /// Where it stands.
    pub(crate) state: State,
    /// The group epoch.
    pub(crate) epoch: i32,
    /// The epoch of the target.
    pub(crate) target_epoch: i32,
    /// The topology; with partitions, where they are known.
    pub(crate) topology: Topology,
    /// Its members.
    pub(crate) members: Vec<DescribedStreamsMember>,
}

/// A member of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DescribedStreamsMember {
    /// Its id.
    pub(crate) member: MemberId,
    /// Its instance id.
    pub(crate) instance: Option<String>,
    /// Where it is.
    pub(crate) rack: Option<String>,
    /// Its epoch.
    pub(crate) epoch: i32,
    /// The name its client gives itself.
    pub(crate) client_id: String,
    /// Where it connects from.
    pub(crate) client_host: String,
    /// The epoch of its topology.
    pub(crate) topology_epoch: i32,
    /// The process that it is a thread of.
    pub(crate) process: String,
    /// Where its stores can be asked.
    pub(crate) endpoint: Option<Endpoint>,
    /// Where it is, in its operator's own words.
    pub(crate) tags: BTreeMap<String, String>,
    /// How far its copies of changelogs are.
    pub(crate) offsets: TaskOffsets,
    /// How far the changelogs are.
    pub(crate) end_offsets: TaskOffsets,
    /// The tasks it has.
    pub(crate) tasks: Target,
    /// The tasks it is to have.
    pub(crate) target: Target,
}
