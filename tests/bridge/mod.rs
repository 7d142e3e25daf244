//! Both doors at once: one log, one set of streams.

mod aggregates;
mod disk;
mod history;
mod realms;
mod records;
mod streams;
mod transactions;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{FetchRequest, IncrementalAlterConfigsRequest};
use shardgate::batch::{Batch, Builder, Draft, Record};

use crate::support::{Kafka, name, text};

/// What a partition of `orders` has from an offset on, as Kafka clients get it.
pub(crate) async fn fetch(kafka: &mut Kafka, partition: i32, from: i64) -> PartitionData {
    let asked = FetchPartition::default().with_partition(partition).with_fetch_offset(from).with_partition_max_bytes(16 << 20);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![asked]);
    let request = FetchRequest::default().with_max_bytes(16 << 20).with_topics(vec![topic]);
    kafka.call(11, request).await.responses.remove(0).partitions.remove(0)
}

/// The offsets and the records of batches that follow each other.
pub(crate) fn decoded(mut batches: Bytes) -> Vec<(i64, Record)> {
    let mut found = Vec::new();
    while !batches.is_empty() {
        let bytes = shardgate::batch::Header::parse(&batches).unwrap().bytes;
        let batch = Batch::check(batches.split_to(bytes)).unwrap();
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            found.push((batch.header().base_offset.0 + i64::from(record.offset_delta), record));
        }
    }
    found
}

/// The offsets and the records of a partition of `orders` from an offset on.
pub(crate) async fn fetched(kafka: &mut Kafka, partition: i32, from: i64) -> Vec<(i64, Record)> {
    let answer = fetch(kafka, partition, from).await;
    assert_eq!(answer.error_code, 0);
    decoded(answer.records.unwrap_or_default())
}

/// A batch of one record.
pub(crate) fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> Bytes {
    Builder::default().record(Draft { key, value, ..Draft::default() }).build().unwrap().bytes().clone()
}

/// Sets a config of `orders`.
pub(crate) async fn set(kafka: &mut Kafka, key: &str, value: &str) {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value))).with_config_operation(0);
    let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("orders"));
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.with_configs(vec![config])]);
    let response = kafka.call(1, request).await.responses.remove(0);
    assert_eq!(response.error_code, 0, "{:?}", response.error_message);
}
