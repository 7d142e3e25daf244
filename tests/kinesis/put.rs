//! PutRecord and PutRecords.

use serde_json::{Value, json};
use shardgate::log::{Isolation, Options, Reader, Wait, Want};
use shardgate::model::{Limits, Offset, SequenceNumber, Settings};
use tokio::time::advance;

use super::{SECOND, encoded, records, refused};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_record_goes_to_the_shard_of_its_key_and_gets_the_number_of_its_offset() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let kinesis = gateway.kinesis();
    // The MD5 of "a" begins with 0c, that of "1" with c4.
    for (key, shard, offset) in [("a", 0, 0), ("1", 1, 0), ("1", 1, 1), ("a", 0, 1)] {
        let answer = kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": key, "Data": encoded("x")})).await;
        let number: SequenceNumber = answer["SequenceNumber"].as_str().unwrap().parse().unwrap();
        assert_eq!(answer["ShardId"], format!("shardId-{shard:012}"));
        assert_eq!((number.shard.0, number.offset(), number.arrived), (shard, Some(Offset(offset)), 1_700_000_000));
        assert_eq!(answer.as_object().unwrap().len(), 2, "nothing of encryption");
    }
}

#[tokio::test(start_paused = true)]
async fn an_explicit_hash_key_is_stronger() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let put = |key: &str| json!({"StreamName": "orders", "PartitionKey": "a", "ExplicitHashKey": key, "Data": ""});
    let kinesis = gateway.kinesis();
    for (key, shard) in [
        ("0", "shardId-000000000000"),
        ("170141183460469231731687303715884105727", "shardId-000000000000"),
        ("170141183460469231731687303715884105728", "shardId-000000000001"),
        ("340282366920938463463374607431768211455", "shardId-000000000001"),
    ] {
        assert_eq!(kinesis.call("PutRecord", put(key)).await["ShardId"], shard);
    }
    refused(
        &kinesis,
        "PutRecord",
        put("340282366920938463463374607431768211456"),
        "InvalidArgumentException",
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
         340282366920938463463374607431768211456",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_is_refused_in_the_words_of_aws() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let refused = async |input, name, message| refused(&kinesis, "PutRecord", input, name, message).await;
    refused(
        json!({"StreamName": "orders", "PartitionKey": "", "ExplicitHashKey": "01", "Data": encoded("x")}),
        "ValidationException",
        "2 validation errors detected: Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than \
         or equal to 1; Value '01' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression \
         pattern: 0|([1-9]\\d{0,38})",
    )
    .await;
    refused(
        json!({"StreamName": "orders", "Data": encoded("x")}),
        "ValidationException",
        "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
    )
    .await;
    refused(
        json!({"StreamName": "nothing", "PartitionKey": "a", "Data": encoded("x")}),
        "ResourceNotFoundException",
        "Stream nothing under account 000000000000 not found.",
    )
    .await;
    let large = "x".repeat((1 << 20) + 1);
    refused(
        json!({"StreamName": "orders", "PartitionKey": "a", "Data": encoded(&large)}),
        "ValidationException",
        "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at 'data' failed to satisfy \
         constraint: Member must have length less than or equal to 1048576",
    )
    .await;
    refused(
        json!({"StreamName": "orders", "PartitionKey": "a", "Data": encoded(&large[1..])}),
        "InvalidArgumentException",
        "The record's data and partition key have 1048577 bytes together; the stream accepts at most 1048576.",
    )
    .await;
    kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": encoded(&large[2..])})).await;
    // 256 characters, whatever their bytes.
    kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": "ä".repeat(256), "Data": ""})).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_follows_the_number_that_it_is_told_to_follow() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let put = |after: &str| json!({"StreamName": "orders", "PartitionKey": "a", "Data": "", "SequenceNumberForOrdering": after});
    let first = kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": ""})).await;
    let first = first["SequenceNumber"].as_str().unwrap();
    let second = kinesis.call("PutRecord", put(first)).await;
    assert!(second["SequenceNumber"].as_str().unwrap() > first);
    let number: SequenceNumber = first.parse().unwrap();
    let later = SequenceNumber { arrived: number.arrived + 1, ..number }.to_string();
    for invalid in [later.as_str(), &"9".repeat(60)] {
        let message = format!(
            "ExclusiveMinimumSequenceNumber {invalid} used in PutRecord on stream orders under account 000000000000 is invalid."
        );
        refused(&kinesis, "PutRecord", put(invalid), "InvalidArgumentException", &message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn entries_are_answered_in_their_order_and_those_of_a_shard_are_one_batch() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let entry = |key: &str, data: &str| json!({"PartitionKey": key, "Data": encoded(data)});
    let entries = [entry("a", "0"), entry("1", "1"), entry("a", "2"), entry("1", "3"), entry("a", "4")];
    let kinesis = gateway.kinesis();
    let answer = kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": entries})).await;
    assert_eq!(answer["FailedRecordCount"], 0);
    let placed: Vec<_> = answer["Records"].as_array().unwrap().iter().map(place).collect();
    assert_eq!(placed, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]);
    let want = Want { lane: stream.lane(0), from: Offset(0), bytes_max: usize::MAX, isolation: Isolation::Uncommitted };
    let page = gateway.log.read(&[want], Wait::No, usize::MAX, Reader::Patient("test")).await.remove(0).unwrap();
    assert_eq!(page.batches.len(), 1);
    for (shard, expected) in [("0", vec!["0", "2", "4"]), ("1", vec!["1", "3"])] {
        assert_eq!(records(&kinesis, "orders", shard).await.into_iter().map(|(_, data)| data).collect::<Vec<_>>(), expected);
    }
}

fn place(record: &Value) -> (u32, i64) {
    let number: SequenceNumber = record["SequenceNumber"].as_str().unwrap().parse().unwrap();
    assert_eq!(record["ShardId"], number.shard.to_string());
    (number.shard.0, number.offset().unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_breaks_a_rule_has_the_whole_request_refused() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let good = json!({"PartitionKey": "a", "Data": ""});
    refused(
        &kinesis,
        "PutRecords",
        json!({"StreamName": "orders", "Records": [good, {"PartitionKey": "a".repeat(257), "Data": ""}]}),
        "ValidationException",
        &format!(
            "1 validation error detected: Value '{}' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must \
             have length less than or equal to 256",
            "a".repeat(257)
        ),
    )
    .await;
    refused(
        &kinesis,
        "PutRecords",
        json!({"StreamName": "orders", "Records": [good, {"Data": ""}]}),
        "ValidationException",
        "1 validation error detected: Value null at 'records.2.member.partitionKey' failed to satisfy constraint: Member must not be \
         null",
    )
    .await;
    let (name, _) = kinesis.refusal("PutRecords", json!({"StreamName": "orders", "Records": []})).await;
    assert_eq!(name, "ValidationException");
    let (name, _) = kinesis.refusal("PutRecords", json!({"StreamName": "orders", "Records": vec![good; 501]})).await;
    assert_eq!(name, "ValidationException");
    let large = json!({"PartitionKey": "a", "Data": encoded(&"x".repeat((1 << 20) - 1))});
    refused(
        &kinesis,
        "PutRecords",
        json!({"StreamName": "orders", "Records": vec![large; 11]}),
        "InvalidArgumentException",
        "Records size exceeds 10 MB limit",
    )
    .await;
    assert_eq!(gateway.log.reach(stream.lane(0)).await.unwrap().tip, Offset(0), "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn each_entry_is_refused_on_its_own_where_its_shard_is_over_its_throughput() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    let entry = |kib: usize| json!({"PartitionKey": "a", "Data": encoded(&"x".repeat(kib << 10))});
    let input = json!({"StreamName": "orders", "Records": [entry(900), entry(900), entry(100), entry(900)]});
    let answer = kinesis.call("PutRecords", input).await;
    assert_eq!(answer["FailedRecordCount"], 2);
    let refusal = json!({
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.",
    });
    assert_eq!((&answer["Records"][1], &answer["Records"][3]), (&refusal, &refusal));
    assert_eq!((place(&answer["Records"][0]), place(&answer["Records"][2])), ((0, 0), (0, 1)));
    let put = || json!({"StreamName": "orders", "PartitionKey": "a", "Data": encoded(&"x".repeat(500 << 10))});
    refused(
        &kinesis,
        "PutRecord",
        put(),
        "ProvisionedThroughputExceededException",
        "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.",
    )
    .await;
    advance(SECOND).await;
    kinesis.call("PutRecord", put()).await;
}

#[tokio::test(start_paused = true)]
async fn records_are_counted_too() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let input = json!({"StreamName": "orders", "Records": vec![json!({"PartitionKey": "a", "Data": ""}); 500]});
    for failed in [0, 0, 500] {
        assert_eq!(gateway.kinesis().call("PutRecords", input.clone()).await["FailedRecordCount"], failed);
    }
}

#[tokio::test(start_paused = true)]
async fn larger_records_are_taken_where_the_stream_takes_them() {
    let gateway = Gateway::with_options(Options::default());
    let mut settings = Settings::default();
    settings.set_record_kib_max(10_240);
    gateway.stream_with("orders", 1, settings).await;
    let data = encoded(&"x".repeat((10 << 20) - 1));
    let kinesis = gateway.kinesis();
    kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": data})).await;
    assert_eq!(records(&kinesis, "orders", "0").await[0].1.len(), (10 << 20) - 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_checks_everything_and_writes_nothing() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let entry = json!({"PartitionKey": "a", "Data": ""});
    for (operation, input) in [
        ("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": "", "DryRun": true})),
        ("PutRecords", json!({"StreamName": "orders", "Records": [entry], "DryRun": true})),
    ] {
        assert_eq!(kinesis.refusal(operation, input).await.0, "DryRunOperationException");
    }
    let (name, _) =
        kinesis.refusal("PutRecord", json!({"StreamName": "x", "PartitionKey": "a", "Data": "", "DryRun": true})).await;
    assert_eq!(name, "ResourceNotFoundException");
    assert_eq!(gateway.log.reach(stream.lane(0)).await.unwrap().tip, Offset(0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_being_created_takes_no_records() {
    let gateway = Gateway::with_options(Options { state_change_delay: SECOND, ..Options::default() });
    let kinesis = gateway.kinesis();
    kinesis.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    let entry = json!({"PartitionKey": "a", "Data": ""});
    let calls = [
        ("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": ""})),
        ("PutRecords", json!({"StreamName": "orders", "Records": [entry]})),
    ];
    for (operation, input) in &calls {
        let (name, words) = kinesis.refusal(operation, input.clone()).await;
        let told = "Stream orders under account 000000000000 not found.";
        assert_eq!((name.as_str(), words.as_str()), ("ResourceNotFoundException", told), "{operation}");
    }
    advance(SECOND).await;
    for (operation, input) in &calls {
        kinesis.call(operation, input.clone()).await;
    }
}
