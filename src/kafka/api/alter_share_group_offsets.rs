//! **AlterShareGroupOffsets** (91), v0: sets where a share group without members is (KIP-932).
//!
//! As Kafka does it: whatever was delivered before is forgotten, and a group that is not there is made. The partitions of a request
//! are set together.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::Refusal;
use crate::kafka::partition::{self, Topic};
use crate::kafka::share::Place;

pub(crate) struct AlterShareGroupOffsets;

impl Api for AlterShareGroupOffsets {
    type Request = AlterShareGroupOffsetsRequest;
    type Response = AlterShareGroupOffsetsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: AlterShareGroupOffsetsRequest) -> Reply<AlterShareGroupOffsetsResponse> {
        Reply::Send(match serve(cx, request).await {
            Ok(responses) => AlterShareGroupOffsetsResponse::default().with_error_message(None).with_responses(responses),
            Err((error, words)) => {
                let words = Some(words.into());
                AlterShareGroupOffsetsResponse::default().with_error_code(error.code()).with_error_message(words)
            }
        })
    }
}

async fn serve(
    cx: &Context,
    request: AlterShareGroupOffsetsRequest,
) -> Result<Vec<AlterShareGroupOffsetsResponseTopic>, (ResponseError, String)> {
    if !cx.allows(Operation::Read, Kind::Group, &request.group_id) {
        return Err((Kind::Group.denied(), "the access rules do not allow it".to_owned()));
    }
    if request.group_id.is_empty() {
        return Err((ResponseError::InvalidGroupId, "the group has no name".to_owned()));
    }
    let (mut offsets, mut topics, mut responses) = (Vec::new(), BTreeMap::new(), Vec::new());
    for topic in request.topics {
        let stream = cx.topic(Topic::Named(&topic.topic_name), Operation::Read);
        let mut partitions = Vec::new();
        for wanted in topic.partitions {
            let index = wanted.partition_index;
            let lane = stream.as_ref().map_err(|error| *error).and_then(|stream| partition::lane(stream, index));
            let refused = match (&stream, lane) {
                (Ok(stream), Ok(_)) if (0..i64::MAX).contains(&wanted.start_offset) => {
                    offsets.push((Place { topic: stream.id().0, partition: index }, wanted.start_offset));
                    topics.insert(stream.id().0, (stream.name().as_str().to_owned(), stream.lanes()));
                    None
                }
                (_, Ok(_)) => Some(ResponseError::OffsetOutOfRange),
                (_, Err(error)) => Some(error),
            };
            let answer = AlterShareGroupOffsetsResponsePartition::default().with_partition_index(index);
            let words = refused.map(|error| error.to_string().into());
            partitions.push(answer.with_error_code(refused.map_or(0, |error| error.code())).with_error_message(words));
        }
        let id = stream.as_ref().map_or(uuid::Uuid::nil(), |stream| stream.id().0);
        let answer = AlterShareGroupOffsetsResponseTopic::default().with_topic_name(topic.topic_name).with_topic_id(id);
        responses.push(answer.with_partitions(partitions));
    }
    let is_other = |described: &_| matches!(described, Ok(Some(_)) | Err(Refusal::OtherKind));
    if !cx.door.shares.exists(&request.group_id) && is_other(&cx.door.groups.describe(&request.group_id).await) {
        return Err((ResponseError::GroupIdNotFound, format!("Group {} is not a share group.", &*request.group_id)));
    }
    let set = cx.door.shares.set_offsets(&request.group_id, &offsets, &topics).await;
    set.map_err(|refusal| (code::of_share(refusal), refusal.to_string()))?;
    Ok(responses)
}
