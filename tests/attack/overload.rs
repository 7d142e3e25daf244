//! **Overload**: more than the gateway can take, of everything at once, and what is left of it when that is over.
//!
//! Forty connections of Kafka with 64 requests in flight each, and forty that put records, where four with four are enough to have
//! it work as fast as it can; two hundred readers that take a byte a second of the megabytes that they ask for; thousands of
//! connections that open and close, some with half a request. Runs for `SHARDGATE_OVERLOAD_SECONDS` with
//! `SHARDGATE_ATTACK_LIMITS`.
//!
//! Passes if memory stays within bounds, nothing that was acknowledged to anybody is missing after a restart, nothing panicked, and
//! the honest clients are served again behind it. How soon is printed, and no condition: the machine may be busy with us.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::flood::{self, Flood, PARTITIONS, STREAM, Shape, SlowReader, TOPIC};
use crate::hostile::request;
use crate::{Checks, MEMORY_KIB_MAX, Over, Score, Server, kafka, kinesis, watch};

/// Connections of each door that send all the time: ten times those that are enough.
const SENDERS: usize = 40;
const KAFKA: Shape = Shape { records: 4, bytes: 2 << 10, depth: 64 };
const AWS: Shape = Shape { records: 100, bytes: 1 << 10, depth: 1 };
/// Readers of each door that take a byte a second.
const SLOW: usize = 100;
/// Threads that open and close connections.
const STORMERS: usize = 12;
/// Between two requests of an honest client.
const PAUSE: Duration = Duration::from_millis(50);
/// Behind the storm.
const CALM: Duration = Duration::from_secs(4);
/// A request that takes longer is not served as if nothing were.
const PROMPT: Duration = Duration::from_millis(250);

/// What an honest client has seen: when each request ended, how long it took, and whether it was done.
type Seen = Vec<(Instant, Duration, bool)>;

pub(crate) fn run(seconds: u64) -> Checks {
    let home = tempfile::tempdir().unwrap();
    let mut checks = Checks::default();
    let limits = std::env::var("SHARDGATE_ATTACK_LIMITS").unwrap_or_else(|_| "kinesis".to_owned());
    let server = Server::start(home.path(), &limits);
    let mut client = kafka::Client::connect(server.kafka).unwrap();
    client.prepare().unwrap();
    client.create(TOPIC, PARTITIONS).unwrap();
    kinesis::Client::prepare(server.kinesis).unwrap();
    kinesis::Client::connect(server.kinesis).unwrap().create(STREAM, PARTITIONS).unwrap();

    let (score, floods, opened, cut) =
        (Score::default(), [Flood::default(), Flood::default()], AtomicU64::new(0), AtomicU64::new(0));
    let (storm, all) = (Score::default(), Over(&score.over));
    let (kafka_told, aws_told) = (Mutex::default(), Mutex::default());
    let (seen, aws_seen, calm_at) = thread::scope(|scope| {
        scope.spawn(|| watch(server.process.id(), &score));
        let honest = scope.spawn(|| honest_kafka(server.kafka, &score, &kafka_told));
        let aws_honest = scope.spawn(|| honest_aws(server.kinesis, &score, &aws_told));
        for _ in 0..SENDERS {
            scope.spawn(|| flood::produce(server.kafka, KAFKA, &floods[0]));
            scope.spawn(|| flood::put(server.kinesis, AWS, &floods[1]));
        }
        scope.spawn(|| sip(&server, &storm, &cut));
        for number in 0..STORMERS {
            let address = if number % 2 == 0 { server.kafka } else { server.kinesis };
            let (storm, opened) = (&storm, &opened);
            scope.spawn(move || open_and_close(address, storm, opened));
        }
        thread::sleep(Duration::from_secs(seconds));
        storm.over.store(true, Ordering::Relaxed);
        floods.iter().for_each(|flood| flood.over.store(true, Ordering::Relaxed));
        let calm_at = Instant::now();
        thread::sleep(CALM);
        drop(all);
        (honest.join().unwrap(), aws_honest.join().unwrap(), calm_at)
    });
    let [kafka_flood, aws_flood] = &floods;
    for (door, flood) in [("Kafka", kafka_flood), ("AWS", aws_flood)] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let megabytes = load(&flood.bytes) as f64 / 1e6;
        println!(
            "flood at {door}: {megabytes:.0} MB acknowledged, {:.1} MB/s, {} requests refused, {} connections ended",
            megabytes / seconds as f64,
            load(&flood.refused),
            load(&flood.ended)
        );
    }
    let (opened, cut) = (opened.into_inner(), cut.into_inner());
    println!("connections opened and closed: {opened}; slow readers that were closed: {cut}");
    for (door, seen) in [("Kafka", &seen), ("AWS", &aws_seen)] {
        let worst = seen.iter().filter(|(at, ..)| *at < calm_at).map(|(_, took, _)| took).max().copied().unwrap_or_default();
        let failed = seen.iter().filter(|(.., is_done)| !is_done).count();
        let bad =
            seen.iter().filter(|(at, took, is_done)| *at > calm_at && (*took > PROMPT || !is_done)).map(|(at, ..)| *at).max();
        let recovered = bad.map_or(Duration::ZERO, |at| at - calm_at);
        println!(
            "honest at {door}: {} requests, {failed} failed, worst {worst:?}; prompt {recovered:?} behind the storm",
            seen.len()
        );
        let is_served = seen.iter().any(|(at, _, is_done)| *at > calm_at && *is_done);
        checks.say(&format!("the honest client of {door} is served behind the storm"), is_served);
    }
    let memory = score.memory_kib.load(Ordering::Relaxed);
    println!("memory: {memory} KiB at most");
    checks.say("the memory stays within 256 MiB", memory > 0 && memory <= MEMORY_KIB_MAX);
    checks.say("both floods were taken in", floods.iter().all(|flood| flood.bytes.load(Ordering::Relaxed) > 0));
    checks.say("the process stops with status 0", server.stop());
    let log = fs::read_to_string(home.path().join("stderr")).unwrap();
    log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).take(5).for_each(|line| println!("  {line}"));
    checks.say("no line of the log tells of a fault of ours", !log.contains("panicked") && !log.contains("ERROR"));

    let server = Server::start(home.path(), "off");
    let found = [(TOPIC, kafka_flood), (STREAM, aws_flood)].map(|(topic, flood)| {
        let (told, found) = (flood.told(), numbers(server.kafka, topic).unwrap_or_default());
        println!("{topic}: {} records told, {} found", told.len(), found.len());
        told.is_subset(&found)
    });
    checks.say("every record that a flood was told of is there after a restart", found == [true; 2]);
    let found = kafka::Client::connect(server.kafka).and_then(|mut client| client.all_honest_records()).unwrap_or_default();
    let told = kafka_told.into_inner().unwrap();
    checks.say("every honest record of Kafka is there", told.iter().all(|(at, value)| found.get(at) == Some(value)));
    let found = kinesis::Client::connect(server.kinesis).and_then(|mut client| client.all_honest_records()).unwrap_or_default();
    let told = aws_told.into_inner().unwrap();
    checks.say("every honest record of AWS is there", told.iter().all(|(at, data)| found.get(at) == Some(data)));
    checks.say("the process stops again with status 0", server.stop());
    checks
}

/// Produces a record and reads it back, again and again, on another connection where one fails.
fn honest_kafka(address: SocketAddr, score: &Score, told: &Mutex<kafka::Told>) -> Seen {
    let mut client = None;
    honest(score, |round| {
        let mut connected = client.take().map_or_else(|| kafka::Client::connect(address), Ok)?;
        let value = bytes::Bytes::from(format!("honest record {round}"));
        let offset = connected.produce(&value)?;
        told.lock().unwrap().insert(offset, value);
        connected.fetch(offset, 1 << 20)?;
        client = Some(connected);
        Ok(())
    })
}

fn honest_aws(address: SocketAddr, score: &Score, told: &Mutex<kinesis::Told>) -> Seen {
    let mut client = None;
    honest(score, |round| {
        let mut connected = client.take().map_or_else(|| kinesis::Client::connect(address), Ok)?;
        let data = format!("honest record {round}").into_bytes();
        let number = connected.put_honest(&data)?;
        told.lock().unwrap().insert(number, data);
        client = Some(connected);
        Ok(())
    })
}

fn honest(score: &Score, mut ask: impl FnMut(usize) -> io::Result<()>) -> Seen {
    let mut seen = Seen::new();
    while !score.is_over() {
        let begun = Instant::now();
        let outcome = ask(seen.len());
        if let Err(error) = &outcome {
            println!("  an honest request failed after {:?}: {error}", begun.elapsed());
        }
        seen.push((Instant::now(), begun.elapsed(), outcome.is_ok()));
        thread::sleep(PAUSE);
    }
    seen
}

/// Keeps slow readers at both doors; counts those that were closed.
fn sip(server: &Server, storm: &Score, cut: &AtomicU64) {
    let fetch = kafka::fetch_frame(TOPIC, 0, 0, 1 << 20);
    let read = kinesis::Client::connect(server.kinesis).and_then(|mut client| client.large_iterator()).unwrap_or_default();
    let read = request("GetRecords", &json!({"ShardIterator": read}));
    let doors = [(server.kafka, &fetch[..]), (server.kinesis, &read[..])];
    let mut readers: Vec<Option<SlowReader>> = (0..2 * SLOW).map(|_| None).collect();
    while !storm.is_over() {
        for (number, reader) in readers.iter_mut().enumerate() {
            if reader.as_mut().is_none_or(|reader| !reader.sip()) {
                cut.fetch_add(u64::from(reader.is_some()), Ordering::Relaxed);
                let (address, request) = doors[number % 2];
                *reader = SlowReader::begin(address, request).ok();
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Opens connections and closes them at once, some with half a request.
fn open_and_close(address: SocketAddr, storm: &Score, opened: &AtomicU64) {
    for number in (0..).take_while(|_| !storm.is_over()) {
        let Ok(mut socket) = TcpStream::connect(address) else { continue };
        // Without a farewell, which would keep its port for a minute.
        let _ = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        match number % 4 {
            0 => _ = socket.write_all(&[0, 0, 0, 40, 0, 3]),
            1 => _ = socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10"),
            _ => {}
        }
        opened.fetch_add(1, Ordering::Relaxed);
    }
}

/// The numbers of all records of a topic.
fn numbers(address: SocketAddr, topic: &'static str) -> io::Result<HashSet<u64>> {
    let mut client = kafka::Client::connect(address)?;
    let mut numbers = HashSet::new();
    for partition in 0..PARTITIONS {
        let mut next = 0;
        loop {
            let found = client.fetch_from(topic, partition, next, 8 << 20)?;
            let Some((last, _)) = found.last_key_value() else { break };
            next = last + 1;
            numbers.extend(found.values().filter_map(|value| flood::number(value)));
        }
    }
    Ok(numbers)
}
