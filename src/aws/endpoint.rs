//! One request of an AWS client: checked in AWS's order, done, answered with AWS's headers.
//!
//! The order: the size of the body · CORS · the method · an empty body · the content type · whether the body can be read · the
//! operation · who asks · the rules · the operation itself. Until the content type is known to be one of ours, refusals are XML.

use std::future::Future;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::env::{Entropy, Env};

use super::body::AnswerBody;
use super::codec::Codec;
use super::event_stream::{self, Events};
use super::memory::Memory;
use super::operation::{Caller, Outcome, Service};
use super::refusal::Refusal;
use super::rules;

/// Largest body: AWS's 10 MiB of records of one PutRecords as base64, and room for what is around them.
const BODY_BYTES_MAX: usize = (10 << 20) / 3 * 4 + (2 << 20);
/// Memory for answers that their clients have not taken, all together. *Ours*.
const ANSWERS_BYTES: usize = 64 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// What a browser's script may see of an answer.
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";

/// What serves the requests of all connections.
pub struct Endpoint {
    service: Arc<dyn Service>,
    env: Env,
    /// Memory for answers that their clients have not taken.
    answers: Arc<Memory>,
}

/// An answer on its way.
pub type Answer = Response<AnswerBody>;

impl Endpoint {
    /// An endpoint in front of `service`.
    pub fn new(service: Arc<dyn Service>, env: Env) -> Self {
        Self { service, env, answers: Memory::of(ANSWERS_BYTES) }
    }

    /// The answer to one request. It is boxed, so that connections do not carry the size of the largest operation.
    pub fn answer<B>(self: Arc<Self>, request: Request<B>) -> impl Future<Output = Answer> + Send + 'static
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut answer = match Limited::new(body, BODY_BYTES_MAX).collect().await {
                Ok(body) => self.answer_to(&head.method, &head.headers, body.to_bytes()).await,
                Err(error) if error.is::<LengthLimitError>() => empty(StatusCode::PAYLOAD_TOO_LARGE),
                Err(_) => empty(StatusCode::BAD_REQUEST),
            };
            self.stamp(&head.method, &head.headers, answer.headers_mut());
            answer
        })
    }

    async fn answer_to(&self, method: &Method, headers: &HeaderMap, body: Bytes) -> Answer {
        if *method == Method::OPTIONS && headers.contains_key(header::ORIGIN) {
            return empty(StatusCode::OK);
        }
        if *method != Method::POST {
            return denied();
        }
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let Some(media) = Media::of(content_type) else {
            return if headers.contains_key(TARGET) { xml_unknown() } else { denied() };
        };
        match self.perform(media.codec, headers, &body).await {
            Ok(Outcome::Whole(output)) if output.is_empty() => media.answer(StatusCode::OK, Bytes::new()),
            Ok(Outcome::Whole(output)) => media.answer(StatusCode::OK, media.codec.encode(&output).into()),
            Ok(Outcome::Events(events)) => self.stream(events, media.codec),
            Err(refusal) => media.refuse(&refusal),
        }
    }

    async fn perform(&self, codec: Codec, headers: &HeaderMap, body: &Bytes) -> Result<Outcome, Refusal> {
        let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
        let found = self.service.find(target);
        if body.is_empty() {
            return Err(found.err().unwrap_or_else(|| Refusal::bare("SerializationException")));
        }
        let members = codec.decode(body).map_err(|malformed| {
            tracing::debug!(%malformed, "a body could not be read");
            Refusal::bare("SerializationException")
        })?;
        let found = found?;
        let input = rules::check(found.rules, members)?;
        (found.perform)(Caller::default(), input).await
    }

    fn stream(&self, events: Events, codec: Codec) -> Answer {
        let mut answer = Response::new(AnswerBody::events(events, codec, self.answers.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
        answer
    }

    /// The headers that every answer has.
    fn stamp(&self, method: &Method, asked: &HeaderMap, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::try_from(self.env.entropy.uuid().to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        let is_cross = asked.contains_key(header::ORIGIN);
        if !(is_cross && method == Method::OPTIONS) {
            headers.insert(ID_2, id_2(&*self.env.entropy));
        }
        if !is_cross {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if method != Method::OPTIONS {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            return;
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
        for (wanted, allowed) in [
            (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
            (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
        ] {
            if let Some(wanted) = asked.get(wanted) {
                headers.insert(allowed, wanted.clone());
            }
        }
    }
}

/// 80 bytes of noise in base64, as AWS answers them.
fn id_2(entropy: &dyn Entropy) -> HeaderValue {
    let mut noise = [0; 80];
    for part in noise.chunks_exact_mut(16) {
        part.copy_from_slice(entropy.uuid().as_bytes());
    }
    HeaderValue::try_from(STANDARD.encode(noise)).unwrap_or(HeaderValue::from_static(""))
}

/// What a body is, and what the answer will be.
#[derive(Clone, Copy)]
struct Media {
    content_type: &'static str,
    codec: Codec,
}

impl Media {
    fn of(content_type: &str) -> Option<Self> {
        const ALL: [Media; 3] = [
            Media { content_type: "application/x-amz-json-1.1", codec: Codec::Json },
            Media { content_type: "application/x-amz-json-1.0", codec: Codec::Json },
            Media { content_type: "application/x-amz-cbor-1.1", codec: Codec::Cbor },
        ];
        ALL.into_iter().find(|media| media.content_type == content_type)
    }

    fn answer(self, status: StatusCode, body: Bytes) -> Answer {
        let mut answer = Response::new(AnswerBody::whole(body));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        answer
    }

    fn refuse(self, refusal: &Refusal) -> Answer {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = self.answer(status, self.codec.encode(&refusal.body()).into());
        answer.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(refusal.name()));
        answer
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// The front end's word for whatever it cannot make out.
fn denied() -> Answer {
    let name = "AccessDeniedException";
    let words = "Unable to determine service/operation name to be authorized";
    let mut answer = Response::new(AnswerBody::whole(format!("<{name}>\n  <Message>{words}</Message>\n</{name}>\n")));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer
}

fn xml_unknown() -> Answer {
    let mut answer = Response::new(AnswerBody::whole("<UnknownOperationException/>\n"));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}
