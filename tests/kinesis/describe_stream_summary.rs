//! DescribeStreamSummary.

use serde_json::json;

use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_topic_is_described_as_a_stream_by_name_or_by_arn() {
    let gateway = Gateway::start();
    gateway.stream("orders", 3).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    let expected = json!({"StreamDescriptionSummary": {
        "StreamName": "orders",
        "StreamARN": arn,
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 1_700_000_000.0,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
        "OpenShardCount": 3,
        "ConsumerCount": 0,
        "MaxRecordSizeInKiB": 1_024,
        "RecordDistributionStrategy": "USER_PARTITION_KEY",
    }});
    let kinesis = gateway.kinesis();
    for input in [json!({"StreamName": "orders"}), json!({"StreamARN": arn}), json!({"StreamName": "orders", "StreamARN": arn})] {
        assert_eq!(kinesis.call("DescribeStreamSummary", input).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_or_not_named_is_refused() {
    let kinesis = Gateway::start().kinesis();
    let (name, message) = kinesis.refusal("DescribeStreamSummary", json!({"StreamName": "orders"})).await;
    assert_eq!(
        (name.as_str(), message.as_str()),
        ("ResourceNotFoundException", "Stream orders under account 000000000000 not found.",)
    );
    assert_eq!(kinesis.refusal("DescribeStreamSummary", json!({})).await.0, "InvalidArgumentException");
    assert_eq!(kinesis.refusal("DescribeStreamSummary", json!({"StreamARN": "orders"})).await.0, "ValidationException");
}
