//! Kinds of requests of Kinesis, in JSON over HTTP/1.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::http::{Connection, request};
use super::support::{Gateway, Outcome};
use super::{Ask, Kind};

/// Records of one PutRecords, as many as it may have.
const BATCH: usize = 500;
/// Records of a page.
const PAGE: usize = 5_000;
const RECORD_BYTES: usize = 1 << 10;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "DescribeStreamSummary", requests: 50, prepare: describe },
    Kind { name: "PutRecord 100 B", requests: 50, prepare: put_record },
    Kind { name: "PutRecords 500 x 1 KiB", requests: 4, prepare: put_records },
    Kind { name: "GetRecords 5000 x 1 KiB", requests: 1, prepare: get_records },
];

/// A connection, and a new stream of one shard.
fn create(gateway: &Gateway, stream: &str) -> Outcome<Connection> {
    let mut connection = Connection::open(&gateway.kinesis)?;
    connection.call("CreateStream", &json!({"StreamName": stream, "ShardCount": 1}))?;
    Ok(connection)
}

/// Sends the same request again and again; of the answers it looks for a text.
fn repeated(mut connection: Connection, request: Vec<u8>, wanted: &'static str) -> Ask {
    Box::new(move || {
        let answer = connection.ask(&request)?;
        if answer.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
            return Ok(());
        }
        Err(format!("{wanted} is missing: {:.300}", String::from_utf8_lossy(answer)).into())
    })
}

fn describe(gateway: &Gateway) -> Outcome<Ask> {
    let connection = create(gateway, "described-stream")?;
    let request = request("DescribeStreamSummary", &json!({"StreamName": "described-stream"}).to_string());
    Ok(repeated(connection, request, "\"ACTIVE\""))
}

fn put_record(gateway: &Gateway) -> Outcome<Ask> {
    let connection = create(gateway, "put-one")?;
    let record = json!({"StreamName": "put-one", "PartitionKey": "key", "Data": STANDARD.encode([7; 100])});
    Ok(repeated(connection, request("PutRecord", &record.to_string()), "SequenceNumber"))
}

fn batch(stream: &str) -> Vec<u8> {
    let data = STANDARD.encode((0..RECORD_BYTES).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>());
    let records = (0..BATCH).map(|at| json!({"PartitionKey": format!("key-{at}"), "Data": data})).collect::<Vec<_>>();
    request("PutRecords", &json!({"StreamName": stream, "Records": records}).to_string())
}

fn put_records(gateway: &Gateway) -> Outcome<Ask> {
    let connection = create(gateway, "put-many")?;
    Ok(repeated(connection, batch("put-many"), "\"FailedRecordCount\":0"))
}

/// The first page again and again: an iterator may be used as often as one likes.
fn get_records(gateway: &Gateway) -> Outcome<Ask> {
    let mut connection = create(gateway, "read")?;
    let batch = batch("read");
    (0..PAGE / BATCH).try_for_each(|_| connection.ask(&batch).map(drop))?;
    let place = json!({"StreamName": "read", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = connection.call("GetShardIterator", &place)?["ShardIterator"].clone();
    let request = request("GetRecords", &json!({"ShardIterator": iterator, "Limit": PAGE}).to_string());
    let page: Value = serde_json::from_slice(connection.ask(&request)?)?;
    match page["Records"].as_array().map_or(0, Vec::len) {
        PAGE => Ok(repeated(connection, request, "NextShardIterator")),
        records => Err(format!("a page has {records} records").into()),
    }
}
