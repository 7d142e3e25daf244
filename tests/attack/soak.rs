//! **Soak**: full rate on both doors for as long as one likes, with a retention that is over all the time, and whether anything
//! grows meanwhile: memory, disk, latency.
//!
//! Runs for `SHARDGATE_SOAK_MINUTES`. The gateway is a process of its own, started from this program because its clock is another
//! one: it goes so fast that a day, the shortest retention there is, lasts [`RETENTION`]. So records expire, segments are collected
//! and space is given back as fast as they are written. Everything else is as in the program.
//!
//! Each minute is one sample. The first ones do not count: until then the first records expire and caches fill. Through the others a
//! straight line is laid by least squares. Flat is what changes by less than a twentieth of its mean from one end of it to the other,
//! or by less than chance would have it change (twice the standard error of the slope). What lies on the disk is what came within the
//! retention, so it rises and falls with the rate, which is as much the machine's as ours: it is looked at in seconds of that rate.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use shardgate::env::{Clock, Env, LimitsInForce, SystemEntropy};
use shardgate::model::{Limits, Timestamp};

use crate::flood::{self, Flood, PARTITIONS, STREAM, Shape, TOPIC};
use crate::{Checks, field, kafka, kinesis};

/// How long a day lasts there.
const RETENTION: Duration = Duration::from_secs(20);
/// Between two sweeps of what has expired.
const SWEEP: Duration = Duration::from_secs(2);
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(60);
/// Samples that do not count. Memory is level after six minutes or so, hence a run of a quarter of an hour is the shortest to tell.
const WARM_UP: usize = 10;
const KAFKA: Shape = Shape { records: 16, bytes: 1 << 10, depth: 8 };
const AWS: Shape = Shape { records: 500, bytes: 1 << 10, depth: 1 };
const SENDERS: usize = 4;
/// What is written by requests whose time is taken, and the pause between two.
const VALUE: [u8; 1 << 10] = [b'v'; 1 << 10];
const PAUSE: Duration = Duration::from_millis(20);
/// What may change from the first sample to the last, as a share of the mean.
const FLAT: f64 = 0.05;

/// A clock whose day lasts `RETENTION`.
struct Fast {
    begun: Instant,
}

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        const DAY_MILLIS: f64 = 86_400_000.0;
        let days = self.begun.elapsed().as_secs_f64() / RETENTION.as_secs_f64();
        Timestamp(1_700_000_000_000 + (days * DAY_MILLIS) as i64)
    }
}

/// The gateway: prints its addresses, and stops when its input ends.
pub(crate) fn serve(home: &Path) {
    tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(io::stderr).init();
    let clock = Arc::new(Fast { begun: Instant::now() });
    let env = Env { clock, entropy: Arc::new(SystemEntropy), limits: LimitsInForce::new(Limits::off()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = shardgate::Gateway::builder().data_dir(home).env(env).default_partitions(1).start().await;
        let gateway = started.unwrap();
        println!("{} {}", gateway.kafka_address(), gateway.kinesis_address());
        let log = gateway.log().unwrap();
        let sweeping = tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                log.sweep().await;
            }
        });
        let ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
        let _ = ended.await;
        sweeping.abort();
        let _ = sweeping.await;
        gateway.shutdown().await;
    });
}

/// What a minute was like.
struct Sample {
    memory_mib: f64,
    disk_mib: f64,
    kafka_p99_millis: f64,
    aws_p99_millis: f64,
    megabytes_per_second: f64,
}

pub(crate) fn run(minutes: u64) -> Checks {
    let home = tempfile::tempdir().unwrap();
    let (data, errors) = (home.path().join("data"), home.path().join("stderr"));
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env("SHARDGATE_SOAK_SERVER", &data)
        .env("MIMALLOC_PURGE_DELAY", "1")
        .env("MIMALLOC_ARENA_PURGE_MULT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: Vec<SocketAddr> = line.split_whitespace().map(|address| address.parse().unwrap()).collect();
    let [kafka, kinesis] = addresses[..] else { panic!("the gateway says {line:?}") };
    let mut client = kafka::Client::connect(kafka).unwrap();
    client.prepare().unwrap();
    client.create(TOPIC, PARTITIONS).unwrap();
    let mut aws = kinesis::Client::prepare(kinesis).unwrap().0;
    aws.create(STREAM, PARTITIONS).unwrap();

    let (floods, process) = ([Flood::forgetful(), Flood::forgetful()], server.id());
    let took = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];
    let samples = thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| flood::produce(kafka, KAFKA, &floods[0]));
        }
        scope.spawn(|| flood::put(kinesis, AWS, &floods[1]));
        for topic in [TOPIC, STREAM] {
            scope.spawn(|| flood::consume(kafka, topic, &floods[0]));
        }
        scope.spawn(|| time(&took[0], &floods[0], || client.produce(&VALUE).map(|_| ())));
        scope.spawn(|| time(&took[1], &floods[0], || aws.put_honest(&VALUE).map(|_| ())));
        let samples = (0..minutes).map(|minute| {
            let before = acknowledged(&floods);
            thread::sleep(SAMPLE);
            let [kafka_p99_millis, aws_p99_millis] = [&took[0], &took[1]].map(p99);
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let sample = Sample {
                memory_mib: field(&status, "VmRSS:") as f64 / 1024.0,
                disk_mib: bytes_below(&data) as f64 / f64::from(1 << 20),
                kafka_p99_millis,
                aws_p99_millis,
                megabytes_per_second: (acknowledged(&floods) - before) as f64 / 1e6 / SAMPLE.as_secs_f64(),
            };
            println!(
                "  {:>4} min: {:.1} MB/s, {:.1} MiB of memory, {:.0} MiB of disk, p99 of Produce {:.1} ms, of PutRecord {:.1} ms",
                minute + 1,
                sample.megabytes_per_second,
                sample.memory_mib,
                sample.disk_mib,
                sample.kafka_p99_millis,
                sample.aws_p99_millis,
            );
            sample
        });
        let samples: Vec<_> = samples.collect();
        floods.iter().for_each(|flood| flood.over.store(true, Ordering::Relaxed));
        samples
    });
    drop(server.stdin.take());
    let ended = server.wait().unwrap();
    let log = fs::read_to_string(&errors).unwrap();
    log.lines().take(5).for_each(|line| println!("  {line}"));
    report(&samples, ended.success(), log.is_empty())
}

fn acknowledged(floods: &[Flood]) -> u64 {
    floods.iter().map(|flood| flood.bytes.load(Ordering::Relaxed)).sum()
}

type Measure = fn(&Sample) -> f64;

fn report(samples: &[Sample], ended_well: bool, is_silent: bool) -> Checks {
    let mut checks = Checks::default();
    let counted = samples.get(WARM_UP..).unwrap_or_default();
    let measures: [(&str, &str, Measure); 5] = [
        ("memory", "MiB", |sample| sample.memory_mib),
        ("disk", "s of the rate", |sample| sample.disk_mib * f64::from(1 << 20) / 1e6 / sample.megabytes_per_second),
        ("p99 of Produce", "ms", |sample| sample.kafka_p99_millis),
        ("p99 of PutRecord", "ms", |sample| sample.aws_p99_millis),
        ("rate", "MB/s", |sample| sample.megabytes_per_second),
    ];
    for (name, unit, of) in measures {
        let values: Vec<f64> = counted.iter().map(of).collect();
        let Some(line) = Line::through(&values) else {
            checks.say(&format!("{name}: {} samples after the first {WARM_UP} are enough for a line", values.len()), false);
            continue;
        };
        println!("{name}: {:.2} {unit} on average, {:+.3} +- {:.3} {unit} per minute", line.mean, line.slope, 2.0 * line.error);
        // A rate that rises is no fault, and one that falls shows as one of the machine or in the latencies.
        if name != "rate" {
            checks.say(&format!("{name} is flat"), line.is_flat(values.len()));
        }
    }
    checks.say("the gateway stops with status 0", ended_well);
    checks.say("it had no error to tell of", is_silent);
    checks
}

/// A straight line through values that are a minute apart.
struct Line {
    mean: f64,
    /// Per minute.
    slope: f64,
    /// The standard error of the slope.
    error: f64,
}

impl Line {
    /// By least squares; `None` if there are too few to say how far off it is.
    fn through(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        if values.len() < 4 {
            return None;
        }
        let (mean, middle) = (values.iter().sum::<f64>() / count, (count - 1.0) / 2.0);
        let at = |number: usize| number as f64 - middle;
        let spread: f64 = (0..values.len()).map(|number| at(number).powi(2)).sum();
        let slope = values.iter().enumerate().map(|(number, value)| at(number) * (value - mean)).sum::<f64>() / spread;
        let off: f64 = values.iter().enumerate().map(|(number, value)| (value - mean - slope * at(number)).powi(2)).sum();
        Some(Self { mean, slope, error: (off / (count - 2.0) / spread).sqrt() })
    }

    fn is_flat(&self, values: usize) -> bool {
        let change = self.slope * (values - 1) as f64;
        change <= FLAT * self.mean || self.slope <= 2.0 * self.error
    }
}

/// Takes the time of one request after the other.
fn time(took: &Mutex<Vec<Duration>>, flood: &Flood, mut ask: impl FnMut() -> io::Result<()>) {
    while !flood.is_over() {
        let begun = Instant::now();
        if let Err(error) = ask() {
            println!("  a request whose time is taken failed: {error}");
        }
        took.lock().unwrap().push(begun.elapsed());
        thread::sleep(PAUSE);
    }
}

/// Of the times since the last call.
fn p99(took: &Mutex<Vec<Duration>>) -> f64 {
    let mut took = std::mem::take(&mut *took.lock().unwrap());
    took.sort();
    took.get(took.len() * 99 / 100).map_or(0.0, |took| 1_000.0 * took.as_secs_f64())
}

fn bytes_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { bytes_below(&entry.path()) } else { 512 * found.blocks() })
    });
    bytes.sum()
}
