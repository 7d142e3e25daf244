//! **The long attack**: the real process over real sockets, both doors under fire from many connections while honest clients of
//! both work.
//!
//! Runs for `SHARDGATE_ATTACK_SECONDS` (1 unless set) with `SHARDGATE_ATTACK_SEED`, against the binary that Cargo has built or
//! `SHARDGATE_BIN`, with the settings that it has unless told otherwise, or with `SHARDGATE_ATTACK_LIMITS=off`, where attackers may
//! have ten thousand shards. Passes if the process lives, nothing panicked, no answer and no line of its log tells of a fault of
//! ours, its memory stayed within bounds, the honest clients were served all the time, and what they were told is there still finds
//! itself after a restart.
//!
//! Behind it comes the same for half as long at listeners that ask for a login or speak TLS: `strangers`. Two other runs are here
//! because they have the same clients: `overload`, and `soak`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "../support/hostile/mod.rs"]
mod hostile;

mod flood;
mod kafka;
mod kinesis;
mod overload;
mod soak;
mod strangers;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hostile::{Attacker, AwsAttacker};

/// What the process may take.
const MEMORY_KIB_MAX: u64 = 256 << 10;
/// Between two requests of an honest client: a shard may be read five times a second.
const PAUSE: Duration = Duration::from_millis(220);
/// What an honest request may take.
const SERVED_WITHIN: Duration = Duration::from_secs(5);
/// Connections that attack each door at once.
const ATTACKERS: u64 = 12;
/// Larger than any accepted frame.
const REQUEST_BYTES_MAX: usize = 99 << 20;
/// Larger than the largest body.
const BODY_BYTES_MAX: usize = 20 << 20;

/// As in the program, for the gateway that `soak` runs in a process of this one's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if let Some(home) = std::env::var_os("SHARDGATE_SOAK_SERVER") {
        return soak::serve(Path::new(&home));
    }
    if let Some(minutes) = number("SHARDGATE_SOAK_MINUTES") {
        println!("soak: {minutes} min");
        return soak::run(minutes).end();
    }
    if let Some(seconds) = number("SHARDGATE_OVERLOAD_SECONDS") {
        println!("overload: {seconds} s");
        return overload::run(seconds).end();
    }
    let seconds = number("SHARDGATE_ATTACK_SECONDS").unwrap_or(1);
    let seed = number("SHARDGATE_ATTACK_SEED").unwrap_or(1);
    println!("attack: {seconds} s, seed {seed}");
    let mut checks = run(seconds, seed);
    println!("attack of strangers: {} s", seconds.div_ceil(2));
    strangers::run(seconds.div_ceil(2), seed, &mut checks);
    checks.end();
}

fn run(seconds: u64, seed: u64) -> Checks {
    let home = tempfile::tempdir().unwrap();
    let mut checks = Checks::default();

    let limits = std::env::var("SHARDGATE_ATTACK_LIMITS").unwrap_or_else(|_| "kinesis".to_owned());
    let server = Server::start(home.path(), &limits);
    let mut honest = kafka::Client::connect(server.kafka).unwrap();
    let targets = honest.prepare().unwrap();
    let (aws, aws_targets) = kinesis::Client::prepare(server.kinesis).unwrap();
    let iterators = aws_targets.iterators.clone();
    let consumer = aws.register().unwrap();
    let score = Score::default();
    let (span, over) = (Duration::from_secs(seconds), Over(&score.over));
    let (told, aws_told) = thread::scope(|scope| {
        let attacker = Attacker::new(seed, targets, REQUEST_BYTES_MAX);
        let aws_attacker = AwsAttacker::new(seed, aws_targets, BODY_BYTES_MAX, kinesis::hello());
        for number in 0..ATTACKERS {
            let seed = seed.wrapping_mul(1_000) + number;
            let (attacker, score, address) = (attacker.reseeded(seed), &score, server.kafka);
            scope.spawn(move || kafka::attack(attacker, address, score));
            let (attacker, address) = (aws_attacker.reseeded(seed), server.kinesis);
            scope.spawn(move || kinesis::attack(attacker, number, address, score));
        }
        scope.spawn(|| kinesis::crowd(server.kinesis, &score));
        scope.spawn(|| kinesis::subscribe(server.kinesis, &consumer, &score));
        scope.spawn(|| watch(server.process.id(), &score));
        let aws = scope.spawn(|| kinesis::work(aws, &iterators, span, &score));
        let told = kafka::work(honest, server.kafka, span, &score);
        let aws_told = aws.join();
        drop(over);
        (told, aws_told.unwrap_or_default())
    });
    score.report();
    let in_time = |worst: &AtomicU64| worst.load(Ordering::Relaxed) <= SERVED_WITHIN.as_millis() as u64;
    checks.say("the honest Kafka client is served all the time", told.1 && in_time(&score.worst_millis));
    checks.say("the honest AWS client is served all the time", aws_told.1 && in_time(&score.aws_worst_millis));
    let silence = score.silence_millis.load(Ordering::Relaxed);
    checks.say("the honest subscription is never silent", silence <= kinesis::SILENCE_MAX.as_millis() as u64);
    checks.say("no answer tells of a fault of ours", score.faults.load(Ordering::Relaxed) == 0);
    let memory = score.memory_kib.load(Ordering::Relaxed);
    checks.say("the memory stays within 256 MiB", memory > 0 && memory <= MEMORY_KIB_MAX);
    checks.say("the process stops with status 0", server.stop());
    check_log(home.path(), &mut checks);

    // What is there is read faster than a shard may be.
    let server = Server::start(home.path(), "off");
    let found = kafka::Client::connect(server.kafka).and_then(|mut client| client.all_honest_records());
    let found = found.unwrap_or_default();
    let (told, aws_told) = (told.0, aws_told.0);
    println!("honest records of Kafka: {} told, {} found", told.len(), found.len());
    checks.say(
        "every honest record of Kafka is there after a restart",
        told.iter().all(|(at, value)| found.get(at) == Some(value)),
    );
    let found = kinesis::Client::connect(server.kinesis).and_then(|mut client| client.all_honest_records()).unwrap_or_default();
    println!("honest records of AWS: {} told, {} found", aws_told.len(), found.len());
    let is_found = aws_told.iter().all(|(number, data)| found.get(number) == Some(data));
    checks.say("every honest record of AWS is there after a restart", is_found);
    checks.say("the process stops again with status 0", server.stop());
    checks
}

/// Says what is in the log of a process that has stopped.
fn check_log(home: &Path, checks: &mut Checks) {
    let log = fs::read_to_string(home.join("stderr")).unwrap();
    if let Ok(place) = std::env::var("SHARDGATE_ATTACK_LOG") {
        fs::write(place, &log).unwrap();
    }
    checks.say("nothing panicked", !log.contains("panicked"));
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).take(5).collect();
    errors.iter().for_each(|line| println!("  {line}"));
    checks.say("no line of the log tells of a fault of ours", errors.is_empty());
}

/// Ends the attack when it is dropped, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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

    /// Ends the process.
    fn end(self) {
        println!("{} passed, {} failed", self.passed, self.failed);
        std::process::exit(i32::from(self.failed > 0));
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
    aws_honest: AtomicU64,
    aws_worst_millis: AtomicU64,
    /// The longest time without an event of the honest subscription.
    silence_millis: AtomicU64,
    /// Answers with status 500.
    faults: AtomicU64,
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
        println!("honest at Kafka: {} requests, worst {} ms", load(&self.honest), load(&self.worst_millis));
        println!("honest at AWS: {} requests, worst {} ms", load(&self.aws_honest), load(&self.aws_worst_millis));
        println!("honest subscription: at most {} ms without an event", load(&self.silence_millis));
        println!("answers that tell of a fault: {}", load(&self.faults));
        println!("memory: {} KiB at most", load(&self.memory_kib));
    }
}

/// The process under attack.
struct Server {
    process: Child,
    kafka: SocketAddr,
    kinesis: SocketAddr,
    /// Where Kafka clients connect, if there are several places, by their names.
    listeners: BTreeMap<String, SocketAddr>,
}

impl Server {
    fn start(home: &Path, limits: &str) -> Self {
        Self::start_with(home, limits, None)
    }

    /// With a config file.
    fn start_with(home: &Path, limits: &str, config: Option<&Path>) -> Self {
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
            .args([
                "--limits",
                limits,
                "--tls-self-signed",
                "--kafka-listener",
                "127.0.0.1:0",
                "--kinesis-listener",
                "127.0.0.1:0",
            ])
            .args(["--http-listener", "127.0.0.1:0", "--ports-file"])
            .arg(&ports)
            .args(config.iter().flat_map(|config| [Path::new("--config"), config]))
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&ports).unwrap_or_default();
            let parsed = serde_json::from_str::<serde_json::Value>(&text).ok();
            let address = |door| parsed.as_ref().and_then(|ports| ports[door].as_str()).and_then(|text| text.parse().ok());
            if let (Some(kafka), Some(kinesis)) = (address("kafka"), address("kinesis")) {
                let named = parsed.as_ref().and_then(|ports| ports["kafka-listeners"].as_object()).into_iter().flatten();
                let named = named.filter_map(|(name, address)| Some((name.clone(), address.as_str()?.parse().ok()?)));
                return Self { process, kafka, kinesis, listeners: named.collect() };
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

/// A number in the status of a process.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Samples the memory of a process.
fn watch(process: u32, score: &Score) {
    let begun = Instant::now();
    let mut shown = 0;
    while !score.is_over() {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| field(&status, name);
        score.memory_kib.fetch_max(field("VmHWM:"), Ordering::Relaxed);
        if begun.elapsed().as_secs() / 10 > shown {
            shown = begun.elapsed().as_secs() / 10;
            let sent = score.sent.lock().unwrap().values().sum::<u64>();
            println!(
                "  {:>4} s: {sent} sent, honest worst {} and {} ms, {} MiB now, {} MiB at most, {} threads",
                shown * 10,
                score.worst_millis.load(Ordering::Relaxed),
                score.aws_worst_millis.load(Ordering::Relaxed),
                field("VmRSS:") >> 10,
                field("VmHWM:") >> 10,
                field("Threads:")
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}
