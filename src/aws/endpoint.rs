//! One request of an AWS client: checked in AWS's order, done, answered with AWS's headers.
//!
//! The order: the size of the body · CORS · the method · a form of AWS Query · an empty body · the content type · whether the body can be
//! read · the operation · who asks · the rules · the operation itself. What has a content type that its service does not know is refused
//! in XML, and an empty body of such a type in CBOR, as AWS does; AWS Query is always refused in XML.
//!
//! Bounded: bytes of a body, memory for all bodies and for all answers, time for a body to arrive and for memory to be free.

mod media;
mod receive;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::env::{Entropy, Env};
use crate::sigv4::Credentials;
use crate::strangers::Strangers;

use super::body::AnswerBody;
use super::codec::Codec;
use super::crowd::{Crowd, Peer};
use super::event_stream::{self, Events};
use super::memory::{Hold, Memory};
use super::operation::{Found, Outcome, Service};
use super::query::{self, Form};
use super::refusal::Refusal;
use super::rules::{self, Rule};
use super::signature;
use super::value::Input;
use media::Media;
use receive::Bodies;

/// Memory for answers that their clients have not taken, all together. *Ours*.
const ANSWERS_BYTES: usize = 32 << 20;
/// Memory with which an answer is begun; what more there is for it depends on what is left. *Ours*: enough for a record of the
/// usual largest size, and nobody who needs little waits for those who need much.
const ANSWER_BYTES_MIN: usize = 4 << 20;
/// How long a request waits for memory. *Ours*: shorter than the 10 s after which Java's SDK gives an answer up.
const MEMORY_TIME: Duration = Duration::from_secs(5);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const CRC_32: HeaderName = HeaderName::from_static("x-amz-crc32");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// What a browser's script may see of an answer.
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";

/// What serves the requests of all connections.
pub struct Endpoint {
    services: Vec<Arc<dyn Service>>,
    env: Env,
    credentials: Credentials,
    /// Memory for bodies of requests.
    bodies: Bodies,
    /// Memory for answers that their clients have not taken.
    answers: Arc<Memory>,
    /// All connections.
    crowd: Arc<Crowd>,
    /// Those of them whose handshakes of TLS are not done.
    strangers: Strangers,
}

/// How an endpoint is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may ask; if it is empty, everybody.
    pub credentials: Credentials,
    /// Memory for the bodies of requests, all connections together.
    pub bodies_bytes_max: usize,
}

/// An answer on its way.
pub type Answer = Response<AnswerBody>;

impl Endpoint {
    /// An endpoint in front of `services`, of which each has targets of its own.
    pub fn new(services: Vec<Arc<dyn Service>>, env: Env, options: Options) -> Self {
        let Options { credentials, bodies_bytes_max } = options;
        let (bodies, answers) = (Bodies::of(bodies_bytes_max), Memory::of(ANSWERS_BYTES));
        Self { services, env, credentials, bodies, answers, crowd: Arc::default(), strangers: Strangers::default() }
    }

    /// The answer to one request that came over no connection.
    pub fn answer<B>(self: Arc<Self>, request: Request<B>) -> impl Future<Output = Answer> + Send + 'static
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Send,
    {
        self.answer_to(Arc::default(), request)
    }

    pub(super) fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    pub(super) fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// The answer to one request of a peer. It is boxed, so that connections do not carry the size of the largest operation.
    pub(super) fn answer_to<B>(
        self: Arc<Self>,
        peer: Arc<Peer>,
        request: Request<B>,
    ) -> impl Future<Output = Answer> + Send + 'static
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Send,
    {
        Box::pin(async move {
            let begun = Instant::now();
            let (head, body) = request.into_parts();
            let id = self.env.entropy.uuid().to_string();
            // The memory of the body is held until the operation is done.
            let mut answer = match receive::body(&head, body, &self.bodies).await {
                Ok((body, _hold)) => {
                    let work = peer.work();
                    self.answered(&peer, &head, body, &id).await.map(|body| body.during(work))
                }
                Err(status) => empty(status),
            };
            self.stamp(&id, &head.method, &head.headers, answer.headers_mut());
            let (target, status, took) = (head.headers.get(TARGET), answer.status(), begun.elapsed());
            tracing::debug!(?target, %status, ?took, "request");
            answer
        })
    }

    async fn answered(&self, peer: &Arc<Peer>, request: &Parts, body: Bytes, id: &str) -> Answer {
        let headers = &request.headers;
        if request.method == Method::OPTIONS && headers.contains_key(header::ORIGIN) {
            return empty(StatusCode::OK);
        }
        if request.method != Method::POST {
            return media::denied();
        }
        if media::is_form(headers)
            && let Some(form) = receive::inflated(headers, &body).ok().and_then(|body| Form::read(&body))
        {
            return self.answer_form(peer, request, body, form, id).await;
        }
        let media = match self.media(request) {
            Some(media) => media,
            None if body.is_empty() => Media::CBOR,
            None => return media::foreign(request, &body),
        };
        match self.perform(media.codec, request, body).await {
            Ok((Outcome::Whole(output), room)) => {
                let body = if output.is_empty() { Vec::new() } else { media.codec.encode(&output) };
                drop(output);
                let answer = self.whole(peer, media, StatusCode::OK, body, room);
                answer.unwrap_or_else(|| self.refuse(peer, media, headers, &Refusal::busy()))
            }
            Ok((Outcome::Events(events), _)) => self.stream(peer, events, media.codec),
            Err(refusal) => self.refuse(peer, media, headers, &refusal),
        }
    }

    /// The answer to a request in AWS Query.
    async fn answer_form(&self, peer: &Arc<Peer>, request: &Parts, body: Bytes, form: Form, id: &str) -> Answer {
        let unknown = form.unknown();
        let Form { action, version, pairs } = form;
        let mut speakers = self.services.iter().filter_map(|service| Some((service, service.dialect()?)));
        let speaker = speakers.find(|(_, dialect)| dialect.version == version);
        let found = speaker.as_ref().and_then(|(service, _)| service.find(&format!("{}{action}", service.target())).ok());
        let outcome = match found {
            // The pairs go with the closure, before anything waits.
            Some(found) => self.carry_out(found, request, body, move |rules| rules::check_form(rules, &pairs)).await,
            None => Err(unknown.clone()),
        };
        let dialect = speaker.map(|(_, dialect)| dialect);
        let (status, text, room) = match (outcome, &dialect) {
            (Ok((Outcome::Whole(output), room)), Some(dialect)) => (200, query::answer(dialect, &action, &output, id), room),
            (Err(refusal), dialect) => (query::status(&refusal), query::error(dialect.as_ref(), &refusal, id), None),
            // AWS Query has no words for events; who speaks it has none.
            (Ok(_), dialect) => (400, query::error(dialect.as_ref(), &unknown, id), None),
        };
        let Some(text) = self.answers.held(text, peer, room) else { return empty(StatusCode::SERVICE_UNAVAILABLE) };
        let mut answer = Response::new(AnswerBody::whole(text));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        answer
    }

    /// What the request is written in, if that is known to the service that it is for.
    fn media(&self, request: &Parts) -> Option<Media> {
        let media = Media::of(&request.headers)?;
        let service = self.service(&media::target(request, media.codec));
        service.is_none_or(|service| service.content_types().contains(&media.content_type)).then_some(media)
    }

    fn service(&self, target: &str) -> Option<&dyn Service> {
        self.services.iter().find(|service| target.starts_with(service.target())).map(AsRef::as_ref)
    }

    fn find(&self, target: &str) -> Result<Found, Refusal> {
        self.service(target).ok_or_else(Refusal::unknown_operation)?.find(target)
    }

    /// What comes of it, and the memory taken for the answer.
    async fn perform(&self, codec: Codec, request: &Parts, body: Bytes) -> Result<(Outcome, Option<Hold>), Refusal> {
        let found = self.find(&media::target(request, codec));
        if body.is_empty() {
            return Err(found.err().unwrap_or_else(|| Refusal::bare("SerializationException")));
        }
        let unreadable = |why: &dyn std::fmt::Display| {
            tracing::debug!(%why, "a body could not be read");
            Refusal::bare("SerializationException")
        };
        let plain = receive::inflated(&request.headers, &body).map_err(|why| unreadable(&why))?;
        let members = codec.decode(&plain).map_err(|why| unreadable(&why))?;
        drop(plain);
        self.carry_out(found?, request, body, |rules| rules::check(rules, members)).await
    }

    /// Does what was found for who asks: what comes of it, and the memory taken for the answer. `read` gives the input by its rules.
    async fn carry_out(
        &self,
        found: Found,
        request: &Parts,
        body: Bytes,
        read: impl FnOnce(&'static [Rule]) -> Result<Input, Refusal>,
    ) -> Result<(Outcome, Option<Hold>), Refusal> {
        let mut caller = signature::caller(request, &body, &self.credentials, self.env.clock.now())?;
        // Until here nothing waits, so that few bodies are open at once; what the rules leave of one is small or its own bytes.
        let input = read(found.rules)?;
        drop(body);
        let room = match found.answer_bytes {
            0 => None,
            bytes => self.room(bytes).await?,
        };
        caller.answer_bytes_max = room.as_ref().map_or(0, Hold::num_permits);
        Ok(((found.perform)(caller, input).await?, room))
    }

    /// Memory for an answer of at most `bytes` bytes: all of that, or as much of it as others leave.
    async fn room(&self, bytes: usize) -> Result<Option<Hold>, Refusal> {
        let least = bytes.min(ANSWER_BYTES_MIN);
        let mut room = timeout(MEMORY_TIME, self.crowd.room(&self.answers, least)).await.map_err(|_| Refusal::busy())?;
        if let (Some(room), Some(more)) = (&mut room, self.answers.share(bytes - least)) {
            room.merge(more);
        }
        Ok(room)
    }

    /// An answer whose body is in memory of `room` and of what is left; `None` if there is too little.
    fn whole(&self, peer: &Arc<Peer>, media: Media, status: StatusCode, body: Vec<u8>, room: Option<Hold>) -> Option<Answer> {
        let checksum = crc32fast::hash(&body);
        let mut answer = Response::new(AnswerBody::whole(self.answers.held(body, peer, room)?));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type));
        answer.headers_mut().insert(CRC_32, checksum.into());
        if media.codec == Codec::RpcCbor {
            answer.headers_mut().insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
        }
        Some(answer)
    }

    fn refuse(&self, peer: &Arc<Peer>, media: Media, asked: &HeaderMap, refusal: &Refusal) -> Answer {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = self.whole(peer, media, status, media.codec.encode(&refusal.body()), None);
        // A refusal with the values that it refuses can be large too.
        let mut answer = answer.unwrap_or_else(|| empty(StatusCode::SERVICE_UNAVAILABLE));
        answer.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(refusal.name()));
        // For clients whose programs know the codes from when AWS Query was spoken.
        if asked.contains_key(QUERY_MODE)
            && let Ok(code) = HeaderValue::try_from(format!("{};{}", query::code(refusal), query::fault(refusal)))
        {
            answer.headers_mut().insert(QUERY_ERROR, code);
        }
        answer
    }

    fn stream(&self, peer: &Arc<Peer>, events: Events, codec: Codec) -> Answer {
        let events = events.with(self.answers.clone(), self.crowd.clone());
        let mut answer = Response::new(AnswerBody::events(events, codec, self.answers.clone(), peer.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
        answer
    }

    /// The headers that every answer has.
    fn stamp(&self, id: &str, method: &Method, asked: &HeaderMap, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::try_from(id) {
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

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}
