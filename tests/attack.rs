//! **The long attack**: the real process over real sockets, under fire from many connections while an honest client works.
//!
//! Runs for `SHARDGATE_ATTACK_SECONDS` (1 unless set) with `SHARDGATE_ATTACK_SEED`, against the binary that Cargo has built or
//! `SHARDGATE_BIN`. Passes if the process lives, nothing panicked, its memory stayed within bounds, the honest client was
//! served all the time, and what it was told is there still finds itself after a restart.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "support/hostile/mod.rs"]
mod hostile;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hostile::{Attack, Attacker, Dice, Targets, Then, framed};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use shardgate::batch::{Batch, Builder, Draft, Header};
use shardgate::model::Timestamp;

/// What the process may take.
const MEMORY_KIB_MAX: u64 = 256 << 10;
/// What an honest request may take.
const SERVED_WITHIN: Duration = Duration::from_secs(5);
/// Connections that attack at once.
const ATTACKERS: u64 = 12;
/// Silent connections that each of them keeps. Together they stay below `connections-max`: whoever takes all of those does keep
/// others out.
const STALLED_MAX: usize = 30;
/// Larger than any accepted frame.
const REQUEST_BYTES_MAX: usize = 99 << 20;
/// The honest client's topic, which no attacker names.
const HONEST: &str = "honest";
const OPEN: &str = "open";
const KEYED: &str = "keyed";

fn main() {
    let seconds = number("SHARDGATE_ATTACK_SECONDS").unwrap_or(1);
    let seed = number("SHARDGATE_ATTACK_SEED").unwrap_or(1);
    println!("attack: {seconds} s, seed {seed}");
    let checks = run(seconds, seed);
    println!("{} passed, {} failed", checks.passed, checks.failed);
    std::process::exit(i32::from(checks.failed > 0));
}

fn run(seconds: u64, seed: u64) -> Checks {
    let home = tempfile::tempdir().unwrap();
    let mut checks = Checks::default();

    let server = Server::start(home.path());
    let mut honest = Client::connect(server.address).unwrap();
    let targets = honest.prepare().unwrap();
    let score = Score::default();
    let (told, all_served) = thread::scope(|scope| {
        let attacker = Attacker::new(seed, targets, REQUEST_BYTES_MAX);
        for number in 0..ATTACKERS {
            let (attacker, score, address) = (attacker.reseeded(seed.wrapping_mul(1_000) + number), &score, server.address);
            scope.spawn(move || attack(attacker, address, score));
        }
        let watched = scope.spawn(|| watch(server.process.id(), &score));
        let told = work(honest, server.address, Duration::from_secs(seconds), &score);
        score.over.store(true, Ordering::Relaxed);
        watched.join().unwrap();
        told
    });
    score.report();
    let served = score.worst_millis.load(Ordering::Relaxed) <= SERVED_WITHIN.as_millis() as u64;
    checks.say("the honest client is served all the time", served && all_served);
    let memory = score.memory_kib.load(Ordering::Relaxed);
    checks.say("the memory stays within 256 MiB", memory > 0 && memory <= MEMORY_KIB_MAX);
    checks.say("the process stops with status 0", server.stop());
    let log = fs::read_to_string(home.path().join("stderr")).unwrap();
    if let Ok(place) = std::env::var("SHARDGATE_ATTACK_LOG") {
        fs::write(place, &log).unwrap();
    }
    checks.say("nothing panicked", !log.contains("panicked"));

    let server = Server::start(home.path());
    let found = Client::connect(server.address).and_then(|mut client| client.all_honest_records());
    let found = found.unwrap_or_default();
    println!("honest records: {} told, {} found", told.len(), found.len());
    checks.say("every honest record is there after a restart", told.iter().all(|(at, value)| found.get(at) == Some(value)));
    checks.say("the process stops again with status 0", server.stop());
    checks
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, not a number")))
}

/// What was found, one line each.
#[derive(Default)]
struct Checks {
    passed: usize,
    failed: usize,
}

impl Checks {
    fn say(&mut self, what: &str, holds: bool) {
        println!("{} {what}", if holds { "ok    " } else { "FAILED" });
        *(if holds { &mut self.passed } else { &mut self.failed }) += 1;
    }
}

/// What all threads count together.
#[derive(Default)]
struct Score {
    over: AtomicBool,
    sent: Mutex<BTreeMap<&'static str, u64>>,
    bytes: AtomicU64,
    answered: AtomicU64,
    memory_kib: AtomicU64,
    honest: AtomicU64,
    worst_millis: AtomicU64,
}

impl Score {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn report(&self) {
        let sent = self.sent.lock().unwrap();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!(
            "sent {}: {sent:?}, {} MB, {} answers",
            sent.values().sum::<u64>(),
            load(&self.bytes) >> 20,
            load(&self.answered)
        );
        println!("honest: {} requests, worst {} ms", load(&self.honest), load(&self.worst_millis));
        println!("memory: {} KiB at most", load(&self.memory_kib));
    }
}

/// The process under attack.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(home: &Path) -> Self {
        let binary =
            std::env::var_os("SHARDGATE_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_shardgate")), PathBuf::from);
        let ports = home.join("ports.json");
        let _ = fs::remove_file(&ports);
        let log = File::options().create(true).append(true).open(home.join("stderr")).unwrap();
        #[expect(clippy::zombie_processes, reason = "`stop` waits; a panic before it ends the test and its process")]
        let process = Command::new(binary)
            .arg("serve")
            .arg("--data-dir")
            .arg(home.join("data"))
            // The honest client reads every record that it writes: far more than a shard's five reads a second.
            .args(["--limits", "off", "--kafka-listener", "127.0.0.1:0", "--http-listener", "127.0.0.1:0", "--ports-file"])
            .arg(&ports)
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&ports).unwrap_or_default();
            let parsed = serde_json::from_str::<serde_json::Value>(&text).ok();
            if let Some(address) = parsed.as_ref().and_then(|ports| ports["kafka"].as_str()).and_then(|text| text.parse().ok()) {
                return Self { process, address };
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the process does not serve after 60 s");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it ends in order when it is told to.
    fn stop(mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        let begun = Instant::now();
        while told.success() && begun.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.process.try_wait().unwrap() {
                println!("stopped after {:?}: {status}", begun.elapsed());
                return status.success();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let status = self.process.wait();
        println!("not stopped after {:?}: {status:?}", begun.elapsed());
        false
    }
}

/// Samples the memory of a process.
fn watch(process: u32, score: &Score) {
    let begun = Instant::now();
    let mut shown = 0;
    while !score.is_over() {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        score.memory_kib.fetch_max(field("VmHWM:"), Ordering::Relaxed);
        if begun.elapsed().as_secs() / 10 > shown {
            shown = begun.elapsed().as_secs() / 10;
            let (sent, worst) = (score.sent.lock().unwrap().values().sum::<u64>(), score.worst_millis.load(Ordering::Relaxed));
            println!(
                "  {:>4} s: {sent} sent, honest worst {worst} ms, {} MiB now, {} MiB at most, {} threads",
                shown * 10,
                field("VmRSS:") >> 10,
                field("VmHWM:") >> 10,
                field("Threads:")
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// One attacking connection after the other.
fn attack(mut attacker: Attacker, address: SocketAddr, score: &Score) {
    let mut dice = Dice::new(score.bytes.load(Ordering::Relaxed));
    let mut stalled = VecDeque::new();
    while !score.is_over() {
        let Ok(mut socket) = TcpStream::connect(address) else { continue };
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(Duration::from_millis(500)));
        while !score.is_over() {
            let attack = attacker.next();
            *score.sent.lock().unwrap().entry(attack.kind).or_default() += 1;
            score.bytes.fetch_add(attack.bytes.len() as u64, Ordering::Relaxed);
            match carry_out(&mut socket, &attack, &mut dice, score) {
                Ok(true) => {}
                Ok(false) => {
                    stalled.push_back(socket);
                    if stalled.len() > STALLED_MAX {
                        stalled.pop_front();
                    }
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

/// Whether to go on with this connection; `false` leaves it open and silent.
fn carry_out(socket: &mut TcpStream, attack: &Attack, dice: &mut Dice, score: &Score) -> io::Result<bool> {
    match attack.then {
        Then::Leave => {
            socket.write_all(&attack.bytes)?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Then::Stall => {
            socket.write_all(&attack.bytes)?;
            return Ok(false);
        }
        Then::Drip => {
            let mut rest = &attack.bytes[..];
            for _ in 0..20 {
                let (piece, later) = rest.split_at(rest.len().div_ceil(2));
                socket.write_all(piece)?;
                rest = later;
                thread::sleep(Duration::from_millis(dice.below(20) as u64));
            }
        }
        Then::Listen => socket.write_all(&attack.bytes)?,
    }
    let _ = socket.set_read_timeout(Some(Duration::from_millis(20 + 200 * u64::from(dice.one_in(10)))));
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {}
        // No answer is an answer: the frame is not whole, or its answer waits.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return if dice.one_in(2) { Err(error) } else { Ok(true) },
        Err(error) => return Err(error),
    }
    score.answered.fetch_add(1, Ordering::Relaxed);
    let length = u32::from_be_bytes(length) as u64;
    // Some take only a part of a large answer and go.
    let taken = if dice.one_in(10) { length.min(1_000) } else { length };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(1)));
    let copied = io::copy(&mut Read::by_ref(socket).take(taken), &mut io::sink())?;
    if copied == length { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What the gateway has acknowledged: values by offset.
type Told = BTreeMap<i64, Bytes>;

/// Produces and reads back for as long as the attack lasts: what was acknowledged, and whether everything was.
fn work(mut client: Client, address: SocketAddr, span: Duration, score: &Score) -> (Told, bool) {
    let (begun, mut told) = (Instant::now(), Told::new());
    let mut dice = Dice::new(0);
    while begun.elapsed() < span {
        let round = told.len();
        // As small as a test's record, or as large as a full batch of a busy producer.
        let size = if round % 10 == 9 { 200_000 } else { 100 };
        let value = Bytes::from((0..size).map(|_| dice.next() as u8).collect::<Vec<_>>());
        let step = Instant::now();
        let outcome = (|| {
            if round % 50 == 49 {
                client = Client::connect(address)?;
            }
            let offset = client.produce(&value).inspect_err(|_| println!("  Produce of {size} bytes"))?;
            let fetched = client.fetch(offset, 1 << 20).inspect_err(|_| println!("  Fetch of {size} bytes"))?;
            if fetched.get(&offset) != Some(&value) {
                return Err(io::Error::other(format!("offset {offset} reads back as something else")));
            }
            Ok(offset)
        })();
        score.worst_millis.fetch_max(step.elapsed().as_millis() as u64, Ordering::Relaxed);
        score.honest.fetch_add(2, Ordering::Relaxed);
        match outcome {
            Ok(offset) => told.insert(offset, value),
            Err(error) => {
                println!("the honest client at {:?}, after {:?}: {error}", client.0.local_addr(), begun.elapsed());
                return (told, false);
            }
        };
        if step.elapsed() > SERVED_WITHIN / 5 {
            println!("  slow: {size} bytes took {:?}, after {:?}", step.elapsed(), begun.elapsed());
        }
        thread::sleep(Duration::from_millis(10));
    }
    (told, true)
}

/// A client that waits for each answer.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(3 * SERVED_WITHIN))?;
        socket.set_write_timeout(Some(3 * SERVED_WITHIN))?;
        Ok(Self(socket))
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes, R::header_version(version)).unwrap();
        request.encode(&mut bytes, version).unwrap();
        self.0.write_all(&framed(&bytes))?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame)?;
        let mut frame = Bytes::from(frame);
        let wrong = |error| io::Error::other(format!("an answer does not parse: {error}"));
        ResponseHeader::decode(&mut frame, R::Response::header_version(version)).map_err(wrong)?;
        R::Response::decode(&mut frame, version).map_err(wrong)
    }

    /// Creates the topics.
    fn prepare(&mut self) -> io::Result<Targets> {
        let compact = CreatableTopicConfig::default().with_name(word("cleanup.policy")).with_value(Some(word("compact")));
        let topic = |name: &'static str, partitions, configs| {
            let topic = CreatableTopic::default().with_name(name_of(name)).with_num_partitions(partitions);
            topic.with_replication_factor(1).with_configs(configs)
        };
        let topics = vec![topic(HONEST, 1, vec![]), topic(OPEN, 4, vec![]), topic(KEYED, 4, vec![compact])];
        let created = self.call(7, &CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000))?;
        let ids = created.topics.iter().filter(|topic| topic.name.as_str() != HONEST);
        let topics = ids.map(|topic| (topic.name.to_string(), topic.topic_id)).collect();
        Ok(Targets { topics, groups: vec!["readers".to_owned(), "writers".to_owned()] })
    }

    fn produce(&mut self, value: &[u8]) -> io::Result<i64> {
        let created_at = Timestamp(1_700_000_000_000);
        let batch =
            Builder::default().record(Draft { key: None, value: Some(value), created_at, ..Draft::default() }).build().unwrap();
        let data = PartitionProduceData::default().with_records(Some(batch.bytes().clone()));
        let topic = TopicProduceData::default().with_name(name_of(HONEST)).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic]);
        let response = self.call(9, &request)?;
        let partition = &response.responses[0].partition_responses[0];
        match partition.error_code {
            0 => Ok(partition.base_offset),
            code => Err(io::Error::other(format!("Produce is answered with error {code}: {:?}", partition.error_message))),
        }
    }

    fn fetch(&mut self, offset: i64, bytes_max: i32) -> io::Result<Told> {
        let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(bytes_max);
        let topic = FetchTopic::default().with_topic(name_of(HONEST)).with_partitions(vec![partition]);
        let request = FetchRequest::default().with_max_bytes(bytes_max).with_min_bytes(0).with_topics(vec![topic]);
        let response = self.call(11, &request)?;
        let partition = &response.responses[0].partitions[0];
        if partition.error_code != 0 {
            return Err(io::Error::other(format!("Fetch is answered with error {}", partition.error_code)));
        }
        let (mut bytes, mut found) = (partition.records.clone().unwrap_or_default(), Told::new());
        while !bytes.is_empty() {
            let header = Header::parse(&bytes).map_err(io::Error::other)?;
            let batch = Batch::check(bytes.split_to(header.bytes)).map_err(io::Error::other)?;
            for record in batch.records(1 << 20).map_err(io::Error::other)? {
                let record = record.map_err(io::Error::other)?;
                found.insert(header.base_offset.0 + i64::from(record.offset_delta), record.value.unwrap_or_default());
            }
        }
        Ok(found)
    }

    fn all_honest_records(&mut self) -> io::Result<Told> {
        let mut all = Told::new();
        loop {
            let next = all.last_key_value().map_or(0, |(offset, _)| offset + 1);
            let more = self.fetch(next, 8 << 20)?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }
}

fn word(word: &'static str) -> StrBytes {
    StrBytes::from_static_str(word)
}

fn name_of(topic: &'static str) -> TopicName {
    TopicName(word(topic))
}
