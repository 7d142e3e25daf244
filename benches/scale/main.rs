//! **How does the gateway grow?** The time until it serves, its memory, and how fast one can write and read, over the number of
//! partitions, connections and groups, and over the bytes on disk; and what one more of each costs.
//!
//! `cargo bench --bench scale`; with `-- --smoke` in a few seconds. README.md beside this folder says how to read it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]

mod growth;
mod load;
#[path = "../support/mod.rs"]
mod support;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use clap::Parser as _;

use growth::Growth;
use support::wire::{Connection, create_topic};
use support::{
    Gateway, Outcome, Plan, batch, measure, memory_bytes, remove_on_interrupt, settle_disk, stop_servers_on_interrupt,
};

/// Partitions, where their number does not grow.
const PARTITIONS: usize = 10;
/// Connections, where their number does not grow, and requests in flight on each.
const CONNECTIONS: usize = 4;
const PIPELINE: usize = 8;
/// There is this much to be read at least: more than the gateway keeps in memory.
const READ_BYTES: usize = 64 << 20;
/// What stays free of the disk.
const SPARE_BYTES: u64 = 25 << 30;
/// How much is written to sparse files before their zeros are taken away.
const STEP_BYTES: usize = 8 << 30;
/// How long a gateway is left alone before its memory is looked at.
const REST: Duration = Duration::from_millis(500);

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// Nothing is there at all.
    Empty,
    Partitions,
    /// Each of them has one request in flight.
    Connections,
    /// Partitions, with 1,000 connections that have one request in flight each.
    PartitionsOfManyConnections,
    /// Each has a member and ten committed offsets.
    Groups,
    Megabytes,
    /// Records of zeros, which then are holes of their files, so that there are more than the disk could hold.
    SparseMegabytes,
}

impl Axis {
    const ALL: [Self; 7] = [
        Self::Empty,
        Self::Partitions,
        Self::Connections,
        Self::PartitionsOfManyConnections,
        Self::Groups,
        Self::Megabytes,
        Self::SparseMegabytes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty directory",
            Self::Partitions => "partitions",
            Self::Connections => "connections",
            Self::PartitionsOfManyConnections => "partitions, 1,000 connections",
            Self::Groups => "groups",
            Self::Megabytes => "MB on disk",
            Self::SparseMegabytes => "MB in sparse files",
        }
    }

    fn sizes(self, smoke: bool) -> &'static [usize] {
        match self {
            Self::Empty => &[0],
            _ if smoke => &[4, 16],
            Self::Partitions => &[10, 100, 1_000, 10_000],
            Self::Connections => &[1, 10, 100, 1_000],
            Self::PartitionsOfManyConnections => &[10, 10_000],
            Self::Groups => &[10, 100, 1_000],
            Self::Megabytes => &[100, 1_000, 5_000, 10_000],
            Self::SparseMegabytes => &[1_000, 10_000, 100_000],
        }
    }

    /// What it takes of the disk, if that is much.
    fn disk_bytes(self, size: usize) -> Option<usize> {
        match self {
            Self::Megabytes => Some(size * 1_000_000),
            // Two blocks in sixteen at most are no holes, and the last step has none.
            Self::SparseMegabytes => Some(STEP_BYTES + size * 1_000_000 / 8),
            _ => None,
        }
    }
}

fn main() -> Outcome<()> {
    let plan = Plan::parse();
    stop_servers_on_interrupt()?;
    let mut growth = Growth::new(&plan);
    for round in 0..plan.rounds() {
        // Sparse files take minutes to be filled, and their sizes differ by far more than their rounds would: once will do.
        for axis in Axis::ALL.into_iter().filter(|axis| round == 0 || *axis != Axis::SparseMegabytes) {
            for size in Plan::order(round, axis.sizes(plan.smoke)) {
                let free = free_bytes()?;
                if axis.disk_bytes(size).is_some_and(|bytes| free < SPARE_BYTES + bytes as u64) {
                    println!(
                        "{size} {} are left out: less than {} GiB of the disk would stay free",
                        axis.name(),
                        SPARE_BYTES >> 30
                    );
                    continue;
                }
                let figures = take(axis, size, &plan)?;
                let words = figures.iter().map(|(measure, figure)| format!("{measure} {figure:.2}"));
                println!("round {}: {} {size}: {}", round + 1, axis.name(), words.collect::<Vec<_>>().join("; "));
                for (measure, figure) in figures {
                    growth.add(axis.name(), size, measure, figure);
                }
            }
        }
    }
    growth.finish()
}

fn free_bytes() -> Outcome<u64> {
    let volume = rustix::fs::statvfs(Plan::directory()?)?;
    Ok(volume.f_bavail * volume.f_frsize)
}

/// Gives the blocks of zeros back to the disk; the files read as before.
fn dig_holes(directory: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let (path, file) = (entry.path(), entry.metadata()?);
        let is_solid = file.is_file() && 512 * file.blocks() > file.len() / 2;
        if is_solid && !Command::new("fallocate").arg("--dig-holes").arg(&path).status()?.success() {
            return Err(format!("`fallocate --dig-holes {}` failed: the file system has to know holes", path.display()).into());
        }
    }
    Ok(())
}

/// One turn with fresh data, which is gone behind it.
fn take(axis: Axis, size: usize, plan: &Plan) -> Outcome<Vec<(&'static str, f64)>> {
    settle_disk(&Plan::directory()?)?;
    let scratch = Plan::scratch()?;
    remove_on_interrupt(scratch.path());
    let millis = |gateway: &Gateway| gateway.start.as_secs_f64() * 1e3;
    let megabytes = |gateway: &Gateway| {
        sleep(REST);
        Outcome::Ok(memory_bytes(&gateway.process).ok_or("the system does not tell the gateway's memory")? / 1e6)
    };
    let mut gateway = Gateway::start(scratch.path())?;
    if axis == Axis::Empty {
        return Ok(vec![("start, ms", millis(&gateway)), ("memory, MB", megabytes(&gateway)?)]);
    }
    let partitions = match axis {
        Axis::Partitions | Axis::PartitionsOfManyConnections => size,
        _ => PARTITIONS,
    };
    let (connections, pipeline) = match axis {
        Axis::Connections => (size, 1),
        Axis::PartitionsOfManyConnections => (if plan.smoke { 16 } else { 1_000 }, 1),
        _ => (CONNECTIONS, PIPELINE),
    };
    let (batch, bytes) = match axis {
        Axis::Megabytes => (batch(load::BATCH_BYTES)?, size * 1_000_000),
        Axis::SparseMegabytes => (load::hollow_batch()?, size * 1_000_000),
        _ => (batch(load::BATCH_BYTES)?, if plan.smoke { 0 } else { READ_BYTES }),
    };
    let batches_of = |bytes: usize| (bytes / partitions).div_ceil(load::PIECE_BYTES).max(1) * load::piece_batches(&batch);
    let batches = batches_of(bytes);

    let topic = create_topic(&gateway.address, "scale", partitions)?;
    let connect =
        |gateway: &Gateway| (0..connections).map(|_| load::connect(&gateway.address, &topic)).collect::<Outcome<Vec<_>>>();
    let fill = |connections: &mut [Connection], batches| load::fill(connections, pipeline, &topic, partitions, &batch, batches);
    match axis {
        Axis::Groups => {
            let mut connection = load::connect(&gateway.address, &topic)?;
            (0..size).try_for_each(|number| load::join(&mut connection, number, &topic, partitions))?;
        }
        Axis::Megabytes => fill(&mut connect(&gateway)?, batches)?,
        Axis::SparseMegabytes => {
            let (mut left, step) = (batches, batches_of(if plan.smoke { 4 << 20 } else { STEP_BYTES }));
            while left > step {
                fill(&mut connect(&gateway)?, step)?;
                left -= step;
                // Lest it write where zeros are taken away.
                gateway.stop()?;
                dig_holes(&scratch.path().join("data/log"))?;
                gateway = Gateway::start(scratch.path())?;
            }
            fill(&mut connect(&gateway)?, left)?;
        }
        _ => {}
    }
    // What it takes to start with all that, after an end that it did not see coming and after one that it did.
    drop(gateway);
    let gateway = Gateway::start(scratch.path())?;
    let after_kill = millis(&gateway);
    gateway.stop()?;
    let gateway = Gateway::start(scratch.path())?;
    let after_stop = millis(&gateway);

    let mut connections = connect(&gateway)?;
    let idle = megabytes(&gateway)?;
    if axis.disk_bytes(size).is_none() {
        fill(&mut connections, batches)?;
    }
    settle_disk(&Plan::directory()?)?;
    let produced = measure(plan, Some(&gateway.process), |window| {
        load::produce(window, &mut connections, pipeline, &topic, partitions, &batch)
    })?;
    settle_disk(&Plan::directory()?)?;
    let fetched = measure(plan, Some(&gateway.process), |window| {
        load::fetch(window, &mut connections, &topic, partitions, &batch, batches)
    })?;
    Ok(vec![
        ("start, ms", after_stop),
        ("start after kill -9, ms", after_kill),
        ("memory, MB", idle),
        ("memory under load, MB", megabytes(&gateway)?),
        ("produce, MB/s", produced.rate / 1e6),
        ("fetch, MB/s", fetched.rate / 1e6),
    ])
}
