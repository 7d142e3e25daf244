//! **Time and chance, handed in.** What a test replaces to be repeatable.
//!
//! Waiting is Tokio's: a test pauses its clock. Never imports another floor but `model`.

mod clock;
mod entropy;

use std::sync::Arc;

pub use clock::{Clock, PausedClock, SystemClock};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};

/// Where time and chance come from.
#[derive(Clone)]
pub struct Env {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Env {
    /// The machine's own clock and randomness.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}
