//! A server that is measured beside others.

use std::any::Any;

/// Whose ratios to all others are shown.
pub(crate) const OURS: &str = "shardgate";

/// A running server.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// `host:port`.
    pub(crate) address: String,
    /// Its process number.
    pub(crate) process: String,
    /// What ends when it is dropped.
    _running: Box<dyn Any + Send + Sync>,
}

impl Subject {
    pub(crate) fn new(name: &'static str, address: String, process: String, running: impl Any + Send + Sync) -> Self {
        Self { name, address, process, _running: Box::new(running) }
    }
}
