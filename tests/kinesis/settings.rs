//! What can be set on streams and on the account: mode, record size, distribution, warm throughput, encryption, metrics, policies,
//! commitment.

use serde_json::{Value, json};
use shardgate::model::{Limits, Mode, Settings};
use tokio::time::advance;

use super::{SECOND, arn, encoded, put, records, refused};
use crate::support::{Gateway, Kinesis};

async fn summary(kinesis: &Kinesis) -> Value {
    kinesis.call("DescribeStreamSummary", json!({"StreamName": "orders"})).await["StreamDescriptionSummary"].clone()
}

fn on_demand() -> Settings {
    Settings { mode: Mode::OnDemand, ..Settings::default() }
}

#[tokio::test(start_paused = true)]
async fn a_streams_mode_is_switched_and_its_shards_stay() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 3).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    let switch = |mode: &str| json!({"StreamARN": arn("orders"), "StreamModeDetails": {"StreamMode": mode}});
    for mode in ["ON_DEMAND", "PROVISIONED"] {
        kinesis.call("UpdateStreamMode", switch(mode)).await;
        assert_eq!((summary(&kinesis).await["StreamModeDetails"]["StreamMode"].as_str(), stream.open_shards()), (Some(mode), 3));
    }
    assert_eq!(kinesis.refusal("UpdateStreamMode", switch("ON_DEMAND")).await.0, "LimitExceededException");
    assert_eq!(kinesis.refusal("UpdateStreamMode", switch("MANUAL")).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn the_largest_record_is_set() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let data = encoded(&"x".repeat(2 << 20));
    let large = json!({"StreamName": "orders", "PartitionKey": "a", "Data": data});
    assert_eq!(kinesis.refusal("PutRecord", large.clone()).await.0, "ValidationException");
    kinesis.call("UpdateMaxRecordSize", json!({"StreamARN": arn("orders"), "MaxRecordSizeInKiB": 2_049})).await;
    assert_eq!(summary(&kinesis).await["MaxRecordSizeInKiB"], 2_049);
    kinesis.call("PutRecord", large).await;
    for kib in [1_023, 10_241] {
        let input = json!({"StreamARN": arn("orders"), "MaxRecordSizeInKiB": kib});
        assert_eq!(kinesis.refusal("UpdateMaxRecordSize", input).await.0, "ValidationException");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_demand_spreads_its_records_if_it_is_told_to() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 4, on_demand()).await;
    gateway.stream("provisioned", 1).await;
    let kinesis = gateway.kinesis();
    let spread = |stream: &str, strategy: &str| json!({"StreamARN": arn(stream), "RecordDistributionStrategy": strategy});
    kinesis.call("UpdateStreamRecordDistributionStrategy", spread("orders", "AUTO")).await;
    assert_eq!(summary(&kinesis).await["RecordDistributionStrategy"], "AUTO");
    for _ in 0..40 {
        put(&kinesis, "orders", "same", "x").await;
    }
    for shard in ["0", "1", "2", "3"] {
        assert!(!records(&kinesis, "orders", shard).await.is_empty(), "{shard}");
    }
    let number = kinesis.call("PutRecord", json!({"StreamName": "orders", "Data": encoded("no key")})).await;
    let token = kinesis
        .call(
            "GetShardIterator",
            json!({
                "StreamName": "orders",
                "ShardId": number["ShardId"],
                "ShardIteratorType": "AT_SEQUENCE_NUMBER",
                "StartingSequenceNumber": number["SequenceNumber"],
            }),
        )
        .await;
    let found = kinesis.call("GetRecords", json!({"ShardIterator": token["ShardIterator"]})).await["Records"][0].clone();
    assert_eq!((&found["Data"], found.get("PartitionKey")), (&json!(encoded("no key")), None));
    kinesis.call("UpdateStreamRecordDistributionStrategy", spread("orders", "USER_PARTITION_KEY")).await;
    let (name, _) = kinesis.refusal("PutRecord", json!({"StreamName": "orders", "Data": ""})).await;
    assert_eq!(name, "ValidationException");
    let (name, _) = kinesis.refusal("UpdateStreamRecordDistributionStrategy", spread("provisioned", "AUTO")).await;
    assert_eq!(name, "InvalidArgumentException");
}

#[tokio::test(start_paused = true)]
async fn warm_throughput_is_for_streams_on_demand() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 1, on_demand()).await;
    gateway.stream("provisioned", 1).await;
    let kinesis = gateway.kinesis();
    let answer = kinesis.call("UpdateStreamWarmThroughput", json!({"StreamName": "orders", "WarmThroughputMiBps": 100})).await;
    let warm = json!({"TargetMiBps": 100, "CurrentMiBps": 100});
    assert_eq!(answer, json!({"StreamARN": arn("orders"), "StreamName": "orders", "WarmThroughput": warm}));
    assert_eq!(summary(&kinesis).await["WarmThroughput"], warm);
    let input = json!({"StreamName": "provisioned", "WarmThroughputMiBps": 100});
    assert_eq!(kinesis.refusal("UpdateStreamWarmThroughput", input).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_created_with_all_that() {
    let gateway = Gateway::start();
    let input = json!({
        "StreamName": "orders",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "WarmThroughputMiBps": 7,
        "MaxRecordSizeInKiB": 5_000,
        "RecordDistributionStrategy": "AUTO",
    });
    let kinesis = gateway.kinesis();
    kinesis.call("CreateStream", input).await;
    let found = summary(&kinesis).await;
    assert_eq!((&found["WarmThroughput"]["TargetMiBps"], &found["MaxRecordSizeInKiB"]), (&json!(7), &json!(5_000)));
    assert_eq!((&found["RecordDistributionStrategy"], &found["OpenShardCount"]), (&json!("AUTO"), &json!(4)));
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_stream_says_so_with_every_record() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let key = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    kinesis.call("StartStreamEncryption", key.clone()).await;
    let found = summary(&kinesis).await;
    assert_eq!((&found["EncryptionType"], &found["KeyId"]), (&json!("KMS"), &json!("alias/aws/kinesis")));
    let answer = kinesis.call("PutRecord", json!({"StreamName": "orders", "PartitionKey": "a", "Data": ""})).await;
    assert_eq!(answer["EncryptionType"], "KMS");
    kinesis.call("StopStreamEncryption", key).await;
    let found = summary(&kinesis).await;
    assert_eq!((&found["EncryptionType"], found.get("KeyId")), (&json!("NONE"), None));
    let none = json!({"StreamName": "orders", "EncryptionType": "NONE", "KeyId": "k"});
    assert_eq!(kinesis.refusal("StartStreamEncryption", none).await.0, "InvalidArgumentException");
}

#[tokio::test(start_paused = true)]
async fn metrics_of_shards_are_named_before_and_after() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let metrics = |metrics: Value| json!({"StreamName": "orders", "ShardLevelMetrics": metrics});
    let answer = kinesis.call("EnableEnhancedMonitoring", metrics(json!(["OutgoingBytes", "IncomingBytes"]))).await;
    assert_eq!(
        answer,
        json!({
            "StreamName": "orders",
            "StreamARN": arn("orders"),
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"],
        })
    );
    let answer = kinesis.call("EnableEnhancedMonitoring", metrics(json!(["ALL"]))).await;
    assert_eq!(answer["DesiredShardLevelMetrics"].as_array().unwrap().len(), 7);
    let answer = kinesis.call("DisableEnhancedMonitoring", metrics(json!(["IteratorAgeMilliseconds"]))).await;
    assert_eq!(answer["CurrentShardLevelMetrics"].as_array().unwrap().len(), 7);
    assert_eq!(summary(&kinesis).await["EnhancedMonitoring"][0]["ShardLevelMetrics"].as_array().unwrap().len(), 6);
    kinesis.call("DisableEnhancedMonitoring", metrics(json!(["ALL"]))).await;
    assert_eq!(summary(&kinesis).await["EnhancedMonitoring"], json!([{"ShardLevelMetrics": []}]));
    assert_eq!(kinesis.refusal("EnableEnhancedMonitoring", metrics(json!(["Some"]))).await.0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_kept_with_what_it_is_for() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let consumer = kinesis.call("RegisterStreamConsumer", json!({"StreamARN": arn("orders"), "ConsumerName": "c"})).await;
    let consumer = consumer["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    for (resource, policy) in [(arn("orders"), "{\"Statement\":[]}"), (consumer, "{\"Version\":\"2012-10-17\"}")] {
        let of = json!({"ResourceARN": resource});
        assert_eq!(kinesis.call("GetResourcePolicy", of.clone()).await, json!({"Policy": "{}"}));
        kinesis.call("PutResourcePolicy", json!({"ResourceARN": resource, "Policy": policy})).await;
        assert_eq!(kinesis.call("GetResourcePolicy", of.clone()).await, json!({"Policy": policy}));
        kinesis.call("DeleteResourcePolicy", of.clone()).await;
        assert_eq!(kinesis.call("GetResourcePolicy", of).await, json!({"Policy": "{}"}));
    }
    for policy in ["", "[]", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(20 << 10))] {
        let input = json!({"ResourceARN": arn("orders"), "Policy": policy});
        assert_eq!(kinesis.refusal("PutResourcePolicy", input).await.0, "InvalidArgumentException");
    }
}

#[tokio::test(start_paused = true)]
async fn the_accounts_commitment_lasts_a_day_at_least() {
    let gateway = Gateway::start();
    let kinesis = gateway.kinesis();
    let set = |status: &str| json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let found = |answer: Value| answer["MinimumThroughputBillingCommitment"].clone();
    assert_eq!(found(kinesis.call("DescribeAccountSettings", json!({})).await), json!({"Status": "DISABLED"}));
    let (start, end) = (1_700_000_000.0, 1_700_086_400.0);
    let enabled = json!({"Status": "ENABLED", "StartedAt": start, "EarliestAllowedEndAt": end});
    assert_eq!(found(kinesis.call("UpdateAccountSettings", set("ENABLED")).await), enabled);
    advance(3_600 * SECOND).await;
    let ending = json!({"Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END", "StartedAt": start, "EarliestAllowedEndAt": end});
    assert_eq!(found(kinesis.call("UpdateAccountSettings", set("DISABLED")).await), ending);
    let gateway = gateway.restarted();
    let kinesis = gateway.kinesis();
    assert_eq!(found(kinesis.call("DescribeAccountSettings", json!({})).await), ending);
    advance(86_400 * SECOND).await;
    let ended = json!({"Status": "DISABLED", "StartedAt": start, "EndedAt": end});
    assert_eq!(found(kinesis.call("DescribeAccountSettings", json!({})).await), ended);
    refused(
        &kinesis,
        "UpdateAccountSettings",
        set("MAYBE"),
        "ValidationException",
        "1 validation error detected: Value 'MAYBE' at 'minimumThroughputBillingCommitment.status' failed to satisfy constraint: \
         Member must satisfy enum value set: [ENABLED, DISABLED]",
    )
    .await;
}
