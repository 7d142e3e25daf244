//! **StreamsGroupHeartbeat** (88), v0 and v1: a member of an application of Kafka Streams joins, stays and goes (KIP-1071).
//!
//! As Kafka does it, checks and their order included. Who joins brings the application's topology, has to be allowed to read the
//! group and to know of all topics of the topology, and to create the internal ones that are missing. v1 tells how far a copy of a
//! changelog may be behind; descriptions of topologies (KIP-1331) are not asked for, as in a broker without a plugin for them.
//!
//! How we differ from Kafka: internal topics are there when the answer that names them as missing is sent, not a while later;
//! the replication factor of an internal topic is of no account; a task named twice with an offset, an index that leads nowhere and
//! an invalid topic name refuse the request in our words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::group::{
    Endpoint, Internal, Served, Status, StreamsBeat, StreamsBeaten, Subtopology, TaskOffsets, TaskTarget, Tasks, Topology,
};
use crate::kafka::wire::{
    StreamsCopartitionGroup, StreamsEndpointPartitions, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    StreamsKeyValue, StreamsStatus, StreamsSubtopology, StreamsTaskIds, StreamsTaskOffset, StreamsTopicInfo,
    StreamsTopicPartitions, StreamsTopology,
};
use crate::kafka::{code, tasks, translate};
use crate::model::{Settings, StreamName};

pub(crate) struct StreamsGroupHeartbeat;

/// The epoch of a member that joins.
const JOINING: i32 = 0;
/// The epoch of a static member that goes and will be back.
const AWAY: i32 = -2;
/// "As before."
const UNCHANGED: i32 = -1;
/// How often members tell how far their copies are, in milliseconds (`group.streams.task.offset.interval.ms`).
const OFFSET_INTERVAL: i32 = 60_000;
/// How far a copy may be behind to be as good as the original (`group.streams.acceptable.recovery.lag`).
const RECOVERY_LAG: i64 = 10_000;

type Refused = (ResponseError, String);

impl Api for StreamsGroupHeartbeat {
    type Request = StreamsGroupHeartbeatRequest;
    type Response = StreamsGroupHeartbeatResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: StreamsGroupHeartbeatRequest) -> Reply<StreamsGroupHeartbeatResponse> {
        let answer = serve(cx, request).await;
        Reply::Send(answer.unwrap_or_else(|(error, words)| StreamsGroupHeartbeatResponse {
            error_code: error.code(),
            error_message: Some(StrBytes::from_string(words)),
            ..StreamsGroupHeartbeatResponse::default()
        }))
    }
}

async fn serve(cx: &Context, request: StreamsGroupHeartbeatRequest) -> Result<StreamsGroupHeartbeatResponse, Refused> {
    let group = request.group_id.to_string();
    if !cx.allows(Operation::Read, Kind::Group, &group) {
        return Err((Kind::Group.denied(), "to be a member of the group is not allowed".to_owned()));
    }
    let topology = request.topology.as_ref();
    let parts = topology.into_iter().flat_map(|topology| &topology.subtopologies).map(topics);
    may_know(cx, &parts.flatten().map(|name| name.as_str()).collect())?;
    check(&request)?;
    if cx.door.shares.exists(&group) {
        return Err((ResponseError::GroupIdNotFound, format!("Group {group} is not a streams group.")));
    }
    let member = request.member_id.clone();
    let mut beat = beat(request)?;
    beat.settings = cx.door.group_configs.of_streams(&group);
    (beat.client_id, beat.client_host) = (cx.client_id.to_string(), format!("/{}", cx.peer.ip()));
    let beaten = cx.door.groups.beat_streams(&group, beat).await;
    let mut beaten = beaten.map_err(|refusal| (code::of_group(refusal), refusal.to_string()))?;
    create(cx, &mut beaten).await;
    Ok(accepted(member, beaten))
}

/// All topics of a part of a topology.
fn topics(part: &StreamsSubtopology) -> impl Iterator<Item = &TopicName> {
    let internal = part.repartition_source_topics.iter().chain(&part.state_changelog_topics).map(|topic| &topic.name);
    part.source_topics.iter().chain(&part.repartition_sink_topics).chain(internal)
}

/// Whether the client may know of the topics, which have to be valid ones (`KafkaApis.handleStreamsGroupHeartbeat`).
fn may_know(cx: &Context, topics: &BTreeSet<&str>) -> Result<(), Refused> {
    if let Some(invalid) = topics.iter().find_map(|name| StreamName::new(name).err()) {
        return Err((ResponseError::StreamsInvalidTopology, format!("the topology has an invalid topic name: {invalid}")));
    }
    match topics.iter().all(|name| cx.allows(Operation::Describe, Kind::Topic, name)) {
        true => Ok(()),
        false => Err((Kind::Topic.denied(), "to know of all topics of the topology is not allowed".to_owned())),
    }
}

/// `GroupCoordinatorService.throwIfStreamsGroupHeartbeatRequestIsInvalid` and its like.
fn check(request: &StreamsGroupHeartbeatRequest) -> Result<(), Refused> {
    let refuse = |words: &str| Err((ResponseError::InvalidRequest, words.to_owned()));
    let is_blank = |text: &str| text.trim().is_empty();
    let is_given_blank = |text: &Option<StrBytes>| text.as_deref().is_some_and(is_blank);
    let parts = || request.topology.iter().flat_map(|topology| &topology.subtopologies);
    let owned = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    if parts().any(|part| !part.source_topic_regex.is_empty()) {
        return refuse("Regular expressions for source topics are not supported yet.");
    }
    if is_blank(&request.member_id) {
        return refuse("the member id is empty");
    }
    if is_blank(&request.group_id) {
        return refuse("the group id is empty");
    }
    if is_given_blank(&request.instance_id) {
        return refuse("the instance id is empty; leave it out if there is none");
    }
    if is_given_blank(&request.rack_id) {
        return refuse("the rack id is empty; leave it out if there is none");
    }
    match request.member_epoch {
        JOINING if request.rebalance_timeout_ms == UNCHANGED => return refuse("who joins must give its rebalance timeout"),
        JOINING if owned.into_iter().flatten().any(|tasks| !tasks.is_empty()) => {
            return refuse("who joins must not have any tasks");
        }
        JOINING if request.topology.is_none() => return refuse("who joins must bring the topology"),
        JOINING => {
            if let Some(topic) = parts().flat_map(|part| &part.state_changelog_topics).find(|topic| topic.partitions != 0) {
                let words = format!("the changelog {} has a number of partitions; that is found out", &*topic.name);
                return Err((ResponseError::StreamsInvalidTopology, words));
            }
        }
        AWAY if request.instance_id.is_none() => return refuse("only a member with an instance id can go for a while"),
        ..AWAY => return refuse("the member epoch is below -2"),
        _ => {}
    }
    let given = owned.into_iter().flatten().count();
    if given != 0 && given != owned.len() {
        return refuse("tasks of all three kinds must be given, or of none");
    }
    if request.member_epoch != JOINING && request.topology.is_some() {
        return refuse("only who joins may bring a topology");
    }
    Ok(())
}

fn beat(request: StreamsGroupHeartbeatRequest) -> Result<StreamsBeat, Refused> {
    let text = |text: StrBytes| text.to_string();
    let timeout = u64::try_from(request.rebalance_timeout_ms).ok().map(Duration::from_millis);
    let owned = request.active_tasks.zip(request.standby_tasks);
    Ok(StreamsBeat {
        member: request.member_id.to_string(),
        epoch: request.member_epoch,
        endpoint_epoch: request.endpoint_information_epoch,
        instance: request.instance_id.map(text),
        rack: request.rack_id.map(text),
        rebalance_timeout: timeout.filter(|_| request.rebalance_timeout_ms != UNCHANGED),
        topology: request.topology.map(topology).transpose()?,
        owned: owned.map(|(active, standby)| TaskTarget { active: told(active), standby: told(standby) }),
        warming: told(request.warmup_tasks.unwrap_or_default()),
        process: request.process_id.map(text),
        endpoint: request.user_endpoint.map(|endpoint| Endpoint { host: endpoint.host.to_string(), port: endpoint.port }),
        tags: request.client_tags.map(pairs),
        offsets: request.task_offsets.map(offsets).transpose()?,
        end_offsets: request.task_end_offsets.map(offsets).transpose()?,
        shutdown: request.shutdown_application,
        ..StreamsBeat::default()
    })
}

fn pairs(pairs: Vec<StreamsKeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

fn told(parts: Vec<StreamsTaskIds>) -> Tasks {
    let mut tasks = Tasks::new();
    for StreamsTaskIds { subtopology_id, partitions } in parts.into_iter().filter(|part| !part.partitions.is_empty()) {
        tasks.entry(subtopology_id.to_string()).or_default().extend(partitions);
    }
    tasks
}

fn offsets(each: Vec<StreamsTaskOffset>) -> Result<TaskOffsets, Refused> {
    let count = each.len();
    let offset = |task: StreamsTaskOffset| ((task.subtopology_id.to_string(), task.partition), task.offset);
    let offsets = each.into_iter().map(offset).collect::<TaskOffsets>();
    let twice = || (ResponseError::InvalidRequest, "the offset of a task is given twice".to_owned());
    if offsets.len() == count { Ok(offsets) } else { Err(twice()) }
}

fn topology(StreamsTopology { epoch, subtopologies }: StreamsTopology) -> Result<Topology, Refused> {
    let refuse = |words: &str| Err((ResponseError::StreamsInvalidTopology, words.to_owned()));
    if epoch < 0 {
        return refuse("the topology's epoch is negative");
    }
    let mut parts = BTreeMap::new();
    for part in subtopologies {
        let id = part.subtopology_id.to_string();
        if parts.insert(id, subtopology(part)?).is_some() {
            return refuse("the topology has two subtopologies of the same id");
        }
    }
    Ok(Topology { epoch, subtopologies: parts })
}

fn subtopology(part: StreamsSubtopology) -> Result<Subtopology, Refused> {
    let names = |names: &[TopicName]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    let set = |group: &StreamsCopartitionGroup| copartition(&part, group);
    let lost = || (ResponseError::StreamsInvalidTopology, "a copartition group names a topic that is not there".to_owned());
    let copartitions = part.copartition_groups.iter().map(set).collect::<Option<Vec<_>>>().ok_or_else(lost)?;
    Ok(Subtopology {
        sources: names(&part.source_topics),
        repartition_sinks: names(&part.repartition_sink_topics),
        repartition_sources: part.repartition_source_topics.into_iter().map(internal).collect(),
        changelogs: part.state_changelog_topics.into_iter().map(internal).collect(),
        copartitions,
    })
}

/// The names that the indexes of a copartition group stand for.
fn copartition(part: &StreamsSubtopology, group: &StreamsCopartitionGroup) -> Option<BTreeSet<String>> {
    let source = |at: &i16| part.source_topics.get(usize::try_from(*at).ok()?).map(|name| name.to_string());
    let repartition =
        |at: &i16| part.repartition_source_topics.get(usize::try_from(*at).ok()?).map(|topic| topic.name.to_string());
    group.source_topics.iter().map(source).chain(group.repartition_source_topics.iter().map(repartition)).collect()
}

fn internal(topic: StreamsTopicInfo) -> Internal {
    let (partitions, replicas) = (topic.partitions, topic.replication_factor);
    Internal { name: topic.name.to_string(), partitions, replicas, configs: pairs(topic.topic_configs) }
}

/// Creates the internal topics that are missing, if the client may; what is in the way is added to the status that names them.
async fn create(cx: &Context, beaten: &mut StreamsBeaten) {
    let may = |topic: &Internal| cx.allows(Operation::Create, Kind::Topic, &topic.name);
    let is_allowed = cx.allows_cluster(Operation::Create);
    let denied = beaten.missing.iter().map(|(topic, _)| topic).filter(|topic| !is_allowed && !may(topic));
    let denied = denied.map(|topic| topic.name.as_str()).collect::<Vec<_>>();
    let mut more = String::new();
    if !denied.is_empty() {
        more = format!("; Unauthorized to CREATE on topics {}.", denied.join(", "));
    } else {
        let mut failed = Vec::new();
        for (topic, partitions) in &beaten.missing {
            if let Err(refusal) = create_one(cx, topic, *partitions).await {
                tracing::warn!(topic = topic.name, words = refusal.words, "an internal topic of an application is not created");
                failed.push(format!("{} ({})", topic.name, refusal.words));
            }
        }
        if !failed.is_empty() {
            more = format!("; Creation failed: {}.", failed.join(", "));
        }
    }
    let status = beaten.statuses.iter_mut().find(|(status, _)| *status == Status::MissingInternalTopics);
    if let Some((_, words)) = status {
        words.push_str(&more);
    }
}

async fn create_one(cx: &Context, topic: &Internal, partitions: i32) -> Result<(), translate::Refusal> {
    let name = StreamName::new(topic.name.as_str())?;
    let configs = topic.configs.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
    let configs = translate::with_values(configs, ResponseError::InvalidConfig)?;
    let settings = translate::replaced(&Settings::default(), configs)?;
    let lanes = translate::lanes(partitions, "the number of partitions")?;
    match translate::create(&cx.door, name, lanes, settings).await {
        // Another member was first.
        Err(refusal) if refusal.error == ResponseError::TopicAlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

fn accepted(member_id: StrBytes, beaten: StreamsBeaten) -> StreamsGroupHeartbeatResponse {
    let is_gone = beaten.epoch < JOINING;
    let status = |(status, words)| StreamsStatus { status_code: status as i8, status_detail: StrBytes::from_string(words) };
    let (active, standby) = beaten.tasks.map(|tasks| (tasks::ids(tasks.active), tasks::ids(tasks.standby))).unzip();
    StreamsGroupHeartbeatResponse {
        member_id,
        member_epoch: beaten.epoch,
        heartbeat_interval_ms: i32::try_from(beaten.interval.as_millis()).unwrap_or(i32::MAX),
        task_offset_interval_ms: if is_gone { 0 } else { OFFSET_INTERVAL },
        acceptable_recovery_lag: if is_gone { -1 } else { RECOVERY_LAG },
        status: Some(beaten.statuses.into_iter().map(status).collect()),
        warmup_tasks: active.as_ref().map(|_| Vec::new()),
        active_tasks: active,
        standby_tasks: standby,
        endpoint_information_epoch: beaten.endpoint_epoch,
        partitions_by_user_endpoint: beaten.endpoints.map(|served| served.into_iter().map(endpoint).collect()),
        ..StreamsGroupHeartbeatResponse::default()
    }
}

fn endpoint(served: Served) -> StreamsEndpointPartitions {
    let topic = |(topic, partitions)| StreamsTopicPartitions { topic: TopicName(StrBytes::from_string(topic)), partitions };
    StreamsEndpointPartitions {
        user_endpoint: tasks::endpoint(served.endpoint),
        active_partitions: served.active.into_iter().map(topic).collect(),
        standby_partitions: served.standby.into_iter().map(topic).collect(),
    }
}
