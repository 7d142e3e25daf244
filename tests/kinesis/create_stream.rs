//! CreateStream.

use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn a_stream_is_a_topic_too() {
    let gateway = Gateway::start();
    assert_eq!(gateway.kinesis().call("CreateStream", json!({"StreamName": "orders", "ShardCount": 3})).await, Value::Null);
    assert_eq!(gateway.log.stream("orders").unwrap().lanes(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_demand_begins_with_four_shards() {
    let gateway = Gateway::start();
    let input = json!({"StreamName": "orders", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    gateway.kinesis().call("CreateStream", input).await;
    assert_eq!(gateway.log.stream("orders").unwrap().open_shards(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_created_is_refused_in_the_words_of_aws() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    for (input, name, message) in [
        (
            json!({"StreamName": "orders", "ShardCount": 1}),
            "ResourceInUseException",
            "Stream orders under account 000000000000 already exists.",
        ),
        (
            json!({"ShardCount": 0}),
            "ValidationException",
            "2 validation errors detected: Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater \
             than or equal to 1; Value null at 'streamName' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"StreamName": "a b", "ShardCount": 1}),
            "ValidationException",
            "1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (json!({"StreamName": true}), "SerializationException", "class java.lang.Boolean can not be converted to an String"),
    ] {
        assert_eq!(gateway.kinesis().refusal("CreateStream", input).await, (name.to_owned(), message.to_owned()));
    }
}
