//! What a body is by its content type, and what is answered where that is none of ours.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use crate::aws::body::AnswerBody;
use crate::aws::codec::Codec;

use super::{Answer, TARGET};

/// The content type from before there were versions. AWS still knows it, and serves nothing with it.
const OLD_JSON: &str = "application/json";

/// What a body is written in, and the answer will be.
#[derive(Clone, Copy)]
pub(super) struct Media {
    pub(super) content_type: &'static str,
    pub(super) codec: Codec,
}

impl Media {
    /// What AWS answers in where a request has no body to tell by.
    pub(super) const CBOR: Self = Self { content_type: "application/x-amz-cbor-1.1", codec: Codec::Cbor };

    /// Kinesis speaks JSON 1.1 and CBOR 1.1, CloudWatch JSON 1.0 and Smithy RPC v2.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        const ALL: [Media; 4] = [
            Media { content_type: "application/x-amz-json-1.1", codec: Codec::Json },
            Media::CBOR,
            Media { content_type: "application/x-amz-json-1.0", codec: Codec::Json },
            Media { content_type: "application/cbor", codec: Codec::RpcCbor },
        ];
        let content_type = content_type(headers);
        ALL.into_iter().find(|media| media.content_type == content_type)
    }
}

/// Whether a body is a form, as AWS Query sends it.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers) == "application/x-www-form-urlencoded"
}

/// What a request wants: `X-Amz-Target`, or `/service/SERVICE/operation/OPERATION` written in the same way.
pub(super) fn target(request: &Parts, codec: Codec) -> Cow<'_, str> {
    if codec != Codec::RpcCbor {
        let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok());
        return target.unwrap_or_default().into();
    }
    let path = request.uri.path().strip_prefix("/service/").and_then(|path| path.split_once("/operation/"));
    path.map(|(service, operation)| format!("{service}.{operation}")).unwrap_or_default().into()
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// What AWS's front end answers to a body of a content type that the service does not know.
pub(super) fn foreign(request: &Parts, body: &Bytes) -> Answer {
    if content_type(&request.headers) == OLD_JSON {
        return old_json(body);
    }
    let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok());
    if target
        .and_then(|target| target.split_once('.'))
        .is_some_and(|(service, operation)| !service.is_empty() && !operation.is_empty())
    {
        return answer(StatusCode::NOT_FOUND, "<UnknownOperationException/>\n".into());
    }
    denied()
}

/// What it answers where it cannot tell what is wanted.
pub(super) fn denied() -> Answer {
    let words = "Unable to determine service/operation name to be authorized";
    let body = format!("<AccessDeniedException>\n  <Message>{words}</Message>\n</AccessDeniedException>\n");
    answer(StatusCode::FORBIDDEN, body)
}

fn old_json(body: &Bytes) -> Answer {
    let (status, name) = match Codec::Json.decode(body) {
        Err(_) => (StatusCode::BAD_REQUEST, "SerializationException"),
        Ok(_) => (StatusCode::NOT_FOUND, "UnknownOperationException"),
    };
    let body = format!("{{\"Output\":{{\"__type\":\"com.amazon.coral.service#{name}\"}},\"Version\":\"1.0\"}}");
    let mut answer = answer(status, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(OLD_JSON));
    answer
}

fn answer(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = status;
    answer
}
