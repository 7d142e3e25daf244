//! **Front door 2: the Kinesis API.** Translates words; the log decides.
//!
//! A request comes through the envelope (`aws`) as a checked input to one file of `operation`, and goes back as an output or a
//! refusal. Never imports `kafka` or `store`.

mod address;
mod aggregate;
mod capacity;
mod commitment;
mod context;
mod iterator;
mod measure;
mod metrics;
mod operation;
mod page;
mod placement;
mod rates;
mod records;
mod refusal;
mod retention;
mod rule;
mod seal;
mod sequence;
mod shape;
mod start;
mod subscriptions;
mod tags;
mod write;

pub use context::{Config, Door};
pub use operation::operations;
