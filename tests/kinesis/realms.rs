//! Accounts and regions: each account has streams of its own in each region.

use serde_json::{Value, json};
use shardgate::log::Options;
use shardgate::model::Limits;

use super::{SECOND, encoded, put, read, records, refused};
use crate::support::{Gateway, Kinesis};

const OTHER: &str = "123456789012";
const SHARD: &str = "shardId-000000000000";

fn arn(region: &str, account: &str, stream: &str) -> String {
    format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
}

/// Those who ask: at home, in another region, and from another account.
fn callers(gateway: &Gateway) -> [Kinesis; 3] {
    let as_other = |key: &str, region: &str| gateway.kinesis().signing(key, region);
    [gateway.kinesis(), as_other("local", "eu-west-1"), as_other(OTHER, "us-east-1")]
}

async fn create(kinesis: &Kinesis, stream: &str, shards: u32) {
    kinesis.call("CreateStream", json!({"StreamName": stream, "ShardCount": shards})).await;
}

/// The ARNs of the streams that somebody sees.
async fn list(kinesis: &Kinesis) -> Vec<String> {
    let answer = kinesis.call("ListStreams", json!({})).await;
    let summaries = answer["StreamSummaries"].as_array().unwrap().iter();
    summaries.map(|summary| summary["StreamARN"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_account_has_streams_of_its_own_in_each_region() {
    let gateway = Gateway::start();
    let [home, region, account] = callers(&gateway);
    for (kinesis, shards) in [(&home, 1), (&region, 2), (&account, 3)] {
        create(kinesis, "orders", shards).await;
    }
    assert_eq!(list(&home).await, [arn("us-east-1", "000000000000", "orders")]);
    assert_eq!(list(&region).await, [arn("eu-west-1", "000000000000", "orders")]);
    assert_eq!(list(&account).await, [arn("us-east-1", OTHER, "orders")]);
    for (kinesis, value) in [(&home, "home"), (&region, "region"), (&account, "account")] {
        let input = json!({"StreamName": "orders", "PartitionKey": "a", "ExplicitHashKey": "0", "Data": encoded(value)});
        kinesis.call("PutRecord", input).await;
        let horizon = json!({"ShardIteratorType": "TRIM_HORIZON"});
        assert_eq!(read(kinesis, "orders", SHARD, horizon).await, [value]);
    }
    let taken = format!("Stream orders under account {OTHER} already exists.");
    let again = json!({"StreamName": "orders", "ShardCount": 1});
    refused(&account, "CreateStream", again, "ResourceInUseException", &taken).await;
    account.call("DeleteStream", json!({"StreamName": "orders"})).await;
    assert_eq!((list(&account).await.len(), list(&home).await.len(), list(&region).await.len()), (0, 1, 1));
    let gone = format!("Stream orders under account {OTHER} not found.");
    refused(&account, "DescribeStream", json!({"StreamName": "orders"}), "ResourceNotFoundException", &gone).await;
}

#[tokio::test(start_paused = true)]
async fn who_names_no_account_and_no_region_of_aws_is_at_home() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    for (key, region) in [
        ("000000000000", "us-east-1"),
        ("AKIAIOSFODNN7EXAMPLE", ""),
        ("12345678901", "local"),
        ("1234567890123", "elasticmq"),
        ("test", "us-east"),
        ("test", "US-EAST-1"),
        ("test", "us-east-1a"),
        ("test", "us-east-123"),
        ("test", "us--1"),
        ("test/", ""),
    ] {
        let found = list(&gateway.kinesis().signing(key, region)).await;
        assert_eq!(found, [arn("us-east-1", "000000000000", "orders")], "{key} {region}");
    }
    for region in ["us-gov-west-1", "eusc-de-east-1", "cn-north-1", "ap-southeast-7", "us-isob-east-1"] {
        assert!(list(&gateway.kinesis().signing("test", region)).await.is_empty(), "{region}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_arn_leads_to_the_stream_of_its_account_and_region() {
    let gateway = Gateway::start();
    let [home, region, account] = callers(&gateway);
    create(&account, "orders", 1).await;
    let theirs = arn("us-east-1", OTHER, "orders");
    for kinesis in [&home, &region, &account] {
        let input = json!({"StreamARN": theirs, "PartitionKey": "a", "Data": encoded("b")});
        let number = kinesis.call("PutRecord", input).await["SequenceNumber"].clone();
        let input = json!({
            "StreamARN": theirs, "ShardId": SHARD, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number,
        });
        let iterator = kinesis.call("GetShardIterator", input).await["ShardIterator"].clone();
        let found = kinesis.call("GetRecords", json!({"StreamARN": theirs, "ShardIterator": iterator})).await;
        assert_eq!(found["Records"][0]["SequenceNumber"], number);
        let found = kinesis.call("DescribeStreamSummary", json!({"StreamARN": theirs})).await;
        assert_eq!(found["StreamDescriptionSummary"]["StreamARN"], *theirs);
        // The ARN counts, whatever the name beside it.
        kinesis.call("ListShards", json!({"StreamARN": theirs, "StreamName": "other"})).await;
    }
    assert_eq!(records(&account, "orders", SHARD).await.len(), 3);
    for kinesis in [&home, &region] {
        let none = "Stream orders under account 000000000000 not found.";
        refused(kinesis, "ListShards", json!({"StreamName": "orders"}), "ResourceNotFoundException", none).await;
    }
    // The same name is nobody's in the realms that other ARNs name.
    for (region, account) in [("us-east-1", "000000000000"), ("eu-west-1", OTHER), ("", OTHER), ("us-east-1:x", OTHER)] {
        let none = format!("Stream orders under account {account} not found.");
        let input = json!({"StreamARN": arn(region, account, "orders")});
        refused(&home, "ListShards", input, "ResourceNotFoundException", &none).await;
    }
}

#[tokio::test(start_paused = true)]
async fn consumers_and_tags_are_found_by_arns_of_other_accounts() {
    let gateway = Gateway::start();
    let [home, _, account] = callers(&gateway);
    create(&account, "orders", 1).await;
    let theirs = arn("us-east-1", OTHER, "orders");
    let input = json!({"StreamARN": theirs, "ConsumerName": "reader"});
    let consumer = home.call("RegisterStreamConsumer", input.clone()).await["Consumer"]["ConsumerARN"].clone();
    assert!(consumer.as_str().unwrap().starts_with(&format!("{theirs}/consumer/reader:")), "{consumer}");
    let taken = format!("Consumer reader of stream orders under account {OTHER} already exists.");
    refused(&home, "RegisterStreamConsumer", input, "ResourceInUseException", &taken).await;
    let found = home.call("DescribeStreamConsumer", json!({"ConsumerARN": consumer})).await;
    assert_eq!(found["ConsumerDescription"]["StreamARN"], *theirs);
    for resource in [json!(theirs), consumer.clone()] {
        home.call("TagResource", json!({"ResourceARN": resource, "Tags": {"a": "b"}})).await;
        let tags = account.call("ListTagsForResource", json!({"ResourceARN": resource})).await;
        assert_eq!(tags["Tags"][0], json!({"Key": "a", "Value": "b"}));
    }
    let from = json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}});
    put(&account, "orders", "a", "hello").await;
    let mut events = home.subscribe(from).await;
    assert_eq!(events.next().await.unwrap().header(":event-type"), "initial-response");
    assert_eq!(events.next().await.unwrap().json()["Records"][0]["Data"], encoded("hello"));
}

#[tokio::test(start_paused = true)]
async fn quotas_and_rates_are_those_of_the_account_in_the_region() {
    let gateway = Gateway::with_options(Options { shard_quota: 3, ..Options::default() });
    let [home, region, account] = callers(&gateway);
    gateway.log.env().limits.set(Limits::kinesis());
    create(&home, "orders", 3).await;
    for (kinesis, place, used) in [
        (&home, "000000000000 in us-east-1", 3),
        (&region, "000000000000 in eu-west-1", 0),
        (&account, "123456789012 in us-east-1", 0),
    ] {
        // Once a second in each: the calls of one are not counted for another.
        let limits = kinesis.call("DescribeLimits", json!({})).await;
        assert_eq!((&limits["ShardLimit"], &limits["OpenShardCount"]), (&json!(3), &json!(used)));
        let (name, message) = kinesis.refusal("CreateStream", json!({"StreamName": "more", "ShardCount": 4 - used})).await;
        let expected = format!(
            "This request would exceed the shard limit for the account {place}. Current shard count for the account: {used}."
        );
        assert!(name == "LimitExceededException" && message.starts_with(&expected), "{message}");
    }
    assert_eq!(home.refusal("DescribeLimits", json!({})).await.0, "LimitExceededException");
    create(&region, "orders", 3).await;
    let split = json!({"StreamName": "orders", "ShardToSplit": SHARD, "NewStartingHashKey": "100"});
    assert_eq!(region.refusal("SplitShard", split).await.0, "LimitExceededException");
    let on_demand = |stream: usize| json!({"StreamName": format!("s{stream}"), "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    tokio::time::advance(SECOND).await;
    for stream in 0..5 {
        account.call("CreateStream", on_demand(stream)).await;
    }
    let count = async |kinesis: &Kinesis| {
        gateway.log.env().limits.set(Limits::off());
        kinesis.call("DescribeLimits", json!({})).await["OnDemandStreamCount"].clone()
    };
    assert_eq!((count(&account).await, count(&region).await), (json!(5), json!(0)));
}

#[tokio::test(start_paused = true)]
async fn settings_are_those_of_the_account_in_the_region() {
    let gateway = Gateway::start();
    let set = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    callers(&gateway)[1].call("UpdateAccountSettings", set).await;
    let gateway = gateway.restarted();
    let mut found = Vec::new();
    for kinesis in callers(&gateway) {
        let settings = kinesis.call("DescribeAccountSettings", json!({})).await;
        found.push(settings["MinimumThroughputBillingCommitment"]["Status"].clone());
    }
    assert_eq!(found, ["DISABLED", "ENABLED", "DISABLED"]);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_accounts_with_settings_is_bounded() {
    let gateway = Gateway::start();
    let set = |status: &str| json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let caller = |account: u64| gateway.kinesis().signing(&format!("{:012}", account), "us-east-1");
    for account in 1..=1_000 {
        caller(account).call("UpdateAccountSettings", set("ENABLED")).await;
    }
    assert_eq!(caller(1_001).refusal("UpdateAccountSettings", set("ENABLED")).await.0, "LimitExceededException");
    caller(1_000).call("UpdateAccountSettings", set("DISABLED")).await;
    caller(0).call("UpdateAccountSettings", set("ENABLED")).await;
}

#[tokio::test(start_paused = true)]
async fn streams_of_all_accounts_survive_a_restart() {
    let gateway = Gateway::start();
    for (kinesis, value) in callers(&gateway).iter().zip(["home", "region", "account"]) {
        create(kinesis, "orders", 1).await;
        put(kinesis, "orders", "a", value).await;
    }
    let [_, region, _] = callers(&gateway);
    region.call("SplitShard", json!({"StreamName": "orders", "ShardToSplit": SHARD, "NewStartingHashKey": "100"})).await;
    let gateway = gateway.restarted();
    let mut shards = Vec::new();
    for (kinesis, value) in callers(&gateway).iter().zip(["home", "region", "account"]) {
        let [(_, found)] = records(kinesis, "orders", SHARD).await.try_into().unwrap();
        assert_eq!(found, value);
        let all: Value = kinesis.call("ListShards", json!({"StreamName": "orders"})).await;
        shards.push(all["Shards"].as_array().unwrap().len());
    }
    assert_eq!(shards, [1, 3, 1]);
}
