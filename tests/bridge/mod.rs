//! Both doors at once: one log, one set of streams.

mod aggregates;
mod records;
mod streams;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{FetchRequest, IncrementalAlterConfigsRequest};
use shardgate::batch::{Batch, Builder, Draft, Record};

use crate::support::{Kafka, name, text};

/// The offsets and the records of a partition of `orders`, as Kafka clients see them.
pub(crate) async fn fetched(kafka: &mut Kafka, partition: i32, from: i64) -> Vec<(i64, Record)> {
    let asked = FetchPartition::default().with_partition(partition).with_fetch_offset(from).with_partition_max_bytes(16 << 20);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![asked]);
    let request = FetchRequest::default().with_max_bytes(16 << 20).with_topics(vec![topic]);
    let answer = kafka.call(11, request).await.responses.remove(0).partitions.remove(0);
    assert_eq!(answer.error_code, 0);
    let (mut left, mut found) = (answer.records.unwrap_or_default(), Vec::new());
    while !left.is_empty() {
        let bytes = shardgate::batch::Header::parse(&left).unwrap().bytes;
        let batch = Batch::check(left.split_to(bytes)).unwrap();
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            found.push((batch.header().base_offset.0 + i64::from(record.offset_delta), record));
        }
    }
    found
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
