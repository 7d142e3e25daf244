//! **DeleteRecords** (21): refused. In Kinesis's model nobody removes records; they go when their retention ends.
//!
//! How we differ from Kafka: every known partition is answered with POLICY_VIOLATION and no low watermark. The protocol has no room
//! for words here, so they go to the program's log. Kafka Streams, which trims its repartition topics this way, goes on without.
//!
//! Versions: 2 is flexible; nothing else changed.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::Operation;
use crate::kafka::partition::Topic;

/// What a low watermark is if there is none (Apache Kafka, `DeleteRecordsResponse.INVALID_LOW_WATERMARK`).
const NO_LOW_WATERMARK: i64 = -1;

/// DeleteRecords.
pub(crate) struct DeleteRecords;

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;
    type Response = DeleteRecordsResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: DeleteRecordsRequest) -> Reply<DeleteRecordsResponse> {
        tracing::info!(
            client = %cx.client_id,
            "DeleteRecords refused with POLICY_VIOLATION: records cannot be deleted, they go when the topic's retention.ms ends"
        );
        let topics = request.topics.into_iter().map(|topic| {
            let lanes = cx.topic(Topic::Named(&topic.name), Operation::Delete).map(|stream| stream.lanes());
            refused(topic, lanes)
        });
        Reply::Send(DeleteRecordsResponse::default().with_topics(topics.collect()))
    }
}

/// The answer for a topic of `lanes` lanes, or with the error of one that is not there or not for this client.
fn refused(topic: DeleteRecordsTopic, lanes: Result<u32, ResponseError>) -> DeleteRecordsTopicResult {
    let partitions = topic.partitions.iter().map(|partition| {
        let error = match &lanes {
            Err(error) => *error,
            Ok(lanes) if u32::try_from(partition.partition_index).is_ok_and(|lane| lane < *lanes) => {
                ResponseError::PolicyViolation
            }
            Ok(_) => ResponseError::UnknownTopicOrPartition,
        };
        DeleteRecordsPartitionResult::default()
            .with_partition_index(partition.partition_index)
            .with_low_watermark(NO_LOW_WATERMARK)
            .with_error_code(error.code())
    });
    DeleteRecordsTopicResult::default().with_partitions(partitions.collect()).with_name(topic.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;

    #[test]
    fn no_record_is_deleted_and_unknown_partitions_are_said_to_be_unknown() {
        let partitions = [0, 1, 2, -1].map(|index| DeleteRecordsPartition::default().with_partition_index(index).with_offset(5));
        let topic = DeleteRecordsTopic::default().with_name(TopicName("orders".into())).with_partitions(partitions.to_vec());
        let unknown = ResponseError::UnknownTopicOrPartition;
        for (lanes, codes) in [(Ok(2), [44, 44, 3, 3]), (Err(unknown), [3, 3, 3, 3])] {
            let result = refused(topic.clone(), lanes);
            assert_eq!(result.name, topic.name);
            assert_eq!(result.partitions.iter().map(|partition| partition.error_code).collect::<Vec<_>>(), codes);
            assert!(result.partitions.iter().all(|partition| partition.low_watermark == -1));
        }
    }
}
