//! Fetch (key 1): whole record batches from some partitions, waiting for them if the client likes.
//!
//! Served: 4 to 18. Version 4 brought isolation levels, 5 the log start offset, 7 sessions, 9 leader epochs, 10 zstd, 11 racks,
//! 12 tagged fields, 13 topic ids, 15 the replica state.
//!
//! Differs from Kafka: no session is ever created (session id 0), which KIP-227 allows and clients answer with full fetches.
//! Batches compressed with zstd are given to versions below 10 too; Kafka converts or refuses.
//!
//! Left out on purpose: followers and their epochs (`replica_id`, `last_fetched_epoch`: the epoch is constant, so nothing
//! diverges), reading from the nearest replica, aborted transactions (there are none yet, so everything is stable).

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse};

use super::contract::{Api, Context, Reply, name};
use crate::kafka::code;
use crate::kafka::partition::{Topic, check_epoch, lane};
use crate::log::{Page, Wait, Want};
use crate::model::Offset;

pub(crate) struct Fetch;

/// The first version with sessions.
const SESSIONS: i16 = 7;
/// The first version with topic ids instead of names.
const TOPIC_IDS: i16 = 13;
/// Bytes of batches in one answer, the first one excepted. Kafka's default of the broker's `fetch.max.bytes`.
const ANSWER_BYTES_MAX: usize = 55 << 20;
const READ_COMMITTED: i8 = 1;

impl Api for Fetch {
    type Request = FetchRequest;
    type Response = FetchResponse;

    const KEY: ApiKey = ApiKey::Fetch;
    const VERSIONS: RangeInclusive<i16> = 4..=18;
    const WAITS: bool = true;

    async fn handle(cx: &Context, request: FetchRequest) -> Reply<FetchResponse> {
        // A session goes on with an epoch of 1 or more; 0 and -1 ask for everything, whatever session was before.
        if cx.version >= SESSIONS && request.session_epoch > 0 {
            return Reply::Send(FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code()));
        }
        let mut wants = Vec::new();
        let mut refused = false;
        let topics: Vec<_> = request
            .topics
            .iter()
            .map(|topic| {
                let asked = ask(cx, topic);
                refused |= asked.iter().any(Result::is_err);
                wants.extend(asked.iter().filter_map(|want| want.as_ref().ok()));
                (topic, asked)
            })
            .collect();
        let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(ANSWER_BYTES_MAX);
        let wait = if refused || wants.is_empty() { Wait::No } else { patience(&request, bytes_max) };
        let mut pages = cx.door.log.read(&wants, wait, bytes_max).await.into_iter();
        let committed = request.isolation_level == READ_COMMITTED;
        let responses = topics.into_iter().map(|(topic, asked)| {
            let partitions = topic.partitions.iter().zip(asked).map(|(partition, asked)| {
                let page = match asked {
                    // The log gives one page per want.
                    Ok(_) => {
                        pages.next().map_or(Err(ResponseError::UnknownServerError), |page| page.map_err(|error| code::of(&error)))
                    }
                    Err(error) => Err(error),
                };
                answer(partition.partition, page, committed)
            });
            let partitions: Vec<_> = partitions.collect();
            count(cx, topic, &partitions);
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions)
        });
        Reply::Send(FetchResponse::default().with_responses(responses.collect()))
    }
}

/// What is wanted of a topic, partition by partition.
fn ask(cx: &Context, topic: &FetchTopic) -> Vec<Result<Want, ResponseError>> {
    let stream = named(cx, topic).stream(&cx.door.log);
    let want = |partition: &FetchPartition| {
        let lane = lane(stream.as_ref().map_err(|error| *error)?, partition.partition)?;
        check_epoch(partition.current_leader_epoch)?;
        let bytes_max = usize::try_from(partition.partition_max_bytes).unwrap_or(0);
        Ok(Want { lane, from: Offset(partition.fetch_offset), bytes_max })
    };
    topic.partitions.iter().map(want).collect()
}

fn named<'a>(cx: &Context, topic: &'a FetchTopic) -> Topic<'a> {
    if cx.version >= TOPIC_IDS { Topic::Identified(topic.topic_id) } else { Topic::Named(&topic.topic) }
}

/// Counts what a topic's readers got, and what they were refused.
fn count(cx: &Context, topic: &FetchTopic, partitions: &[PartitionData]) {
    let bytes: usize = partitions.iter().filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum();
    if bytes > 0
        && let Ok(stream) = named(cx, topic).stream(&cx.door.log)
    {
        cx.door.meter.fetched(stream.name().as_str(), bytes as u64);
    }
    for code in partitions.iter().map(|partition| partition.error_code).filter(|&code| code != 0) {
        let error = || ResponseError::try_from_code(code).map_or_else(|| code.to_string(), |error| format!("{error:?}"));
        cx.door.meter.error(name::<Fetch>(), code, error);
    }
}

/// How long to wait for how much. Nobody waits for more than fits the answer.
fn patience(request: &FetchRequest, bytes_max: usize) -> Wait {
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0).min(bytes_max);
    match u64::try_from(request.max_wait_ms) {
        Ok(millis @ 1..) if bytes_min > 0 => Wait::For { bytes_min, at_most: Duration::from_millis(millis) },
        _ => Wait::No,
    }
}

fn answer(partition: i32, page: Result<Page, ResponseError>, committed: bool) -> PartitionData {
    let data = PartitionData::default().with_partition_index(partition);
    match page {
        Ok(page) => data
            .with_high_watermark(page.tip.0)
            .with_last_stable_offset(page.tip.0)
            .with_log_start_offset(page.horizon.0)
            .with_aborted_transactions(committed.then(Vec::new))
            .with_records(Some(joined(page.batches))),
        Err(error) => data.with_error_code(error.code()).with_high_watermark(-1).with_aborted_transactions(None),
    }
}

/// The batches in one piece; a single one is not copied.
fn joined(batches: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(batches) {
        Ok([batch]) => batch,
        Err(batches) => {
            let mut joined = BytesMut::with_capacity(batches.iter().map(Bytes::len).sum());
            batches.iter().for_each(|batch| joined.extend_from_slice(batch));
            joined.freeze()
        }
    }
}
