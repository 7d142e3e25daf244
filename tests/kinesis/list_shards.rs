//! ListShards.

use std::time::Duration;

use serde_json::{Value, json};
use shardgate::model::{HashKey, ShardId};
use tokio::time::advance;

use super::{SECOND, arn, refused};
use crate::support::{Gateway, Kinesis};

fn numbers(answer: &Value) -> Vec<u32> {
    let shards = answer["Shards"].as_array().unwrap().iter();
    shards.map(|shard| shard["ShardId"].as_str().unwrap()["shardId-".len()..].parse().unwrap()).collect()
}

async fn filtered(kinesis: &Kinesis, filter: Value) -> Vec<u32> {
    numbers(&kinesis.call("ListShards", json!({"StreamName": "orders", "ShardFilter": filter})).await)
}

/// Shard 0 is split after 10 seconds into 1 and 2, which are merged after 20 into 3.
async fn resharded() -> Gateway {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    advance(10 * SECOND).await;
    gateway.log.split_shard(stream.id(), ShardId(0), HashKey(1 << 127)).await.unwrap();
    advance(10 * SECOND).await;
    gateway.log.merge_shards(stream.id(), ShardId(1), ShardId(2)).await.unwrap();
    advance(10 * SECOND).await;
    gateway
}

#[tokio::test(start_paused = true)]
async fn each_filter_has_its_shards_and_those_of_one_time_hold_all_keys_once() {
    let gateway = resharded().await;
    let kinesis = gateway.kinesis();
    for (filter, expected) in [
        (json!({"Type": "FROM_TRIM_HORIZON"}), vec![0, 1, 2, 3]),
        (json!({"Type": "AT_TRIM_HORIZON"}), vec![0]),
        (json!({"Type": "AT_LATEST"}), vec![3]),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}), vec![2, 3]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1}), vec![0]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_010}), vec![0]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_010.999}), vec![0]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_011}), vec![1, 2]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_020.5}), vec![1, 2]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_021}), vec![3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1_700_000_010}), vec![0, 1, 2, 3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1_700_000_011}), vec![1, 2, 3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1_700_000_021}), vec![3]),
    ] {
        assert_eq!(filtered(&kinesis, filter.clone()).await, expected, "{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_trim_horizon_moves_over_the_shards() {
    let gateway = resharded().await;
    let kinesis = gateway.kinesis();
    let at = |seconds: u64| Duration::from_secs(86_400 + seconds - 30);
    let mut passed = Duration::ZERO;
    for (seconds, at_horizon, listed) in [
        (10, vec![0], vec![0, 1, 2, 3]),
        (11, vec![1, 2], vec![1, 2, 3]),
        (20, vec![1, 2], vec![1, 2, 3]),
        (21, vec![3], vec![3]),
    ] {
        advance(at(seconds) - passed).await;
        passed = at(seconds);
        assert_eq!(filtered(&kinesis, json!({"Type": "AT_TRIM_HORIZON"})).await, at_horizon, "{seconds}");
        assert_eq!(filtered(&kinesis, json!({"Type": "FROM_TRIM_HORIZON"})).await, listed, "{seconds}");
    }
    // A longer retention brings no shard back, and the shards of the horizon still hold all keys.
    kinesis.call("IncreaseStreamRetentionPeriod", json!({"StreamName": "orders", "RetentionPeriodHours": 100})).await;
    assert_eq!(filtered(&kinesis, json!({"Type": "AT_TRIM_HORIZON"})).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_page_goes_on_with_the_filter_of_the_first() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1_500).await;
    gateway.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
    let kinesis = gateway.kinesis();
    let input = json!({"StreamARN": arn("orders"), "ShardFilter": {"Type": "AT_LATEST"}, "MaxResults": 10_000});
    let first = kinesis.call("ListShards", input).await;
    assert_eq!((numbers(&first)[0], numbers(&first).len()), (2, 1_000));
    let token = first["NextToken"].as_str().unwrap();
    let second = kinesis.call("ListShards", json!({"NextToken": token, "MaxResults": 5})).await;
    assert_eq!(numbers(&second), [1_002, 1_003, 1_004, 1_005, 1_006]);
    let last = kinesis.call("ListShards", json!({"NextToken": second["NextToken"]})).await;
    assert_eq!((numbers(&last).len(), last.get("NextToken")), (1_499 - 1_005, None));
    for (input, message) in [
        (json!({"NextToken": token, "StreamName": "orders"}), "NextToken and StreamName cannot be provided together."),
        (
            json!({"NextToken": token, "ExclusiveStartShardId": "1"}),
            "NextToken and ExclusiveStartShardId cannot be provided together.",
        ),
        (json!({}), "Either NextToken or StreamName should be provided."),
        (json!({"NextToken": "x"}), "NextToken is invalid."),
    ] {
        refused(&kinesis, "ListShards", input, "InvalidArgumentException", message).await;
    }
    advance(Duration::from_millis(300_001)).await;
    assert_eq!(kinesis.refusal("ListShards", json!({"NextToken": token})).await.0, "ExpiredNextTokenException");
}

#[tokio::test(start_paused = true)]
async fn shards_behind_one_and_of_one_incarnation_are_listed() {
    let gateway = Gateway::start();
    gateway.stream("orders", 3).await;
    let kinesis = gateway.kinesis();
    let answer = kinesis.call("ListShards", json!({"StreamName": "orders", "ExclusiveStartShardId": "0", "MaxResults": 1})).await;
    assert_eq!(numbers(&answer), [1]);
    kinesis.call("ListShards", json!({"StreamName": "orders", "StreamCreationTimestamp": 1_700_000_000})).await;
    let other = json!({"StreamName": "orders", "StreamCreationTimestamp": 1_600_000_000});
    assert_eq!(kinesis.refusal("ListShards", other).await.0, "ResourceNotFoundException");
    for filter in [json!({"Type": "AT_TIMESTAMP"}), json!({"Type": "AFTER_SHARD_ID"})] {
        let input = json!({"StreamName": "orders", "ShardFilter": filter});
        assert_eq!(kinesis.refusal("ListShards", input).await.0, "InvalidArgumentException");
    }
    let (name, message) = kinesis.refusal("ListShards", json!({"StreamName": "orders", "ShardFilter": {"Type": "ALL"}})).await;
    assert!(name == "ValidationException" && message.contains("shardFilter.type"), "{message}");
}
