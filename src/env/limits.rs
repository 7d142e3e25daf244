//! The limits as they are now.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::Limits;

/// Limits that can be changed while they are in use. Clones are handles to the same ones.
#[derive(Clone)]
pub struct LimitsInForce(Arc<RwLock<Limits>>);

impl LimitsInForce {
    /// Begins with `limits`.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(limits)))
    }

    /// What is in force now.
    pub fn get(&self) -> Limits {
        *self.0.read()
    }

    /// Puts others in force, for whatever is decided from now on.
    pub fn set(&self, limits: Limits) {
        *self.0.write() = limits;
    }
}
