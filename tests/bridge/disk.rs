//! A disk that fails, as the clients of both doors see it: who is concerned is told so in words that make a client try again, what
//! was acknowledged is served as it was, and all goes on when the disk does.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, InitProducerIdRequest, TransactionalId};
use serde_json::{Value, json};
use shardgate::env::{Env, LimitsInForce, PausedClock, SeededEntropy};
use shardgate::log::Options;
use shardgate::model::Limits;
use shardgate::store::{self, Disk, SegmentStore};

use super::{fetch, fetched, record};
use crate::support::{Gateway, Kafka, Kind, Kinesis, START, Sick, commit, committed, name, text};

/// A gateway on a disk, with `orders` of two partitions. Whatever is read is read from there.
async fn on(directory: &Path) -> (Gateway, Arc<Sick>) {
    let sick = Arc::new(Sick::default());
    // One block fills a segment.
    let options = store::Options { segment_bytes: 1_000, repair: false };
    let store = SegmentStore::open_on(Disk::watched(sick.clone()), directory, options).unwrap();
    let env = Env {
        clock: Arc::new(PausedClock::starting_at(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: LimitsInForce::new(Limits::off()),
    };
    let options = Options { tail_bytes_max: 0, ..Options::default() };
    let gateway = Gateway::over_store(Arc::new(store), env, |_| {}, options);
    if gateway.log.stream("orders").is_none() {
        gateway.stream("orders", 2).await;
    }
    (gateway, sick)
}

fn code(error: ResponseError) -> i16 {
    error.code()
}

/// Of the two partitions the first, which is that of the smallest hash keys.
fn put(value: &str) -> Value {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(value);
    json!({"StreamName": "orders", "PartitionKey": "k", "ExplicitHashKey": "0", "Data": data})
}

async fn values(kafka: &mut Kafka, partition: i32) -> Vec<String> {
    let records = fetched(kafka, partition, 0).await;
    records.into_iter().map(|(_, record)| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
}

async fn data(kinesis: &Kinesis) -> Vec<String> {
    let read = kinesis.call("GetRecords", json!({"ShardIterator": iterator(kinesis).await})).await;
    let decode = |record: &Value| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
        String::from_utf8(data).unwrap()
    };
    read["Records"].as_array().unwrap().iter().map(decode).collect()
}

async fn iterator(kinesis: &Kinesis) -> String {
    let from = json!({"StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    kinesis.call("GetShardIterator", from).await["ShardIterator"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_disk_that_takes_no_writes_is_told_at_both_doors_and_both_go_on_when_it_is_well() {
    let faults = [
        (Kind::Write, ErrorKind::StorageFull),
        (Kind::Write, ErrorKind::ReadOnlyFilesystem),
        (Kind::Write, ErrorKind::Other),
        (Kind::Sync, ErrorKind::Other),
        (Kind::Create, ErrorKind::StorageFull),
    ];
    for (kind, error) in faults {
        let directory = tempfile::tempdir().unwrap();
        let (gateway, sick) = on(directory.path()).await;
        let (mut kafka, kinesis) = (gateway.kafka(), gateway.kinesis());
        // Long enough to fill the segment, so that the next write needs a new one.
        let long = "a".repeat(2_000);
        assert_eq!(kafka.produce("orders", 0, record(None, Some(long.as_bytes()))).await.error_code, 0);
        kinesis.call("PutRecord", put("b")).await;
        assert_eq!(kafka.call(7, commit("readers", "orders", 0, 1)).await.topics[0].partitions[0].error_code, 0);
        kafka.produce("orders", 1, record(None, Some(long.as_bytes()))).await;

        sick.fail(kind, usize::MAX, error);
        let refused = kafka.produce("orders", 0, record(None, Some(b"lost"))).await;
        assert_eq!((refused.error_code, refused.base_offset), (code(ResponseError::KafkaStorageError), -1), "{kind:?}");
        let words = refused.error_message.unwrap();
        assert!(words.contains("/log"), "{kind:?}: {words}");
        let refused = kafka.call(7, commit("readers", "orders", 0, 2)).await.topics[0].partitions[0].error_code;
        assert_eq!(refused, code(ResponseError::CoordinatorNotAvailable), "{kind:?}");
        let topic = CreatableTopic::default().with_name(name("more")).with_num_partitions(1).with_replication_factor(1);
        let created = kafka.call(5, CreateTopicsRequest::default().with_topics(vec![topic])).await.topics.remove(0);
        assert_eq!(created.error_code, code(ResponseError::KafkaStorageError), "{kind:?}");
        let id = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text("mover"))))
            .with_transaction_timeout_ms(60_000);
        assert_eq!(kafka.call(4, id).await.error_code, code(ResponseError::CoordinatorNotAvailable), "{kind:?}");
        let failure = ("InternalFailure".to_owned(), "Internal service failure.".to_owned());
        assert_eq!(kinesis.refusal("PutRecord", put("lost")).await, failure, "{kind:?}");
        assert_eq!(kinesis.refusal("CreateStream", json!({"StreamName": "more", "ShardCount": 1})).await, failure);
        let mut entry = put("lost");
        entry.as_object_mut().unwrap().remove("StreamName");
        let written = kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": [entry]})).await;
        assert_eq!((&written["FailedRecordCount"], &written["Records"][0]["ErrorCode"]), (&json!(1), &json!("InternalFailure")));

        // Readers go on meanwhile, and see what was acknowledged.
        assert_eq!(values(&mut kafka, 0).await, [&long, "b"], "{kind:?}");
        assert_eq!(data(&kinesis).await, [&long, "b"], "{kind:?}");
        assert_eq!(committed(&mut kafka, "readers", "orders", 0).await, 1);

        sick.heal();
        assert_eq!(kafka.produce("orders", 0, record(None, Some(b"c"))).await.error_code, 0, "{kind:?}");
        kinesis.call("PutRecord", put("d")).await;
        assert_eq!(kafka.call(7, commit("readers", "orders", 0, 3)).await.topics[0].partitions[0].error_code, 0);
        kinesis.call("CreateStream", json!({"StreamName": "more", "ShardCount": 1})).await;
        assert!(sick.is_careful());

        drop((kafka, kinesis));
        let gateway = gateway.restarted();
        let (mut kafka, kinesis) = (gateway.kafka(), gateway.kinesis());
        assert_eq!(values(&mut kafka, 0).await, [&long, "b", "c", "d"], "{kind:?}");
        assert_eq!(data(&kinesis).await, [&long, "b", "c", "d"], "{kind:?}");
        assert_eq!(committed(&mut kafka, "readers", "orders", 0).await, 3);
        assert!(gateway.log.stream("more").is_some());
    }
}

#[tokio::test]
async fn a_read_that_fails_concerns_its_reader_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, sick) = on(directory.path()).await;
    let (mut kafka, kinesis) = (gateway.kafka(), gateway.kinesis());
    for partition in [0, 1] {
        kafka.produce("orders", partition, record(None, Some(b"here"))).await;
    }
    sick.fail(Kind::Read, 1, ErrorKind::Other);
    let refused = fetch(&mut kafka, 0, 0).await;
    assert_eq!(refused.error_code, code(ResponseError::KafkaStorageError));
    assert!(refused.records.unwrap_or_default().is_empty());
    assert_eq!(values(&mut kafka, 1).await, ["here"]);
    let from = iterator(&kinesis).await;
    sick.fail(Kind::Read, 1, ErrorKind::Other);
    let (refused, _) = kinesis.refusal("GetRecords", json!({"ShardIterator": from})).await;
    assert_eq!(refused, "InternalFailure");
    assert_eq!((values(&mut kafka, 0).await, data(&kinesis).await), (vec!["here".to_owned()], vec!["here".to_owned()]));
}

#[tokio::test]
async fn a_flipped_bit_is_told_to_its_reader_and_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, _) = on(directory.path()).await;
    let (mut kafka, kinesis) = (gateway.kafka(), gateway.kinesis());
    let (bad, good) = ("bad ".repeat(500), "good".repeat(500));
    for (partition, value) in [(0, &bad), (1, &good)] {
        kafka.produce("orders", partition, record(None, Some(value.as_bytes()))).await;
    }
    let is_there = |bytes: &[u8]| bytes.windows(bad.len()).position(|part| part == bad.as_bytes());
    let mut files = fs::read_dir(directory.path().join("log")).unwrap().map(|file| file.unwrap().path());
    let (file, at) = files.find_map(|file| is_there(&fs::read(&file).unwrap()).map(|at| (file, at))).unwrap();
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all_at(b"B", at as u64 + 1_000).unwrap();

    let refused = fetch(&mut kafka, 0, 0).await;
    assert_eq!(refused.error_code, code(ResponseError::CorruptMessage));
    assert!(refused.records.unwrap_or_default().is_empty());
    let (refused, _) = kinesis.refusal("GetRecords", json!({"ShardIterator": iterator(&kinesis).await})).await;
    assert_eq!(refused, "InternalFailure");
    assert_eq!(values(&mut kafka, 1).await, [good]);
    // Whoever starts behind it is served, and so is who writes.
    assert_eq!(kafka.produce("orders", 0, record(None, Some(b"next"))).await.error_code, 0);
    let next = fetched(&mut kafka, 0, 1).await;
    assert_eq!(next[0].1.value.as_deref(), Some(b"next".as_slice()));
}
