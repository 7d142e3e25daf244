//! What is asked of a server.

use std::net::Shutdown;
use std::sync::Mutex;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::http::{Connection, request};
use super::support::{Outcome, Plan, Sample, Subject, measure_whole};

const RECORD_BYTES: usize = 1 << 10;
/// Records of one PutRecords, as many as it may have.
pub(crate) const BATCH: usize = 500;
/// Different requests, so that no server sees the same one twice in a row.
const REQUESTS: usize = 8;
const SHARDS: usize = 4;
/// Records that one GetRecords asks for: 5 MB, below everybody's limit of an answer.
pub(crate) const PAGE: usize = 5_000;
/// Pages that each shard has of the stream that is read from its start.
const PAGES: usize = 2;
const BACKLOG: &str = "backlog";
/// Puts whose events are waited for are this far apart: no multiple of anybody's interval of polling.
const PUT_INTERVAL: Duration = Duration::from_millis(23);
/// How long the last events are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A stream, ready to be used.
fn create(subject: &Subject, stream: &str, shards: usize) -> Outcome<Connection> {
    let mut connection = Connection::open(&subject.address)?;
    connection.call("CreateStream", &json!({"StreamName": stream, "ShardCount": shards}))?;
    until(|| {
        let answer = connection.call("DescribeStreamSummary", &json!({"StreamName": stream}))?;
        Ok(answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")
    })?;
    Ok(connection)
}

fn until(mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so()? {
        if Instant::now() > deadline {
            return Err("a stream or consumer is not ACTIVE after 30 s".into());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Bytes that do not repeat, in base64.
pub(crate) fn data(seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let bytes = (0..RECORD_BYTES).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    STANDARD.encode(bytes.collect::<Vec<_>>())
}

/// PutRecords of 500 records; to one shard, or wherever their keys lead.
fn batch(stream: &str, number: usize, shard: Option<usize>) -> Vec<u8> {
    let width = u128::MAX / SHARDS as u128;
    let records = (0..BATCH).map(|at| {
        let mut record = json!({"PartitionKey": format!("key-{number}-{at}"), "Data": data(number * BATCH + at)});
        if let Some(shard) = shard {
            record["ExplicitHashKey"] = (width * shard as u128 + width / 2).to_string().into();
        }
        record
    });
    request("PutRecords", &json!({"StreamName": stream, "Records": records.collect::<Vec<_>>()}).to_string())
}

/// Sends a batch of which every record has to be taken.
fn put_batch(connection: &mut Connection, request: &[u8]) -> Outcome<()> {
    let answer = connection.ask(request)?;
    // It is one of the first members or one of the last.
    let (head, tail) = (&answer[..answer.len().min(64)], &answer[answer.len().saturating_sub(64)..]);
    let is_whole = [head, tail].iter().any(|part| {
        let text: String = String::from_utf8_lossy(part).split_whitespace().collect();
        text.contains("\"FailedRecordCount\":0")
    });
    if is_whole { Ok(()) } else { Err(format!("records were refused: {}", String::from_utf8_lossy(head)).into()) }
}

/// Bytes of data per second that are acknowledged.
pub(crate) fn put(plan: &Plan, subject: &Subject, stream: &str, connections: usize) -> Outcome<Sample> {
    let mut owner = create(subject, stream, SHARDS)?;
    let requests: Vec<_> = (0..REQUESTS).map(|number| batch(stream, number, None)).collect();
    let sample = measure_whole(plan, &subject.process, |end| {
        each((0..connections).collect(), |first| {
            let mut connection = Connection::open(&subject.address)?;
            let mut bytes = 0;
            for request in requests.iter().cycle().skip(first) {
                put_batch(&mut connection, request)?;
                bytes += BATCH * RECORD_BYTES;
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(bytes)
        })
    })?;
    // What is in memory goes with its stream.
    owner.call("DeleteStream", &json!({"StreamName": stream}))?;
    Ok(sample)
}

/// Runs `work` for each of the items at once; the sum of what comes of it.
fn each<T: Send>(items: Vec<T>, work: impl Fn(T) -> Outcome<usize> + Sync) -> Outcome<usize> {
    scope(|threads| {
        let work = &work;
        let started: Vec<_> = items.into_iter().map(|item| threads.spawn(move || work(item))).collect();
        started.into_iter().map(|thread| thread.join().map_err(|_| "a connection panicked")?).sum()
    })
}

/// Pages of the backlog: fewer in a smoke run.
fn pages(plan: &Plan) -> usize {
    if plan.smoke { 1 } else { PAGES }
}

/// Writes the stream that is read from its start.
pub(crate) fn fill(subject: &Subject, plan: &Plan) -> Outcome<()> {
    println!("{}: writing {} MiB that are read later", subject.name, (SHARDS * pages(plan) * PAGE * RECORD_BYTES) >> 20);
    let mut connection = create(subject, BACKLOG, SHARDS)?;
    for shard in 0..SHARDS {
        for number in 0..pages(plan) * PAGE / BATCH {
            put_batch(&mut connection, &batch(BACKLOG, number, Some(shard)))?;
        }
    }
    Ok(())
}

/// A page that was looked into, and can be asked for again: an iterator may be used as often as one likes.
struct Page {
    request: Vec<u8>,
    answer_bytes: usize,
}

/// Bytes of data per second that GetRecords gives.
pub(crate) fn get(plan: &Plan, subject: &Subject) -> Outcome<Sample> {
    let shards = (0..SHARDS).map(|shard| look(plan, subject, shard)).collect::<Outcome<Vec<_>>>()?;
    measure_whole(plan, &subject.process, |end| {
        each(shards.iter().collect(), |pages| {
            let mut connection = Connection::open(&subject.address)?;
            let mut read = 0;
            for page in pages.iter().cycle() {
                let bytes = connection.ask(&page.request)?.len();
                // Only iterators and milliseconds may be longer than they were. Who reads with others may get less of a page; all
                // records are of one size, so the part of its bytes is the part of its records.
                if bytes > page.answer_bytes + 1_000 || bytes < page.answer_bytes / 10 {
                    return Err(format!("a page of {} bytes had {bytes} later", page.answer_bytes).into());
                }
                read += PAGE * RECORD_BYTES * bytes.min(page.answer_bytes) / page.answer_bytes;
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(read)
        })
    })
}

/// Reads a shard page by page and counts.
fn look(plan: &Plan, subject: &Subject, shard: usize) -> Outcome<Vec<Page>> {
    let mut connection = Connection::open(&subject.address)?;
    let shard = format!("shardId-{shard:012}");
    let place = json!({"StreamName": BACKLOG, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let mut iterator = connection.call("GetShardIterator", &place)?["ShardIterator"].clone();
    let mut found = Vec::new();
    for _ in 0..pages(plan) {
        let request = request("GetRecords", &json!({"ShardIterator": iterator, "Limit": PAGE}).to_string());
        let answer = connection.ask(&request)?;
        let (answer_bytes, answer) = (answer.len(), serde_json::from_slice::<Value>(answer)?);
        let records = answer["Records"].as_array().map_or(0, Vec::len);
        if records != PAGE {
            return Err(format!("{}: a page has {records} records instead of {PAGE}", subject.name).into());
        }
        iterator = answer["NextShardIterator"].clone();
        found.push(Page { request, answer_bytes });
    }
    Ok(found)
}

/// From the moment when a put is sent to the one when its event is there, for each put of a turn, in ascending order.
pub(crate) fn subscribe(plan: &Plan, subject: &Subject, stream: &str) -> Outcome<Vec<Duration>> {
    let mut connection = create(subject, stream, 1)?;
    let arn = connection.call("DescribeStreamSummary", &json!({"StreamName": stream}))?;
    let arn = arn["StreamDescriptionSummary"]["StreamARN"].clone();
    let consumer = connection.call("RegisterStreamConsumer", &json!({"StreamARN": arn, "ConsumerName": "reader"}))?;
    let consumer = consumer["Consumer"]["ConsumerARN"].clone();
    until(|| {
        let answer = connection.call("DescribeStreamConsumer", &json!({"ConsumerARN": consumer}))?;
        Ok(answer["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE")
    })?;
    let mut events = Connection::open(&subject.address)?;
    let position =
        json!({"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "TRIM_HORIZON"}});
    events.subscribe(&request("SubscribeToShard", &position.to_string()))?;
    // When each put was sent, and when its event came.
    let sent = Mutex::new(Vec::<Instant>::new());
    let came = Mutex::new(Vec::<Duration>::new());
    let handle = events.handle()?;
    // Polling servers have few events a second, so this takes longer than other turns.
    let end = Instant::now() + plan.turn() * 2;
    scope(|threads| {
        let (sent, came) = (&sent, &came);
        let reader = threads.spawn(move || listen(&mut events, sent, came));
        let written = write(&mut connection, stream, sent, end);
        let deadline = Instant::now() + PATIENCE;
        while written.is_ok() && count(came) < count(sent) && Instant::now() < deadline && !reader.is_finished() {
            sleep(Duration::from_millis(5));
        }
        let _ = handle.shutdown(Shutdown::Both);
        let read = reader.join().map_err(|_| "the reader panicked")?;
        written?;
        // A reader that has all of them ends with its connection.
        if count(came) < count(sent) { read.and(Err("events are missing".into())) } else { Ok(()) }
    })?;
    connection.call("DeleteStream", &json!({"StreamName": stream, "EnforceConsumerDeletion": true}))?;
    let mut latencies = came.into_inner().unwrap_or_default();
    latencies.sort();
    Ok(latencies)
}

fn count<T>(items: &Mutex<Vec<T>>) -> usize {
    items.lock().map_or(0, |items| items.len())
}

/// Puts a record every few milliseconds; each has its number in it.
fn write(connection: &mut Connection, stream: &str, sent: &Mutex<Vec<Instant>>, end: Instant) -> Outcome<()> {
    let mut due = Instant::now();
    for number in 0_u32.. {
        sleep(due.saturating_duration_since(Instant::now()));
        if Instant::now() >= end {
            break;
        }
        let data = STANDARD.encode(number.to_be_bytes());
        let put = request("PutRecord", &json!({"StreamName": stream, "PartitionKey": "a", "Data": data}).to_string());
        sent.lock().map_err(|_| "a thread panicked")?.push(Instant::now());
        connection.ask(&put)?;
        due += PUT_INTERVAL;
    }
    Ok(())
}

/// Reads events until the connection ends.
fn listen(events: &mut Connection, sent: &Mutex<Vec<Instant>>, came: &Mutex<Vec<Duration>>) -> Outcome<()> {
    let mut stream = Vec::new();
    loop {
        let more = events.more()?;
        let now = Instant::now();
        if more.is_empty() {
            return Ok(());
        }
        stream.extend_from_slice(more);
        while let Some(payload) = take_frame(&mut stream)? {
            let Ok(event) = serde_json::from_slice::<Value>(&payload) else { continue };
            for record in event["Records"].as_array().into_iter().flatten() {
                let number = STANDARD.decode(record["Data"].as_str().unwrap_or_default())?;
                let number = u32::from_be_bytes(number.try_into().map_err(|_| "a record that nobody has put")?);
                let sent = sent.lock().map_err(|_| "a thread panicked")?.get(number as usize).copied();
                let sent = sent.ok_or("a record that was not put yet")?;
                came.lock().map_err(|_| "a thread panicked")?.push(now.saturating_duration_since(sent));
            }
        }
    }
}

/// The payload of the first frame, which is taken away; none if it is not whole.
fn take_frame(stream: &mut Vec<u8>) -> Outcome<Option<Vec<u8>>> {
    let number = |at: usize| {
        stream.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(|bytes| u32::from_be_bytes(bytes) as usize)
    };
    let (Some(bytes), Some(headers)) = (number(0), number(4)) else { return Ok(None) };
    if stream.len() < bytes {
        return Ok(None);
    }
    let payload = stream.get(12 + headers..bytes.saturating_sub(4)).ok_or("a frame whose lengths do not fit")?.to_vec();
    stream.drain(..bytes);
    Ok(Some(payload))
}

/// The latency that this share of the puts is not above.
pub(crate) fn quantile(latencies: &[Duration], share: f64) -> Duration {
    let at = (latencies.len() as f64 * share) as usize;
    latencies.get(at.min(latencies.len().saturating_sub(1))).copied().unwrap_or_default()
}
