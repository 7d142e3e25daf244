//! **How near to the disk is a durable produce?** The same blocks, 32 at a time, acknowledged after fdatasync:
//!
//! - `plain file`: appended to one file by one committer with group fdatasync; what this machine's disk gives;
//! - `store`: through the library's commit log, over 8 lanes;
//! - `gateway`: as Produce requests over TCP to the program, over 8 partitions.
//!
//! `cargo bench --bench produce`; with `-- --smoke` in a few seconds. README.md beside this folder says how to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod blocks;
mod gateway;
mod plain;
mod store;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser as _;

use support::wire::create_topic;
use support::{Kind, Outcome, Plan, Plot, Report, Sample, Server, measure, settle_disk, stop_servers_on_interrupt};

/// Blocks waiting for their acknowledgement at any time, whoever the subject is.
const IN_FLIGHT: usize = 32;
/// Lanes of the store, and partitions of the gateway's topic.
const LANES: usize = 8;
/// KiB of a batch.
const SIZES: [usize; 5] = [1, 4, 16, 100, 400];

#[derive(Clone, Copy)]
enum Subject {
    Plain,
    Store,
    Gateway,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Plain, Self::Store, Self::Gateway];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain file",
            Self::Store => "store",
            Self::Gateway => "gateway",
        }
    }

    /// One turn with fresh data, which is gone behind it.
    fn turn(self, plan: &Plan, block_bytes: usize) -> Outcome<Sample> {
        settle_disk(&Plan::directory()?)?;
        let scratch = Plan::scratch()?;
        match self {
            Self::Plain => measure(plan, None, |window| plain::load(window, scratch.path(), block_bytes)),
            Self::Store => measure(plan, None, |window| store::load(window, scratch.path(), block_bytes)),
            Self::Gateway => {
                let server = Server::start(Kind::Shardgate)?;
                let topic = create_topic(&server.bootstrap, "produce", LANES)?;
                measure(plan, Some(&server.process), |window| gateway::load(window, &server, &topic, block_bytes))
            }
        }
    }
}

fn main() -> Outcome<()> {
    let plan = Plan::parse();
    stop_servers_on_interrupt()?;
    let mut report = Report::new("produce", &plan, Subject::Plain.name());
    for round in 0..plan.rounds() {
        for size in SIZES {
            let measure = &measure_of(size);
            for subject in Plan::order(round, &Subject::ALL) {
                let sample = subject.turn(&plan, size << 10)?;
                let megabytes = sample.rate / 1e6;
                println!("round {}: {measure}, {}: {megabytes:.0}", round + 1, subject.name());
                report.add(measure, subject.name(), megabytes);
                report.add_cores(measure, subject.name(), sample.client_cores, sample.server_cores);
            }
        }
    }
    let title = "Durable produce over the size of a batch, MB/s";
    let mut plot = Plot::over_sizes(title.into(), "KiB of a batch", SIZES.into_iter());
    for subject in Subject::ALL.map(Subject::name) {
        plot.add(subject, SIZES.iter().map(|size| report.rounds(&measure_of(*size), subject)));
    }
    plot.write("produce-over-batch-size")?;
    report.finish()?;
    Ok(())
}

fn measure_of(size: usize) -> String {
    format!("{size} KiB batches, MB/s")
}
