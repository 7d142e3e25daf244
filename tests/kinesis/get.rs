//! GetShardIterator and GetRecords.

use std::time::Duration;

use serde_json::{Value, json};
use shardgate::batch::{Builder, Codec, Draft};
use shardgate::log::Patience;
use shardgate::model::{HashKey, Limits, ShardId};
use tokio::time::advance;

use super::{SECOND, encoded, iterator, put, read, records, refused, values};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn records_are_read_from_the_first_to_the_last_and_the_iterator_goes_on() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let first = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let number = put(&kinesis, "orders", "user1", "user signup").await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": first})).await;
    assert_eq!(
        answer["Records"],
        json!([{
            "SequenceNumber": number,
            "ApproximateArrivalTimestamp": 1_700_000_000.0,
            "Data": encoded("user signup"),
            "PartitionKey": "user1",
        }])
    );
    assert_eq!((&answer["MillisBehindLatest"], answer.get("ChildShards")), (&json!(0), None));
    let next = answer["NextShardIterator"].as_str().unwrap();
    put(&kinesis, "orders", "a", "more").await;
    assert_eq!(values(&kinesis.call("GetRecords", json!({"ShardIterator": next})).await), ["more"]);
    // An iterator is used as often as its owner likes, with quotes around it or without.
    assert_eq!(values(&kinesis.call("GetRecords", json!({"ShardIterator": format!("\"{first}\"")})).await).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_iterator_is_given_twice_even_in_one_millisecond() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let first = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "LATEST"})).await;
    let mut given = vec![json!(first)];
    for at in 0..3 {
        given.push(kinesis.call("GetRecords", json!({"ShardIterator": given[at]})).await["NextShardIterator"].clone());
        assert!(given[at + 1].is_string() && !given[..=at].contains(&given[at + 1]), "{given:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_known_by_the_end_of_its_id() {
    let gateway = Gateway::start();
    gateway.stream("orders", 8).await;
    let kinesis = gateway.kinesis();
    for shard in ["shardId-000000000007", "shardId--00000007", "shardId-7", "7", "x-7"] {
        iterator(&kinesis, "orders", shard, json!({"ShardIteratorType": "LATEST"})).await;
    }
    let ask = |shard: &str| json!({"StreamName": "orders", "ShardId": shard, "ShardIteratorType": "LATEST"});
    for (input, message) in [
        (ask("x"), "Could not find shard x in stream orders under account 000000000000."),
        (ask("9"), "Shard shardId-000000000009 in stream orders under account 000000000000 does not exist"),
        (
            json!({"StreamName": "none", "ShardId": "0", "ShardIteratorType": "LATEST"}),
            "Shard shardId-000000000000 in stream none under account 000000000000 does not exist",
        ),
    ] {
        refused(&kinesis, "GetShardIterator", input, "ResourceNotFoundException", message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn positions_are_numbers_and_latest_is_fixed_when_it_is_asked_for() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let mut numbers = Vec::new();
    for value in ["0", "1", "2"] {
        numbers.push(put(&kinesis, "orders", "a", value).await);
        advance(SECOND).await;
    }
    let at = async |position: Value| iterator(&kinesis, "orders", "0", position).await;
    let latest = at(json!({"ShardIteratorType": "LATEST"})).await;
    put(&kinesis, "orders", "a", "3").await;
    let found = async |token: String| values(&kinesis.call("GetRecords", json!({"ShardIterator": token})).await);
    assert_eq!(found(latest).await, ["3"]);
    let start = gateway.log.stream("orders").unwrap().shard(ShardId(0)).unwrap().start().to_string();
    for (kind, number, first) in [
        ("AT_SEQUENCE_NUMBER", &start, 0),
        ("AFTER_SEQUENCE_NUMBER", &start, 0),
        ("AT_SEQUENCE_NUMBER", &numbers[1], 1),
        ("AFTER_SEQUENCE_NUMBER", &numbers[1], 2),
    ] {
        let token = at(json!({"ShardIteratorType": kind, "StartingSequenceNumber": number})).await;
        assert_eq!(found(token).await, ["0", "1", "2", "3"][first..], "{kind} {number}");
    }
    for (seconds, first) in [(0.0, 0), (1_700_000_000.0, 0), (1_700_000_000.001, 1), (1_700_000_001.0, 1), (1_700_000_003.0, 3)] {
        let token = at(json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": seconds})).await;
        assert_eq!(found(token).await, ["0", "1", "2", "3"][first..], "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_that_are_none_are_refused_in_the_words_of_aws() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    gateway.stream("other", 1).await;
    let kinesis = gateway.kinesis();
    let number = put(&kinesis, "orders", "a", "x").await;
    advance(5 * SECOND).await;
    let new = gateway.stream("new", 1).await.shard(ShardId(0)).unwrap().start().to_string();
    let ask = async |position: Value, message: &str| {
        let mut input = json!({"StreamName": "orders", "ShardId": "0"});
        input.as_object_mut().unwrap().extend(position.as_object().unwrap().clone());
        refused(&kinesis, "GetShardIterator", input, "InvalidArgumentException", message).await;
    };
    let either = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON \
                  or LATEST and no StartingSequenceNumber. Request specified";
    ask(
        json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
        &format!("{either} AT_SEQUENCE_NUMBER and no StartingSequenceNumber."),
    )
    .await;
    ask(
        json!({"ShardIteratorType": "LATEST", "StartingSequenceNumber": number}),
        &format!("{either} LATEST and also a StartingSequenceNumber."),
    )
    .await;
    ask(
        json!({"ShardIteratorType": "AT_TIMESTAMP"}),
        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
    )
    .await;
    ask(
        json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_000_006}),
        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 1700000006000, \
         currentTimestampInMillis: 1700000005000",
    )
    .await;
    let at = |number: &str| json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number});
    let used = "used in GetShardIterator on shard shardId-000000000000 in stream orders under account 000000000000 is invalid";
    ask(at(&new), &format!("StartingSequenceNumber {new} {used} because it did not come from this stream.")).await;
    ask(
        at("5"),
        "Invalid StartingSequenceNumber. It encodes shardId-000000000005, while it was used in a call to a shard with \
         shardId-000000000000",
    )
    .await;
    let nonsense = "9".repeat(60);
    ask(at(&nonsense), &format!("StartingSequenceNumber {nonsense} {used}.")).await;
    let zero =
        json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "0"});
    assert_eq!(kinesis.ask("GetShardIterator", zero).await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn iterators_live_five_minutes_and_nobody_else_makes_them() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    advance(Duration::from_millis(300_000)).await;
    let fresh = kinesis.call("GetRecords", json!({"ShardIterator": token})).await["NextShardIterator"].clone();
    advance(Duration::from_millis(1)).await;
    refused(
        &kinesis,
        "GetRecords",
        json!({"ShardIterator": token}),
        "ExpiredIteratorException",
        "Iterator expired. The iterator was created at time Tue Nov 14 22:13:20 UTC 2023 while right now it is Tue Nov 14 22:18:20 UTC \
         2023 which is further in the future than the tolerated delay of 300000 milliseconds.",
    )
    .await;
    for invalid in ["x", "AAAAAAAAAAE=", &token[4..], &token.replace('A', "B")] {
        refused(&kinesis, "GetRecords", json!({"ShardIterator": invalid}), "InvalidArgumentException", "Invalid ShardIterator.")
            .await;
    }
    // It outlives the gateway, and not the stream.
    let gateway = gateway.restarted();
    gateway.kinesis().call("GetRecords", json!({"ShardIterator": fresh})).await;
    gateway.kinesis().call("DeleteStream", json!({"StreamName": "orders"})).await;
    gateway.stream("orders", 1).await;
    refused(
        &gateway.kinesis(),
        "GetRecords",
        json!({"ShardIterator": fresh}),
        "ResourceNotFoundException",
        "Shard shardId-000000000000 in stream orders under account 000000000000 does not exist",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn limits_end_an_answer_and_what_is_left_is_told_in_milliseconds() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for second in 0..5 {
        put(&kinesis, "orders", "a", &second.to_string()).await;
        put(&kinesis, "orders", "a", &format!("{second}.5")).await;
        advance(SECOND).await;
    }
    let mut token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    for (limit, found, behind) in [
        (1, vec!["0"], 4_000),
        (2, vec!["0.5", "1"], 3_000),
        (6, vec!["1.5", "2", "2.5", "3", "3.5", "4"], 1),
        (9, vec!["4.5"], 0),
        (9, vec![], 0),
    ] {
        let answer = kinesis.call("GetRecords", json!({"ShardIterator": token, "Limit": limit})).await;
        assert_eq!(
            (values(&answer), answer["MillisBehindLatest"].as_i64()),
            (found.iter().map(|value| (*value).to_owned()).collect(), Some(behind))
        );
        token = answer["NextShardIterator"].as_str().unwrap().to_owned();
    }
    let (name, _) = kinesis.refusal("GetRecords", json!({"ShardIterator": token, "Limit": 10_001})).await;
    assert_eq!(name, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn how_far_behind_is_counted_from_the_last_record_answered() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for value in ["0", "1", "2"] {
        put(&kinesis, "orders", "a", value).await;
        advance(10 * SECOND).await;
    }
    let mut token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    for behind in [20_000, 10_000, 0] {
        let answer = kinesis.call("GetRecords", json!({"ShardIterator": token, "Limit": 1})).await;
        assert_eq!((values(&answer).len(), answer["MillisBehindLatest"].as_i64()), (1, Some(behind)));
        token = answer["NextShardIterator"].as_str().unwrap().to_owned();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_ten_mebibytes_at_most() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let data = "x".repeat((1 << 20) - 1);
    for _ in 0..12 {
        put(&kinesis, "orders", "a", &data).await;
    }
    let token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": token})).await;
    assert_eq!(values(&answer).len(), 10);
    assert_eq!(values(&kinesis.call("GetRecords", json!({"ShardIterator": answer["NextShardIterator"]})).await).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_ends_in_its_children() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for value in ["0", "1"] {
        put(&kinesis, "orders", "a", value).await;
    }
    let first = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    gateway.log.split_shard(stream.id(), ShardId(0), HashKey(1 << 127)).await.unwrap();
    put(&kinesis, "orders", "a", "child").await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": first, "Limit": 1})).await;
    assert_eq!((values(&answer), answer.get("ChildShards")), (vec!["0".to_owned()], None));
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": answer["NextShardIterator"]})).await;
    assert_eq!((values(&answer), answer.get("NextShardIterator")), (vec!["1".to_owned()], None));
    let middle = "170141183460469231731687303715884105728";
    assert_eq!(
        answer["ChildShards"],
        json!([
            {
                "ShardId": "shardId-000000000001",
                "ParentShards": ["shardId-000000000000"],
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "170141183460469231731687303715884105727"},
            },
            {
                "ShardId": "shardId-000000000002",
                "ParentShards": ["shardId-000000000000"],
                "HashKeyRange": {"StartingHashKey": middle, "EndingHashKey": "340282366920938463463374607431768211455"},
            },
        ])
    );
    // Who asks for the newest of a closed shard is told so at once; so is KCL of the children.
    let latest = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "LATEST"})).await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": latest})).await;
    assert_eq!((values(&answer).len(), answer.get("NextShardIterator")), (0, None));
    gateway.log.merge_shards(stream.id(), ShardId(1), ShardId(2)).await.unwrap();
    assert_eq!(records(&kinesis, "orders", "1").await[0].1, "child");
    let latest = iterator(&kinesis, "orders", "2", json!({"ShardIteratorType": "LATEST"})).await;
    let children = kinesis.call("GetRecords", json!({"ShardIterator": latest})).await["ChildShards"].clone();
    assert_eq!(children[0]["ParentShards"], json!(["shardId-000000000001", "shardId-000000000002"]));
}

#[tokio::test(start_paused = true)]
async fn what_is_past_its_retention_is_jumped_over() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let old = put(&kinesis, "orders", "a", "old").await;
    advance(86_400 * SECOND).await;
    put(&kinesis, "orders", "a", "new").await;
    for position in [
        json!({"ShardIteratorType": "TRIM_HORIZON"}),
        json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": old}),
        json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1}),
    ] {
        assert_eq!(read(&kinesis, "orders", "0", position).await, ["new"]);
    }
}

#[tokio::test(start_paused = true)]
async fn compressed_batches_are_opened_and_control_batches_are_not_seen() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let record = |value: &'static [u8]| Draft { value: Some(value), ..Draft::default() };
    let batches = [
        Builder::default().codec(Codec::Zstd).record(record(b"0")).record(record(b"1")).build().unwrap(),
        Builder::default().control().record(record(b"commit")).build().unwrap(),
        Builder::default().codec(Codec::Gzip).record(record(b"3")).build().unwrap(),
    ];
    for batch in &batches {
        gateway.log.append(stream.lane(0), batch, Patience::Refuse).unwrap().durable().await.unwrap();
    }
    let kinesis = gateway.kinesis();
    let token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let answer = kinesis.call("GetRecords", json!({"ShardIterator": token, "Limit": 1})).await;
    assert_eq!(values(&answer), ["0"]);
    assert_eq!(values(&kinesis.call("GetRecords", json!({"ShardIterator": answer["NextShardIterator"]})).await), ["1", "3"]);
    assert_eq!(answer["Records"][0]["PartitionKey"], "0-0", "a record without a key has one that tells its place");
}

#[tokio::test(start_paused = true)]
async fn reads_over_a_shards_throughput_are_refused() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for _ in 0..8 {
        put(&kinesis, "orders", "a", &"x".repeat(1 << 19)).await;
    }
    let first = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let latest = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "LATEST"})).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let over = "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.";
    for _ in 0..5 {
        kinesis.call("GetRecords", json!({"ShardIterator": latest})).await;
        kinesis.call("GetShardIterator", json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": "LATEST"})).await;
    }
    for (operation, input) in [
        ("GetRecords", json!({"ShardIterator": latest})),
        ("GetShardIterator", json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": "LATEST"})),
    ] {
        refused(&kinesis, operation, input, "ProvisionedThroughputExceededException", over).await;
    }
    advance(SECOND).await;
    assert_eq!(values(&kinesis.call("GetRecords", json!({"ShardIterator": first})).await).len(), 8);
    advance(SECOND).await;
    refused(&kinesis, "GetRecords", json!({"ShardIterator": latest}), "ProvisionedThroughputExceededException", over).await;
    advance(SECOND).await;
    kinesis.call("GetRecords", json!({"ShardIterator": latest})).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_reads_nothing() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    for (operation, input) in [
        ("GetRecords", json!({"ShardIterator": token, "DryRun": true})),
        ("GetShardIterator", json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": "LATEST", "DryRun": true})),
    ] {
        assert_eq!(kinesis.refusal(operation, input).await.0, "DryRunOperationException");
    }
}
