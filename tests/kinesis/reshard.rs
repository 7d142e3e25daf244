//! SplitShard, MergeShards and UpdateShardCount.

use serde_json::{Value, json};
use shardgate::log::Options;
use shardgate::model::{Limits, Mode, Settings};
use tokio::time::advance;

use super::{SECOND, arn, refused};
use crate::support::{Gateway, Kinesis};

async fn shards(kinesis: &Kinesis) -> Vec<Value> {
    kinesis.call("ListShards", json!({"StreamName": "orders"})).await["Shards"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_split_and_a_merge_leave_parents_and_children() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    advance(100 * SECOND).await;
    let input = json!({"StreamName": "orders", "ShardToSplit": "shardId-0", "NewStartingHashKey": "1000"});
    assert_eq!(kinesis.call("SplitShard", input).await, Value::Null);
    let found = shards(&kinesis).await;
    let numbers = &found[0]["SequenceNumberRange"];
    assert_eq!(numbers["EndingSequenceNumber"], "49646437577119626789516141717395488358902146099801227266");
    for (child, start, end) in [(1, "0", "999"), (2, "1000", "340282366920938463463374607431768211455")] {
        assert_eq!(found[child]["ParentShardId"], "shardId-000000000000");
        assert_eq!(found[child].get("AdjacentParentShardId"), None);
        assert_eq!(found[child]["HashKeyRange"], json!({"StartingHashKey": start, "EndingHashKey": end}));
    }
    let start = &found[2]["SequenceNumberRange"]["StartingSequenceNumber"];
    assert_eq!(start, "49646437613191082148139424648830721590730485533618733090");
    let input = json!({"StreamARN": arn("orders"), "ShardToMerge": "1", "AdjacentShardToMerge": "2"});
    kinesis.call("MergeShards", input).await;
    let child = &shards(&kinesis).await[3];
    assert_eq!(child["ParentShardId"], "shardId-000000000001");
    assert_eq!(child["AdjacentParentShardId"], "shardId-000000000002");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_split_or_merged_is_refused_in_the_words_of_aws() {
    let gateway = Gateway::start();
    gateway.stream("orders", 3).await;
    let kinesis = gateway.kinesis();
    let split = |shard: &str, key: &str| json!({"StreamName": "orders", "ShardToSplit": shard, "NewStartingHashKey": key});
    let merge = |one: &str, other: &str| json!({"StreamName": "orders", "ShardToMerge": one, "AdjacentShardToMerge": other});
    let refused =
        async |operation: &str, input: Value, name: &str, message: &str| refused(&kinesis, operation, input, name, message).await;
    let range = "is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey \
                 113427455640312821154458202477256070484.";
    for key in ["0", "1", "113427455640312821154458202477256070484", &"9".repeat(39)] {
        let message = format!(
            "NewStartingHashKey {key} used in SplitShard() on shard shardId-000000000000 in stream orders under account 000000000000 \
             {range}"
        );
        refused("SplitShard", split("0", key), "InvalidArgumentException", &message).await;
    }
    for (operation, input, shard) in [
        ("SplitShard", split("x", "5"), "x"),
        ("SplitShard", split("9", "5"), "shardId-000000000009"),
        ("MergeShards", merge("0", "9"), "shardId-000000000009"),
        ("MergeShards", merge("x", "1"), "x"),
    ] {
        let message = format!("Could not find shard {shard} in stream orders under account 000000000000.");
        refused(operation, input, "ResourceNotFoundException", &message).await;
    }
    refused(
        "MergeShards",
        merge("0", "2"),
        "InvalidArgumentException",
        "Shards shardId-000000000000 and shardId-000000000002 in stream orders under account 000000000000 are not an adjacent pair of \
         shards eligible for merging",
    )
    .await;
    kinesis.call("MergeShards", merge("0", "1")).await;
    let (name, message) = kinesis.refusal("SplitShard", split("0", "5")).await;
    assert!(name == "InvalidArgumentException" && message.contains("has already been merged or split"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_changing_is_not_changed() {
    let gateway = Gateway::with_options(Options { state_change_delay: SECOND, ..Options::default() });
    gateway.stream("orders", 1).await;
    advance(SECOND).await;
    let kinesis = gateway.kinesis();
    let split = json!({"StreamName": "orders", "ShardToSplit": "0", "NewStartingHashKey": "5"});
    kinesis.call("SplitShard", split).await;
    let update = json!({"StreamName": "orders", "TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"});
    refused(
        &kinesis,
        "UpdateShardCount",
        update.clone(),
        "ResourceInUseException",
        "Stream orders under account 000000000000 not ACTIVE, instead in state UPDATING",
    )
    .await;
    advance(SECOND).await;
    kinesis.call("UpdateShardCount", update).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_scaled_to_even_ranges() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let kinesis = gateway.kinesis();
    let update = |target: i64| json!({"StreamName": "orders", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
    let answer = kinesis.call("UpdateShardCount", update(4)).await;
    let expected = json!({"StreamName": "orders", "CurrentShardCount": 2, "TargetShardCount": 4, "StreamARN": arn("orders")});
    assert_eq!((answer, stream.open_shards()), (expected, 4));
    gateway.log.env().limits.set(Limits::kinesis());
    refused(
        &kinesis,
        "UpdateShardCount",
        update(9),
        "LimitExceededException",
        "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 4 Target shard count: 9",
    )
    .await;
    assert_eq!(kinesis.refusal("UpdateShardCount", update(1)).await.0, "LimitExceededException");
    let up = json!({"StreamName": "orders", "TargetShardCount": 4, "ScalingType": "UP"});
    assert_eq!(kinesis.refusal("UpdateShardCount", up).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_shards_is_told_with_its_numbers() {
    let gateway = Gateway::with_options(Options { shard_quota: 3, ..Options::default() });
    gateway.stream("orders", 3).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    refused(
        &kinesis,
        "SplitShard",
        json!({"StreamName": "orders", "ShardToSplit": "0", "NewStartingHashKey": "5"}),
        "LimitExceededException",
        "This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the account: 3. \
         Limit: 3. Number of additional shards that would have resulted from this request: 1. Refer to the AWS Service Limits page \
         (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
    )
    .await;
    let limits = kinesis.call("DescribeLimits", json!({})).await;
    let expected = json!({"ShardLimit": 3, "OpenShardCount": 3, "OnDemandStreamCount": 0, "OnDemandStreamCountLimit": 50});
    assert_eq!(limits, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_demand_has_its_shards_changed_by_nobody() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 2, Settings { mode: Mode::OnDemand, ..Settings::default() }).await;
    let kinesis = gateway.kinesis();
    for (operation, input) in [
        ("SplitShard", json!({"StreamName": "orders", "ShardToSplit": "0", "NewStartingHashKey": "5"})),
        ("MergeShards", json!({"StreamName": "orders", "ShardToMerge": "0", "AdjacentShardToMerge": "1"})),
        ("UpdateShardCount", json!({"StreamName": "orders", "TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"})),
    ] {
        assert_eq!(kinesis.refusal(operation, input).await.0, "ValidationException");
    }
}
