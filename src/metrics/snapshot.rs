//! Values that are collected when somebody asks.

use std::fmt::Write;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::name::{self, Metric};
use super::stream::Dimension;
use super::window::Measured;

/// Topics shown. *Ours*, as the next two: with what is shown of CloudWatch's they keep one answer below about 40 MB.
pub(super) const TOPICS_MAX: usize = 10_000;
/// Partitions shown, all topics together.
const LANES_MAX: usize = 20_000;
/// Groups shown, and offsets of theirs, all groups together.
pub const GROUP_OFFSETS_MAX: usize = 20_000;

/// What the gateway holds at one moment.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// The id of the broker.
    pub node_id: i32,
    /// All topics.
    pub topics: Vec<TopicState>,
    /// All streams.
    pub streams: Vec<StreamState>,
    /// All consumer groups.
    pub groups: Vec<GroupState>,
}

/// One topic.
#[derive(Clone, Debug)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Its partitions, from 0 on.
    pub lanes: Vec<LaneState>,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct StreamState {
    /// Its name.
    pub name: String,
    /// Its region and its account, if it is no topic because they are not those of Kafka's.
    pub owner: Option<(String, String)>,
    /// What was measured of it in the last whole minute.
    pub minute: Vec<(Dimension, Box<Measured>)>,
}

/// One partition.
#[derive(Clone, Copy, Debug)]
pub struct LaneState {
    /// The first offset that can be read.
    pub horizon: i64,
    /// The offset that will be written next.
    pub tip: i64,
}

/// One consumer group.
#[derive(Clone, Debug)]
pub struct GroupState {
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub members: usize,
    /// What it has committed.
    pub offsets: Vec<GroupOffset>,
}

/// An offset that a group has committed.
#[derive(Clone, Debug)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The time since the oldest record that it has not read arrived, zero if there is none; `None` if it is not known.
    pub age: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTopic {
    topic: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfLane {
    topic: String,
    partition: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfGroup {
    consumergroup: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfGroupTopic {
    consumergroup: String,
    topic: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfGroupLane {
    consumergroup: String,
    topic: String,
    partition: i64,
}

/// Writes the snapshot; how many series were left out.
pub(super) fn write(snapshot: &Snapshot, to: &mut String) -> Result<usize, std::fmt::Error> {
    let mut registry = Registry::default();
    let left_out = topics(snapshot, &mut registry) + groups(snapshot, &mut registry);
    encode_registry(to, &registry)?;
    Ok(left_out)
}

fn topics(snapshot: &Snapshot, registry: &mut Registry) -> usize {
    let lanes: usize = snapshot.topics.iter().map(|topic| topic.lanes.len()).sum();
    for (metric, value) in [
        (name::BROKERS, 1),
        (name::PARTITION_COUNT, lanes),
        (name::LEADER_COUNT, lanes),
        (name::UNDER_REPLICATED_COUNT, 0),
        (name::CONTROLLER_COUNT, 1),
        (name::OFFLINE_COUNT, 0),
        (name::TOPIC_COUNT, snapshot.topics.len()),
        (name::GLOBAL_PARTITION_COUNT, lanes),
    ] {
        registry.register(metric.name, metric.help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    }
    let partitions = gauge(registry, name::PARTITIONS);
    let [current, oldest, leader, preferred, replicas, in_sync, under_replicated] = [
        name::CURRENT_OFFSET,
        name::OLDEST_OFFSET,
        name::LEADER,
        name::PREFERRED,
        name::REPLICAS,
        name::IN_SYNC,
        name::UNDER_REPLICATED,
    ]
    .map(|metric| gauge(registry, metric));
    let (mut lanes_left, mut left_out) = (LANES_MAX, snapshot.topics.len().saturating_sub(TOPICS_MAX));
    for topic in snapshot.topics.iter().take(TOPICS_MAX) {
        set(&partitions, &OfTopic { topic: topic.name.clone() }, topic.lanes.len());
        left_out += topic.lanes.len().saturating_sub(lanes_left);
        for (partition, lane) in (0..).zip(topic.lanes.iter().take(lanes_left)) {
            let labels = OfLane { topic: topic.name.clone(), partition };
            for (gauge, value) in [
                (&current, lane.tip),
                (&oldest, lane.horizon),
                (&leader, snapshot.node_id.into()),
                (&preferred, 1),
                (&replicas, 1),
                (&in_sync, 1),
                (&under_replicated, 0),
            ] {
                set(gauge, &labels, value);
            }
        }
        lanes_left = lanes_left.saturating_sub(topic.lanes.len());
    }
    left_out
}

fn groups(snapshot: &Snapshot, registry: &mut Registry) -> usize {
    let members = gauge(registry, name::GROUP_MEMBERS);
    let [offsets, lags, ages] =
        [name::GROUP_OFFSET, name::GROUP_LAG, name::GROUP_AGE].map(|metric| gauge::<OfGroupLane>(registry, metric));
    let [offset_sums, lag_sums] =
        [name::GROUP_OFFSET_SUM, name::GROUP_LAG_SUM].map(|metric| gauge::<OfGroupTopic>(registry, metric));
    let tip = |topic: &str, partition: i32| {
        let at = snapshot.topics.binary_search_by(|state| state.name.as_str().cmp(topic)).ok()?;
        Some(snapshot.topics.get(at)?.lanes.get(usize::try_from(partition).ok()?)?.tip)
    };
    let (mut series_left, mut left_out) = (GROUP_OFFSETS_MAX, 0);
    for group in &snapshot.groups {
        let Some(left) = series_left.checked_sub(1 + group.offsets.len()) else {
            left_out += 1 + group.offsets.len();
            continue;
        };
        series_left = left;
        set(&members, &OfGroup { consumergroup: group.name.clone() }, group.members);
        for GroupOffset { topic, partition, offset, age } in &group.offsets {
            let (consumergroup, topic_label) = (group.name.clone(), topic.clone());
            let labels = OfGroupLane { consumergroup, topic: topic_label, partition: (*partition).into() };
            let of_topic = OfGroupTopic { consumergroup: labels.consumergroup.clone(), topic: topic.clone() };
            set(&offsets, &labels, *offset);
            offset_sums.get_or_create(&of_topic).inc_by(*offset);
            if let Some(tip) = tip(topic, *partition) {
                // A group may have committed more than there is; it is not behind then.
                let lag = tip.saturating_sub(*offset).max(0);
                set(&lags, &labels, lag);
                lag_sums.get_or_create(&of_topic).inc_by(lag);
                match age {
                    Some(age) => set(&ages, &labels, age.as_millis()),
                    None => left_out += 1,
                }
            }
        }
    }
    left_out
}

fn gauge<L>(registry: &mut Registry, Metric { name, help, .. }: Metric) -> Family<L, Gauge>
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn set<L: Clone + std::hash::Hash + Eq>(family: &Family<L, Gauge>, labels: &L, value: impl TryInto<i64>) {
    family.get_or_create(labels).set(value.try_into().unwrap_or(i64::MAX));
}

/// Writes one value without labels.
pub(super) fn write_one(Metric { name, help, .. }: Metric, value: usize, to: &mut String) -> std::fmt::Result {
    write!(to, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}\n")
}
