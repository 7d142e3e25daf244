//! The Kinesis door: one file per operation or family of operations, each with its shape, its rules and its behaviour; and what all
//! requests have in common.

mod connections;
mod consumers;
mod create_stream;
mod delete_stream;
mod describe_stream;
mod describe_stream_summary;
mod everything;
mod get;
mod hostile;
mod list_shards;
mod list_streams;
mod measures;
mod put;
mod rates;
mod realms;
mod reshard;
mod retention;
mod settings;
mod subscribe_to_shard;
mod tags;
mod transport;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Kinesis;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Data as JSON has it.
pub(crate) fn encoded(data: &str) -> String {
    STANDARD.encode(data)
}

/// Puts a record, and returns its sequence number.
pub(crate) async fn put(kinesis: &Kinesis, stream: &str, key: &str, data: &str) -> String {
    let input = json!({"StreamName": stream, "PartitionKey": key, "Data": encoded(data)});
    kinesis.call("PutRecord", input).await["SequenceNumber"].as_str().unwrap().to_owned()
}

/// An iterator of a shard from a position on.
pub(crate) async fn iterator(kinesis: &Kinesis, stream: &str, shard: &str, position: Value) -> String {
    let mut input = json!({"StreamName": stream, "ShardId": shard});
    input.as_object_mut().unwrap().extend(position.as_object().unwrap().clone());
    kinesis.call("GetShardIterator", input).await["ShardIterator"].as_str().unwrap().to_owned()
}

/// The data of the records of an answer.
pub(crate) fn values(answer: &Value) -> Vec<String> {
    found(answer).into_iter().map(|(_, data)| data).collect()
}

fn found(answer: &Value) -> Vec<(String, String)> {
    let records = answer["Records"].as_array().unwrap().iter();
    let data = |record: &Value| String::from_utf8(STANDARD.decode(record["Data"].as_str().unwrap()).unwrap()).unwrap();
    records.map(|record| (record["SequenceNumber"].as_str().unwrap().to_owned(), data(record))).collect()
}

/// The data of what can be read from a position on.
pub(crate) async fn read(kinesis: &Kinesis, stream: &str, shard: &str, position: Value) -> Vec<String> {
    let token = iterator(kinesis, stream, shard, position).await;
    values(&kinesis.call("GetRecords", json!({"ShardIterator": token})).await)
}

/// The numbers and the data of all records of a shard.
pub(crate) async fn records(kinesis: &Kinesis, stream: &str, shard: &str) -> Vec<(String, String)> {
    let token = iterator(kinesis, stream, shard, json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    found(&kinesis.call("GetRecords", json!({"ShardIterator": token})).await)
}

/// Asserts that a request is refused so.
pub(crate) async fn refused(kinesis: &Kinesis, operation: &str, input: Value, name: &str, message: &str) {
    assert_eq!(kinesis.refusal(operation, input).await, (name.to_owned(), message.to_owned()));
}

/// The name that a stream has in all of AWS.
pub(crate) fn arn(stream: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}")
}
