//! **How fast is the Kinesis API, beside the servers that people test with?** We answer after fdatasync; kinesis-mock, kinesalite and
//! ferrokinesis keep everything in memory, and ferrokinesis is measured with its log on disk too. One machine, one run, in turns, without
//! limits. `nothing` has its answers ready: what the load generator can do by itself.
//!
//! `cargo bench --bench kinesis`; with `-- --smoke` in a few seconds and without the others. README.md beside this folder says how
//! to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod load;
mod nothing;
mod subject;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser as _;

use support::{OURS, Outcome, Plan, Report, Subject, settle_disk, stop_servers_on_interrupt};

/// One thing that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Put { connections: usize },
    Get,
    Subscribe,
}

impl Measure {
    const ALL: [Self; 4] = [Self::Put { connections: 1 }, Self::Put { connections: 8 }, Self::Get, Self::Subscribe];

    fn name(self) -> String {
        match self {
            Self::Put { connections: 1 } => "PutRecords of 500 x 1 KiB, 1 connection".into(),
            Self::Put { connections } => format!("PutRecords of 500 x 1 KiB, {connections} connections"),
            Self::Get => "GetRecords from the start, 4 shards".into(),
            Self::Subscribe => "SubscribeToShard, from a put to its event".into(),
        }
    }
}

fn main() -> Outcome<()> {
    let plan = Plan::parse();
    stop_servers_on_interrupt()?;
    let subjects = subject::start(plan.smoke)?;
    for subject in subjects.iter().filter(|subject| subject.is_read()) {
        load::fill(subject, &plan)?;
    }
    let mut report = Report::of_yardstick("kinesis", &plan, OURS);
    // The first round warms compilers up and does not count.
    let warm_up = if plan.smoke { 1 } else { 0 };
    for round in warm_up..=plan.rounds() {
        for measure in Measure::ALL {
            for at in Plan::order(round, &(0..subjects.len()).collect::<Vec<_>>()) {
                let subject = &subjects[at];
                let is_measured = match measure {
                    Measure::Put { .. } => true,
                    Measure::Get => subject.is_read(),
                    Measure::Subscribe => subject.has_fan_out(),
                };
                if !is_measured {
                    continue;
                }
                settle_disk(&Plan::directory()?)?;
                let figures = turn(measure, &plan, subject, round)?;
                println!(
                    "round {round}: {}, {}: {}",
                    measure.name(),
                    subject.name,
                    figures.iter().map(|figure| figure.to_string()).collect::<Vec<_>>().join(", ")
                );
                for figure in figures.into_iter().filter(|_| round > 0) {
                    let measure = format!("{}, {}", measure.name(), figure.unit);
                    report.add(&measure, subject.name, figure.value);
                    if let Some((client, server)) = figure.cores {
                        report.add_cores(&measure, subject.name, client, server);
                    }
                }
            }
        }
    }
    report.finish()?;
    Ok(())
}

/// One figure of a turn.
struct Figure {
    unit: &'static str,
    value: f64,
    /// Cores that the client and the server kept busy.
    cores: Option<(Option<f64>, Option<f64>)>,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:.2} {}", self.value, self.unit)?;
        if let Some((Some(client), Some(server))) = self.cores {
            write!(to, " (cores: client {client:.2}, server {server:.2})")?;
        }
        Ok(())
    }
}

/// One turn of one subject.
fn turn(measure: Measure, plan: &Plan, subject: &Subject, round: usize) -> Outcome<Vec<Figure>> {
    let sample = match measure {
        Measure::Put { connections } => load::put(plan, subject, &format!("put-{connections}-{round}"), connections)?,
        Measure::Get => load::get(plan, subject)?,
        Measure::Subscribe => {
            let latencies = load::subscribe(plan, subject, &format!("subscribe-{round}"))?;
            let millis = |share| load::quantile(&latencies, share).as_secs_f64() * 1e3;
            let figure = |unit, value| Figure { unit, value, cores: None };
            return Ok(vec![figure("p50 ms", millis(0.50)), figure("p99 ms", millis(0.99))]);
        }
    };
    Ok(vec![Figure { unit: "MB/s", value: sample.rate / 1e6, cores: Some((sample.client_cores, sample.server_cores)) }])
}
