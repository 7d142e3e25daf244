//! AddTagsToStream, RemoveTagsFromStream, ListTagsForStream; TagResource, UntagResource, ListTagsForResource.

use serde_json::{Map, Value, json};

use super::{arn, refused};
use crate::support::Gateway;

fn numbered(tags: std::ops::Range<u32>) -> Value {
    tags.map(|tag| (format!("key{tag:02}"), Value::from("value"))).collect::<Map<_, _>>().into()
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_changed_listed_in_pages_and_removed() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    kinesis.call("AddTagsToStream", json!({"StreamName": "orders", "Tags": {"b": "1", "a": "2", "ä": ""}})).await;
    kinesis.call("AddTagsToStream", json!({"StreamName": "orders", "Tags": {"b": "3"}})).await;
    let first = kinesis.call("ListTagsForStream", json!({"StreamName": "orders", "Limit": 2})).await;
    assert_eq!(first, json!({"Tags": [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}], "HasMoreTags": true}));
    let rest = kinesis.call("ListTagsForStream", json!({"StreamName": "orders", "ExclusiveStartTagKey": "b"})).await;
    assert_eq!(rest, json!({"Tags": [{"Key": "ä", "Value": ""}], "HasMoreTags": false}));
    kinesis.call("RemoveTagsFromStream", json!({"StreamName": "orders", "TagKeys": ["a", "ä", "none"]})).await;
    let left = gateway.restarted().kinesis().call("ListTagsForStream", json!({"StreamName": "orders"})).await;
    assert_eq!(left["Tags"], json!([{"Key": "b", "Value": "3"}]));
}

#[tokio::test(start_paused = true)]
async fn there_are_fifty_tags_at_most_and_not_of_every_character() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    kinesis.call("AddTagsToStream", json!({"StreamName": "orders", "Tags": numbered(0..50)})).await;
    kinesis.call("AddTagsToStream", json!({"StreamName": "orders", "Tags": numbered(10..20)})).await;
    let unknown =
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.";
    let failed = |what: &str| format!("Failed to {what} stream orders under account 000000000000 because");
    let illegal = "some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, \
                   '_',',','/','=','+','-','@',':'.";
    for (operation, member, value, message) in [
        (
            "AddTagsToStream",
            "Tags",
            json!({"more": ""}),
            format!("{} a given stream cannot have more than 50 tags associated with it.", failed("add tags to")),
        ),
        ("AddTagsToStream", "Tags", json!({"a*": ""}), unknown.to_owned()),
        ("AddTagsToStream", "Tags", json!({"a": "(c)"}), unknown.to_owned()),
        ("AddTagsToStream", "Tags", json!({"a": "5%"}), format!("{} {illegal}", failed("add tags to"))),
        ("RemoveTagsFromStream", "TagKeys", json!(["%"]), format!("{} {illegal}", failed("remove tags from"))),
    ] {
        let input = json!({"StreamName": "orders", member: value});
        refused(&kinesis, operation, input, "InvalidArgumentException", &message).await;
    }
    let (name, _) = kinesis.refusal("AddTagsToStream", json!({"StreamName": "orders", "Tags": {}})).await;
    assert_eq!(name, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn streams_and_consumers_are_tagged_by_their_arns() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let consumer = kinesis.call("RegisterStreamConsumer", json!({"StreamARN": arn("orders"), "ConsumerName": "c"})).await;
    let consumer = consumer["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    for (resource, key) in [(arn("orders"), "of"), (consumer.clone(), "by")] {
        let tags =
            async |resource: &str| kinesis.call("ListTagsForResource", json!({"ResourceARN": resource})).await["Tags"].clone();
        assert_eq!(tags(&resource).await, json!([]));
        kinesis.call("TagResource", json!({"ResourceARN": resource, "Tags": {key: "x", "team": "y"}})).await;
        kinesis.call("UntagResource", json!({"ResourceARN": resource, "TagKeys": ["team"]})).await;
        assert_eq!(tags(&resource).await, json!([{"Key": key, "Value": "x"}]));
    }
    let listed = kinesis.call("ListTagsForStream", json!({"StreamName": "orders"})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "of", "Value": "x"}]));
    for missing in [arn("none"), consumer.replace(":17", ":16")] {
        let (name, _) = kinesis.refusal("ListTagsForResource", json!({"ResourceARN": missing})).await;
        assert_eq!(name, "ResourceNotFoundException", "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_born_with_tags() {
    let gateway = Gateway::start();
    let kinesis = gateway.kinesis();
    kinesis.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1, "Tags": {"a": "b"}})).await;
    let listed = kinesis.call("ListTagsForStream", json!({"StreamName": "orders"})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let many = json!({"StreamName": "many", "ShardCount": 1, "Tags": numbered(0..51)});
    assert_eq!(kinesis.refusal("CreateStream", many).await.0, "InvalidArgumentException");
}
