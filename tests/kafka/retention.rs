//! Retention and immutability as Kafka sees them: a record is there to the last millisecond of its retention, gone from every API
//! then, and nobody removes it before.
//!
//! Over the store in memory and over the one on disk, whose threads the paused clock does not wait for: so it is held.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DescribeLogDirsRequest, FetchRequest, IncrementalAlterConfigsRequest, ListOffsetsRequest,
    OffsetForLeaderEpochRequest,
};
use shardgate::batch::{Builder, Draft};
use tokio::time::advance;

use crate::log::{House, disk, memory, still};
use crate::support::{Gateway, Kafka, batch, name, records, text};

const DAY: Duration = Duration::from_secs(86_400);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What every API says of partition 0 of `orders`, which was given the offsets 0 and 1.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    /// The error and the number of records of a fetch from offset 0, and from offset 1.
    fetched: [(i16, usize); 2],
    /// Where ListOffsets finds the earliest record, the latest, one from the time 0 on, the one with the highest time, and the
    /// earliest local one.
    listed: [i64; 5],
    /// The end of epoch 0.
    epoch_end: i64,
    /// What DeleteRecords answers.
    deleted: i16,
    has_bytes: bool,
}

const THERE: Seen = Seen { fetched: [(0, 2), (0, 2)], listed: [0, 2, 0, 1, 0], epoch_end: 2, deleted: 44, has_bytes: true };
const GONE: Seen = Seen { fetched: [(1, 0), (1, 0)], listed: [2, 2, -1, -1, 2], epoch_end: 2, deleted: 44, has_bytes: false };

async fn fetch(kafka: &mut Kafka, from: i64) -> (i16, Option<Bytes>) {
    let asked = FetchPartition::default().with_partition(0).with_fetch_offset(from).with_partition_max_bytes(1 << 20);
    let asked = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![asked]);
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![asked]);
    let fetched = kafka.call(11, request).await.responses.remove(0).partitions.remove(0);
    (fetched.error_code, fetched.records)
}

async fn list(kafka: &mut Kafka, timestamp: i64) -> i64 {
    let asked = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
    let asked = ListOffsetsTopic::default().with_name(name("orders")).with_partitions(vec![asked]);
    kafka.call(8, ListOffsetsRequest::default().with_topics(vec![asked])).await.topics.remove(0).partitions.remove(0).offset
}

async fn seen(house: &House) -> Seen {
    let gateway = Gateway::over_log(house.log.clone());
    let look = async {
        let mut kafka = gateway.kafka();
        let mut fetched = [(0, 0); 2];
        for (from, found) in (0..).zip(&mut fetched) {
            let (code, bytes) = fetch(&mut kafka, from).await;
            *found = (code, bytes.map_or(0, |bytes| records(&bytes).len()));
        }
        let mut listed = [0; 5];
        for (timestamp, offset) in [-2, -1, 0, -3, -4].into_iter().zip(&mut listed) {
            *offset = list(&mut kafka, timestamp).await;
        }
        let epoch = OffsetForLeaderPartition::default().with_partition(0).with_leader_epoch(0);
        let epoch = OffsetForLeaderTopic::default().with_topic(name("orders")).with_partitions(vec![epoch]);
        let epochs = kafka.call(4, OffsetForLeaderEpochRequest::default().with_topics(vec![epoch])).await;
        let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(1);
        let topic = DeleteRecordsTopic::default().with_name(name("orders")).with_partitions(vec![partition]);
        let deleted = kafka.call(2, DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        let dirs = kafka.call(4, DescribeLogDirsRequest::default().with_topics(None)).await;
        let size = dirs.results[0].topics[0].partitions[0].partition_size;
        Seen {
            fetched,
            listed,
            epoch_end: epochs.topics[0].partitions[0].end_offset,
            deleted: deleted.topics[0].partitions[0].error_code,
            has_bytes: size > 0,
        }
    };
    let seen = still(look).await;
    gateway.stop();
    seen
}

/// The same store, opened anew. The connections of the gateway before end first, since they hold the log.
async fn reopened(house: House) -> House {
    for _ in 0..100 {
        still(tokio::task::yield_now()).await;
    }
    house.reopened()
}

#[tokio::test(start_paused = true)]
async fn a_record_is_there_to_the_last_millisecond_of_its_retention_and_gone_from_every_api_then() {
    for house in [memory(), disk()] {
        house.stream("orders", 1).await;
        let gateway = Gateway::over_log(house.log.clone());
        assert_eq!(still(gateway.kafka().produce("orders", 0, batch(&["a", "b"]))).await.base_offset, 0);
        gateway.stop();
        drop(gateway);
        advance(DAY - MILLISECOND).await;
        assert_eq!(seen(&house).await, THERE);
        let house = reopened(house).await;
        assert_eq!(seen(&house).await, THERE);
        advance(MILLISECOND).await;
        assert_eq!(seen(&house).await, GONE);
        let house = reopened(house).await;
        assert_eq!(seen(&house).await, GONE);
        // A longer retention brings nothing back, and offsets are not used again.
        let gateway = Gateway::over_log(house.log.clone());
        let longer =
            AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("-1"))).with_config_operation(0);
        let longer =
            AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("orders")).with_configs(vec![longer]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![longer]);
        assert_eq!(still(gateway.kafka().call(1, request)).await.responses[0].error_code, 0);
        assert_eq!(seen(&house).await, GONE);
        gateway.stop();
        drop(gateway);
        let house = reopened(house).await;
        assert_eq!(seen(&house).await, GONE);
        let gateway = Gateway::over_log(house.log.clone());
        let produced = still(gateway.kafka().produce("orders", 0, batch(&["c"]))).await;
        assert_eq!((produced.base_offset, produced.log_start_offset), (2, 2));
    }
}

/// Compaction is a setting and nothing more: what has an older record of the same key, or a tombstone, stays as long as the rest.
#[tokio::test(start_paused = true)]
async fn a_compacted_topic_keeps_every_record_for_8760_hours() {
    for house in [memory(), disk()] {
        let stream = house.stream("orders", 1).await;
        still(house.log.change_settings(stream.id(), |settings| {
            (settings.keys_required, settings.retention_hours) = (true, 8_760);
        }))
        .await
        .unwrap();
        let gateway = Gateway::over_log(house.log.clone());
        let mut kafka = gateway.kafka();
        for value in [Some(&b"1"[..]), Some(b"2"), None] {
            let draft = Draft { key: Some(b"k"), value, ..Draft::default() };
            let sent = Builder::default().record(draft).build().unwrap().bytes().clone();
            assert_eq!(still(kafka.produce("orders", 0, sent)).await.error_code, 0);
        }
        advance(365 * DAY - MILLISECOND).await;
        still(house.log.sweep()).await;
        let (code, bytes) = still(fetch(&mut kafka, 0)).await;
        let values: Vec<_> = records(&bytes.unwrap()).into_iter().map(|sent| sent.value).collect();
        assert_eq!((code, values), (0, vec!["1".to_owned(), "2".to_owned(), String::new()]));
        advance(MILLISECOND).await;
        assert_eq!(still(fetch(&mut kafka, 0)).await.0, 1);
    }
}
