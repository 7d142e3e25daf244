//! One record through both doors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use shardgate::model::{HashKey, HashKeyRange, SequenceNumber, ShardId, Timestamp};
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

/// What somebody does at one of the doors.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u128>),
    Produce(i32),
    Split(usize),
    Merge(usize),
    Pass(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(any::<u128>(), 1..5).prop_map(Step::Put),
        6 => (0..6).prop_map(Step::Produce),
        1 => (0..4_usize).prop_map(Step::Split),
        1 => (0..4_usize).prop_map(Step::Merge),
        2 => (1..4_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// Open shards in the order of their keys.
fn open(gateway: &Gateway) -> Vec<(ShardId, HashKeyRange)> {
    let shards = gateway.log.stream("orders").unwrap().shards();
    let mut open: Vec<_> = shards.iter().filter(|shard| shard.is_open()).map(|shard| (shard.id, shard.keys)).collect();
    open.sort_by_key(|(_, keys)| keys.start);
    open
}

async fn take(mut gateway: Gateway, steps: &[Step]) -> Gateway {
    let mut written = 0;
    for step in steps {
        let kinesis = gateway.kinesis();
        match step {
            Step::Put(keys) => {
                let entry = |(at, key): (usize, &u128)| json!({"PartitionKey": "k", "ExplicitHashKey": key.to_string(), "Data": STANDARD.encode(format!("{}", written + at))});
                let entries: Vec<_> = keys.iter().enumerate().map(entry).collect();
                let answer = kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": entries})).await;
                for (key, result) in keys.iter().zip(answer["Records"].as_array().unwrap()) {
                    let owner = open(&gateway).into_iter().find(|(_, keys)| keys.start.0 <= *key && *key <= keys.end.0).unwrap();
                    assert_eq!(number(&result["SequenceNumber"]).shard, owner.0);
                }
                written += keys.len();
            }
            Step::Produce(partition) => {
                let lanes = gateway.log.stream("orders").unwrap().lanes() as i32;
                gateway.kafka().produce("orders", partition % lanes, record(None, Some(written.to_string().as_bytes()))).await;
                written += 1;
            }
            Step::Split(at) => {
                let open = open(&gateway);
                let (shard, keys) = open[at % open.len()];
                if let Some((_, high)) = keys.split() {
                    let key = high.start.to_string();
                    let input = json!({"StreamName": "orders", "ShardToSplit": shard.to_string(), "NewStartingHashKey": key});
                    kinesis.call("SplitShard", input).await;
                }
            }
            Step::Merge(at) => {
                let open = open(&gateway);
                if open.len() > 1 {
                    let at = at % (open.len() - 1);
                    let (one, other) = (open[at].0.to_string(), open[at + 1].0.to_string());
                    let input = json!({"StreamName": "orders", "ShardToMerge": one, "AdjacentShardToMerge": other});
                    kinesis.call("MergeShards", input).await;
                }
            }
            Step::Pass(millis) => advance(std::time::Duration::from_millis(*millis)).await,
            Step::Restart => gateway = gateway.restarted(),
        }
    }
    check(&gateway, written).await;
    gateway
}

/// Both doors show the same records: every one once, under the number of its offset, and each shard's in order.
async fn check(gateway: &Gateway, written: usize) {
    let (kinesis, mut kafka, stream) = (gateway.kinesis(), gateway.kafka(), gateway.log.stream("orders").unwrap());
    let mut by_kinesis = Vec::new();
    for shard in stream.shards().iter() {
        let found = records(&kinesis, "orders", &shard.id.0.to_string()).await;
        assert!(found.is_sorted_by(|(before, _), (after, _)| before < after));
        for (text, data) in found {
            let number: SequenceNumber = text.parse().unwrap();
            assert_eq!((number.shard, number.shard_created), (shard.id, shard.start().shard_created));
            by_kinesis.push((shard.lane.0, number.offset().unwrap().0, data));
        }
    }
    let mut by_kafka = Vec::new();
    for lane in 0..stream.lanes() {
        for (offset, record) in fetched(&mut kafka, lane as i32, 0).await {
            by_kafka.push((lane, offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    by_kinesis.sort();
    assert_eq!(by_kinesis, by_kafka);
    let mut values: Vec<usize> = by_kafka.iter().map(|(_, _, value)| value.parse().unwrap()).collect();
    values.sort_unstable();
    assert!(values.into_iter().eq(0..written), "every record once");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_at_either_door_both_show_the_same_records(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let gateway = Gateway::start();
            gateway.stream("orders", 2).await;
            assert_eq!(open(&gateway)[1].1.start, HashKey(1 << 127));
            take(gateway, &steps).await;
        });
    }
}
