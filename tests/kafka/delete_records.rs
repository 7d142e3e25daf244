//! DeleteRecords (key 21).

use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use crate::support::{Gateway, Words, batch, name, records};

#[tokio::test(start_paused = true)]
async fn no_record_can_be_deleted_in_any_version() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    kafka.produce("orders", 0, batch(&["a", "b"])).await;
    let words = Words::listen();
    for version in 0..=2 {
        let partition = |index: i32| DeleteRecordsPartition::default().with_partition_index(index).with_offset(1);
        let topics = [("orders", vec![partition(0), partition(1)]), ("missing", vec![partition(0)])]
            .map(|(topic, partitions)| DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(partitions));
        let response = kafka.call(version, DeleteRecordsRequest::default().with_topics(topics.to_vec())).await;
        let answers: Vec<_> = response
            .topics
            .iter()
            .flat_map(|t| t.partitions.iter().map(|p| (&**t.name, p.partition_index, p.error_code, p.low_watermark)))
            .collect();
        assert_eq!(answers, [("orders", 0, 44, -1), ("orders", 1, 3, -1), ("missing", 0, 3, -1)], "version {version}");
    }
    // The answer has no room for words.
    assert!(words.contain("records cannot be deleted, they go when the topic's retention.ms ends"));
    let partition = FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    let response = kafka.call(11, FetchRequest::default().with_topics(vec![topic])).await;
    let left = &response.responses[0].partitions[0];
    assert_eq!((left.log_start_offset, records(left.records.as_ref().unwrap()).len()), (0, 2));
}
