//! Aggregates of the Kinesis Producer Library, as they came and opened.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shardgate::batch::{Header, Record};
use shardgate::log::{Isolation, Reader, Wait, Want};
use shardgate::model::{HashKey, Limits, Offset, SequenceNumber, Settings};
use tokio::time::advance;

use super::{fetched, record, set};
use crate::kinesis::{SECOND, iterator};
use crate::support::{Gateway, Kafka, Kinesis, UserRecord, aggregate};

const HALF: u128 = 1 << 127;

/// A record as both doors show it: its offset, its key, its bytes.
type Shown = (i64, String, Vec<u8>);

async fn open_gateway(shards: u32) -> Gateway {
    let gateway = Gateway::start();
    gateway.stream_with("orders", shards, Settings { deaggregate: true, ..Settings::default() }).await;
    gateway
}

/// An entry as KPL sends it: under the key `a`, where the first of its records belongs.
fn entry(place: u128, data: &[u8]) -> Value {
    json!({"PartitionKey": "a", "ExplicitHashKey": place.to_string(), "Data": STANDARD.encode(data)})
}

async fn put(kinesis: &Kinesis, place: u128, data: &[u8]) -> SequenceNumber {
    let mut input = entry(place, data);
    input["StreamName"] = "orders".into();
    kinesis.call("PutRecord", input).await["SequenceNumber"].as_str().unwrap().parse().unwrap()
}

async fn by_kafka(kafka: &mut Kafka, partition: i32) -> Vec<Shown> {
    let text = |key: bytes::Bytes| String::from_utf8(key.to_vec()).unwrap();
    let shown = |(offset, record): (i64, Record)| {
        (offset, record.key.map(text).unwrap_or_default(), record.value.unwrap_or_default().to_vec())
    };
    fetched(kafka, partition, 0).await.into_iter().map(shown).collect()
}

async fn by_kinesis(kinesis: &Kinesis, shard: u32) -> Vec<Shown> {
    let mut token = iterator(kinesis, "orders", &shard.to_string(), json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let mut found = Vec::new();
    loop {
        let answer = kinesis.call("GetRecords", json!({"ShardIterator": token})).await;
        let records = answer["Records"].as_array().unwrap();
        for record in records {
            let number: SequenceNumber = record["SequenceNumber"].as_str().unwrap().parse().unwrap();
            let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
            assert_eq!(number.shard.0, shard);
            found.push((number.offset().unwrap().0, record["PartitionKey"].as_str().unwrap().to_owned(), data));
        }
        match answer["NextShardIterator"].as_str() {
            Some(next) if !records.is_empty() => next.clone_into(&mut token),
            _ => return found,
        }
    }
}

/// What both doors show of a shard of a stream that was never split or merged.
async fn shown(gateway: &Gateway, shard: u32) -> Vec<Shown> {
    let found = by_kafka(&mut gateway.kafka(), shard as i32).await;
    assert_eq!(by_kinesis(&gateway.kinesis(), shard).await, found);
    found
}

fn expected(records: &[(i64, &str, &[u8])]) -> Vec<Shown> {
    records.iter().map(|(offset, key, data)| (*offset, (*key).to_owned(), data.to_vec())).collect()
}

const THREE: [UserRecord<'static>; 3] = [("user1", None, b"signup"), ("user2", Some(7), b""), ("user1", None, &[0, 0xff])];

#[tokio::test(start_paused = true)]
async fn each_user_record_of_an_aggregate_has_an_offset_and_a_number_of_its_own() {
    let gateway = open_gateway(1).await;
    let (kinesis, sent) = (gateway.kinesis(), aggregate(&THREE));
    assert_eq!(put(&kinesis, 0, b"before").await.offset(), Some(Offset(0)));
    let number = put(&kinesis, 7, &sent).await;
    // The first of them: who reads from there on finds them all.
    assert_eq!(number.offset(), Some(Offset(1)));
    assert_eq!(put(&kinesis, 0, b"behind").await.offset(), Some(Offset(4)));
    let expected = expected(&[
        (0, "a", b"before"),
        (1, "user1", b"signup"),
        (2, "user2", b""),
        (3, "user1", &[0, 0xff]),
        (4, "a", b"behind"),
    ]);
    assert_eq!(shown(&gateway, 0).await, expected);
    let position = json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number.to_string()});
    let token = iterator(&kinesis, "orders", "0", position).await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": token})).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), 4);
    let gateway = gateway.restarted();
    assert_eq!(shown(&gateway, 0).await, expected);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_an_aggregate_is_kept_as_it_came() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let sent = aggregate(&THREE);
    put(&gateway.kinesis(), HALF, &sent).await;
    assert_eq!(shown(&gateway, 0).await, []);
    assert_eq!(shown(&gateway, 1).await, expected(&[(0, "a", &sent)]));
}

#[tokio::test(start_paused = true)]
async fn the_setting_counts_for_what_is_put_later() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (kinesis, mut kafka, sent) = (gateway.kinesis(), gateway.kafka(), aggregate(&THREE[..2]));
    put(&kinesis, 0, &sent).await;
    set(&mut kafka, "kinesis.deaggregate", "true").await;
    put(&kinesis, 0, &sent).await;
    set(&mut kafka, "kinesis.deaggregate", "false").await;
    put(&kinesis, 0, &sent).await;
    let records = [(0, "a", sent.as_slice()), (1, "user1", b"signup"), (2, "user2", b""), (3, "a", &sent)];
    assert_eq!(shown(&gateway, 0).await, expected(&records));
}

#[tokio::test(start_paused = true)]
async fn what_a_kafka_producer_writes_is_never_opened() {
    let gateway = open_gateway(1).await;
    let sent = aggregate(&THREE);
    gateway.kafka().produce("orders", 0, record(Some(b"k"), Some(&sent))).await;
    assert_eq!(shown(&gateway, 0).await, expected(&[(0, "k", &sent)]));
}

#[tokio::test(start_paused = true)]
async fn each_user_record_goes_to_the_shard_that_it_belongs_to() {
    let gateway = open_gateway(2).await;
    let kinesis = gateway.kinesis();
    // The MD5 of "a" begins with 0c, that of "1" with c4.
    let sent =
        aggregate(&[("1", None, b"0"), ("a", None, b"1"), ("a", Some(HALF), b"2"), ("1", Some(0), b"3"), ("1", None, b"4")]);
    let number = put(&kinesis, HALF, &sent).await;
    assert_eq!((number.shard.0, number.offset()), (1, Some(Offset(0))));
    assert_eq!(shown(&gateway, 0).await, expected(&[(0, "a", b"1"), (1, "1", b"3")]));
    assert_eq!(shown(&gateway, 1).await, expected(&[(0, "1", b"0"), (1, "a", b"2"), (2, "1", b"4")]));
    // Where KPL's view of the shards was right, all are in one; where it was not, they are where their keys are.
    let merge = json!({"StreamName": "orders", "ShardToMerge": "0", "AdjacentShardToMerge": "1"});
    kinesis.call("MergeShards", merge).await;
    assert_eq!(put(&kinesis, HALF, &sent).await.shard.0, 2);
    assert_eq!(by_kinesis(&kinesis, 2).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_records_are_there_once_and_in_their_order_while_shards_change() {
    let gateway = open_gateway(2).await;
    let writers = (0..4).map(|writer| {
        let kinesis = gateway.kinesis();
        tokio::spawn(async move {
            for number in 0..40_u8 {
                let (low, high, data) = (format!("{writer}-low"), format!("{writer}-high"), [number]);
                let pair = [(low.as_str(), Some(0), &data[..]), (high.as_str(), Some(HALF), &data)];
                let entries = [entry(0, &aggregate(&pair)), entry(HALF, &aggregate(&pair[1..]))];
                let input = json!({"StreamName": "orders", "Records": entries});
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
    let mut found = BTreeMap::<String, Vec<u8>>::new();
    // Parents come before their children.
    for shard in gateway.log.stream("orders").unwrap().shards().iter() {
        for (_, key, data) in by_kinesis(&kinesis, shard.id.0).await {
            found.entry(key).or_default().extend(data);
        }
    }
    assert_eq!(found.len(), 8);
    for (key, numbers) in found {
        let times = if key.ends_with("low") { 1 } else { 2 };
        assert!(numbers.into_iter().eq((0..40).flat_map(|number| vec![number; times])), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_an_aggregate_stay_together_where_chance_places_it() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 4, Settings { deaggregate: true, spread: true, ..Settings::default() }).await;
    let places = [0, HALF, u128::MAX, HALF / 2, HALF / 2 * 3];
    let records: Vec<UserRecord<'_>> = places.iter().map(|place| ("key", Some(*place), &b"x"[..])).collect();
    let number = put(&gateway.kinesis(), 0, &aggregate(&records)).await;
    assert_eq!(shown(&gateway, number.shard.0).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_costs_one_record_of_its_bytes() {
    let gateway = open_gateway(1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    let sent = aggregate(&[("key", None, &b"x"[..]); 1_500]);
    for at in 0..2 {
        assert_eq!(put(&kinesis, 0, &sent).await.offset(), Some(Offset(1_500 * at)));
    }
    let mebibyte = vec![0; (1 << 20) - sent.len() * 2 - 2];
    let answer = kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": [entry(0, &mebibyte), entry(0, &sent)]}));
    let answer = answer.await;
    assert_eq!(answer["Records"][0]["ErrorCode"], Value::Null);
    assert_eq!(answer["Records"][1]["ErrorCode"], "ProvisionedThroughputExceededException");
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_that_is_refused_is_written_nowhere() {
    let gateway = open_gateway(2).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    put(&kinesis, 0, &vec![0; (1 << 20) - 1]).await;
    let sent = aggregate(&[("low", Some(0), b"x"), ("high", Some(HALF), b"x"), ("low", Some(0), b"y")]);
    let entries = [entry(HALF, b"before"), entry(0, &sent), entry(HALF, b"behind")];
    let answer = kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": entries})).await;
    assert_eq!(
        (&answer["FailedRecordCount"], &answer["Records"][1]["ErrorCode"]),
        (&json!(1), &json!("ProvisionedThroughputExceededException"))
    );
    let stream = gateway.log.stream("orders").unwrap();
    let tip = async |lane| gateway.log.reach(stream.lane(lane)).await.unwrap().tip.0;
    assert_eq!((tip(0).await, tip(1).await), (1, 2));
    advance(SECOND).await;
    put(&kinesis, 0, &sent).await;
    assert_eq!((tip(0).await, tip(1).await), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn what_opens_into_more_than_a_batch_is_several() {
    let gateway = Gateway::start();
    let mut settings = Settings { deaggregate: true, ..Settings::default() };
    settings.set_record_kib_max(10_240);
    gateway.stream_with("orders", 1, settings).await;
    let (key, data) = ("k".repeat(256), [0; 40]);
    let sent = aggregate(&vec![(key.as_str(), None, &data[..]); 40_000]);
    assert_eq!(put(&gateway.kinesis(), 0, &sent).await.offset(), Some(Offset(0)));
    let want = Want {
        lane: gateway.log.stream("orders").unwrap().lane(0),
        from: Offset(0),
        bytes_max: usize::MAX,
        isolation: Isolation::Uncommitted,
    };
    let reader = Reader::Patient("test");
    let page = gateway.log.read(&[want], Wait::No, usize::MAX, reader).await.remove(0).unwrap();
    let records: Vec<_> = page.batches.iter().map(|batch| Header::parse(batch).unwrap().records).collect();
    assert_eq!(records, [35_424, 4_576]);
}

#[test]
fn damaged_aggregates_are_ordinary_records() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let gateway = runtime.block_on(open_gateway(1));
    let sent = aggregate(&[("user1", None, b"signup"), ("user2", Some(HALF), b"login")]);
    let damage = prop_oneof![
        (0..sent.len(), 1..=255_u8).prop_map(|(at, change)| Damage::Change(at, change)),
        (0..sent.len()).prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..9).prop_map(Damage::Append),
        (0..sent.len(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
    ];
    let config = Config { failure_persistence: None, cases: 300, ..Config::default() };
    let outcome = TestRunner::new(config).run(&damage, |damage| {
        let mut data = sent.clone();
        match damage {
            Damage::Change(at, change) => data[at] ^= change,
            Damage::Cut(at) => data.truncate(at),
            Damage::Append(bytes) => data.extend(bytes),
            Damage::Insert(at, byte) => data.insert(at, byte),
        }
        runtime.block_on(async {
            let (kinesis, mut kafka) = (gateway.kinesis(), gateway.kafka());
            let offset = put(&kinesis, 0, &data).await.offset().unwrap();
            let found = fetched(&mut kafka, 0, offset.0).await;
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].1.key.as_deref(), found[0].1.value.as_deref()), (Some(&b"a"[..]), Some(data.as_slice())));
        });
        Ok(())
    });
    outcome.unwrap();
}

#[derive(Clone, Debug)]
enum Damage {
    Change(usize, u8),
    Cut(usize),
    Append(Vec<u8>),
    Insert(usize, u8),
}

/// What somebody puts as one entry.
#[derive(Clone, Debug)]
enum Entry {
    Plain(u128, Vec<u8>),
    Aggregate(Vec<(String, Option<u128>, Vec<u8>)>),
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let data = || prop::collection::vec(any::<u8>(), 0..40);
    let user_record = ("[a-zä]{1,4}", prop::option::of(any::<u128>()), data());
    let entry = prop_oneof![
        1 => (any::<u128>(), data()).prop_map(|(place, data)| Entry::Plain(place, data)),
        2 => prop::collection::vec(user_record, 1..12).prop_map(Entry::Aggregate),
    ];
    prop::collection::vec(entry, 1..6)
}

/// Every user record is written once, to the shard that it belongs to, in its order there.
#[test]
fn what_is_gathered_is_the_same_when_it_is_opened() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let config = Config { failure_persistence: None, cases: 150, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(1..5_u32, entries()), |(shards, entries)| {
        runtime.block_on(async {
            let gateway = open_gateway(shards).await;
            let stream = gateway.log.stream("orders").unwrap();
            let mut expected = vec![Vec::new(); shards as usize];
            let mut write = |key: &str, place: u128, data: &[u8]| {
                let shard = stream.route(HashKey(place)).unwrap().id.0;
                let offset = expected[shard as usize].len() as i64;
                expected[shard as usize].push((offset, key.to_owned(), data.to_vec()));
                (shard, offset)
            };
            let (mut sent, mut numbers) = (Vec::new(), Vec::new());
            for each in &entries {
                match each {
                    Entry::Plain(place, data) => {
                        numbers.push(write("a", *place, data));
                        sent.push(entry(*place, data));
                    }
                    Entry::Aggregate(records) => {
                        let records: Vec<UserRecord<'_>> =
                            records.iter().map(|(key, place, data)| (key.as_str(), *place, data.as_slice())).collect();
                        let placed: Vec<_> = records
                            .iter()
                            .map(|(key, place, data)| (*key, place.unwrap_or_else(|| hashed(key)), *data))
                            .collect();
                        let written: Vec<_> = placed.iter().map(|(key, place, data)| write(key, *place, data)).collect();
                        numbers.push(written[0]);
                        sent.push(entry(placed[0].1, &aggregate(&records)));
                    }
                }
            }
            let answer = gateway.kinesis().call("PutRecords", json!({"StreamName": "orders", "Records": sent})).await;
            for (result, number) in answer["Records"].as_array().unwrap().iter().zip(numbers) {
                let found: SequenceNumber = result["SequenceNumber"].as_str().unwrap().parse().unwrap();
                assert_eq!((found.shard.0, found.offset().unwrap().0), number);
            }
            for (shard, expected) in (0..).zip(expected) {
                assert_eq!(shown(&gateway, shard).await, expected);
            }
        });
        Ok(())
    });
    outcome.unwrap();
}

fn hashed(key: &str) -> u128 {
    use md5::Digest as _;
    u128::from_be_bytes(md5::Md5::digest(key).into())
}
