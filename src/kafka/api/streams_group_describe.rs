//! **StreamsGroupDescribe** (89), v0 and v1: groups of the streams protocol with their topology and their members (KIP-1071).
//!
//! As Kafka does it: a group of another kind is GROUP_ID_NOT_FOUND; a group with a topic that the client must not know of is
//! refused. v1 brought the assignor's name, and descriptions of topologies (KIP-1331): of these none is kept, as in a broker
//! without a plugin for them.

use std::collections::HashSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::group::{
    DescribedStreams, DescribedStreamsMember, Internal, Refusal, STREAMS_ASSIGNOR, Subtopology, TaskOffsets, TaskTarget, Topology,
};
use crate::kafka::wire::{
    StreamsAssignment, StreamsDescribedGroup, StreamsDescribedMember, StreamsDescribedSubtopology, StreamsDescribedTopology,
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsKeyValue, StreamsTaskOffset, StreamsTopicInfo,
};
use crate::kafka::{code, tasks};

/// Not asked for, and asked for but not kept.
const NO_DESCRIPTION: i8 = 0;
const NOT_STORED: i8 = 1;

pub(crate) struct StreamsGroupDescribe;

impl Api for StreamsGroupDescribe {
    type Request = StreamsGroupDescribeRequest;
    type Response = StreamsGroupDescribeResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: StreamsGroupDescribeRequest) -> Reply<StreamsGroupDescribeResponse> {
        let (mut groups, mut answered) = (Vec::new(), HashSet::new());
        // A group may be large and its name short, so each is answered once.
        for id in request.group_ids.into_iter().filter(|id| answered.insert(id.clone())) {
            let mut described = match cx.door.groups.describe_streams(&id).await {
                _ if !cx.allows(Operation::Describe, Kind::Group, &id) => denied(Kind::Group),
                Ok(Some(described)) if !may_know(cx, &described.topology) => denied(Kind::Topic),
                Ok(Some(described)) => shown(described),
                Ok(None) => refused(&id, Refusal::UnknownGroup),
                Err(refusal) => refused(&id, refusal),
            };
            if described.error_code == 0 {
                if request.include_authorized_operations {
                    described.authorized_operations = cx.operations(Kind::Group, &id);
                }
                let is_asked = request.include_topology_description;
                described.topology_description_status = if is_asked { NOT_STORED } else { NO_DESCRIPTION };
            }
            groups.push(StreamsDescribedGroup { group_id: id, ..described });
        }
        Reply::Send(StreamsGroupDescribeResponse { groups, ..StreamsGroupDescribeResponse::default() })
    }
}

fn refused(id: &GroupId, refusal: Refusal) -> StreamsDescribedGroup {
    let group = &**id;
    let (error, words) = match refusal {
        _ if group.is_empty() => (ResponseError::InvalidGroupId, None),
        Refusal::UnknownGroup => (code::of_group(refusal), Some(format!("Group {group} not found."))),
        Refusal::OtherKind => (code::of_group(refusal), Some(format!("Group {group} is not a streams group."))),
        _ => (code::of_group(refusal), Some(refusal.to_string())),
    };
    let error_message = words.map(StrBytes::from_string);
    StreamsDescribedGroup { error_code: error.code(), error_message, ..StreamsDescribedGroup::default() }
}

fn denied(kind: Kind) -> StreamsDescribedGroup {
    StreamsDescribedGroup { error_code: kind.denied().code(), ..StreamsDescribedGroup::default() }
}

/// Whether the client may know of all topics of the topology.
fn may_know(cx: &Context, topology: &Topology) -> bool {
    let topics = topology.subtopologies.values().flat_map(Subtopology::topics).collect::<HashSet<_>>();
    topics.into_iter().all(|topic| cx.allows(Operation::Describe, Kind::Topic, topic))
}

fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}

fn shown(described: DescribedStreams) -> StreamsDescribedGroup {
    let parts = described.topology.subtopologies.into_iter().map(subtopology).collect();
    StreamsDescribedGroup {
        group_state: StrBytes::from_static_str(described.state.name()),
        group_epoch: described.epoch,
        assignment_epoch: described.target_epoch,
        topology: Some(StreamsDescribedTopology { epoch: described.topology.epoch, subtopologies: Some(parts) }),
        members: described.members.into_iter().map(member).collect(),
        assignor_name: Some(StrBytes::from_static_str(STREAMS_ASSIGNOR)),
        ..StreamsDescribedGroup::default()
    }
}

fn subtopology((id, mut part): (String, Subtopology)) -> StreamsDescribedSubtopology {
    let name = |name| TopicName(text(name));
    part.changelogs.sort_by(|one, other| one.name.cmp(&other.name));
    part.repartition_sources.sort_by(|one, other| one.name.cmp(&other.name));
    StreamsDescribedSubtopology {
        subtopology_id: text(id),
        source_topics: part.sources.into_iter().map(name).collect(),
        repartition_sink_topics: part.repartition_sinks.into_iter().map(name).collect(),
        state_changelog_topics: part.changelogs.into_iter().map(topic).collect(),
        repartition_source_topics: part.repartition_sources.into_iter().map(topic).collect(),
    }
}

fn pair((key, value): (String, String)) -> StreamsKeyValue {
    StreamsKeyValue { key: text(key), value: text(value) }
}

fn topic(topic: Internal) -> StreamsTopicInfo {
    StreamsTopicInfo {
        name: TopicName(text(topic.name)),
        partitions: topic.partitions,
        replication_factor: topic.replicas,
        topic_configs: topic.configs.into_iter().map(pair).collect(),
    }
}

fn member(member: DescribedStreamsMember) -> StreamsDescribedMember {
    StreamsDescribedMember {
        member_id: text(member.member),
        member_epoch: member.epoch,
        instance_id: member.instance.map(text),
        rack_id: member.rack.map(text),
        client_id: text(member.client_id),
        client_host: text(member.client_host),
        topology_epoch: member.topology_epoch,
        process_id: text(member.process),
        user_endpoint: member.endpoint.map(tasks::endpoint),
        client_tags: member.tags.into_iter().map(pair).collect(),
        task_offsets: offsets(member.offsets),
        task_end_offsets: offsets(member.end_offsets),
        assignment: assignment(member.tasks),
        target_assignment: assignment(member.target),
        is_classic: false,
    }
}

fn offsets(offsets: TaskOffsets) -> Vec<StreamsTaskOffset> {
    let each = |((id, partition), offset)| StreamsTaskOffset { subtopology_id: text(id), partition, offset };
    offsets.into_iter().map(each).collect()
}

/// Tasks; none warms up.
fn assignment(target: TaskTarget) -> StreamsAssignment {
    StreamsAssignment {
        active_tasks: tasks::ids(target.active),
        standby_tasks: tasks::ids(target.standby),
        warmup_tasks: Vec::new(),
    }
}
