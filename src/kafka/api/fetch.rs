//! Fetch (key 1): whole record batches from some partitions, waiting for them if the client likes.
//!
//! Served: 4 to 18. Version 4 brought isolation levels, 5 the log start offset, 7 sessions, 9 leader epochs, 10 zstd, 11 racks,
//! 12 tagged fields, 13 topic ids, 15 the replica state.
//!
//! Differs from Kafka: no session is ever created (session id 0), which KIP-227 allows and clients answer with full fetches.
//! Batches compressed with zstd are given to versions below 10 too; Kafka converts or refuses.
//!
//! The bytes of an answer are bounded by the memory that other answers leave, not by Kafka's `fetch.max.bytes`; the first batch
//! is always given. A client that is over its quota gets its records, and is told with them how long it has to wait; Kafka gives it
//! nothing but the delay.
//!
//! An answer waits for `fetch.min.bytes`, or until it is full: as much as its memory allows (4 MiB where no other answer is under
//! way), or what the request allows of each partition and of all. In Kafka a request that allows less than it waits for waits to
//! its end. While it waits it holds no memory: what comes is counted, and read when it may be enough.
//!
//! A reader of committed records gets what lies before the first record of an open transaction, aborted records too, and the list of
//! the aborted transactions that they belong to, from which clients work out what to leave out.
//!
//! A shard that is over its read throughput gives nothing until it may, which is waited for like records; nothing is an error. A
//! `client.id` that is a fan-out consumer of the stream has throughput of its own.
//!
//! Left out on purpose: followers (`replica_id`), reading from the nearest replica. The epoch is constant, so a `last_fetched_epoch`
//! to come is out of range, and nothing diverges (KIP-595): who has read beyond the end is out of range too.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProducerId};

use super::contract::{Api, Context, Counted, Reply, name};
use crate::kafka::auth::Operation;
use crate::kafka::code;
use crate::kafka::fetched::{Fetched, FetchedPartition, FetchedTopic};
use crate::kafka::partition::{LEADER_EPOCH, NO_EPOCH, Topic, check_epoch, isolation, lane};
use crate::log::{Aborted, Error, Isolation, Page, Reader, Stream, Wait, Want};
use crate::metrics::{Got, Measure};
use crate::model::Offset;

pub(crate) struct Fetch;

/// The first version with sessions.
const SESSIONS: i16 = 7;
/// The first version with topic ids instead of names.
const TOPIC_IDS: i16 = 13;

impl Api for Fetch {
    type Request = FetchRequest;
    type Response = Fetched;

    const VERSIONS: RangeInclusive<i16> = 4..=18;
    const WAITS: bool = true;
    const COUNTED: Counted = Counted::Answer;

    async fn handle(cx: &Context, mut request: FetchRequest) -> Reply<Fetched> {
        // A session goes on with an epoch of 1 or more; 0 and -1 ask for everything, whatever session was before.
        if cx.version >= SESSIONS && request.session_epoch > 0 {
            let response = FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
            return Reply::Send(Fetched { response, topics: Vec::new() });
        }
        let isolation = isolation(request.isolation_level);
        let committed = isolation == Ok(Isolation::Committed);
        request.topics.iter_mut().for_each(|topic| unite(&mut topic.partitions));
        let mut wants = Vec::new();
        let mut refused = false;
        let topics: Vec<_> = request
            .topics
            .iter()
            .map(|topic| {
                let asked = ask(cx, topic, isolation);
                refused |= asked.iter().any(Result::is_err);
                wants.extend(asked.iter().filter_map(|want| want.as_ref().ok()));
                (topic, asked)
            })
            .collect();
        let wait = if refused || wants.is_empty() { Wait::No } else { patience(&request) };
        let bytes_max = size(request.max_bytes).min(cx.most_of_answers().unwrap_or(usize::MAX));
        let (log, reader) = (&cx.door.log, Reader::Patient(&cx.client_id));
        let pages = log.read_within(&wants, wait, bytes_max, reader, |bytes| cx.share_of_answers(bytes)).await;
        let gave = pages.iter().flatten().any(|page| !page.batches.is_empty());
        let mut pages = pages.into_iter();
        let topics = topics.into_iter().map(|(topic, asked)| {
            let stream = named(cx, topic).stream(&cx.door.log).ok();
            let partitions = topic.partitions.iter().zip(asked).map(|(partition, asked)| {
                let page = match asked {
                    // The log gives one page per want.
                    Ok(_) => pages.next().map_or(Err(ResponseError::UnknownServerError), |page| {
                        if let Some(stream) = &stream {
                            measure(cx, stream, &page, gave);
                        }
                        page.map_err(|error| code::of(&error))
                    }),
                    Err(error) => Err(error),
                };
                answer(partition.partition, page, committed)
            });
            let partitions: Vec<_> = partitions.collect();
            count(cx, stream.as_deref(), &partitions);
            let topic = FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_topic_id(topic.topic_id);
            FetchedTopic { topic, partitions }
        });
        Reply::Send(Fetched { topics: topics.collect(), ..Fetched::default() })
    }
}

/// Of a partition that is named more than once, keeps the last line in the place of the first, as Kafka does.
fn unite(partitions: &mut Vec<FetchPartition>) {
    if partitions.is_sorted_by(|one, next| one.partition < next.partition) {
        return;
    }
    let (mut places, mut kept) = (HashMap::new(), Vec::with_capacity(partitions.len()));
    for partition in partitions.drain(..) {
        let place = *places.entry(partition.partition).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(before) => *before = partition,
            None => kept.push(partition),
        }
    }
    *partitions = kept;
}

/// What is wanted of a topic, partition by partition.
fn ask(cx: &Context, topic: &FetchTopic, isolation: Result<Isolation, ResponseError>) -> Vec<Result<Want, ResponseError>> {
    let stream = cx.topic(named(cx, topic), Operation::Read);
    let want = |partition: &FetchPartition| {
        let isolation = isolation?;
        let lane = lane(stream.as_ref().map_err(|error| *error)?, partition.partition)?;
        // Here every negative epoch is none (Kafka, `FetchRequest.optionalEpoch`).
        check_epoch(partition.current_leader_epoch.max(NO_EPOCH))?;
        if partition.last_fetched_epoch > LEADER_EPOCH {
            return Err(ResponseError::OffsetOutOfRange);
        }
        Ok(Want { lane, from: Offset(partition.fetch_offset), bytes_max: size(partition.partition_max_bytes), isolation })
    };
    topic.partitions.iter().map(want).collect()
}

fn named<'a>(cx: &Context, topic: &'a FetchTopic) -> Topic<'a> {
    if cx.version >= TOPIC_IDS { Topic::Identified(topic.topic_id) } else { Topic::Named(&topic.topic) }
}

/// Counts what a topic's readers got, and what they were refused.
fn count(cx: &Context, stream: Option<&Stream>, partitions: &[FetchedPartition]) {
    let bytes: usize = partitions.iter().map(FetchedPartition::bytes).sum();
    if let Some(stream) = stream.filter(|_| bytes > 0) {
        cx.door.meter.fetched(stream.name().as_str(), bytes as u64);
    }
    for code in partitions.iter().map(|partition| partition.data.error_code).filter(|&code| code != 0) {
        let error = || ResponseError::try_from_code(code).map_or_else(|| code.to_string(), |error| format!("{error:?}"));
        cx.door.meter.error(name::<Fetch>(), code, error);
    }
}

/// Measures a partition as a read from its shard. Where others `gave` something, one that had nothing was not really read; if none did, all
/// were, in vain.
fn measure(cx: &Context, stream: &Stream, page: &Result<Page, Error>, gave: bool) {
    let (meter, now) = (stream.meter(), cx.door.log.env().clock.now());
    let Ok(page) = page else { return meter.of_stream(&[(Measure::GetRecordsSuccess, 0.0)], now) };
    let is_empty = page.batches.is_empty();
    let age = page.newest_at.map_or(Duration::ZERO, |newest_at| now.since(newest_at));
    let bytes = page.batches.iter().map(Bytes::len).sum::<usize>() as u64;
    let got = Got { bytes, records: page.records, age, throttled: page.is_over };
    match (is_empty, page.next < page.tip) {
        (true, _) if gave && !page.is_over => {}
        (true, true) if page.is_over && !page.is_fan_out => meter.get_refused(page.shard, now),
        // The answer was full.
        (true, true) => {}
        (_, is_behind) if page.is_fan_out => {
            let age = if is_behind { age } else { Duration::ZERO };
            meter.delivered(page.shard, &cx.client_id, Got { age, ..got }, now);
        }
        _ => meter.got(page.shard, got, now),
    }
}

/// How many bytes to wait for, and how long.
fn patience(request: &FetchRequest) -> Wait {
    let bytes_min = size(request.min_bytes).min(size(request.max_bytes));
    let millis = u64::try_from(request.max_wait_ms).unwrap_or(0);
    if bytes_min > 0 && millis > 0 { Wait::For { bytes_min, at_most: Duration::from_millis(millis) } } else { Wait::No }
}

/// Negative numbers of bytes are none.
fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

fn answer(partition: i32, page: Result<Page, ResponseError>, committed: bool) -> FetchedPartition {
    let data = PartitionData::default().with_partition_index(partition);
    match page {
        Ok(page) => {
            let data = data
                .with_high_watermark(page.tip.0)
                .with_last_stable_offset(page.stable.0)
                .with_log_start_offset(page.horizon.0)
                .with_aborted_transactions(committed.then(|| page.aborted.iter().map(aborted).collect()));
            FetchedPartition { data, batches: page.batches }
        }
        Err(error) => {
            // Kafka lists nothing where there is no partition for this client, and has no list where its log refuses.
            let is_absent = matches!(
                error,
                ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId | ResponseError::TopicAuthorizationFailed
            );
            let data = data.with_error_code(error.code()).with_high_watermark(-1);
            FetchedPartition { data: data.with_aborted_transactions(is_absent.then(Vec::new)), batches: Vec::new() }
        }
    }
}

fn aborted(one: &Aborted) -> AbortedTransaction {
    AbortedTransaction::default().with_producer_id(ProducerId(one.producer)).with_first_offset(one.first.0)
}
