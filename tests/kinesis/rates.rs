//! How often operations may be called.

use std::time::Duration;

use serde_json::json;
use shardgate::model::Limits;
use tokio::time::advance;

use super::{SECOND, refused};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn operations_are_counted_for_the_account_or_for_each_stream() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.stream("other", 1).await;
    let kinesis = gateway.kinesis();
    let tags = |stream: &str| json!({"StreamName": stream});
    for _ in 0..30 {
        kinesis.call("ListTagsForStream", tags("orders")).await;
    }
    gateway.log.env().limits.set(Limits::kinesis());
    for _ in 0..5 {
        kinesis.call("ListTagsForStream", tags("orders")).await;
    }
    let rate = "Rate exceeded for stream orders under account 000000000000.";
    refused(&kinesis, "ListTagsForStream", tags("orders"), "LimitExceededException", rate).await;
    kinesis.call("ListTagsForStream", tags("other")).await;
    for _ in 0..10 {
        kinesis.call("DescribeStream", tags("orders")).await;
    }
    let rate = "Rate exceeded for account 000000000000.";
    refused(&kinesis, "DescribeStream", tags("other"), "LimitExceededException", rate).await;
    advance(SECOND).await;
    kinesis.call("DescribeStream", tags("other")).await;
    kinesis.call("ListTagsForStream", tags("orders")).await;
    gateway.log.env().limits.set(Limits::off());
    for _ in 0..30 {
        kinesis.call("DescribeLimits", json!({})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_by_the_day_comes_back_slowly() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    let key = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": "k"});
    for _ in 0..25 {
        kinesis.call("StartStreamEncryption", key.clone()).await;
    }
    assert_eq!(kinesis.refusal("StartStreamEncryption", key.clone()).await.0, "LimitExceededException");
    advance(3_600 * SECOND).await;
    kinesis.call("StartStreamEncryption", key.clone()).await;
    assert_eq!(kinesis.refusal("StartStreamEncryption", key).await.0, "LimitExceededException");
}

#[tokio::test(start_paused = true)]
async fn parts_and_multiples_of_the_limits_hold_for_calls_too() {
    let gateway = Gateway::start();
    let kinesis = gateway.kinesis();
    for (profile, millis) in [("kinesis:50%", 2_000), ("kinesis:1000%", 100)] {
        gateway.log.env().limits.set(profile.parse().unwrap());
        let rate = "Rate exceeded for account 000000000000.";
        kinesis.call("DescribeLimits", json!({})).await;
        advance(Duration::from_millis(millis - 1)).await;
        refused(&kinesis, "DescribeLimits", json!({}), "LimitExceededException", rate).await;
        advance(Duration::from_millis(1)).await;
        kinesis.call("DescribeLimits", json!({})).await;
        advance(SECOND * 60).await;
    }
}
