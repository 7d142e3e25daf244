//! **How does the same client fare with us and with Apache Kafka 4.4.0?** librdkafka with its defaults and acks=all, on one
//! machine, in one run, in turns. The gateway answers after fdatasync; Kafka, by its default, when the page cache has the records.
//!
//! `cargo bench --bench kafka`; with `-- --smoke` in a few seconds and without Kafka. README.md beside this folder says how
//! to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod client;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser as _;

use client::{Latencies, Pace, create_topic, produce, read_all, read_tail, write_all};
use support::{Kind, Outcome, Plan, Report, Sample, Server, settle_disk, stop_servers_on_interrupt};

const SIZES: [(&str, usize); 2] = [("100 B records", 100), ("1 KiB records", 1 << 10)];
/// Bytes of records that are read from the start.
const BACKLOG_BYTES: usize = 200 << 20;

/// One thing that is measured.
#[derive(Clone, Copy)]
enum Measure {
    FullSpeed,
    Paced,
    OneByOne,
    Tail,
    Backlog,
}

impl Measure {
    const ALL: [Self; 5] = [Self::FullSpeed, Self::Paced, Self::OneByOne, Self::Tail, Self::Backlog];

    fn name(self) -> &'static str {
        match self {
            Self::FullSpeed => "produce at full speed",
            Self::Paced => "produce 5,000 a second",
            Self::OneByOne => "produce 500 a second, linger 0",
            Self::Tail => "consume at the tail while produced at full speed",
            Self::Backlog => "consume from the start",
        }
    }
}

/// A server and what it is called.
struct Subject {
    name: &'static str,
    server: Server,
}

/// Whether a round's figures are kept.
#[derive(Clone, Copy)]
enum Round {
    WarmUp,
    Counted(usize),
}

fn main() -> Outcome<()> {
    let plan = Plan::parse();
    stop_servers_on_interrupt()?;
    let subjects = start(&plan)?;
    println!("filling topics of {} MiB to be read from the start", backlog_bytes(&plan) >> 20);
    for subject in &subjects {
        for (_, bytes) in SIZES {
            let topic = backlog_topic(bytes);
            create_topic(&subject.server, &topic)?;
            write_all(&subject.server, &topic, bytes, backlog_bytes(&plan) / bytes)?;
        }
    }
    let mut report = Report::new("kafka", &plan, "Apache Kafka");
    let warm_up = if plan.smoke { None } else { Some(Round::WarmUp) };
    for round in warm_up.into_iter().chain((0..plan.rounds()).map(Round::Counted)) {
        run(round, &plan, &subjects, &mut report)?;
    }
    report.finish()?;
    Ok(())
}

/// Starts the gateway, and Kafka where that is possible.
fn start(plan: &Plan) -> Outcome<Vec<Subject>> {
    let mut subjects = vec![Subject { name: "shardgate", server: Server::start(Kind::Shardgate)? }];
    if plan.smoke {
        println!("Apache Kafka is left out: a smoke run only shows that the benchmark works");
        return Ok(subjects);
    }
    match Server::start(Kind::Kafka) {
        Ok(server) => subjects.push(Subject { name: "Apache Kafka", server }),
        Err(error) => println!("Apache Kafka is left out, so there are no ratios: it cannot be started here: {error}"),
    }
    Ok(subjects)
}

fn backlog_bytes(plan: &Plan) -> usize {
    if plan.smoke { BACKLOG_BYTES / 100 } else { BACKLOG_BYTES }
}

fn backlog_topic(record_bytes: usize) -> String {
    format!("backlog-{record_bytes}")
}

fn run(round: Round, plan: &Plan, subjects: &[Subject], report: &mut Report) -> Outcome<()> {
    let number = if let Round::Counted(number) = round { number + 1 } else { 0 };
    for (size, bytes) in SIZES {
        for (measure, topic) in Measure::ALL.into_iter().zip(["full", "paced", "single", "tail", ""]) {
            let topic = format!("{topic}-{bytes}-{number}");
            for at in Plan::order(number, &(0..subjects.len()).collect::<Vec<_>>()) {
                let subject = &subjects[at];
                settle_disk(&Plan::directory()?)?;
                let mut figures = Figures::default();
                take(measure, plan, &subject.server, &topic, bytes, &mut figures)?;
                println!("round {number}: {size}, {}, {}: {figures}", measure.name(), subject.name);
                if let Round::Counted(_) = round {
                    figures.add_to(report, &format!("{size}: {}", measure.name()), subject.name);
                }
            }
        }
    }
    Ok(())
}

/// One turn of one subject.
fn take(measure: Measure, plan: &Plan, server: &Server, topic: &str, bytes: usize, figures: &mut Figures) -> Outcome<()> {
    match measure {
        Measure::Backlog => {
            figures.megabytes = Some(read_all(server, &backlog_topic(bytes), backlog_bytes(plan) / bytes)? / 1e6);
            return Ok(());
        }
        Measure::Tail => {
            create_topic(server, topic)?;
            figures.records = Some(read_tail(plan, server, topic, bytes)?);
            return Ok(());
        }
        Measure::FullSpeed | Measure::Paced | Measure::OneByOne => create_topic(server, topic)?,
    }
    let pace = match measure {
        Measure::Paced => Pace::PerSecond(5_000),
        Measure::OneByOne => Pace::PerSecondAtOnce(500),
        _ => Pace::Full,
    };
    let (sample, latencies) = produce(plan, server, topic, bytes, pace)?;
    figures.latencies = Some(latencies);
    // At a given pace the rate says nothing.
    figures.records = matches!(pace, Pace::Full).then_some(sample);
    Ok(())
}

/// What one turn has shown.
#[derive(Default)]
struct Figures {
    /// Records per second, and the cores used.
    records: Option<Sample>,
    latencies: Option<Latencies>,
    megabytes: Option<f64>,
}

impl Figures {
    fn add_to(&self, report: &mut Report, measure: &str, subject: &'static str) {
        if let Some(sample) = &self.records {
            let measure = format!("{measure}, records/s");
            report.add(&measure, subject, sample.rate);
            report.add_cores(&measure, subject, sample.client_cores, sample.server_cores);
        }
        if let Some(latencies) = &self.latencies {
            report.add(&format!("{measure}, latency p50, ms"), subject, latencies.millis(0.50));
            report.add(&format!("{measure}, latency p99, ms"), subject, latencies.millis(0.99));
        }
        if let Some(megabytes) = self.megabytes {
            report.add(&format!("{measure}, MB/s"), subject, megabytes);
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(sample) = &self.records {
            write!(to, "{:.0} records/s ", sample.rate)?;
        }
        if let Some(latencies) = &self.latencies {
            write!(to, "p50 {:.2} ms, p99 {:.2} ms ", latencies.millis(0.50), latencies.millis(0.99))?;
        }
        if let Some(megabytes) = self.megabytes {
            write!(to, "{megabytes:.0} MB/s")?;
        }
        Ok(())
    }
}
