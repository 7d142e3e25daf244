//! **ShareAcknowledge** (79), v1: says what became of records that a member of a share group has (KIP-932).
//!
//! As Kafka does it: a partition's verdicts are taken all or none, and answered when they are durable. A session that ends (epoch
//! -1) gives back what it has not acknowledged.
//!
//! Left out on purpose: version 2, which renews locks (KIP-1222).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_acknowledge_request::AcknowledgementBatch;
use kafka_protocol::messages::share_acknowledge_response::{PartitionData, ShareAcknowledgeTopicResponse};
use kafka_protocol::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::sharing::{self, FINAL, INITIAL, Said};

pub(crate) struct ShareAcknowledge;

impl Api for ShareAcknowledge {
    type Request = ShareAcknowledgeRequest;
    type Response = ShareAcknowledgeResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=1;

    async fn handle(cx: &Context, request: ShareAcknowledgeRequest) -> Reply<ShareAcknowledgeResponse> {
        Reply::Send(
            serve(cx, request).await.unwrap_or_else(|error| {
                ShareAcknowledgeResponse::default().with_error_code(error.code()).with_error_message(None)
            }),
        )
    }
}

async fn serve(cx: &Context, request: ShareAcknowledgeRequest) -> Result<ShareAcknowledgeResponse, ResponseError> {
    let (group, member) = sharing::reader(cx, request.group_id.as_ref(), request.member_id.as_deref())?;
    if request.share_session_epoch == INITIAL {
        return Err(ResponseError::InvalidShareSessionEpoch);
    }
    let (reader, _) = sharing::session(cx, (group, member), request.share_session_epoch, &[], &[])?;
    let mut answers = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for partition in topic.partitions {
            let batches = partition.acknowledgement_batches.iter().map(batch);
            let begun = sharing::acknowledge(cx, &reader, topic.topic_id, partition.partition_index, batches);
            partitions.push((partition.partition_index, begun));
        }
        answers.push((topic.topic_id, partitions));
    }
    if request.share_session_epoch == FINAL {
        reader.release().await.map_err(crate::kafka::code::of_share)?;
    }
    let mut responses = Vec::new();
    for (topic, begun) in answers {
        let mut partitions = Vec::new();
        for (index, begun) in begun {
            let code = sharing::taken(begun).await;
            partitions.push(PartitionData::default().with_partition_index(index).with_error_code(code).with_error_message(None));
        }
        responses.push(ShareAcknowledgeTopicResponse::default().with_topic_id(topic).with_partitions(partitions));
    }
    Ok(ShareAcknowledgeResponse::default().with_error_message(None).with_responses(responses))
}

fn batch(batch: &AcknowledgementBatch) -> Said<'_> {
    Said { first: batch.first_offset, last: batch.last_offset, kinds: &batch.acknowledge_types }
}
