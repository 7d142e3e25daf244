//! **How much work is a request?** The instructions that the program executes for one request of each kind, counted by valgrind, so
//! that they hardly depend on the machine and on what else it does; compared with `expected.txt`.
//!
//! `cargo bench --bench instructions`; with `-- --write` it writes the table anew. README.md beside this folder says how to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod counted;
mod kafka;
mod kinesis;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::process::ExitCode;

use clap::Parser;

use counted::Counted;
use support::{Gateway, Outcome, Plan, Spread, remove_on_interrupt, stop_servers_on_interrupt};
use table::Table;

/// How often a kind is counted; the median counts.
const ROUNDS: usize = 5;

#[derive(Parser)]
struct Options {
    /// Write the table instead of comparing with it.
    #[arg(long)]
    write: bool,
    /// Count each kind once, and compare nothing: does it work?
    #[arg(long)]
    smoke: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Sends one request and reads its answer.
type Ask = Box<dyn FnMut() -> Outcome<()>>;

/// One kind of request.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// How many are counted together, so that what one connection and the clock add is little beside them.
    requests: usize,
    /// Makes what such requests need.
    prepare: fn(&Gateway) -> Outcome<Ask>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    stop_servers_on_interrupt()?;
    let scratch = Plan::scratch()?;
    remove_on_interrupt(scratch.path());
    let mut table = Table::new()?;
    let rounds = if options.smoke { 1 } else { ROUNDS };
    println!("{}: instructions of a request, median (least .. greatest) of {rounds} counts", table.compiler());
    // A gateway that was just started has in memory nothing of what the first one wrote.
    for kinds in [[kafka::KINDS, kinesis::KINDS].concat(), kafka::KINDS_ON_DISK.to_vec()] {
        let mut counted = Counted::start(scratch.path())?;
        for kind in kinds {
            table.add(kind.name, count(&mut counted, &kind, rounds)?);
        }
        counted.stop()?;
    }
    match options {
        Options { smoke: true, .. } => Ok(()),
        Options { write: true, .. } => table.write(),
        _ => table.compare(),
    }
}

/// The instructions of one request.
fn count(counted: &mut Counted, kind: &Kind, rounds: usize) -> Outcome<u64> {
    let mut ask = (kind.prepare)(counted.gateway())?;
    // The first requests make what the others find.
    for _ in 0..kind.requests.div_ceil(2) {
        ask()?;
    }
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let instructions = counted.count(kind.name, || (0..kind.requests).try_for_each(|_| ask()))?;
        figures.push(instructions as f64 / kind.requests as f64);
    }
    let spread = Spread::of(&figures);
    println!("{:<44} {:>10.0} ({:.0} .. {:.0})", kind.name, spread.median, spread.least, spread.greatest);
    Ok(spread.median as u64)
}
