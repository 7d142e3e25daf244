//! **Front door 2: the Kinesis API.** Translates words; the log decides.
//!
//! A request comes through the envelope (`aws`) as a checked input to one file of `operation`, and goes back as an output or a
//! refusal. Never imports `kafka` or `store`.

mod address;
mod context;
mod operation;
mod refusal;
mod rule;

pub use context::{Config, Door};
pub use operation::operations;
