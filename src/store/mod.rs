//! **What is kept.** Two contracts and their engines: the journal (bulk, ordered, per lane) and the ledger (small, keyed).
//!
//! Imports `model` and `batch`; knows no door, no rule, no clock.

mod faulty;
mod journal;
mod lane;
mod ledger;
mod memory;
mod segments;
mod transactions;

pub use faulty::{Call, Fault, Faults, FaultyStore};
pub use journal::{Block, Extent, Journal, Portion, Search, Volume};
pub use lane::LaneHead;
pub use ledger::{Ledger, Write};
pub use memory::MemoryStore;
pub use segments::{Disk, Options, SegmentStore, Step, Verdict, Watch};
pub use transactions::{Aborted, Transactions};

/// Called once, from the engine's own thread, when a write is durable or has failed. It must not block.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What goes wrong in a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another write has taken the offset first.
    #[error("the lane continues at offset {next}, not at the offset given")]
    Fenced {
        /// Where it continues.
        next: crate::model::Offset,
    },
    /// The disk or the files refused.
    #[error("{0}")]
    Failed(String),
    /// Stored bytes are not what was written.
    #[error("{0}")]
    Damaged(String),
}
