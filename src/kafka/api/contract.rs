//! What every API file implements, and what happens around it once: version check, decode, encode, timing.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::throttled::Throttled;
use crate::kafka::answer::{Answer, Answerable};
use crate::kafka::auth::{Auth, CLUSTER, Kind, Operation, Principal, Security, Session};
use crate::kafka::broker::BrokerConfigs;
use crate::kafka::frame::{Head, Metered};
use crate::kafka::group::{Coordinator, GroupConfig};
use crate::kafka::group_configs::GroupConfigs;
use crate::kafka::listener::Shutdown;
use crate::kafka::memory::{Hold, Pool};
use crate::kafka::partition::Topic;
use crate::kafka::quota::{Limit, Quotas, Who};
use crate::kafka::share::Shares;
use crate::kafka::transaction;
use crate::kafka::translate::{Refusal, ResourceType};
use crate::kafka::turn::Turn;
use crate::log::{Log, Stream};
use crate::metrics::Meter;
use crate::model::StreamId;
use crate::notebook::Notebook;

/// Memory for answers that their clients have not taken, all together. *Ours*.
const ANSWERS_BYTES: usize = 32 << 20;
/// The largest answer. *Ours*: a Fetch is bounded before, so only requests that ask for everything of everything come here.
const ANSWER_BYTES_MAX: usize = ANSWERS_BYTES;
/// Copies of what a Fetch answers: what was read, and of small batches what is sent.
const ANSWER_COPIES: usize = 2;
/// Bulky answers in the making.
const BULKY_MAX: usize = 1;

/// One API of the Kafka protocol.
pub(crate) trait Api: Send + Sync + 'static {
    /// The request message.
    type Request: Request + Send;
    /// The response message.
    type Response: Answerable + Throttled + Send;

    /// The versions served.
    const VERSIONS: RangeInclusive<i16>;
    /// The versions named in ApiVersions, where clients need another range than the served one.
    const ADVERTISED: RangeInclusive<i16> = Self::VERSIONS;
    /// Whether the next request of the connection may be started before this one is answered, if that is pipelined too.
    const PIPELINED: bool = false;
    /// Whether it may wait for what other clients do: then it is dropped when its own client goes or the gateway stops.
    const WAITS: bool = false;
    /// Largest frame in bytes, within [`Config::frame_bytes_max`]. *Ours*: a decoded request takes many times its frame, and
    /// 4 MiB are a hundred thousand partitions of OffsetCommit.
    const FRAME_BYTES_MAX: usize = 4 << 20;
    /// Bytes of memory that each byte of a request may take while it is served: the frame, what it decodes to, the answer.
    /// *Ours*: an element of 4 bytes becomes a struct of a hundred, and one of the answer.
    const MEMORY_PER_BYTE: usize = 32;
    /// Whether it carries records, for which there is memory of their own: nothing that others ask can hold records up.
    const HAS_RECORDS: bool = false;
    /// Whether a short request can have an answer so large that few may be in the making at a time.
    const IS_BULKY: bool = false;
    /// Whether the request is gone, and its memory with it, as soon as it is started. Whatever is kept of it is bounded elsewhere.
    const IS_HANDED_OVER: bool = false;
    /// Which of its bytes client quotas count.
    const COUNTED: Counted = Counted::Nothing;

    /// Serves one request. Everything up to the first await happens in the order of the connection's requests.
    fn handle(cx: &Context, request: Self::Request) -> impl Future<Output = Reply<Self::Response>> + Send;

    /// The answer to a version that is not served, and the version to encode it in; without one the connection is closed.
    fn refuse_version() -> Option<(Self::Response, i16)> {
        None
    }
}

/// What client quotas count of a request beside the time it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counted {
    /// Nothing.
    Nothing,
    /// Its own bytes, as produced.
    Request,
    /// Those of its answer, as consumed.
    Answer,
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Reply<R> {
    /// With an answer.
    Send(R),
    /// Without one, as the request asked (acks = 0).
    Silent,
    /// With an answer, behind which the connection is closed; the reason is logged.
    Last(R, String),
    /// With the connection closed; the reason is logged.
    HangUp(String),
}

/// What a request can see besides its own body.
#[derive(Clone)]
pub(crate) struct Context {
    /// The gateway behind the door.
    pub(crate) door: Arc<Door>,
    /// The request's API version, within the served range.
    pub(crate) version: i16,
    /// The client's name for itself, from the request header; empty if it gave none.
    pub(crate) client_id: Arc<str>,
    /// Where the client connects from.
    pub(crate) peer: SocketAddr,
    /// Where its connection arrived: the address Metadata answers with unless another one is advertised.
    pub(crate) local: SocketAddr,
    /// Who is at the other end, and where they came in.
    pub(crate) session: Arc<Session>,
    /// Its place on its connection.
    pub(crate) turn: Turn,
    /// Says when the gateway stops.
    pub(crate) shutdown: Shutdown,
    /// Memory taken for the answer.
    answer_memory: Arc<Mutex<Option<Hold>>>,
    /// How long the client has to wait for what it did beside using time and bytes.
    delay: Arc<Mutex<Duration>>,
}

impl Context {
    /// Takes memory for `bytes` bytes of answer, or for fewer if it is short; how many. It is free when the answer is written.
    pub(crate) fn share_of_answers(&self, bytes: usize) -> usize {
        let (share, hold) = self.door.answers.share(bytes.saturating_mul(ANSWER_COPIES));
        *self.answer_memory.lock() = hold;
        share / ANSWER_COPIES
    }

    /// How many bytes of answer one request may have by this client's quota, if it has one: what it may consume in ten seconds, as
    /// in Kafka.
    pub(crate) fn most_of_answers(&self) -> Option<usize> {
        let principal = self.session.principal();
        let most = self.door.quotas.most(Limit::ConsumerByteRate, self.who(&principal))?;
        Some(most as usize)
    }

    /// Counts partitions that are created or deleted. Where it `is_strict`, a client that is over its quota is refused.
    pub(crate) fn mutate(&self, partitions: u32, is_strict: bool) -> Result<(), Refusal> {
        let principal = self.session.principal();
        let counted = self.door.quotas.mutate(self.who(&principal), partitions, is_strict, Instant::now());
        let (Ok(delay) | Err(delay)) = counted;
        let mut longest = self.delay.lock();
        *longest = delay.max(*longest);
        counted.map(drop).map_err(|delay| {
            let words = format!("the client creates and deletes more partitions than its quota allows; try again in {delay:?}");
            Refusal::new(ResponseError::ThrottlingQuotaExceeded, words)
        })
    }

    fn who<'a>(&'a self, principal: &'a Principal) -> Who<'a> {
        Who { user: principal.name(), client: &self.client_id }
    }

    /// Counts what a request has used; how long the client has to wait.
    fn charge(&self, counted: Option<(Limit, usize)>, spent: Duration) -> Duration {
        let (principal, now) = (self.session.principal(), Instant::now());
        let charge = |limit, amount| self.door.quotas.charge(limit, self.who(&principal), amount, now);
        let of_bytes = counted.map_or(Duration::ZERO, |(limit, bytes)| charge(limit, bytes as f64));
        let of_time = charge(Limit::RequestPercentage, spent.as_secs_f64() * 100.0);
        of_bytes.max(of_time).max(*self.delay.lock())
    }

    /// Whether this client may do `operation` with the resource.
    pub(crate) fn allows(&self, operation: Operation, kind: Kind, name: &str) -> bool {
        let authorizer = &self.door.auth.authorizer;
        !authorizer.is_on() || authorizer.allows(&self.session.principal(), self.peer.ip(), operation, kind, name)
    }

    /// Whether this client may do `operation` with the cluster.
    pub(crate) fn allows_cluster(&self, operation: Operation) -> bool {
        self.allows(operation, Kind::Cluster, CLUSTER)
    }

    /// Whether this client may do `operation` with some topic, whichever.
    pub(crate) fn allows_any_topic(&self, operation: Operation) -> bool {
        let authorizer = &self.door.auth.authorizer;
        !authorizer.is_on() || authorizer.allows_any(&self.session.principal(), self.peer.ip(), operation, Kind::Topic)
    }

    /// What this client may do with the resource: a bit for the number of each operation.
    pub(crate) fn operations(&self, kind: Kind, name: &str) -> i32 {
        self.door.auth.authorizer.operations(&self.session.principal(), self.peer.ip(), kind, name)
    }

    /// The stream of a topic with which this client may do `operation`. Who may not learns nothing from a name; an id says
    /// whether there is such a topic, and not which (Kafka, `KafkaApis`: ids are not secret).
    pub(crate) fn topic(&self, topic: Topic<'_>, operation: Operation) -> Result<Arc<Stream>, ResponseError> {
        match topic {
            Topic::Named(name) if !self.allows(operation, Kind::Topic, name) => Err(Kind::Topic.denied()),
            Topic::Named(_) => topic.stream(&self.door.log),
            Topic::Identified(_) => {
                let stream = topic.stream(&self.door.log)?;
                let is_allowed = self.allows(operation, Kind::Topic, stream.name().as_str());
                if is_allowed { Ok(stream) } else { Err(Kind::Topic.denied()) }
            }
        }
    }

    /// Whether this client may see (`DescribeConfigs`) or change (`AlterConfigs`) the configs of a resource.
    pub(crate) fn check_configs(&self, operation: Operation, code: i8, name: &str) -> Result<(), Refusal> {
        let (kind, name) = match ResourceType::of(code)? {
            ResourceType::Topic => (Kind::Topic, name),
            ResourceType::Group => (Kind::Group, name),
            ResourceType::Broker | ResourceType::BrokerLogger | ResourceType::ClientMetrics => (Kind::Cluster, CLUSTER),
        };
        if self.allows(operation, kind, name) { Ok(()) } else { Err(Refusal::denied(kind)) }
    }

    /// Host and port at which this client reaches the broker: the advertised ones, or those its connection arrived at.
    pub(crate) fn endpoint(&self) -> (String, u16) {
        let arrived_at = || (self.local.ip().to_canonical().to_string(), self.local.port());
        self.session.listener().advertised.clone().unwrap_or_else(arrived_at)
    }
}

/// What all connections of the Kafka door share.
pub struct Door {
    pub(crate) log: Log,
    pub(crate) groups: Coordinator,
    pub(crate) group_configs: GroupConfigs,
    pub(crate) shares: Shares,
    pub(crate) transactions: transaction::Coordinator,
    pub(crate) auth: Auth,
    pub(crate) quotas: Quotas,
    pub(crate) broker: BrokerConfigs,
    pub(crate) meter: Meter,
    pub(crate) config: Config,
    /// Memory for requests that carry records.
    pub(crate) records: Arc<Pool>,
    /// Memory for all other requests.
    pub(crate) requests: Arc<Pool>,
    /// Memory for requests behind a write that is not paid for.
    pub(crate) owing: Arc<Pool>,
    /// One permit per bulky answer in the making.
    bulky: Semaphore,
    /// Memory for answers that their clients have not taken.
    pub(crate) answers: Arc<Pool>,
    /// One permit per connection.
    pub(crate) connections: Arc<Semaphore>,
}

/// What was kept of groups, transactions, quotas, users or configs cannot be read, or a file with keys for tokens.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Door {
    /// Makes good a crash between the deletion of a topic and that of what groups keep of it.
    pub async fn forget_deleted_topics(&self) {
        let known = self.log.clone();
        self.groups.retain_topics(Arc::new(move |topic| known.stream(topic).is_some())).await;
        self.shares.topics_gone(|topic| self.log.stream_by_id(StreamId(*topic)).is_none()).await;
    }

    /// The door to `log`, with nobody in it. Groups, transactions, quotas and users are kept in
    /// `notebook`; `meter` counts.
    pub fn open(log: Log, notebook: Notebook, meter: Meter, config: Config) -> Result<Self, Unreadable> {
        let groups = GroupConfig {
            initial_rebalance_delay: config.initial_rebalance_delay,
            offsets_retention: config.offsets_retention,
            ..GroupConfig::default()
        };
        let group_configs = GroupConfigs::open(notebook.clone());
        let group_configs =
            group_configs.map_err(|error| Unreadable(format!("the configs of groups cannot be read: {error}")))?;
        let shares = Shares::open(notebook.clone(), group_configs.clone());
        let shares = shares.map_err(|error| Unreadable(format!("the share groups cannot be read: {error}")))?;
        let groups = Coordinator::open(notebook.clone(), log.env().clone(), groups, Arc::new(log.clone()));
        let groups = groups.map_err(|error| Unreadable(error.to_string()))?;
        let transactions = transaction::Coordinator::open(log.clone(), groups.clone(), notebook.clone());
        let transactions = transactions.map_err(|error| Unreadable(format!("the transactions cannot be read: {error}")))?;
        let quotas = Quotas::open(notebook.clone());
        let quotas = quotas.map_err(|error| Unreadable(format!("the client quotas cannot be read: {error}")))?;
        let broker = BrokerConfigs::open(notebook.clone());
        let broker = broker.map_err(|error| Unreadable(format!("the broker's configs cannot be read: {error}")))?;
        let auth = Auth::open(notebook, log.env().clone(), &config.security).map_err(Unreadable)?;
        let bytes = config.frames_in_flight_bytes_max;
        let (records, requests, owing) = (Pool::of(bytes / 2), Pool::of(bytes / 6), Pool::of(bytes / 3));
        let (answers, bulky) = (Pool::of(ANSWERS_BYTES), Semaphore::new(BULKY_MAX));
        let connections = Arc::new(Semaphore::new(config.connections_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            log,
            groups,
            group_configs,
            shares,
            transactions,
            auth,
            quotas,
            broker,
            meter,
            config,
            records,
            requests,
            owing,
            bulky,
            answers,
            connections,
        })
    }

    /// Follows the keys of tokens, if they are at an address; does not return then.
    pub async fn follow_keys(&self) {
        self.auth.follow_keys().await;
    }
}

/// How the Kafka door is set up.
#[derive(Clone)]
pub struct Config {
    /// This broker's id in Metadata.
    pub node_id: i32,
    /// The cluster's id in Metadata and DescribeCluster: 22 characters, constant for one data directory.
    pub cluster_id: String,
    /// What comes before a topic's name in the name that Kinesis clients know its stream by: `arn:aws:kinesis:…:stream/`.
    pub arn_prefix: String,
    /// Partitions of a topic created without a number.
    pub default_partitions: u32,
    /// Whether Metadata creates missing topics. Produce never does, as in Kafka: a client asks for metadata first.
    pub auto_create_topics: bool,
    /// Largest request frame in bytes (Kafka: `socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// Bytes of requests in memory at once, all connections together (Kafka: `queued.max.request.bytes`).
    pub frames_in_flight_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// What DescribeLogDirs and DescribeConfigs call the place of the data.
    pub log_dir: String,
    /// How long an empty group of the classic protocol waits for more members before its first generation (Kafka:
    /// `group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: Duration,
    /// How long a group without members keeps its offsets (Kafka: `offsets.retention.minutes`).
    pub offsets_retention: Duration,
    /// Whom it believes.
    pub security: Security,
}

/// A request being served.
pub(crate) type Call = Pin<Box<dyn Future<Output = Reply<Answer>> + Send>>;

/// The two ends of a connection, and the door between them.
#[derive(Clone)]
pub(crate) struct Origin {
    /// The gateway.
    pub(crate) door: Arc<Door>,
    /// The client's end.
    pub(crate) peer: SocketAddr,
    /// Ours.
    pub(crate) local: SocketAddr,
    /// Who the client is, as far as it is known.
    pub(crate) session: Arc<Session>,
    /// Says when the gateway stops.
    pub(crate) shutdown: Shutdown,
}

/// One line of the table of APIs.
pub(crate) struct Entry {
    /// Its number in the protocol.
    pub(crate) key: i16,
    /// Its name in the protocol.
    pub(crate) name: fn() -> &'static str,
    /// [`Api::VERSIONS`].
    pub(crate) versions: RangeInclusive<i16>,
    /// [`Api::ADVERTISED`].
    pub(crate) advertised: RangeInclusive<i16>,
    /// [`Api::PIPELINED`].
    pub(crate) pipelined: bool,
    /// [`Api::WAITS`].
    pub(crate) waits: bool,
    /// [`Api::FRAME_BYTES_MAX`].
    pub(crate) frame_bytes_max: usize,
    /// [`Api::MEMORY_PER_BYTE`].
    pub(crate) memory_per_byte: usize,
    /// [`Api::HAS_RECORDS`].
    pub(crate) has_records: bool,
    /// [`Api::IS_HANDED_OVER`].
    pub(crate) is_handed_over: bool,
    /// Decodes, handles and encodes one request.
    pub(crate) call: fn(&Origin, Head, Bytes, Turn) -> Call,
}

/// The line of `A`.
pub(crate) const fn entry<A: Api>() -> Entry {
    Entry {
        key: A::Request::KEY,
        name: name::<A>,
        versions: A::VERSIONS,
        advertised: A::ADVERTISED,
        pipelined: A::PIPELINED,
        waits: A::WAITS,
        frame_bytes_max: A::FRAME_BYTES_MAX,
        memory_per_byte: A::MEMORY_PER_BYTE,
        has_records: A::HAS_RECORDS,
        is_handed_over: A::IS_HANDED_OVER,
        call: |origin, head, frame, turn| Box::pin(call::<A>(origin.clone(), head, frame, turn)),
    }
}

async fn call<A: Api>(origin: Origin, head: Head, frame: Bytes, turn: Turn) -> Reply<Answer> {
    let (begun, frame_bytes, door) = (Instant::now(), frame.len(), origin.door.clone());
    let reply = match serve::<A>(origin, &head, frame, turn).await {
        Ok(Reply::Send(answer)) => Reply::Send(answer),
        Ok(Reply::Silent) => Reply::Silent,
        Ok(Reply::Last(answer, reason)) => Reply::Last(answer, reason),
        Ok(Reply::HangUp(reason)) | Err(reason) => Reply::HangUp(format!("{} version {}: {reason}", name::<A>(), head.version)),
    };
    let answer_bytes = if let Reply::Send(answer) | Reply::Last(answer, _) = &reply { answer.len() } else { 0 };
    let took = begun.elapsed();
    door.meter.request(name::<A>(), head.version, took);
    tracing::debug!(api = name::<A>(), version = head.version, ?took, frame_bytes, answer_bytes, "request");
    reply
}

/// The name of `A` in the protocol, which is also that of its type.
pub(crate) fn name<A: Api>() -> &'static str {
    std::any::type_name::<A>().rsplit("::").next().unwrap_or_default()
}

/// Serves one request; an error is a reason to close the connection.
async fn serve<A: Api>(origin: Origin, head: &Head, frame: Bytes, turn: Turn) -> Result<Reply<Answer>, String> {
    let Head { version, correlation_id, .. } = *head;
    if !A::VERSIONS.contains(&version) {
        let (response, version) = A::refuse_version().ok_or("the version is not served")?;
        return encode(&response, version, correlation_id).map(Reply::Send);
    }
    let (begun, frame_bytes) = (Instant::now(), frame.len());
    let (client_id, request) = decode::<A>(version, frame)?;
    let mut spent = begun.elapsed();
    let Origin { ref door, peer, local, ref session, ref shutdown } = origin;
    // Held until the answer is encoded.
    let _turn = if A::IS_BULKY { door.bulky.acquire().await.ok() } else { None };
    let (door, session, shutdown) = (door.clone(), session.clone(), shutdown.clone());
    let (answer_memory, delay) = (Arc::default(), Arc::default());
    let cx = Context { door, version, client_id, peer, local, session, turn, shutdown, answer_memory, delay };
    let reply = {
        let mut handling = pin!(A::handle(&cx, request));
        // What it waits for is nobody's time.
        poll_fn(|context| {
            let begun = Instant::now();
            let polled = handling.as_mut().poll(context);
            spent += begun.elapsed();
            polled
        })
        .await
    };
    let produced = (A::COUNTED == Counted::Request).then_some((Limit::ProducerByteRate, frame_bytes));
    Ok(match reply {
        Reply::Send(mut response) => {
            let consumed = (A::COUNTED == Counted::Answer).then(|| response.size(version)).transpose();
            let consumed = consumed.map_err(|error| format!("the answer does not encode: {error}"))?;
            let counted = produced.or(consumed.map(|bytes| (Limit::ConsumerByteRate, bytes)));
            response.throttle(mute(&cx, cx.charge(counted, spent)));
            let mut answer = encode(&response, version, correlation_id)?;
            answer.memory.extend(cx.answer_memory.lock().take());
            Reply::Send(answer)
        }
        Reply::Silent => {
            mute(&cx, cx.charge(produced, spent));
            Reply::Silent
        }
        Reply::Last(response, reason) => Reply::Last(encode(&response, version, correlation_id)?, reason),
        Reply::HangUp(reason) => Reply::HangUp(reason),
    })
}

/// Has the connection read nothing for so long; the milliseconds that the client is told.
fn mute(cx: &Context, delay: Duration) -> i32 {
    if delay > Duration::ZERO {
        cx.turn.mute(Instant::now() + delay);
    }
    i32::try_from(delay.as_millis()).unwrap_or(i32::MAX)
}

/// The client's id and the request.
fn decode<A: Api>(version: i16, frame: Bytes) -> Result<(Arc<str>, A::Request), String> {
    let mut frame = Metered::new(frame);
    let header = RequestHeader::decode(&mut frame, A::Request::header_version(version))
        .map_err(|error| format!("the request header does not parse: {error}"))?;
    let request = A::Request::decode(&mut frame, version).map_err(|error| format!("the request does not parse: {error}"))?;
    if frame.has_remaining() {
        // As in Kafka, which reads what it knows of.
        tracing::debug!(api = name::<A>(), version, bytes = frame.remaining(), "bytes follow the request");
    }
    Ok((header.client_id.as_deref().unwrap_or_default().into(), request))
}

/// The whole answer.
fn encode<R: Answerable>(response: &R, version: i16, correlation_id: i32) -> Result<Answer, String> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    Answer::of(response, &header, (version, R::header_version(version)), ANSWER_BYTES_MAX)
}
