//! DeleteStream.

use serde_json::json;

use super::{arn, refused};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_stream_goes_with_its_topic() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    gateway.kinesis().call("DeleteStream", json!({"StreamARN": arn("orders")})).await;
    assert!(gateway.log.stream("orders").is_none());
    refused(
        &gateway.kinesis(),
        "DeleteStream",
        json!({"StreamName": "orders"}),
        "ResourceNotFoundException",
        "Stream orders under account 000000000000 not found.",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn consumers_must_be_gone_first_or_go_too() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    kinesis.call("RegisterStreamConsumer", json!({"StreamARN": arn("orders"), "ConsumerName": "c"})).await;
    for input in [json!({"StreamName": "orders"}), json!({"StreamName": "orders", "EnforceConsumerDeletion": false})] {
        assert_eq!(kinesis.refusal("DeleteStream", input).await.0, "ResourceInUseException");
    }
    kinesis.call("DeleteStream", json!({"StreamName": "orders", "EnforceConsumerDeletion": true})).await;
    assert!(gateway.log.stream("orders").is_none());
}
