//! DescribeStream.

use serde_json::json;
use shardgate::log::Options;
use tokio::time::advance;

use super::{SECOND, arn};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_stream_is_described_with_its_shards() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let answer = gateway.kinesis().call("DescribeStream", json!({"StreamName": "orders"})).await;
    let middle = "170141183460469231731687303715884105728";
    assert_eq!(
        answer["StreamDescription"],
        json!({
            "StreamName": "orders",
            "StreamARN": arn("orders"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_700_000_000.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "HasMoreShards": false,
            "Shards": [
                {
                    "ShardId": "shardId-000000000000",
                    "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "170141183460469231731687303715884105727"},
                    "SequenceNumberRange": {
                        "StartingSequenceNumber": "49646437577108476416916876405825929425585429676275269634",
                    },
                },
                {
                    "ShardId": "shardId-000000000001",
                    "HashKeyRange": {"StartingHashKey": middle, "EndingHashKey": "340282366920938463463374607431768211455"},
                    "SequenceNumberRange": {
                        "StartingSequenceNumber": "49646437577130777162115407028967465143858078037781250066",
                    },
                },
            ],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn shards_come_in_pages_of_a_hundred_at_most() {
    let gateway = Gateway::start();
    gateway.stream("orders", 150).await;
    let kinesis = gateway.kinesis();
    for (input, first, shards, has_more) in [
        (json!({"StreamName": "orders"}), "shardId-000000000000", 100, true),
        (json!({"StreamName": "orders", "Limit": 10_000}), "shardId-000000000000", 100, true),
        (json!({"StreamARN": arn("orders"), "Limit": 3}), "shardId-000000000000", 3, true),
        (json!({"StreamName": "orders", "ExclusiveStartShardId": "99"}), "shardId-000000000100", 50, false),
    ] {
        let answer = kinesis.call("DescribeStream", input).await["StreamDescription"].clone();
        let found = answer["Shards"].as_array().unwrap();
        assert_eq!((found[0]["ShardId"].as_str(), found.len()), (Some(first), shards));
        assert_eq!(answer["HasMoreShards"], has_more);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_being_created_has_no_shards_to_show() {
    let gateway = Gateway::with_options(Options { state_change_delay: SECOND, ..Options::default() });
    let kinesis = gateway.kinesis();
    kinesis.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    for (status, shards) in [("CREATING", 0), ("ACTIVE", 1)] {
        let answer = kinesis.call("DescribeStream", json!({"StreamName": "orders"})).await["StreamDescription"].clone();
        assert_eq!((answer["StreamStatus"].as_str(), answer["Shards"].as_array().unwrap().len()), (Some(status), shards));
        advance(SECOND).await;
    }
}
