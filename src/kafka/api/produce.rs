//! Produce (key 0): appends one record batch to each of some partitions.
//!
//! Served: 3 to 13. Version 3 brought batches of format 2, 5 the log start offset, 7 zstd, 8 error messages, 9 tagged fields,
//! 11 TRANSACTION_ABORTABLE, 12 the second generation of transactions, 13 topic ids. Advertised from 0, as Kafka does: released librdkafka sends uncompressed otherwise (KAFKA-18659).
//!
//! Differs from Kafka: acks=1 is as durable as acks=all, since the log has one commit. Requests of one connection are in
//! flight together. A topic that does not exist is not created here; clients ask Metadata first, which may.
//!
//! A batch whose shard is over its throughput is appended, and its answer held until the shard has paid for it; what the
//! connection writes to that shard next waits for that. `throttle_time_ms` says nothing of that, but of client quotas only: half of
//! the clients ignore it, and some do worse. A wait of more than 10 s is refused with NOT_ENOUGH_REPLICAS before anything is written.
//! `kafka-console-producer` gives up on an answer that is held for longer than about 6 s.
//!
//! What is written in a transaction is refused unless the partition is part of it; from version 12 on, writing makes it so (KIP-890).
//! Requests of one transactional id have their turns in their order, so that what they write is before the transaction's end.
//!
//! Left out on purpose: `timeout_ms` (a commit is one disk away), other leaders (there is one). `record_errors` names the records
//! without a key that a compacted topic refuses, the first 50 of a batch.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, timeout_at};

use super::contract::{Api, Context, Counted, Reply, name};
use crate::batch::{Batch, Codec, Fault, Header, Invalid, ProducerStamp};
use crate::env::Clock;
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::listener::stopped;
use crate::kafka::partition::{Topic, lane};
use crate::kafka::transaction::{self, Incarnation, Part, Turn};
use crate::log::{self, Charge, Patience, Stream};
use crate::metrics::Put;
use crate::model::{LaneId, Offset, limits};

pub(crate) struct Produce;

/// The first version with topic ids instead of names.
const TOPIC_IDS: i16 = 13;
/// The first version whose clients know zstd.
const ZSTD: i16 = 7;
/// The first version with error messages, and with the records that a batch was refused for.
const MESSAGES: i16 = 8;
/// The first version whose clients know TRANSACTION_ABORTABLE, and the first of the second generation of transactions.
const ABORTABLE: i16 = 11;
const SECOND: i16 = 12;
/// The first offset of a batch that went to another partition than the one that was named: its own was merged into that one.
const UNKNOWN_OFFSET: i64 = -1;
/// How long one request may work its thread, which serves other connections too, with starting appends. *Ours*: thousands of
/// batches are started in less, unless they have to be opened and were made to take long.
const START_MAX: Duration = Duration::from_millis(50);
/// A shard over its throughput slows its writers down. None of the usual clients takes that for an error, while many give up at
/// once on errors about quotas.
const PATIENCE: Patience = Patience::WaitUpTo(limits::WRITE_WAIT_MAX);

impl Api for Produce {
    type Request = ProduceRequest;
    type Response = ProduceResponse;

    const VERSIONS: RangeInclusive<i16> = 3..=13;
    const ADVERTISED: RangeInclusive<i16> = 0..=13;
    const PIPELINED: bool = true;
    // The largest batch there can be, or many of the usual size; Kafka's 100 MiB would be more than all our memory.
    const FRAME_BYTES_MAX: usize = 16 << 20;
    const HAS_RECORDS: bool = true;
    const COUNTED: Counted = Counted::Request;
    // The frame, and the copies of its batches that the log keeps.
    const MEMORY_PER_BYTE: usize = 2;

    async fn handle(cx: &Context, request: ProduceRequest) -> Reply<ProduceResponse> {
        if cx.turn.may_wait() {
            cx.turn.comes(&lanes(cx, &request)).await;
        }
        let acks = request.acks;
        let transaction = enter(cx, &request).await;
        let batches = request.topic_data.iter().map(|topic| topic.partition_data.len()).sum();
        let budget = Budget::of(batches, Instant::now(), &*cx.door.log.env().clock);
        let start = |topic| start(cx, Terms { acks, transaction: &transaction, budget }, topic);
        // Kafka says nothing of a topic without partitions.
        let named = request.topic_data.into_iter().filter(|topic| !topic.partition_data.is_empty());
        let started: Vec<_> = named.map(start).collect();
        // What was begun has its place: the transaction may end.
        drop(transaction);
        let begun = started.iter().flat_map(|(_, batches)| batches).flat_map(|(_, batch)| batch);
        let mut paid_at = None;
        for (lane, until) in begun.filter_map(|batch| batch.appending.owed()) {
            cx.turn.owe(lane, until);
            paid_at = paid_at.max(Some(until));
        }
        let mut responses = Vec::with_capacity(started.len());
        let mut failed = None;
        for (response, batches) in started {
            let mut partition_responses = Vec::with_capacity(batches.len());
            for (index, batch) in batches {
                let outcome = finish(cx, batch).await;
                let mut horizon = None;
                if let Err(Refused { words, log, .. }) = &outcome {
                    failed = Some(words.clone());
                    if let Some(lane) = log {
                        horizon = cx.door.log.reach(*lane).await.ok().map(|reach| reach.horizon);
                    }
                }
                partition_responses.push(answer(cx, index, outcome, horizon));
            }
            responses.push(response.with_partition_responses(partition_responses));
        }
        cx.turn.free();
        if let Some(paid_at) = paid_at {
            // What is on the disk need not be paid for when the gateway stops.
            let _ = timeout_at(paid_at, stopped(cx.shutdown.clone())).await;
        }
        match (acks, failed) {
            (0, None) => Reply::Silent,
            // There is no other way to tell a client that wants no answers.
            (0, Some(words)) => Reply::HangUp(format!("acks=0: {words}")),
            _ => Reply::Send(ProduceResponse::default().with_responses(responses)),
        }
    }
}

/// A batch whose append has begun.
struct Begun {
    appending: log::Appending,
    stream: Arc<Stream>,
    records: u64,
    bytes: u64,
}

/// A batch that was appended.
struct Accepted {
    appended: log::Appended,
    /// Whether the log has set the records' timestamps.
    stamped: bool,
}

/// A batch that was not.
struct Refused {
    error: ResponseError,
    words: String,
    /// The records that it was refused for, if it was for some of them.
    records: Vec<i32>,
    /// The partition whose log it was refused by. Kafka tells then where that begins, and not if nobody has asked the log.
    log: Option<LaneId>,
}

impl Refused {
    fn new(error: ResponseError, words: impl Into<String>) -> Self {
        Self { error, words: words.into(), records: Vec::new(), log: None }
    }

    fn by_log(self, lane: LaneId) -> Self {
        Self { log: Some(lane), ..self }
    }
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self::new(error, error.to_string())
    }
}

impl From<log::Error> for Refused {
    fn from(error: log::Error) -> Self {
        let (code, words) = (code::of(&error), error.to_string());
        let records = if let log::Error::KeysMissing(records) = error { records } else { Vec::new() };
        Self { error: code, words, records, log: None }
    }
}

/// A refusal of the log, or of what looks at a batch in its stead (Kafka, `ReplicaManager.appendToLocalLog`, where what is no whole
/// batch, or too large a one, has not come to the log).
fn refused_by_log(error: log::Error, lane: LaneId, version: i16) -> Refused {
    let is_by_log = match &error {
        log::Error::InvalidBatch(invalid) => match invalid {
            Invalid::Short(_) | Invalid::Length { .. } | Invalid::Magic(_) | Invalid::Crc { .. } | Invalid::Trailing(_) => false,
            // Before that Kafka looks for zstd first.
            Invalid::Codec(_) => version >= ZSTD,
            _ => true,
        },
        log::Error::KeysMissing(_)
        | log::Error::OutOfOrder { .. }
        | log::Error::Fenced { .. }
        | log::Error::InTransaction { .. } => true,
        _ => false,
    };
    let refused = Refused::from(error);
    if is_by_log { refused.by_log(lane) } else { refused }
}

/// How a request's batches are begun.
#[derive(Clone, Copy)]
struct Terms<'a> {
    acks: i16,
    transaction: &'a Entered,
    budget: Budget,
}

/// How long the appends of one request may take to start. What counts is what its thread has worked: on a busy machine it may be
/// made to wait in between, for which nobody is to blame.
#[derive(Clone, Copy)]
struct Budget {
    /// Before this it is not spent, which is cheaper to find out.
    until: Instant,
    /// What the thread may have worked; `None`: one batch is started whatever it takes.
    worked_max: Option<Duration>,
}

impl Budget {
    fn of(batches: usize, now: Instant, clock: &dyn Clock) -> Self {
        Self { until: now + START_MAX, worked_max: (batches > 1).then(|| clock.worked() + START_MAX) }
    }

    fn is_spent(self, now: Instant, clock: &dyn Clock) -> bool {
        now > self.until && self.worked_max.is_some_and(|max| clock.worked() > max)
    }
}

/// The transaction that a request writes in.
enum Entered {
    /// It names none.
    Not,
    /// The client may not use it.
    Denied,
    /// It may not.
    Refused(transaction::Refusal),
    /// It is its turn.
    In(Turn),
}

impl Entered {
    /// Whether a batch of `producer` may be written to `lane`.
    fn check(&self, cx: &Context, lane: LaneId, producer: Option<ProducerStamp>) -> Result<(), Refused> {
        let who = producer.map(incarnation).ok_or(ResponseError::InvalidRecord);
        match self {
            Self::Not => Err(Refused::new(
                ResponseError::TransactionalIdAuthorizationFailed,
                "the batch is part of a transaction, and the request has no transactional id",
            )),
            Self::Denied => Err(Kind::TransactionalId.denied().into()),
            Self::Refused(refusal) => Err(refused(cx, *refusal)),
            Self::In(turn) => turn.verify(who?, Part { lanes: &[lane], group: None }).map_err(|refusal| refused(cx, refusal)),
        }
    }
}

fn incarnation(stamp: ProducerStamp) -> Incarnation {
    Incarnation { producer: stamp.id, epoch: stamp.epoch }
}

/// Why a batch cannot be written in a transaction (Kafka, `AddPartitionsToTxnManager` and `ReplicaManager.handleProduceAppend`).
fn refused(cx: &Context, refusal: transaction::Refusal) -> Refused {
    let error = match refusal {
        transaction::Refusal::Fenced => ResponseError::InvalidProducerEpoch,
        transaction::Refusal::NotPart if cx.version < ABORTABLE => ResponseError::InvalidTxnState,
        transaction::Refusal::Concurrent if cx.version < SECOND => ResponseError::NotEnoughReplicas,
        transaction::Refusal::Unavailable => ResponseError::NotEnoughReplicas,
        refusal => code::of_transaction(refusal, true),
    };
    Refused::new(error, refusal.to_string())
}

/// Has the request's turn at its transaction, of which what it writes to becomes part in the second generation.
async fn enter(cx: &Context, request: &ProduceRequest) -> Entered {
    let Some(id) = &request.transactional_id else { return Entered::Not };
    let parts = parts(cx, request);
    if !cx.allows(Operation::Write, Kind::TransactionalId, id) {
        return Entered::Denied;
    }
    let Some((_, stamp)) = parts.first() else { return Entered::Not };
    let lanes: Vec<_> = parts.iter().map(|(lane, _)| *lane).collect();
    let turn = match cx.door.transactions.turn(id).await {
        Ok(turn) if cx.version >= SECOND => {
            cx.door.transactions.add(turn, incarnation(*stamp), Part { lanes: &lanes, group: None }, true).await
        }
        turn => turn,
    };
    turn.map_or_else(Entered::Refused, Entered::In)
}

/// The lanes of the batches that are part of a transaction, and who wrote each.
fn parts(cx: &Context, request: &ProduceRequest) -> Vec<(LaneId, ProducerStamp)> {
    let of_topic = |topic: &TopicProduceData| {
        let stream = cx.topic(named(cx, topic), Operation::Write).ok()?;
        let part = |partition: &PartitionProduceData| {
            let header = Header::parse(partition.records.as_ref()?).ok().filter(|header| header.transactional)?;
            Some((lane(&stream, partition.index).ok()?, header.producer?))
        };
        Some(topic.partition_data.iter().filter_map(part).collect::<Vec<_>>())
    };
    request.topic_data.iter().filter_map(of_topic).flatten().collect()
}

type Started = Vec<(i32, Result<Begun, Refused>)>;

/// The lanes that a request's batches will lie in.
fn lanes(cx: &Context, request: &ProduceRequest) -> Vec<LaneId> {
    let log = &cx.door.log;
    let of_topic = |topic: &TopicProduceData| {
        let stream = named(cx, topic).stream(log).ok()?;
        let lanes = topic.partition_data.iter().filter_map(|partition| lane(&stream, partition.index).ok());
        Some(lanes.map(|lane| log.taker(lane)).collect::<Vec<_>>())
    };
    request.topic_data.iter().filter_map(of_topic).flatten().collect()
}

/// How a request of this version names a topic.
fn named<'a>(cx: &Context, topic: &'a TopicProduceData) -> Topic<'a> {
    if cx.version >= TOPIC_IDS { Topic::Identified(topic.topic_id) } else { Topic::Named(&topic.name) }
}

/// Begins the appends of a topic in the order of its partitions.
fn start(cx: &Context, terms: Terms<'_>, topic: TopicProduceData) -> (TopicProduceResponse, Started) {
    let stream = cx.topic(named(cx, &topic), Operation::Write);
    let begin = |partition: PartitionProduceData| (partition.index, begin(cx, terms, &stream, partition));
    let started = topic.partition_data.into_iter().map(begin).collect();
    (TopicProduceResponse::default().with_name(topic.name).with_topic_id(topic.topic_id), started)
}

/// Begins to append one batch.
fn begin(
    cx: &Context,
    Terms { acks, transaction, budget }: Terms<'_>,
    stream: &Result<Arc<Stream>, ResponseError>,
    partition: PartitionProduceData,
) -> Result<Begun, Refused> {
    if budget.is_spent(Instant::now(), &*cx.door.log.env().clock) {
        // Clients send it again.
        return Err(Refused::new(ResponseError::RequestTimedOut, "the request's other batches took too long"));
    }
    if !(-1..=1).contains(&acks) {
        return Err(Refused::new(ResponseError::InvalidRequiredAcks, format!("acks is {acks}; -1, 0 and 1 are accepted")));
    }
    let stream = stream.as_ref().map_err(|error| *error)?.clone();
    let lane = lane(&stream, partition.index)?;
    let batch = check(cx.version, lane, partition.records)?;
    if batch.header().transactional {
        transaction.check(cx, lane, batch.header().producer)?;
    }
    let (records, bytes) = (u64::try_from(batch.header().records).unwrap_or(0), batch.bytes().len() as u64);
    let appending = cx.door.log.append(lane, &batch, PATIENCE).map_err(|error| {
        if let log::Error::WriteThroughput { shard, .. } = error {
            let refused = Put { throttled: records, ..Put::default() };
            stream.meter().put(&[(shard, refused)], cx.door.log.env().clock.now());
        }
        refused_by_log(error, lane, cx.version)
    })?;
    Ok(Begun { appending, stream, records, bytes })
}

/// Waits until a batch is on the disk.
async fn finish(cx: &Context, batch: Result<Begun, Refused>) -> Result<Accepted, Refused> {
    let Begun { appending, stream, records, bytes } = batch?;
    let appended = appending.durable().await?;
    cx.door.meter.produced(stream.name().as_str(), records, bytes);
    if let Some(Charge { shard, is_over }) = appended.charge {
        let throttled = if is_over { records } else { 0 };
        stream.meter().put(&[(shard, Put { bytes, records, throttled })], cx.door.log.env().clock.now());
    }
    Ok(Accepted { appended, stamped: stream.settings().arrival_stamped })
}

/// The one batch of a partition, if a client may write it (Kafka, `ProduceRequest.validateRecords` and `LogValidator`).
fn check(version: i16, lane: LaneId, records: Option<Bytes>) -> Result<Batch, Refused> {
    let records = records.filter(|records| !records.is_empty());
    let records =
        records.ok_or_else(|| Refused::new(ResponseError::InvalidRecord, "a partition has no record batch; one is needed"))?;
    let batch = Batch::check(whole(records)).map_err(|invalid| refused_by_log(invalid.into(), lane, version))?;
    let header = batch.header();
    if header.control {
        return Err(Refused::new(ResponseError::InvalidRecord, "clients cannot write control batches").by_log(lane));
    }
    if header.base_offset != Offset(0) {
        let words = format!(
            "the batch begins at offset {}; a client's begin at 0, and the log numbers the records",
            header.base_offset.0
        );
        return Err(Refused::new(ResponseError::InvalidRecord, words).by_log(lane));
    }
    if header.codec == Codec::Zstd && version < ZSTD {
        return Err(Refused::new(
            ResponseError::UnsupportedCompressionType,
            format!("zstd needs Produce version {ZSTD} or later; this is version {version}"),
        ));
    }
    Ok(batch)
}

/// The first batch without the beginning of another one behind it, which Kafka does not look at (`MemoryRecords.batches`).
fn whole(records: Bytes) -> Bytes {
    let is_begun = |rest: &[u8]| {
        let begun = Header::parse(rest).err().filter(|invalid| matches!(invalid, Invalid::Short(_) | Invalid::Length { .. }));
        begun.is_some_and(|invalid| invalid.fault() == Fault::Rule)
    };
    match Header::parse(&records) {
        Ok(Header { bytes, .. }) if records.get(bytes..).is_some_and(|rest| !rest.is_empty() && is_begun(rest)) => {
            records.slice(..bytes)
        }
        _ => records,
    }
}

fn answer(cx: &Context, index: i32, outcome: Result<Accepted, Refused>, horizon: Option<Offset>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(Accepted { appended, stamped }) => response
            .with_base_offset(appended.base.map_or(UNKNOWN_OFFSET, |base| base.0))
            .with_log_append_time_ms(if stamped { appended.arrived_at.0 } else { -1 })
            .with_log_start_offset(appended.horizon.0),
        Err(Refused { error, words, records, .. }) => {
            cx.door.meter.error(name::<Produce>(), error.code(), || format!("{error:?}"));
            let response = response.with_error_code(error.code()).with_base_offset(-1);
            let response = response.with_log_start_offset(horizon.map_or(-1, |horizon| horizon.0));
            if cx.version < MESSAGES {
                return response;
            }
            let of_record = |number| {
                let words = Some(StrBytes::from_static_str("the record has no key"));
                BatchIndexAndErrorMessage::default().with_batch_index(number).with_batch_index_error_message(words)
            };
            response
                .with_error_message(Some(StrBytes::from_string(words)))
                .with_record_errors(records.into_iter().map(of_record).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    /// A thread that has worked for so long.
    struct Worked(Duration);

    impl Clock for Worked {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn worked(&self) -> Duration {
            self.0
        }
    }

    #[test]
    fn only_what_a_request_has_made_its_thread_work_keeps_the_rest_of_it_from_being_started() {
        let (now, begun) = (Instant::now(), Duration::from_secs(7));
        let late = now + Duration::from_secs(3_600);
        let is_spent =
            |batches, now_spent, worked| Budget::of(batches, now, &Worked(begun)).is_spent(now_spent, &Worked(begun + worked));
        let long = 2 * START_MAX;
        assert!(is_spent(2, late, long));
        assert!(!is_spent(2, late, Duration::ZERO), "the thread had to wait");
        assert!(!is_spent(1, late, long), "there is no other batch");
        assert!(!is_spent(2, now, long), "the processor's clock is not asked before it may matter");
    }
}
