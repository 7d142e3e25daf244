//! What all requests have in common: headers, the order of refusals, both codecs.

use bytes::Bytes;
use hyper::Request;
use hyper::http::request::Builder;
use serde_json::{Value, json};

use crate::support::{AUTHORIZATION, Answered, Gateway, Kinesis};

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";
const LIST: &str = "Kinesis_20131202.ListStreams";

fn request(content_type: &str, target: &str) -> Builder {
    Request::post("/").header("content-type", content_type).header("x-amz-target", target)
}

fn signed(request: Builder) -> Builder {
    request.header("authorization", AUTHORIZATION).header("x-amz-date", "20231114T221320Z")
}

async fn send(kinesis: &Kinesis, request: Builder, body: impl Into<Bytes>) -> Answered {
    kinesis.send(request.body(body.into()).unwrap()).await
}

fn text(answered: &Answered) -> &str {
    std::str::from_utf8(&answered.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_headers_of_aws() {
    let kinesis = Gateway::start().kinesis();
    for (operation, input, status) in
        [("ListStreams", json!({}), 200), ("ListStreams", json!({"Limit": 0}), 400), ("Nothing", json!({}), 400)]
    {
        let answered = kinesis.ask(operation, input).await;
        assert_eq!(answered.status, status);
        assert_eq!(uuid::Uuid::parse_str(answered.header("x-amzn-requestid")).unwrap().get_version_num(), 4);
        assert_eq!(answered.header("x-amz-id-2").len(), 108);
        assert_eq!(answered.header("content-type"), JSON);
        assert_eq!(answered.header("x-amz-crc32"), crc32fast::hash(&answered.body).to_string());
        assert_eq!(answered.header("access-control-allow-origin"), "");
    }
    let (one, other) = (kinesis.ask("ListStreams", json!({})).await, kinesis.ask("ListStreams", json!({})).await);
    assert_ne!(one.header("x-amzn-requestid"), other.header("x-amzn-requestid"));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_output_has_no_body() {
    let kinesis = Gateway::start().kinesis();
    let answered = kinesis.ask("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    assert_eq!((answered.status, answered.body.len(), answered.header("content-type")), (200, 0, JSON));
    assert_eq!(answered.header("x-amz-crc32"), "0");
}

#[tokio::test(start_paused = true)]
async fn browsers_are_let_in() {
    let kinesis = Gateway::start().kinesis();
    let asked = Request::options("/").header("origin", "x").header("access-control-request-headers", "a, b");
    let answered = send(&kinesis, asked.header("access-control-request-method", "POST"), "").await;
    assert_eq!((answered.status, answered.body.len(), answered.header("x-amz-id-2")), (200, 0, ""));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "a, b"),
        ("access-control-allow-methods", "POST"),
        ("access-control-max-age", "172800"),
    ] {
        assert_eq!(answered.header(name), value, "{name}");
    }
    assert!(!answered.header("x-amzn-requestid").is_empty());
    let answered = send(&kinesis, signed(request(JSON, LIST)).header("origin", "x"), "{}").await;
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, "*"));
    assert!(answered.header("access-control-expose-headers").contains("x-amzn-RequestId"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_of_a_service_is_refused_in_xml() {
    let kinesis = Gateway::start().kinesis();
    let denied = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n\
                  </AccessDeniedException>\n";
    let unknown = "<UnknownOperationException/>\n";
    let cases = [
        (Request::get("/"), "", 403, denied),
        (Request::options("/"), "", 403, denied),
        (signed(Request::get("/")), "", 403, denied),
        (signed(Request::put("/")), "", 403, denied),
        (signed(Request::delete("/")), "", 403, denied),
        (signed(Request::post("/")), "{}", 403, denied),
        (signed(request("text/plain", "nothing")), "{}", 403, denied),
        (request("text/plain", LIST), "{}", 404, unknown),
        (signed(request("text/plain", LIST)), "{}", 404, unknown),
        (signed(request("application/x-amz-json-1.0", LIST)), "{}", 404, unknown),
    ];
    for (request, body, status, expected) in cases {
        let shown = format!("{request:?}");
        let answered = send(&kinesis, request, body).await;
        assert_eq!((answered.status, text(&answered)), (status, expected), "{shown}");
        assert_eq!(answered.header("content-type"), "");
        assert!(!answered.header("x-amzn-requestid").is_empty() && !answered.header("x-amz-id-2").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_content_type_is_answered_as_aws_does() {
    let kinesis = Gateway::start().kinesis();
    for (body, status, name) in [("{}", 404, "UnknownOperationException"), ("hello", 400, "SerializationException")] {
        let answered = send(&kinesis, request("application/json", LIST), body).await;
        let output = json!({"__type": format!("com.amazon.coral.service#{name}")});
        assert_eq!((answered.status, answered.json()), (status, json!({"Output": output, "Version": "1.0"})));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_of_any_other_type_is_refused_in_cbor() {
    let kinesis = Gateway::start().kinesis();
    for (request, expected) in [
        (request("application/json", LIST), b"\xa1\x66__type\x76SerializationException".as_slice()),
        (request("text/plain", LIST), b"\xa1\x66__type\x76SerializationException"),
        (Request::post("/"), b"\xa1\x66__type\x78\x19UnknownOperationException"),
    ] {
        let answered = send(&kinesis, request, "").await;
        assert_eq!((answered.status, answered.header("content-type"), &answered.body[..]), (400, CBOR, expected));
    }
}

/// Each of these requests is wrong in more than one way; what is told is what AWS looks at first.
#[tokio::test(start_paused = true)]
async fn requests_are_checked_in_the_order_of_aws() {
    let kinesis = Gateway::start().kinesis();
    let other = "Kinesis_20131202.ListNothing";
    let cases = [
        (request(JSON, other), "", json!({"__type": "UnknownOperationException"})),
        (request(JSON, LIST), "", json!({"__type": "SerializationException"})),
        (request(JSON, other), "hello", json!({"__type": "SerializationException"})),
        (request(JSON, LIST), "[]", json!({"__type": "SerializationException"})),
        (request(JSON, other), "{}", json!({"__type": "UnknownOperationException"})),
        (request(JSON, "DynamoDB_20120810.ListStreams"), "{}", json!({"__type": "UnknownOperationException"})),
        (Request::post("/").header("content-type", JSON), "{}", json!({"__type": "UnknownOperationException"})),
        (
            request(JSON, LIST),
            "{\"Limit\":\"a\"}",
            json!({"__type": "MissingAuthenticationTokenException", "message": "Missing Authentication Token"}),
        ),
        (
            signed(request(JSON, LIST)),
            "{\"ExclusiveStartStreamName\":\"\",\"Limit\":\"a\"}",
            json!({"__type": "SerializationException", "Message": "class java.lang.String can not be converted to an Integer"}),
        ),
    ];
    for (request, body, expected) in cases {
        let shown = format!("{request:?} {body}");
        let answered = send(&kinesis, request, body).await;
        assert_eq!((answered.status, answered.json()), (400, expected), "{shown}");
        assert_eq!(answered.header("x-amzn-errortype"), answered.json()["__type"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_path_does_not_matter() {
    let kinesis = Gateway::start().kinesis();
    let asked = signed(Request::post("/any/path?a=b").header("content-type", JSON).header("x-amz-target", LIST));
    assert_eq!(send(&kinesis, asked, "{}").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn cbor_is_answered_in_cbor() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    // {_ "StreamName": "orders"}: the SDK's maps have no length.
    let input = [b"\xbf\x6aStreamName\x66orders\xff".as_slice()].concat();
    let answered = send(&kinesis, signed(request(CBOR, "Kinesis_20131202.DescribeStreamSummary")), input).await;
    assert_eq!((answered.status, answered.header("content-type")), (200, CBOR));
    let created = [b"\x77StreamCreationTimestamp\xc1\x1b".as_slice(), &1_700_000_000_000_u64.to_be_bytes()].concat();
    assert!(answered.body.windows(created.len()).any(|bytes| bytes == created), "{:?}", answered.body);
    let input = b"\xa1\x6aStreamName\x62no".as_slice();
    let answered = send(&kinesis, signed(request(CBOR, "Kinesis_20131202.DescribeStreamSummary")), input).await;
    let expected =
        b"\xa2\x66__type\x78\x19ResourceNotFoundException\x67message\x78\x2fStream no under account 000000000000 not found.";
    assert_eq!((answered.status, answered.header("content-type")), (400, CBOR));
    assert_eq!(answered.body, expected.as_slice());
    let answered = send(&kinesis, request(CBOR, LIST), "").await;
    assert_eq!(answered.body, b"\xa1\x66__type\x76SerializationException".as_slice());
}

#[tokio::test(start_paused = true)]
async fn gzip_is_taken_off() {
    use std::io::Write;
    let gateway = Gateway::start();
    let kinesis = gateway.kinesis();
    let zipped = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let asked = |encoding: &str| signed(request(JSON, LIST)).header("content-encoding", encoding);
    let answered = send(&kinesis, asked("gzip"), zipped(b"{\"Limit\":0}")).await;
    assert!(answered.json()["message"].as_str().unwrap().contains("Value '0' at 'limit'"), "{answered:?}");
    // A bomb: a thousand times as much.
    let bomb = zipped(&vec![b' '; 100 << 20]);
    for (encoding, body) in [("gzip", b"{}".to_vec()), ("gzip", bomb), ("br", b"{}".to_vec())] {
        let answered = send(&kinesis, asked(encoding), body).await;
        assert_eq!((answered.status, answered.json()), (400, json!({"__type": "SerializationException"})), "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_taken_up_to_a_size() {
    let kinesis = Gateway::start().kinesis();
    let padded = |bytes: usize| format!("{{\"Limit\":1{}}}", " ".repeat(bytes));
    assert_eq!(send(&kinesis, signed(request(JSON, LIST)), padded(15 << 20)).await.status, 200);
    let refused = send(&kinesis, signed(request(JSON, LIST)), padded(17 << 20)).await;
    assert_eq!((refused.status, refused.body.len()), (413, 0));
    assert!(!refused.header("x-amzn-requestid").is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_those_with_credentials_are_served_where_there_are_some() {
    let gateway = Gateway::start();
    let kinesis = gateway.kinesis_for([("AKID".to_owned(), "secret".to_owned())]);
    let answered = kinesis.ask("ListStreams", json!({})).await;
    assert_eq!(answered.json()["__type"], "UnrecognizedClientException");
    let signature = AUTHORIZATION.replace("local", "AKID");
    let asked = request(JSON, LIST).header("authorization", signature).header("x-amz-date", "20231114T221320Z");
    let answered = send(&kinesis, asked.header("host", "x"), "{}").await;
    let body: Value = answered.json();
    assert_eq!((answered.status, &body["__type"]), (400, &json!("InvalidSignatureException")));
    assert!(body["message"].as_str().unwrap().starts_with("The request signature we calculated does not match"), "{body}");
}
