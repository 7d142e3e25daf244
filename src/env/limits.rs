//! The limits as they are now.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::Limits;

/// Limits that can be changed while they are in use. Clones are handles to the same ones.
#[derive(Clone)]
pub struct LimitsInForce {
    at_start: Limits,
    now: Arc<RwLock<Limits>>,
}

impl LimitsInForce {
    /// Begins with `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { at_start: limits, now: Arc::new(RwLock::new(limits)) }
    }

    /// What is in force now.
    pub fn get(&self) -> Limits {
        *self.now.read()
    }

    /// Puts others in force, for whatever is decided from now on.
    pub fn set(&self, limits: Limits) {
        *self.now.write() = limits;
    }

    /// Puts those in force that it began with.
    pub fn reset(&self) {
        self.set(self.at_start);
    }
}
