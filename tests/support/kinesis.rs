//! An AWS client that says exactly what a test wants.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::HeaderMap;
use serde_json::Value;
use shardgate::aws::{AnswerBody, Endpoint};

/// The signature of nobody in particular, in us-east-1.
pub(crate) const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=local/20231114/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0";

/// Speaks AWS JSON 1.1 to an endpoint, without a connection between them.
pub(crate) struct Kinesis {
    endpoint: Arc<Endpoint>,
    authorization: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    /// The header of that name; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The body as JSON; null if it is empty.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).unwrap() }
    }
}

impl Kinesis {
    pub(crate) fn over(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, authorization: AUTHORIZATION.to_owned() }
    }

    /// The same as somebody with that access key who asks in that region.
    pub(crate) fn signing(self, key: &str, region: &str) -> Self {
        let authorization = AUTHORIZATION.replace("local", key).replace("us-east-1", region);
        Self { authorization, ..self }
    }

    /// The output of an operation that is done.
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Value {
        let answered = self.ask(operation, input).await;
        assert_eq!(answered.status, 200, "{operation}: {}", String::from_utf8_lossy(&answered.body));
        answered.json()
    }

    /// The name and the message of the refusal of an operation that is not done.
    pub(crate) async fn refusal(&self, operation: &str, input: Value) -> (String, String) {
        let answered = self.ask(operation, input).await;
        let body = answered.json();
        assert!(answered.status >= 400, "{operation}: {body}");
        assert_eq!(answered.header("x-amzn-errortype"), body["__type"]);
        let message = body.get("message").or(body.get("Message")).and_then(Value::as_str).unwrap_or_default();
        (body["__type"].as_str().unwrap().to_owned(), message.to_owned())
    }

    /// Whatever is answered.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Answered {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .header("x-amz-date", "20231114T221320Z")
            .header("authorization", &self.authorization);
        self.send(request.body(input.to_string().into()).unwrap()).await
    }

    /// The events of a SubscribeToShard that is done.
    pub(crate) async fn subscribe(&self, input: Value) -> EventStream {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Kinesis_20131202.SubscribeToShard")
            .header("x-amz-date", "20231114T221320Z")
            .header("authorization", &self.authorization);
        let request = request.body(Full::new(Bytes::from(input.to_string()))).unwrap();
        let (head, body) = self.endpoint.clone().answer(request).await.into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["content-type"], "application/vnd.amazon.eventstream");
        EventStream(body)
    }

    /// Whatever is answered to a request of any kind.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answered {
        let (head, body) = self.endpoint.clone().answer(request.map(Full::new)).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// Events as they come.
pub(crate) struct EventStream(AnswerBody);

/// One of them.
#[derive(Debug)]
pub(crate) struct Event {
    headers: HashMap<String, String>,
    payload: Bytes,
}

impl EventStream {
    /// The next one; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let mut frame = self.0.frame().await?.unwrap().into_data().unwrap();
        let (all, header_bytes) = (frame.get_u32() as usize, frame.get_u32() as usize);
        assert_eq!(all, frame.len() + 8, "one frame at a time");
        frame.advance(4);
        let mut headers = frame.split_to(header_bytes);
        let mut event = Event { headers: HashMap::new(), payload: frame.split_to(frame.len() - 4) };
        while headers.has_remaining() {
            let length = headers.get_u8().into();
            let name = headers.split_to(length);
            assert_eq!(headers.get_u8(), 7, "text");
            let length = headers.get_u16().into();
            let value = headers.split_to(length);
            let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            event.headers.insert(text(name), text(value));
        }
        Some(event)
    }
}

impl Event {
    /// The header of that name; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The payload.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}
