//! **OffsetFetch** (9), v1 to v10: where groups have read to.
//!
//! As Kafka does it: what was never committed is offset -1 without an error, of an unknown group too. v2 can ask for
//! everything (no topics) and has an error for the whole; v5 brought leader epochs; v7 `require_stable` (KIP-447): where a
//! transaction has offsets pending, UNSTABLE_OFFSET_COMMIT; v8 several groups in one request (KIP-709); v9 members of the
//! consumer protocol and their epochs; v10 topics by id only, of which one that is not there is UNKNOWN_TOPIC_ID.

use std::collections::{HashMap, HashSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::{Committed, Membership, Partitions, Refusal, TopicOffsets};
use crate::kafka::partition;
use crate::kafka::wire::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic};

/// The first version that names topics by id.
const IDS: i16 = 10;

pub(crate) struct OffsetFetch;

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;
    type Response = OffsetFetchResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=10;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: OffsetFetchRequest) -> Reply<OffsetFetchResponse> {
        if cx.version < 8 {
            return Reply::Send(one_group(cx, request).await);
        }
        let (mut groups, mut answered) = (Vec::new(), HashSet::new());
        // What a group keeps may be much and its name short, so each is answered once.
        for group in request.groups.into_iter().filter(|group| answered.insert(group.group_id.clone())) {
            groups.push(of_group(cx, group, request.require_stable).await);
        }
        Reply::Send(OffsetFetchResponse::default().with_groups(groups))
    }
}

/// Each partition once, where it is named first: the text kept with its offset may be a thousand times as long as its number.
fn once(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Partitions {
    let mut named = HashMap::<String, HashSet<i32>>::new();
    let mut fresh = |(topic, mut partitions): (String, Vec<i32>)| {
        let named = named.entry(topic.clone()).or_default();
        partitions.retain(|partition| named.insert(*partition));
        (topic, partitions)
    };
    topics.map(&mut fresh).collect()
}

/// Partitions whose offsets a transaction may change.
type Unstable = HashSet<(String, i32)>;

/// What a group keeps of `wanted`, and, for who asks for what is `stable`, where that is not certain. Looked for first, so that an
/// end that comes between the two questions is seen in the second.
async fn fetch(
    cx: &Context,
    group: &str,
    wanted: Option<Partitions>,
    who: Membership,
    stable: bool,
) -> Result<(Vec<TopicOffsets>, Unstable), Refusal> {
    let unstable = if stable { cx.door.groups.unstable(group).await? } else { Unstable::new() };
    Ok((cx.door.groups.fetch(group, wanted, who).await?, unstable))
}

/// v8 and later.
async fn of_group(cx: &Context, request: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchResponseGroup {
    let OffsetFetchRequestGroup { group_id, member_id, member_epoch, topics } = request;
    let member = member_id.map(|id| id.to_string()).unwrap_or_default();
    let who = Membership { member, instance: None, generation: member_epoch };
    let (mut wanted, mut missing) = (topics.is_some().then(Vec::new), HashMap::<Uuid, Vec<i32>>::new());
    for topic in topics.into_iter().flatten() {
        let partitions = topic.partition_indexes;
        match name_of(cx, topic.name, topic.topic_id) {
            Some(name) => wanted.get_or_insert_default().push((name, partitions)),
            None => missing.entry(topic.topic_id).or_default().extend(partitions),
        }
    }
    let answer = OffsetFetchResponseGroup::default();
    if !cx.allows(Operation::Describe, Kind::Group, &group_id) {
        return answer.with_error_code(Kind::Group.denied().code()).with_group_id(group_id);
    }
    let is_all = wanted.is_none();
    let answer = match fetch(cx, &group_id, wanted.map(|topics| once(topics.into_iter())), who, stable).await {
        Err(refusal) => answer.with_error_code(code::of_group(refusal).code()),
        Ok(found) => {
            let found = shown(cx, is_all, found, topic_of_group).into_iter().flatten();
            answer.with_topics(found.chain(missing.into_iter().map(missing_topic)).collect())
        }
    };
    answer.with_group_id(group_id)
}

/// The name of a topic that a request names as its version does; `None` if there is no topic with the id.
fn name_of(cx: &Context, name: TopicName, id: Uuid) -> Option<String> {
    if cx.version < IDS {
        return Some(name.to_string());
    }
    partition::topic_by_id(&cx.door.log, id).map(|stream| stream.name().as_str().to_owned())
}

/// What a client may see of the offsets: of all topics those it may describe, of those it names the others with an error.
fn shown<T>(
    cx: &Context,
    is_all: bool,
    (offsets, unstable): (Vec<TopicOffsets>, Unstable),
    show: fn(&Context, TopicOffsets, i16, &Unstable) -> T,
) -> Vec<T> {
    let topics = offsets.into_iter().filter_map(|(name, partitions)| {
        if cx.allows(Operation::Describe, Kind::Topic, &name) {
            return Some(show(cx, (name, partitions), 0, &unstable));
        }
        let hidden = partitions.into_iter().map(|(index, _)| (index, None)).collect();
        (!is_all).then(|| show(cx, (name, hidden), Kind::Topic.denied().code(), &Unstable::new()))
    });
    topics.collect()
}

/// `None`: the answer names topics by id, and the topic has none any more.
fn topic_of_group(
    cx: &Context,
    (name, partitions): TopicOffsets,
    error: i16,
    unstable: &Unstable,
) -> Option<OffsetFetchResponseTopics> {
    let partition =
        |(index, committed)| partition_of_group(index, Shown::of(committed, unstable.contains(&(name.clone(), index))), error);
    let topic = OffsetFetchResponseTopics::default().with_partitions(partitions.into_iter().map(partition).collect());
    Some(match cx.version < IDS {
        true => topic.with_name(TopicName(StrBytes::from_string(name))),
        false => topic.with_topic_id(partition::topic(&cx.door.log, &name)?.id().0),
    })
}

/// A topic that is not there.
fn missing_topic((id, mut partitions): (Uuid, Vec<i32>)) -> OffsetFetchResponseTopics {
    partitions.sort_unstable();
    partitions.dedup();
    let error = ResponseError::UnknownTopicId.code();
    let partitions = partitions.into_iter().map(|index| partition_of_group(index, Shown::of(None, false), error)).collect();
    OffsetFetchResponseTopics::default().with_topic_id(id).with_partitions(partitions)
}

fn partition_of_group(index: i32, shown: Shown, error: i16) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(shown.offset)
        .with_committed_leader_epoch(shown.leader_epoch)
        .with_metadata(Some(shown.metadata))
        .with_error_code(if error == 0 { shown.error_code } else { error })
}

/// v1 to v7.
async fn one_group(cx: &Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let partitions = |topic: OffsetFetchRequestTopic| (topic.name.to_string(), topic.partition_indexes);
    let wanted = request.topics.map(|topics| once(topics.into_iter().map(partitions)));
    let answer = OffsetFetchResponse::default();
    let is_allowed = cx.allows(Operation::Describe, Kind::Group, &request.group_id);
    let nobody = Membership::nobody();
    let fetched = match is_allowed {
        true => fetch(cx, &request.group_id, wanted.clone(), nobody, request.require_stable).await.map_err(code::of_group),
        false => Err(Kind::Group.denied()),
    };
    match fetched {
        Ok(found) => answer.with_topics(shown(cx, wanted.is_none(), found, topic_of_one)),
        // v1 has no error for the whole, so each partition says it.
        Err(error) if cx.version < 2 => {
            let nothing = |partitions: Vec<i32>| partitions.into_iter().map(|partition| (partition, None)).collect();
            let topics = wanted.into_iter().flatten().map(|(name, partitions)| (name, nothing(partitions)));
            answer.with_topics(topics.map(|topic| topic_of_one(cx, topic, error.code(), &Unstable::new())).collect())
        }
        Err(error) => answer.with_error_code(error.code()),
    }
}

fn topic_of_one(_: &Context, (name, partitions): TopicOffsets, error: i16, unstable: &Unstable) -> OffsetFetchResponseTopic {
    let partition = |(index, committed)| {
        let shown = Shown::of(committed, unstable.contains(&(name.clone(), index)));
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(shown.offset)
            .with_committed_leader_epoch(shown.leader_epoch)
            .with_metadata(Some(shown.metadata))
            .with_error_code(if error == 0 { shown.error_code } else { error })
    };
    let partitions = partitions.into_iter().map(partition).collect();
    OffsetFetchResponseTopic::default().with_name(TopicName(StrBytes::from_string(name))).with_partitions(partitions)
}

/// An offset as the answer shows it, whether there is one or not.
struct Shown {
    offset: i64,
    leader_epoch: i32,
    metadata: StrBytes,
    error_code: i16,
}

impl Shown {
    fn of(committed: Option<Committed>, is_unstable: bool) -> Self {
        let nothing = Self { offset: -1, leader_epoch: -1, metadata: StrBytes::new(), error_code: 0 };
        match committed {
            _ if is_unstable => Self { error_code: ResponseError::UnstableOffsetCommit.code(), ..nothing },
            None => nothing,
            Some(Committed { offset, leader_epoch, metadata, .. }) => {
                Self { offset, leader_epoch, metadata: StrBytes::from_string(metadata), ..nothing }
            }
        }
    }
}
