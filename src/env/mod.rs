//! **Time, chance and limits, handed in.** What a test replaces to be repeatable.
//!
//! Waiting is Tokio's: a test pauses its clock. Never imports another floor but `model`.

mod clock;
mod entropy;
mod limits;

use std::sync::Arc;

pub use clock::{Clock, PausedClock, SystemClock};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use limits::LimitsInForce;

use crate::model::Limits;

/// Where time, chance and limits come from.
#[derive(Clone)]
pub struct Env {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What streams may carry.
    pub limits: LimitsInForce,
}

impl Env {
    /// The machine's own clock and randomness, and these limits.
    pub fn system(limits: Limits) -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), limits: LimitsInForce::new(limits) }
    }
}
