//! What the benchmarks need: the plan of a run, servers to measure, and a report of ratios.
#![allow(dead_code, unused_imports, reason = "each benchmark compiles this for itself, and none has a use for all of it")]

mod batches;
mod child;
mod gateway;
pub(crate) mod http;
mod plan;
mod plot;
mod process;
mod report;
mod server;
mod subject;
mod window;
pub(crate) mod wire;

pub(crate) use batches::batch;
pub(crate) use child::{Child, free_port};
pub(crate) use gateway::Gateway;
pub(crate) use plan::Plan;
pub(crate) use plot::{Plot, Scale};
pub(crate) use process::memory_bytes;
pub(crate) use report::{Report, Spread, number, position_or_push};
pub(crate) use server::{Kind, Server, binary, remove_on_interrupt, stop_servers_on_interrupt};
pub(crate) use subject::{OURS, Subject};
pub(crate) use window::{Sample, Window, measure, measure_whole, measure_work};

/// Anything that goes wrong ends the benchmark with its words.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Waits until everything written before is on disk, so that nobody's writeback falls into the next one's turn.
pub(crate) fn settle_disk(directory: &std::path::Path) -> Outcome<()> {
    Ok(rustix::fs::syncfs(std::fs::File::open(directory)?)?)
}
