//! **ShareFetch** (78), v1 and v2: takes records for a member of a share group, and says what became of earlier ones (KIP-932).
//!
//! As Kafka does it: a session with epochs, verdicts that come along are answered with the records, batches are whole and beside
//! them stands which of their records the member has, for how long, and for the which-th time.
//!
//! Differs from Kafka: a group that does not exist is GROUP_ID_NOT_FOUND for the whole request.
//! A shard that is over its read throughput gives nothing until it may, which is waited for like records.
//!
//! Where the group reads what is committed (`share.isolation.level`), nothing of a transaction that is open or aborted is given.
//!
//! Versions: 2 has a mode in which no more records are given than are wanted (KIP-1206), where version 1 gives whole batches, and
//! requests that renew locks and fetch nothing (KIP-1222).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ShareFetchResponse;
use kafka_protocol::messages::share_fetch_response::{AcquiredRecords, PartitionData, ShareFetchableTopicResponse};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::contract::{Api, Context, Counted, Reply};
use crate::batch::{Buffer, Header};
use crate::kafka::auth::Operation;
use crate::kafka::code;
use crate::kafka::group_configs::Start;
use crate::kafka::partition::{Topic, lane};
use crate::kafka::share::{Acquired, Look, Place, Reader, Wanted};
use crate::kafka::sharing::{self, FINAL, INITIAL};
use crate::kafka::wire::{ShareFetchRequest, Unchanged};
use crate::log::{Error, Isolation, Page, Position, Wait, Want};
use crate::metrics::Got;
use crate::model::{LaneId, Offset};

pub(crate) struct ShareFetch;

/// The most bytes that are read of one partition at a time, and waited for. *Ours*: a member has at most some hundred records.
const PARTITION_BYTES_MAX: usize = 1 << 20;
/// The most stretches of aborted records that are passed over in one delivery. *Ours*: each may leave a piece behind.
const ABORTED_MAX: usize = 256;
/// Modes of taking records (Kafka: `ShareAcquireMode`): whole batches, and no more records than wanted.
const BATCH_OPTIMIZED: i8 = 0;
const RECORD_LIMIT: i8 = 1;

impl Api for ShareFetch {
    type Request = ShareFetchRequest;
    type Response = Unchanged<ShareFetchResponse, 2>;

    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const WAITS: bool = true;
    const COUNTED: Counted = Counted::Answer;

    async fn handle(cx: &Context, request: ShareFetchRequest) -> Reply<Self::Response> {
        let refused = |error: ResponseError| ShareFetchResponse::default().with_error_code(error.code()).with_error_message(None);
        Reply::Send(serve(cx, request).await.unwrap_or_else(refused).into())
    }
}

async fn serve(cx: &Context, request: ShareFetchRequest) -> Result<ShareFetchResponse, ResponseError> {
    let (group, member) = sharing::reader(cx, request.group_id.as_deref(), request.member_id.as_deref())?;
    check(&request)?;
    let epoch = request.share_session_epoch;
    let mut more = Vec::new();
    let mut has_verdicts = false;
    for topic in &request.topics {
        for partition in &topic.partitions {
            more.push(Place { topic: topic.topic_id, partition: partition.partition_index });
            has_verdicts |= !partition.acknowledgement_batches.is_empty();
        }
    }
    if epoch == INITIAL && has_verdicts {
        return Err(ResponseError::InvalidRequest);
    }
    let forgotten = request.forgotten_topics_data.iter();
    let fewer = forgotten.flat_map(|topic| topic.partitions.iter().map(|&partition| Place { topic: topic.topic_id, partition }));
    let (reader, places) = sharing::session(cx, (group, member), epoch, &more, &fewer.collect::<Vec<_>>())?;
    let mut begun = Vec::new();
    for topic in &request.topics {
        for partition in topic.partitions.iter().filter(|partition| !partition.acknowledgement_batches.is_empty()) {
            let place = Place { topic: topic.topic_id, partition: partition.partition_index };
            let said = &partition.acknowledgement_batches;
            begun.push((place, sharing::acknowledge(cx, &reader, place.topic, place.partition, said, request.is_renew_ack)));
        }
    }
    if epoch == FINAL {
        reader.release().await.map_err(code::of_share)?;
    }
    let mut answers: BTreeMap<Place, PartitionData> = BTreeMap::new();
    if request.max_records < 0 {
        // Kafka tells of each partition that it has nothing of it.
        answers.extend(places.iter().map(|&place| (place, empty(place))));
    }
    let fetched = fetch(cx, &reader, &places, &request).await;
    for (place, begun) in begun {
        let answer = answers.entry(place).or_insert_with(|| empty(place));
        (answer.acknowledge_error_code, answer.acknowledge_error_message) = sharing::taken(begun).await;
    }
    for (place, fetched) in fetched {
        let answer = answers.entry(place).or_insert_with(|| empty(place));
        match fetched {
            Ok(Fetched { records, acquired }) => {
                let acquired = acquired.into_iter().map(|acquired| {
                    AcquiredRecords::default()
                        .with_first_offset(acquired.first)
                        .with_last_offset(acquired.last)
                        .with_delivery_count(acquired.deliveries)
                });
                (answer.records, answer.acquired_records) = (Some(records), acquired.collect());
            }
            Err(error) => answer.error_code = error.code(),
        }
    }
    let mut topics: BTreeMap<uuid::Uuid, Vec<PartitionData>> = BTreeMap::new();
    for (place, answer) in answers {
        topics.entry(place.topic).or_default().push(answer);
    }
    let topics = topics
        .into_iter()
        .map(|(topic, partitions)| ShareFetchableTopicResponse::default().with_topic_id(topic).with_partitions(partitions));
    let response = ShareFetchResponse::default().with_error_message(None);
    Ok(response.with_acquisition_lock_timeout_ms(sharing::lock_millis(&reader)).with_responses(topics.collect()))
}

/// Refuses a mode that there is not, and a request that renews locks and wants records or to wait (Kafka,
/// `KafkaApis.handleShareFetchRequest`).
fn check(request: &ShareFetchRequest) -> Result<(), ResponseError> {
    let is_mode = [BATCH_OPTIMIZED, RECORD_LIMIT].contains(&request.share_acquire_mode);
    let fetches = [request.max_bytes, request.min_bytes, request.max_records, request.max_wait_ms] != [0; 4];
    if is_mode && !(request.is_renew_ack && fetches) { Ok(()) } else { Err(ResponseError::InvalidRequest) }
}

fn empty(place: Place) -> PartitionData {
    PartitionData::default()
        .with_partition_index(place.partition)
        .with_error_message(None)
        .with_acknowledge_error_message(None)
        .with_records(Some(Bytes::new()))
}

/// What a member gets of a partition.
struct Fetched {
    records: Bytes,
    acquired: Vec<Acquired>,
}

type Fetches = Vec<(Place, Result<Fetched, ResponseError>)>;

/// A partition whose turn to be read we have.
struct Turn {
    place: Place,
    want: Want,
    /// Given back when we have read, or have waited long enough.
    _turn: OwnedMutexGuard<()>,
}

/// Takes what there is of the session's partitions, or waits for it as long as the request says.
async fn fetch(cx: &Context, reader: &Reader, places: &[Place], request: &ShareFetchRequest) -> Fetches {
    let until = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let records_max = usize::try_from(request.max_records).unwrap_or(0);
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(cx.most_of_answers().unwrap_or(usize::MAX));
    if places.is_empty() || records_max == 0 || bytes_max == 0 {
        return Vec::new();
    }
    let mut fetched = Fetches::new();
    loop {
        // Listening first, so that what comes between the look and the wait rings.
        let mut bell = Box::pin(reader.bell());
        bell.as_mut().enable();
        let (mut turns, mut wake) = (Vec::new(), until);
        for &place in places {
            match look(cx, reader, place).await {
                Ok(Ok(turn)) => turns.push(turn),
                Ok(Err(deadline)) => wake = deadline.map_or(wake, |deadline| deadline.min(wake)),
                Err(error) => fetched.push((place, Err(error))),
            }
        }
        if !fetched.is_empty() {
            wake = Instant::now();
        }
        let pages = read(cx, &turns, bytes_max, wake, bell).await;
        let (is_strict, batch_size) = (request.share_acquire_mode == RECORD_LIMIT, request.batch_size.into());
        let mut wanted = Wanted { records_max, is_strict, batch_size };
        for (turn, page) in turns.iter().zip(pages) {
            match take(cx, reader, turn, page, wanted) {
                Ok(Some(taken)) => {
                    let count: usize = taken.acquired.iter().map(length).sum();
                    wanted.records_max = wanted.records_max.saturating_sub(count);
                    fetched.push((turn.place, Ok(taken)));
                }
                Ok(None) => {}
                Err(error) => fetched.push((turn.place, Err(error))),
            }
        }
        if !fetched.is_empty() || Instant::now() >= until {
            let held_any = !turns.is_empty();
            drop(turns);
            if held_any {
                // Somebody may have waited for our turn.
                reader.ring();
            }
            return fetched;
        }
    }
}

/// Our turn at a partition, or when to look again.
async fn look(cx: &Context, reader: &Reader, place: Place) -> Result<Result<Turn, Option<Instant>>, ResponseError> {
    let stream = cx.topic(Topic::Identified(place.topic), Operation::Read)?;
    let lane = lane(&stream, place.partition)?;
    let isolation = if reader.is_committed() { Isolation::Committed } else { Isolation::Uncommitted };
    // Twice: the first look may find that nobody has read it yet.
    for _ in 0..2 {
        match reader.look(place).map_err(code::of_share)? {
            Look::Read(offset, _turn) => {
                let want = Want { lane, from: Offset(offset), bytes_max: PARTITION_BYTES_MAX, isolation };
                return Ok(Ok(Turn { place, want, _turn }));
            }
            Look::Wait(deadline) => return Ok(Err(deadline)),
            Look::New => {
                let start = start(cx, reader, lane).await.map_err(|error| code::of(&error))?;
                reader.begin(place, start).await.map_err(code::of_share)?;
            }
        }
    }
    Ok(Err(None))
}

/// Where a partition begins that nobody has read.
async fn start(cx: &Context, reader: &Reader, lane: LaneId) -> Result<i64, Error> {
    let log = &cx.door.log;
    let position = match reader.start() {
        Start::Latest => Position::Tip,
        Start::Earliest => Position::Horizon,
        Start::Ago(ago) => Position::AtTime(log.env().clock.now().minus(ago)),
    };
    match log.find(lane, position).await? {
        Some(found) => Ok(found.offset.0),
        // No record is so new.
        None => Ok(log.reach(lane).await?.tip.0),
    }
}

/// Reads what is there of the partitions whose turn is ours; waits until `wake` or until the bell rings if there is nothing.
async fn read<B>(cx: &Context, turns: &[Turn], bytes_max: usize, wake: Instant, bell: B) -> Vec<Result<Page, Error>>
where
    B: Future<Output = ()>,
{
    let (log, reader) = (&cx.door.log, crate::log::Reader::Patient(&cx.client_id));
    let wants: Vec<Want> = turns.iter().map(|turn| turn.want).collect();
    let bytes_max = bytes_max.min(PARTITION_BYTES_MAX.saturating_mul(wants.len().max(1)));
    let at_most = wake.saturating_duration_since(Instant::now());
    let waited = async {
        if wants.is_empty() {
            tokio::time::sleep(at_most).await;
            return Vec::new();
        }
        let wait = Wait::For { bytes_min: 1, at_most };
        log.read_within(&wants, wait, bytes_max, reader, |bytes| cx.share_of_answers(bytes)).await
    };
    tokio::select! {
        biased;
        pages = waited => pages,
        () = bell => Vec::new(),
    }
}

/// Takes records of a page for the member.
fn take(
    cx: &Context,
    reader: &Reader,
    turn: &Turn,
    page: Result<Page, Error>,
    wanted: Wanted,
) -> Result<Option<Fetched>, ResponseError> {
    let page = match page {
        Ok(page) => page,
        Err(Error::OutOfRange { horizon, .. }) if horizon > turn.want.from => {
            // The records are gone by now; the next look finds those that are not.
            reader.trim(turn.place, horizon.0);
            return Ok(None);
        }
        Err(error) => return Err(code::of(&error)),
    };
    let mut batches: Vec<(i64, i64)> = Vec::new();
    let mut aborted: Vec<(i64, i64)> = Vec::new();
    for header in page.batches.iter().map_while(|batch| Header::parse(batch).ok()) {
        let (first, last) = (header.base_offset.0, header.next_offset().0 - 1);
        if page.aborted.iter().any(|one| one.has(&header)) {
            let count = aborted.len();
            match aborted.last_mut() {
                Some(before) if before.1 + 1 == first => before.1 = last,
                _ if count == ABORTED_MAX => break,
                _ => aborted.push((first, last)),
            }
        }
        batches.push((first, last));
    }
    if wanted.records_max == 0 || batches.is_empty() {
        return Ok(None);
    }
    let acquired = reader.acquire(turn.place, &batches, &aborted, wanted);
    let has = |&(first, last): &(i64, i64)| acquired.iter().any(|acquired| acquired.first <= last && first <= acquired.last);
    let wanted = page.batches.iter().zip(&batches).filter(|(_, span)| has(span)).map(|(batch, _)| batch);
    let records = joined(wanted);
    if let Ok(stream) = cx.topic(Topic::Identified(turn.place.topic), Operation::Read) {
        let now = cx.door.log.env().clock.now();
        let age = page.newest_at.map_or(Duration::ZERO, |newest_at| now.since(newest_at));
        let bytes = page.batches.iter().map(|batch| batch.len() as u64).sum();
        stream.meter().got(page.shard, Got { bytes, records: page.records, age, throttled: page.is_over }, now);
        cx.door.meter.fetched(stream.name().as_str(), records.len() as u64);
    }
    Ok((!acquired.is_empty()).then_some(Fetched { records, acquired }))
}

fn length(acquired: &Acquired) -> usize {
    usize::try_from(acquired.last - acquired.first + 1).unwrap_or(0)
}

fn joined<'a>(batches: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut joined = Buffer::with_capacity(batches.clone().map(Bytes::len).sum());
    batches.for_each(|batch| joined.extend_from_slice(batch));
    joined.freeze()
}
