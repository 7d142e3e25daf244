//! One record through both doors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shardgate::model::{SequenceNumber, ShardId, Timestamp};
use tokio::time::advance;

use super::{fetched, record};
use crate::kinesis::{SECOND, encoded, iterator, put, records};
use crate::support::{Gateway, Kinesis};

fn number(text: &Value) -> SequenceNumber {
    text.as_str().unwrap().parse().unwrap()
}

async fn first_of(kinesis: &Kinesis, shard: &str) -> Value {
    let token = iterator(kinesis, "orders", shard, json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    kinesis.call("GetRecords", json!({"ShardIterator": token})).await["Records"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_record_put_by_kinesis_is_fetched_by_kafka_at_the_offset_its_number_carries() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    advance(3 * SECOND).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    for (key, partition) in [("a", 0), ("1", 1), ("a", 0), ("1", 1)] {
        let put: SequenceNumber = put(&kinesis, "orders", key, key).await.parse().unwrap();
        let offset = put.offset().unwrap().0;
        let (found_at, found) = fetched(&mut kafka, partition, offset).await.remove(0);
        assert_eq!((found_at, found.timestamp), (offset, Timestamp(1_700_000_003_000)));
        assert_eq!((found.key.as_deref(), found.value.as_deref()), (Some(key.as_bytes()), Some(key.as_bytes())));
        assert_eq!(found.headers().count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_produced_by_kafka_is_got_by_kinesis_under_the_number_of_its_offset() {
    let gateway = Gateway::start();
    gateway.stream("orders", 3).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    for (partition, key, value, data, partition_key) in [
        (0, Some(&b"user1"[..]), Some(&b"signup"[..]), "signup", "user1"),
        (1, Some(&[0xff, 0xfe]), Some(b""), "", "//4="),
        (2, None, None, "", "2-0"),
    ] {
        assert_eq!(kafka.produce("orders", partition, record(key, value)).await.base_offset, 0);
        let found = first_of(&kinesis, &partition.to_string()).await;
        let number = number(&found["SequenceNumber"]);
        assert_eq!((number.shard, number.offset().unwrap().0), (ShardId(partition as u32), 0));
        assert_eq!((&found["Data"], &found["PartitionKey"]), (&json!(encoded(data)), &json!(partition_key)));
        assert_eq!(found["ApproximateArrivalTimestamp"], 1_700_000_000.0);
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_run_on_where_shards_follow_each_other() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
    put(&kinesis, "orders", "a", "0").await;
    let split = json!({"StreamName": "orders", "ShardToSplit": "0", "NewStartingHashKey": (1_u128 << 127).to_string()});
    kinesis.call("SplitShard", split).await;
    let child = put(&kinesis, "orders", "a", "1").await.parse::<SequenceNumber>().unwrap();
    assert_eq!((child.shard, child.offset().unwrap().0), (ShardId(1), 1));
    let high = put(&kinesis, "orders", "1", "x").await.parse::<SequenceNumber>().unwrap();
    assert_eq!((high.shard, high.offset().unwrap().0), (ShardId(2), 0));
    let values = |records: Vec<(i64, shardgate::batch::Record)>| -> Vec<_> {
        records.into_iter().map(|(offset, record)| (offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap())).collect()
    };
    assert_eq!(values(fetched(&mut kafka, 0, 0).await), [(0, "0".to_owned()), (1, "1".to_owned())]);
    assert_eq!(values(fetched(&mut kafka, 1, 0).await), [(0, "x".to_owned())]);
    assert_eq!(records(&kinesis, "orders", "0").await.len(), 1);
    // What Kafka writes to the lane is the child's.
    assert_eq!(kafka.produce("orders", 0, record(None, Some(b"2"))).await.base_offset, 2);
    let found = records(&kinesis, "orders", "1").await;
    assert_eq!(found.iter().map(|(_, data)| data.as_str()).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_while_shards_change_is_there_once_and_in_the_order_of_each_writer() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let writers = (0..6).map(|writer| {
        let kinesis = gateway.kinesis();
        tokio::spawn(async move {
            for number in 0..40 {
                let entry = |half: u128| {
                    json!({
                        "PartitionKey": format!("{writer}-{half}"),
                        "ExplicitHashKey": (half << 127).to_string(),
                        "Data": encoded(&number.to_string()),
                    })
                };
                let input = json!({"StreamName": "orders", "Records": [entry(0), entry(1)]});
                assert_eq!(kinesis.call("PutRecords", input).await["FailedRecordCount"], 0);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let kinesis = gateway.kinesis();
    for target in [3, 5, 2, 4, 1, 2] {
        let input = json!({"StreamName": "orders", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        kinesis.call("UpdateShardCount", input).await;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let shards = gateway.log.stream("orders").unwrap().shards();
    let mut found = std::collections::BTreeMap::<String, Vec<u32>>::new();
    // Parents come before their children.
    for shard in shards.iter() {
        let token = iterator(&kinesis, "orders", &shard.id.0.to_string(), json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
        for record in kinesis.call("GetRecords", json!({"ShardIterator": token})).await["Records"].as_array().unwrap() {
            let data = String::from_utf8(STANDARD.decode(record["Data"].as_str().unwrap()).unwrap()).unwrap();
            found.entry(record["PartitionKey"].as_str().unwrap().to_owned()).or_default().push(data.parse().unwrap());
        }
    }
    assert_eq!(found.len(), 12);
    assert!(found.values().all(|numbers| numbers.iter().copied().eq(0..40)), "{found:?}");
}
