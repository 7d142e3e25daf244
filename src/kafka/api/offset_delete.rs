//! **OffsetDelete** (47), v0: forgets committed offsets of topics that no live member reads (KIP-496).
//!
//! As Kafka does it: a topic that a member subscribes to has GROUP_SUBSCRIBED_TO_TOPIC at each partition, one that does not
//! exist, or a partition, UNKNOWN_TOPIC_OR_PARTITION; a partition without an offset is no error.

use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::Partitions;
use crate::kafka::partition::{Topic, lane};

pub(crate) struct OffsetDelete;

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: OffsetDeleteRequest) -> Reply<OffsetDeleteResponse> {
        if !cx.allows(Operation::Delete, Kind::Group, &request.group_id) {
            return Reply::Send(OffsetDeleteResponse::default().with_error_code(Kind::Group.denied().code()));
        }
        let (mut wanted, mut topics) = (Partitions::new(), Vec::new());
        for topic in request.topics {
            let found = cx.topic(Topic::Named(&topic.name), Operation::Read);
            let answers = topic.partitions.into_iter().map(|asked| {
                let index = asked.partition_index;
                let known = found.as_ref().map_err(|error| *error).and_then(|stream| lane(stream, index));
                let answer = OffsetDeleteResponsePartition::default().with_partition_index(index);
                answer.with_error_code(known.err().map_or(0, |error| error.code()))
            });
            let answers = answers.collect::<Vec<_>>();
            let indexes = answers.iter().filter(|answer| answer.error_code == 0).map(|answer| answer.partition_index);
            if found.is_ok() {
                wanted.push((topic.name.to_string(), indexes.collect()));
            }
            topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(answers));
        }
        let results = match cx.door.groups.delete_offsets(&request.group_id, wanted).await {
            Ok(results) => results,
            Err(refusal) => {
                return Reply::Send(OffsetDeleteResponse::default().with_error_code(code::of_group(refusal).code()));
            }
        };
        let asked = topics.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|answer| answer.error_code == 0);
        for (answer, result) in asked.zip(&results) {
            answer.error_code = code::of_result(result);
        }
        Reply::Send(OffsetDeleteResponse::default().with_topics(topics))
    }
}
