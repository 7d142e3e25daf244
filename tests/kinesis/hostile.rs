//! What no well-meaning client sends: it is refused in AWS's words, and ends nobody else's connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};

use super::{arn, iterator, put};
use crate::support::hostile::{AwsAttacker, AwsTargets, Then, knows, request};
use crate::support::{AUTHORIZATION, Gateway};

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

/// Attacks between two questions of an honest client.
const CHUNK: usize = 100;

/// What a TLS client begins with, up to what it can do.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x33\x01\x00\x00\x2f\x03\x03................................\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x02\x00\x00";

/// Sends a request over a connection, and reads the answer up to the end of its body: the status and the body.
async fn ask(pipe: &mut DuplexStream, operation: &str, input: &Value) -> (u16, Vec<u8>) {
    pipe.write_all(&request(operation, input)).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(pipe.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    pipe.read_exact(&mut body).await.unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

#[tokio::test(start_paused = true)]
async fn an_honest_client_is_served_whatever_others_send() {
    let gateway = Gateway::start();
    for name in ["honest", "open", "keyed", "big"] {
        gateway.stream(name, 1).await;
    }
    let kinesis = gateway.kinesis();
    for _ in 0..10 {
        put(&kinesis, "big", "k", &"x".repeat(100_000)).await;
    }
    let registered = kinesis.call("RegisterStreamConsumer", json!({"StreamARN": arn("big"), "ConsumerName": "reader"})).await;
    let consumers = vec![registered["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()];
    let start = json!({"ShardIteratorType": "TRIM_HORIZON"});
    let iterators = Arc::new(Mutex::new(vec![iterator(&kinesis, "big", "shardId-000000000000", start).await]));
    let streams = ["open", "keyed", "flood-1"].map(str::to_owned).into();
    // Always the same seed: what fails here fails again.
    let targets = AwsTargets { streams, consumers, iterators };
    let mut attacker = AwsAttacker::new(1, targets, 64 << 10, Bytes::from_static(HELLO));
    let mut honest = gateway.kinesis_pipe(None);
    let mut stalled = Vec::new();
    for chunk in 0..15 {
        for _ in 0..CHUNK {
            let attack = attacker.next();
            let mut pipe = gateway.kinesis_pipe(None);
            // The gateway may close while we write, whatever this was.
            let _ = timeout(Duration::from_secs(1), pipe.write_all(&attack.bytes)).await;
            if attack.then == Then::Listen {
                let mut answer = vec![0; 4_000];
                let read = timeout(Duration::from_secs(1), pipe.read(&mut answer)).await;
                let answer = &answer[..read.ok().and_then(Result::ok).unwrap_or(0)];
                let shown =
                    || (String::from_utf8_lossy(&attack.bytes).into_owned(), String::from_utf8_lossy(answer).into_owned());
                assert!(!answer.starts_with(b"HTTP/1.1 500"), "{:?}", shown());
            } else if attack.then != Then::Leave {
                stalled.push(pipe);
            }
        }
        let input = json!({"StreamName": "honest", "PartitionKey": "k", "Data": "QUJD"});
        let (status, body) = ask(&mut honest, "PutRecord", &input).await;
        assert_eq!(status, 200, "{chunk}: {}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn an_attacker_knows_a_good_request_for_every_operation() {
    assert!(shardgate::kinesis::operations().all(knows));
}

/// The status and the body of the answer to a signed request with this body.
async fn answered(gateway: &Gateway, content_type: &str, operation: &str, body: &[u8]) -> (u16, Bytes) {
    let asked = Request::post("/")
        .header("content-type", content_type)
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .header("x-amz-date", "20231114T221320Z")
        .header("authorization", AUTHORIZATION);
    let answered = gateway.kinesis().send(asked.body(Bytes::copy_from_slice(body)).unwrap()).await;
    (answered.status, answered.body)
}

#[tokio::test(start_paused = true)]
async fn json_that_cannot_be_read_is_a_serialization_exception() {
    let gateway = Gateway::start();
    let deep = |opening: &str, closing: &str| format!("{{\"Tags\":{}{}}}", opening.repeat(5_000), closing.repeat(5_000));
    for body in [
        "{",
        "{\"Limit\":}",
        "{\"Limit\":1}}",
        "{\"Limit\":NaN}",
        "{\"Limit\":Infinity}",
        "{\"Limit\":1e999999}",
        "{\"Limit\":01}",
        "{\"Limit\":-}",
        "{Limit:1}",
        "{\"ExclusiveStartStreamName\":\"\\ud800\"}",
        "{\"ExclusiveStartStreamName\":\"\\udc00\\ud800\"}",
        "{\"ExclusiveStartStreamName\":\"\\q\"}",
        "{\"ExclusiveStartStreamName\":\"\n\"}",
        "[]",
        "\"text\"",
        "7",
        "null",
        &deep("[", "]"),
        &deep("{\"a\":", "}"),
        &"[".repeat(1 << 20),
        &format!("{{\"Tags\":[{}1]}}", "1,".repeat(200_000)),
    ] {
        let (status, answer) = answered(&gateway, JSON, "ListStreams", body.as_bytes()).await;
        assert_eq!((status, &answer[..]), (400, br#"{"__type":"SerializationException"}"#.as_slice()), "{:.80}", body);
    }
    for body in [b"{\"ExclusiveStartStreamName\":\"\xff\"}".as_slice(), b"\xef\xbb\xbf{}", b"\xed\xa0\x80", b"\0"] {
        let (status, answer) = answered(&gateway, JSON, "ListStreams", body).await;
        assert_eq!((status, &answer[..]), (400, br#"{"__type":"SerializationException"}"#.as_slice()), "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cbor_that_cannot_be_read_is_a_serialization_exception() {
    let gateway = Gateway::start();
    let refused = b"\xa1\x66__type\x76SerializationException".as_slice();
    let deep = |head: u8| [b"\xa1\x64Tags".as_slice(), &[head; 5_000]].concat();
    for body in [
        // Lengths that lie: a map, a list, texts and bytes of 2^64 - 1, of 4 GiB.
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(),
        b"\xa1\x64Tags\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xffname",
        b"\xa1\x64Data\x5a\xff\xff\xff\xffABC",
        // Indefinite lengths that do not end, and pieces of another kind.
        b"\xbf\x64Data",
        b"\xbf\x64Tags\x9f",
        b"\xa1\x64Data\x5f\x41A",
        b"\xa1\x64Data\x5f\x61A\xff",
        b"\xa1\x64Data\x7f\x7f\x61A\xff\xff",
        // A break where none may be, names that are none, reserved heads, tags that nobody knows.
        b"\xff",
        b"\xa1\x01\x02",
        b"\xa1\x41A\x02",
        b"\xa1\x64Data\x1c",
        b"\xa1\x64Data\xfc",
        b"\xa1\x64Data\xdb\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xa1\x69Timestamp\xc1\xf9\x7e\x00",
        b"\xa1\x69Timestamp\xc1\xfb\x7f\xf0\0\0\0\0\0\0",
        // A text that is not UTF-8, a surrogate, something behind, something that is no map.
        b"\xa1\x61a\x61\xff",
        b"\xa1\x61a\x63\xed\xa0\x80",
        b"\xa0\xa0",
        b"\x80",
        b"\x01",
        &deep(0x81),
        &deep(0x9f),
        &deep(0xbf),
        &deep(0xc1),
    ] {
        let (status, answer) = answered(&gateway, CBOR, "ListStreams", body).await;
        assert_eq!((status, &answer[..]), (400, refused), "{:?}", &body[..body.len().min(20)]);
    }
}

#[tokio::test(start_paused = true)]
async fn values_of_another_kind_are_told_in_the_words_of_java() {
    let gateway = Gateway::start();
    for (operation, body, words) in [
        ("ListStreams", r#"{"Limit":true}"#, "class java.lang.Boolean can not be converted to an Integer"),
        ("ListStreams", r#"{"Limit":[1]}"#, "Start of list found where not expected"),
        ("ListStreams", r#"{"Limit":{}}"#, "Start of structure or map found where not expected."),
        (
            "DescribeStream",
            r#"{"StreamName":1e308}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String",
        ),
        (
            "PutRecord",
            r#"{"Data":7}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob",
        ),
        (
            "PutRecord",
            r#"{"Data":"A"}"#,
            "'A' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 1",
        ),
        ("PutRecord", r#"{"Data":"A*=="}"#, "'A*==' can not be converted to a Blob: Invalid Base64 character: '*'"),
        ("PutRecords", r#"{"Records":{}}"#, "Start of structure or map found where not expected."),
        ("PutRecords", r#"{"Records":[7]}"#, "Expected null"),
        ("PutRecords", r#"{"Records":"x"}"#, "Expected list or null"),
        ("AddTagsToStream", r#"{"Tags":"x"}"#, "Expected map or null"),
        ("GetShardIterator", r#"{"Timestamp":"x"}"#, "class java.lang.String can not be converted to milliseconds since epoch"),
    ] {
        let (status, answer) = answered(&gateway, JSON, operation, body.as_bytes()).await;
        let expected = json!({"__type": "SerializationException", "Message": words});
        assert_eq!((status, serde_json::from_slice::<Value>(&answer).unwrap()), (400, expected), "{operation} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_members_that_are_there_twice_the_last_one_counts() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let body = br#"{"StreamName":7,"StreamName":"orders"}"#;
    assert_eq!(answered(&gateway, JSON, "DescribeStreamSummary", body).await.0, 200);
    let (status, answer) = answered(&gateway, JSON, "DescribeStreamSummary", br#"{"StreamName":"orders","StreamName":7}"#).await;
    assert!(status == 400 && answer.starts_with(br#"{"__type":"SerializationException""#), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn forged_iterators_are_invalid() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let good = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "LATEST"})).await;
    let cut = &good[..good.len() - 4];
    for token in [cut, &format!("A{good}"), &good.replace('A', "B"), "AAAAAAAAAAE=", "x", &"A".repeat(512)] {
        let refusal = kinesis.refusal("GetRecords", json!({"ShardIterator": token})).await;
        assert_eq!(refusal, ("InvalidArgumentException".to_owned(), "Invalid ShardIterator.".to_owned()), "{token}");
    }
    let (name, words) = kinesis.refusal("GetRecords", json!({"ShardIterator": "A".repeat(513)})).await;
    assert!(name == "ValidationException" && words.ends_with("Member must have length less than or equal to 512"), "{words}");
}

/// What comes back for `sent` until the connection is closed.
async fn talk(gateway: &Gateway, sent: &[u8]) -> Vec<u8> {
    let mut pipe = gateway.kinesis_pipe(None);
    let _ = pipe.write_all(sent).await;
    let mut answer = Vec::new();
    let _ = pipe.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(start_paused = true)]
async fn heads_that_lie_about_the_body_end_their_own_connection_only() {
    let gateway = Gateway::start();
    let mut honest = gateway.kinesis_pipe(None);
    let head = "POST / HTTP/1.1\r\nhost: x\r\n";
    for (lies, status) in [
        ("content-length: -1\r\n\r\n", "400"),
        ("content-length: 99999999999999999999\r\n\r\n", "400"),
        ("content-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"),
        ("transfer-encoding: gzip\r\n\r\n", "400"),
        ("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "400"),
        ("transfer-encoding: chunked\r\n\r\nhello\r\n", "400"),
        ("content-length: 99999999999\r\n\r\n", "413"),
        ("x: y\r\n\tfolded\r\n\r\n", "400"),
        ("content-length: 5\r\n\r\n", "408"),
    ] {
        let answer = talk(&gateway, format!("{head}{lies}").as_bytes()).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(expected.as_bytes()), "{lies:?}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(ask(&mut honest, "ListStreams", &json!({})).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_any_request_is_refused_over_either_protocol() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let record = |bytes: usize| json!({"Data": "A".repeat(bytes / 3 * 4), "PartitionKey": "k"});
    let records = |each: usize, count| json!({"StreamName": "orders", "Records": vec![record(each); count]});
    let kinesis = gateway.kinesis();
    // Just over 10 MiB of records, each as large as one may be, and one that is too large.
    let refusal = kinesis.refusal("PutRecords", records(1_048_500, 11)).await;
    assert_eq!(refusal, ("InvalidArgumentException".to_owned(), "Records size exceeds 10 MB limit".to_owned()));
    let (name, words) =
        kinesis.refusal("PutRecord", json!({"StreamName": "orders", "Data": "A".repeat(12 << 20), "PartitionKey": "k"})).await;
    assert!(name == "ValidationException" && words.contains("Member must have length less than or equal to"), "{words}");
    // Far over: not read at all.
    let mut honest = gateway.kinesis_pipe(None);
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n";
    assert!(talk(&gateway, head.as_bytes()).await.starts_with(b"HTTP/1.1 413 "));
    // Over, and not announced.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunks = format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(300));
    assert!(talk(&gateway, chunks.as_bytes()).await.starts_with(b"HTTP/1.1 413 "));
    assert_eq!(ask(&mut honest, "ListStreams", &json!({})).await.0, 200);
}

/// A connection on which a GetRecords of 600 KB was asked that is never taken.
async fn slow_reader(gateway: &Gateway, iterator: &str) -> DuplexStream {
    let mut pipe = gateway.kinesis_pipe(None);
    pipe.write_all(&request("GetRecords", &json!({"ShardIterator": iterator}))).await.unwrap();
    pipe
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_large_answers_does_not_hold_up_others() {
    let gateway = Gateway::start();
    gateway.stream("big", 1).await;
    let kinesis = gateway.kinesis();
    for _ in 0..12 {
        put(&kinesis, "big", "k", &"x".repeat(900_000)).await;
    }
    let from = iterator(&kinesis, "big", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    let mut honest = gateway.kinesis_pipe(None);
    let mut slow = Vec::new();
    for round in 0..100 {
        slow.push(slow_reader(&gateway, &from).await);
        if round % 10 == 9 {
            let begun = Instant::now();
            let (status, body) = ask(&mut honest, "GetRecords", &json!({"ShardIterator": from})).await;
            let answer: Value = serde_json::from_slice(&body).unwrap();
            assert!(status == 200 && !answer["Records"].as_array().unwrap().is_empty());
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_slowly_does_not_hold_up_others() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut honest = gateway.kinesis_pipe(None);
    let mut slow = Vec::new();
    for (number, announced) in [100, 16_000, 500_000, 14_000_000].into_iter().cycle().take(1_000).enumerate() {
        let mut pipe = gateway.kinesis_pipe(None);
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {announced}\r\n\r\nhello");
        pipe.write_all(head.as_bytes()).await.unwrap();
        slow.push(pipe);
        if number % 100 == 99 {
            for bytes in [30, 600_000, 900_000] {
                let input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": "A".repeat(bytes / 12 * 12)});
                let begun = Instant::now();
                assert_eq!(ask(&mut honest, "PutRecord", &input).await.0, 200);
                assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            }
        }
    }
}
