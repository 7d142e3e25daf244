//! ListStreams.

use serde_json::json;

use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn streams_are_listed_in_pages() {
    let gateway = Gateway::start();
    for name in ["b", "a", "c"] {
        gateway.stream(name, 1).await;
    }
    let kinesis = gateway.kinesis();
    let first = kinesis.call("ListStreams", json!({"Limit": 2})).await;
    assert_eq!((&first["StreamNames"], &first["HasMoreStreams"]), (&json!(["a", "b"]), &json!(true)));
    assert_eq!(first["StreamSummaries"][1]["StreamARN"], "arn:aws:kinesis:us-east-1:000000000000:stream/b");
    let last = kinesis.call("ListStreams", json!({"NextToken": first["NextToken"]})).await;
    assert_eq!((&last["StreamNames"], &last["HasMoreStreams"], last.get("NextToken")), (&json!(["c"]), &json!(false), None));
    let behind = kinesis.call("ListStreams", json!({"ExclusiveStartStreamName": "a"})).await;
    assert_eq!(behind["StreamNames"], json!(["b", "c"]));
}

#[tokio::test(start_paused = true)]
async fn no_streams_are_an_empty_list() {
    let answer = Gateway::start().kinesis().call("ListStreams", json!({})).await;
    assert_eq!(answer, json!({"StreamNames": [], "HasMoreStreams": false, "StreamSummaries": []}));
}
