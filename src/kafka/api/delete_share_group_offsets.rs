//! **DeleteShareGroupOffsets** (92), v0: forgets where a share group without members is in topics (KIP-932).
//!
//! As Kafka does it, with its words for a topic that the group has not read.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use kafka_protocol::messages::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::Topic;

pub(crate) struct DeleteShareGroupOffsets;

impl Api for DeleteShareGroupOffsets {
    type Request = DeleteShareGroupOffsetsRequest;
    type Response = DeleteShareGroupOffsetsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(cx: &Context, request: DeleteShareGroupOffsetsRequest) -> Reply<DeleteShareGroupOffsetsResponse> {
        Reply::Send(match serve(cx, request).await {
            Ok(responses) => DeleteShareGroupOffsetsResponse::default().with_error_message(None).with_responses(responses),
            Err((error, words)) => {
                let words = Some(words.into());
                DeleteShareGroupOffsetsResponse::default().with_error_code(error.code()).with_error_message(words)
            }
        })
    }
}

async fn serve(
    cx: &Context,
    request: DeleteShareGroupOffsetsRequest,
) -> Result<Vec<DeleteShareGroupOffsetsResponseTopic>, (ResponseError, String)> {
    if !cx.allows(Operation::Delete, Kind::Group, &request.group_id) {
        return Err((Kind::Group.denied(), "the access rules do not allow it".to_owned()));
    }
    if request.group_id.is_empty() {
        return Err((ResponseError::InvalidGroupId, "the group has no name".to_owned()));
    }
    let find = |topic| cx.topic(Topic::Named(topic), Operation::Read).map(|stream| stream.id().0);
    let found: Vec<_> = request.topics.iter().map(|topic| find(&topic.topic_name)).collect();
    let ids: Vec<_> = found.iter().filter_map(|found| found.as_ref().ok()).copied().collect();
    let known = cx.door.shares.forget_offsets(&request.group_id, &ids).await;
    let mut known = known.map_err(|refusal| (code::of_share(refusal), refusal.to_string()))?.into_iter();
    let responses = request.topics.into_iter().zip(found).map(|(topic, found)| {
        let answer = DeleteShareGroupOffsetsResponseTopic::default().with_topic_name(topic.topic_name);
        match found {
            // One result for each topic that was found, in order.
            Ok(id) if known.next() == Some(true) => answer.with_topic_id(id).with_error_message(None),
            Ok(_) => answer
                .with_error_code(ResponseError::UnknownTopicOrPartition.code())
                .with_error_message(Some("There is no offset information to delete.".into())),
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.to_string().into())),
        }
    });
    Ok(responses.collect())
}
