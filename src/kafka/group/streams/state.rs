//! What a group of the streams protocol keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::TaskOffsets;
use super::topology::{Configured, Topology};
use crate::kafka::group::request::MemberId;
use crate::kafka::group::roster::{self, Parts};
use crate::kafka::group::state::State;
use crate::model::Timestamp;

/// Tasks: partitions by subtopology.
pub(crate) type Tasks = BTreeMap<String, BTreeSet<i32>>;

/// Tasks, each with the member epoch in which it was given (KIP-1251).
pub(crate) type Given = BTreeMap<String, BTreeMap<i32, i32>>;

/// Memory that a member takes beside its texts, a text beside its bytes, and a task, in bytes, measured roughly.
const MEMBER_BYTES: usize = 896;
const TEXT_BYTES: usize = 64;
const TASK_BYTES: usize = 40;

/// The settings of one group. The names in brackets are Apache Kafka's group configs (4.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    /// How long a member may be silent (`streams.session.timeout.ms`).
    pub(crate) session_timeout: Duration,
    /// How often members are told to send a heartbeat (`streams.heartbeat.interval.ms`).
    pub(crate) heartbeat_interval: Duration,
    /// Copies of each task with stores (`streams.num.standby.replicas`).
    pub(crate) standbys: u32,
    /// How long the first member of a group waits for others (`streams.initial.rebalance.delay.ms`).
    pub(crate) initial_delay: Duration,
    /// The least time between two assignments (`streams.assignment.interval.ms`).
    pub(crate) assignment_interval: Duration,
    /// Tags that every member must have (`streams.rack.aware.assignment.tags`).
    pub(crate) tags: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
            standbys: 0,
            initial_delay: Duration::from_secs(3),
            assignment_interval: Duration::from_secs(1),
            tags: Vec::new(),
        }
    }
}

/// The streams protocol's part of a roster.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::kafka::group) struct Streams;

impl Parts for Streams {
    type Head = Head;
    type Profile = Profile;
    type Target = Target;
    type Held = Held;

    const ROOM: &'static str = "streams-";

    fn names(profile: &Profile) -> (&MemberId, Option<&str>) {
        (&profile.id, profile.instance.as_deref())
    }
}

pub(in crate::kafka::group) type Roster = roster::Roster<Streams>;
pub(super) type Member = roster::Member<Streams>;
pub(super) type Holding = roster::Holding<Held>;
pub(super) type Draft = roster::Draft<Streams>;
pub(super) type Step = roster::Step<Streams>;

/// What a group has once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Head {
    /// Rises with everything that calls for another assignment; the first one is 2, as in Kafka.
    pub(super) epoch: i32,
    /// The group epoch that the target was computed for.
    pub(super) target_epoch: i32,
    /// When that was; `None`: nothing need wait for it.
    pub(super) assigned_at: Option<Timestamp>,
    /// The application's topology.
    pub(super) topology: Option<Arc<Topology>>,
    /// Of the topics that it needs as they were at that time.
    pub(super) topics: u64,
    /// The epoch of the topology for which all topics were as it needs them; -1: none.
    pub(super) validated: i32,
    /// Settings that the target depends on.
    pub(super) standbys: u32,
    pub(super) tags: Vec<String>,
}

impl Default for Head {
    fn default() -> Self {
        let (assigned_at, topology, tags) = (None, None, Vec::new());
        Self { epoch: 1, target_epoch: 1, assigned_at, topology, topics: 0, validated: -1, standbys: 0, tags }
    }
}

/// Where a member's stores can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// The host.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Profile {
    pub(super) id: MemberId,
    pub(super) instance: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_millis: u32,
    pub(super) topology_epoch: i32,
    pub(super) process: String,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Profile {
    pub(super) fn rebalance_timeout(&self) -> Duration {
        Duration::from_millis(self.rebalance_timeout_millis.into())
    }
}

/// The tasks that a member is to have.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Those that it works on.
    pub(crate) active: Tasks,
    /// Those whose stores it keeps copies of.
    pub(crate) standby: Tasks,
}

/// Tasks that a member holds.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(in crate::kafka::group) struct Held {
    pub(super) active: Given,
    pub(super) standby: Tasks,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty()
    }

    pub(super) fn tasks(&self) -> Target {
        let active = self.active.iter().map(|(part, given)| (part.clone(), given.keys().copied().collect()));
        Target { active: active.collect(), standby: self.standby.clone() }
    }

    fn bytes(&self) -> usize {
        let active = self.active.iter().map(|(part, given)| TEXT_BYTES + part.len() + TASK_BYTES * given.len());
        active.sum::<usize>() + bytes_of(&self.standby)
    }
}

impl Holding {
    /// The member epoch in which it was given an active task that it holds.
    pub(super) fn given(&self, part: &str, partition: i32) -> Option<i32> {
        let find = |held: &Held| held.active.get(part)?.get(&partition).copied();
        find(&self.assigned).or_else(|| find(&self.revoking))
    }
}

impl Roster {
    /// Where the group stands.
    pub(in crate::kafka::group) fn state(&self) -> State {
        let Head { epoch, target_epoch, ref topology, validated, .. } = *self.head;
        if self.is_empty() {
            State::Empty
        } else if topology.as_ref().is_none_or(|topology| topology.epoch != validated) {
            State::NotReady
        } else {
            self.progress(epoch, target_epoch)
        }
    }

    /// The topics that the application reads.
    pub(in crate::kafka::group) fn subscribed_names(&self) -> BTreeSet<String> {
        match &self.head.topology {
            Some(topology) if !self.is_empty() => topology.inputs(),
            _ => BTreeSet::new(),
        }
    }

    /// Memory that it takes, in bytes, measured roughly.
    pub(in crate::kafka::group) fn bytes(&self) -> usize {
        let topology = self.head.topology.as_ref().map_or(0, |topology| topology.bytes());
        let tags = self.head.tags.iter().map(|tag| TEXT_BYTES + tag.len()).sum::<usize>();
        topology + tags + self.members.values().map(Member::bytes).sum::<usize>()
    }
}

impl Member {
    fn bytes(&self) -> usize {
        let Profile { id, instance, rack, client_id, client_host, process, endpoint, tags, .. } = &*self.profile;
        let own = [instance, rack].into_iter().flatten().map(String::len).sum::<usize>();
        let texts = 3 * id.len() + client_id.len() + client_host.len() + process.len() + own;
        let endpoint = endpoint.as_ref().map_or(0, |endpoint| endpoint.host.len());
        let tags = tags.iter().map(|(name, value)| 2 * TEXT_BYTES + name.len() + value.len()).sum::<usize>();
        let tasks = bytes_of(&self.target.active) + bytes_of(&self.target.standby);
        MEMBER_BYTES + texts + endpoint + tags + tasks + self.holding.assigned.bytes() + self.holding.revoking.bytes()
    }
}

fn bytes_of(tasks: &Tasks) -> usize {
    tasks.iter().map(|(part, partitions)| TEXT_BYTES + part.len() + TASK_BYTES * partitions.len()).sum()
}

/// What was seen of the topics, and what members have said that need not outlive the process.
#[derive(Clone, Default, Debug)]
pub(in crate::kafka::group) struct Sight {
    /// The version of the topics at which the topology was looked at, and what followed.
    pub(super) configured: Option<(u64, Arc<Configured>)>,
    /// How far members' copies of changelogs are, and how far these are themselves.
    pub(super) offsets: BTreeMap<MemberId, (TaskOffsets, TaskOffsets)>,
    /// Who wants the application to end.
    pub(super) shutdown: Option<MemberId>,
    /// Rises when endpoints change, or what can be asked there.
    pub(super) endpoint_epoch: i32,
    /// Until when the first assignment waits for more members.
    pub(in crate::kafka::group) delay: Option<Duration>,
    /// The settings as they were last.
    pub(super) settings: Settings,
}

impl Sight {
    /// Forgets a member.
    pub(in crate::kafka::group) fn forget(&mut self, member: &str) {
        self.offsets.remove(member);
    }

    /// Memory that it takes, in bytes, measured roughly.
    pub(in crate::kafka::group) fn bytes(&self) -> usize {
        let task = |((part, _), _): (&(String, i32), &i64)| TEXT_BYTES + part.len();
        let member = |(own, ends): &(TaskOffsets, TaskOffsets)| own.iter().chain(ends).map(task).sum::<usize>();
        let configured = self.configured.as_ref().map_or(0, |(_, configured)| {
            let partitions = configured.partitions.keys().map(|topic| TEXT_BYTES + topic.len()).sum::<usize>();
            partitions + TEXT_BYTES * (configured.work.len() + configured.missing.len())
        });
        configured + self.offsets.values().map(member).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_a_group_without_configs_of_its_own() {
        let configs = crate::kafka::group_configs::CONFIGS;
        let default = |name: &str| configs.iter().find(|config| config.name == name).unwrap().default;
        let millis = |name: &str| Duration::from_millis(default(name).parse().unwrap());
        let settings = Settings::default();
        assert_eq!(settings.session_timeout, millis("streams.session.timeout.ms"));
        assert_eq!(settings.heartbeat_interval, millis("streams.heartbeat.interval.ms"));
        assert_eq!(settings.initial_delay, millis("streams.initial.rebalance.delay.ms"));
        assert_eq!(settings.assignment_interval, millis("streams.assignment.interval.ms"));
        assert_eq!(settings.standbys.to_string(), default("streams.num.standby.replicas"));
    }
}
