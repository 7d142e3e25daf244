//! **OffsetDelete** (47), v0: forgets committed offsets of topics that no live member reads (KIP-496).
//!
//! As Kafka does it: a topic that a member subscribes to has GROUP_SUBSCRIBED_TO_TOPIC at each partition, one that does not
//! exist UNKNOWN_TOPIC_OR_PARTITION; a partition without an offset is no error.

use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::Partitions;
use crate::kafka::partition::Topic;

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
            let exists = found.is_ok();
            let indexes = topic.partitions.into_iter().map(|partition| partition.partition_index).collect::<Vec<_>>();
            let code = found.err().map_or(0, |error| error.code());
            let answer =
                |&index: &i32| OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code);
            let answers = indexes.iter().map(answer).collect();
            if exists {
                wanted.push((topic.name.to_string(), indexes));
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
