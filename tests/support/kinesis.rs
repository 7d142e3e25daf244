//! An AWS client that says exactly what a test wants.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::HeaderMap;
use serde_json::Value;
use shardgate::aws::Endpoint;

/// The signature of nobody in particular, in us-east-1.
pub(crate) const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=local/20231114/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0";

/// Speaks AWS JSON 1.1 to an endpoint, without a connection between them.
pub(crate) struct Kinesis {
    endpoint: Arc<Endpoint>,
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
        Self { endpoint }
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
            .header("authorization", AUTHORIZATION);
        self.send(request.body(input.to_string().into()).unwrap()).await
    }

    /// Whatever is answered to a request of any kind.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answered {
        let (head, body) = self.endpoint.clone().answer(request.map(Full::new)).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    }
}
