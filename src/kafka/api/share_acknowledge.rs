//! **ShareAcknowledge** (79), v1 and v2: says what became of records that a member of a share group has (KIP-932).
//!
//! As Kafka does it: a partition's verdicts are taken all or none, and answered when they are durable. A session that ends (epoch
//! -1) gives back what it has not acknowledged.
//!
//! Versions: 2 renews locks, if the request says that it does, and tells for how long they are (KIP-1222).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;

use super::contract::{Api, Context, Reply};
use crate::kafka::code;
use crate::kafka::sharing::{self, FINAL, INITIAL};
use crate::kafka::wire::{
    ShareAcknowledgePartitionResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};

pub(crate) struct ShareAcknowledge;

impl Api for ShareAcknowledge {
    type Request = ShareAcknowledgeRequest;
    type Response = ShareAcknowledgeResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(cx: &Context, request: ShareAcknowledgeRequest) -> Reply<ShareAcknowledgeResponse> {
        let refused = |error: ResponseError| ShareAcknowledgeResponse { error_code: error.code(), ..Default::default() };
        Reply::Send(serve(cx, request).await.unwrap_or_else(refused))
    }
}

async fn serve(cx: &Context, request: ShareAcknowledgeRequest) -> Result<ShareAcknowledgeResponse, ResponseError> {
    let (group, member) = sharing::reader(cx, request.group_id.as_deref(), request.member_id.as_deref())?;
    if request.share_session_epoch == INITIAL {
        return Err(ResponseError::InvalidShareSessionEpoch);
    }
    let (reader, _) = sharing::session(cx, (group, member), request.share_session_epoch, &[], &[])?;
    let mut answers = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let (index, said) = (partition.partition_index, &partition.acknowledgement_batches);
            partitions.push((index, sharing::acknowledge(cx, &reader, topic.topic_id, index, said, request.is_renew_ack)));
        }
        answers.push((topic.topic_id, partitions));
    }
    if request.share_session_epoch == FINAL {
        reader.release().await.map_err(code::of_share)?;
    }
    let mut responses = Vec::new();
    for (topic_id, begun) in answers {
        let mut partitions = Vec::new();
        for (partition_index, begun) in begun {
            let (error_code, error_message) = sharing::taken(begun).await;
            partitions.push(ShareAcknowledgePartitionResponse {
                partition_index,
                error_code,
                error_message,
                ..Default::default()
            });
        }
        responses.push(ShareAcknowledgeTopicResponse { topic_id, partitions });
    }
    let acquisition_lock_timeout_ms = sharing::lock_millis(&reader);
    Ok(ShareAcknowledgeResponse { acquisition_lock_timeout_ms, responses, ..Default::default() })
}
