//! **How do the same clients fare with us, with Apache Kafka 4.4.0 and with Tansu?** librdkafka with its defaults and acks=all, and
//! the tools of the Java client, on one machine, in one run, in turns. The gateway answers after fdatasync; Kafka, by its default, when
//! the page cache has the records, and so it is measured a second time with a flush of each batch; Tansu keeps them in memory.
//!
//! `cargo bench --bench kafka`; with `-- --smoke` in a few seconds and without the others. README.md beside this folder says how
//! to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod client;
mod java;
mod subject;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser as _;

use client::{Latencies, Pace, create_topic, produce, read_all, read_tail, write_all};
use support::{OURS, Outcome, Plan, Plot, Report, Sample, Scale, Subject, measure_work, settle_disk, stop_servers_on_interrupt};

const SIZES: [(&str, usize); 2] = [("100 B records", 100), ("1 KiB records", 1 << 10)];
/// Bytes of records that are read from the start.
const BACKLOG_BYTES: usize = 200 << 20;
/// Records of one run of Java's tools, at most.
const JAVA_RECORDS: usize = 500_000;
/// The parts of the records whose latency is told, where there are so many.
const PARTS: [(f64, &str); 5] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];

/// One thing that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    FullSpeed,
    Paced,
    OneByOne,
    Tail,
    Backlog,
    JavaProduce,
    JavaConsume,
}

impl Measure {
    /// Whether its client is as cold as ever in each turn; then the servers are warm by the others.
    fn is_java(self) -> bool {
        matches!(self, Self::JavaProduce | Self::JavaConsume)
    }

    const ALL: [Self; 7] =
        [Self::FullSpeed, Self::Paced, Self::OneByOne, Self::Tail, Self::Backlog, Self::JavaProduce, Self::JavaConsume];

    fn name(self) -> &'static str {
        match self {
            Self::FullSpeed => "produce at full speed",
            Self::Paced => "produce 5,000 a second",
            Self::OneByOne => "produce 500 a second, linger 0",
            Self::Tail => "consume at the tail while produced at full speed",
            Self::Backlog => "consume from the start",
            Self::JavaProduce => "Java's producer",
            Self::JavaConsume => "Java's consumer from the start",
        }
    }
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
    let subjects = subject::start(plan.smoke)?;
    let mut out = LeftOut::default();
    if plan.smoke {
        out.measures(&[Measure::JavaProduce, Measure::JavaConsume]);
    } else if !java::install() {
        println!("Java's tools are left out: tests/clients/java/run.sh --install kafka-tools cannot fetch them, and says why");
        out.measures(&[Measure::JavaProduce, Measure::JavaConsume]);
    }
    println!("filling topics of {} MiB to be read from the start", backlog_bytes(&plan) >> 20);
    for subject in &subjects {
        for (_, bytes) in SIZES {
            let topic = backlog_topic(bytes);
            create_topic(subject, &topic)?;
            write_all(subject, &topic, bytes, backlog_bytes(&plan) / bytes)?;
        }
    }
    let mut report = Report::of_yardstick("kafka", &plan, OURS);
    let warm_up = if plan.smoke { None } else { Some(Round::WarmUp) };
    for round in warm_up.into_iter().chain((0..plan.rounds()).map(Round::Counted)) {
        run(round, &plan, &subjects, &mut out, &mut report)?;
    }
    plot(&subjects, &report)?;
    report.finish()?;
    Ok(())
}

/// What is not measured, because it cannot be.
#[derive(Default)]
struct LeftOut(Vec<(Measure, Option<&'static str>)>);

impl LeftOut {
    /// For all subjects.
    fn measures(&mut self, measures: &[Measure]) {
        self.0.extend(measures.iter().map(|measure| (*measure, None)));
    }

    fn contains(&self, measure: Measure, subject: &'static str) -> bool {
        self.0.iter().any(|(left_out, whose)| *left_out == measure && whose.is_none_or(|whose| whose == subject))
    }
}

/// Draws the latencies at a given pace.
fn plot(subjects: &[Subject], report: &Report) -> Outcome<()> {
    for (size, bytes) in SIZES {
        for (measure, name) in [(Measure::Paced, "paced"), (Measure::OneByOne, "one-by-one")] {
            let ticks = PARTS.map(|(part, label)| (-(1.0 - part).log10(), label.to_owned()));
            let title = format!("Latency, ms: {size}, {}", measure.name());
            let mut plot = Plot::new(title, "part of the records", Scale::Logarithmic, ticks.into());
            for Subject { name, .. } in subjects {
                let measures = PARTS.map(|(_, part)| latency_of(&format!("{size}: {}", measure.name()), part));
                plot.add(name, measures.iter().map(|measure| report.rounds(measure, name)));
            }
            plot.write(&format!("kafka-latency-{name}-{bytes}"))?;
        }
    }
    Ok(())
}

fn latency_of(measure: &str, part: &str) -> String {
    format!("{measure}, latency {part}, ms")
}

fn backlog_bytes(plan: &Plan) -> usize {
    if plan.smoke { BACKLOG_BYTES / 100 } else { BACKLOG_BYTES }
}

fn backlog_topic(record_bytes: usize) -> String {
    format!("backlog-{record_bytes}")
}

fn run(round: Round, plan: &Plan, subjects: &[Subject], out: &mut LeftOut, report: &mut Report) -> Outcome<()> {
    let number = if let Round::Counted(number) = round { number + 1 } else { 0 };
    for (size, bytes) in SIZES {
        for (measure, topic) in Measure::ALL.into_iter().zip(["full", "paced", "single", "tail", "", "java", ""]) {
            let topic = format!("{topic}-{bytes}-{number}");
            for at in Plan::order(number, &(0..subjects.len()).collect::<Vec<_>>()) {
                let subject = &subjects[at];
                let is_cold = matches!(round, Round::WarmUp) && measure.is_java();
                if is_cold || out.contains(measure, subject.name) {
                    continue;
                }
                settle_disk(&Plan::directory()?)?;
                let first = take(measure, plan, subject, &topic, bytes);
                let taken = first.or_else(|error| {
                    println!("{}, {}: once more: {error}", measure.name(), subject.name);
                    take(measure, plan, subject, &format!("{topic}-again"), bytes)
                });
                let figures = match taken {
                    Err(error) if subject.name != OURS => {
                        println!("{}, {}: left out from here: {error}", measure.name(), subject.name);
                        out.0.push((measure, Some(subject.name)));
                        continue;
                    }
                    taken => taken?,
                };
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
fn take(measure: Measure, plan: &Plan, subject: &Subject, topic: &str, bytes: usize) -> Outcome<Figures> {
    let backlog = backlog_bytes(plan) / bytes;
    if !matches!(measure, Measure::Backlog | Measure::JavaConsume) {
        create_topic(subject, topic)?;
    }
    let mut figures = Figures::default();
    let mut produce_at = |pace| -> Outcome<()> {
        let (sample, latencies) = produce(plan, subject, topic, bytes, pace)?;
        figures.latencies = Some(latencies);
        // At a given pace the rate says nothing.
        figures.records = matches!(pace, Pace::Full).then_some(sample);
        Ok(())
    };
    match measure {
        Measure::FullSpeed => produce_at(Pace::Full)?,
        Measure::Paced => produce_at(Pace::PerSecond(5_000))?,
        Measure::OneByOne => produce_at(Pace::PerSecondAtOnce(500))?,
        Measure::Tail => figures.records = Some(read_tail(plan, subject, topic, bytes)?),
        Measure::Backlog => figures.megabytes = Some(read_all(subject, &backlog_topic(bytes), backlog)?),
        Measure::JavaProduce => {
            let work = || java::produce(subject, topic, bytes, backlog.min(JAVA_RECORDS));
            figures.records = Some(measure_work(&subject.process, work)?);
        }
        Measure::JavaConsume => {
            let work = || java::consume(subject, &backlog_topic(bytes), backlog.min(JAVA_RECORDS));
            figures.records = Some(measure_work(&subject.process, work)?);
        }
    }
    Ok(figures)
}

/// What one turn has shown.
#[derive(Default)]
struct Figures {
    /// Records per second.
    records: Option<Sample>,
    latencies: Option<Latencies>,
    /// Megabytes per second.
    megabytes: Option<Sample>,
}

impl Figures {
    fn add_to(&self, report: &mut Report, measure: &str, subject: &'static str) {
        for (sample, unit) in [(&self.records, "records/s"), (&self.megabytes, "MB/s")] {
            if let Some(sample) = sample {
                let measure = format!("{measure}, {unit}");
                report.add(&measure, subject, sample.rate);
                report.add_cores(&measure, subject, sample.client_cores, sample.server_cores);
            }
        }
        if let Some(latencies) = &self.latencies {
            for (part, name) in PARTS {
                if let Some(millis) = latencies.millis(part) {
                    report.add(&latency_of(measure, name), subject, millis);
                }
            }
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(sample) = &self.records {
            write!(to, "{:.0} records/s ", sample.rate)?;
        }
        if let Some(latencies) = &self.latencies {
            for (part, name) in PARTS {
                if let Some(millis) = latencies.millis(part) {
                    write!(to, "{name} {millis:.2} ms ")?;
                }
            }
        }
        if let Some(sample) = &self.megabytes {
            write!(to, "{:.0} MB/s", sample.rate)?;
        }
        Ok(())
    }
}
