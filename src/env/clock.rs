//! Wall time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Processor time that this thread has taken so far; what others take meanwhile does not count. It stands still where time is
    /// a test's.
    fn worked(&self) -> Duration {
        Duration::ZERO
    }
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(millis(after)),
            Err(before) => Timestamp(-millis(before.duration())),
        }
    }

    fn worked(&self) -> Duration {
        let taken = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(taken).unwrap_or_default()
    }
}

/// A clock that moves with Tokio's: under a paused runtime, `tokio::time::advance` moves wall time and every timer at once.
pub struct PausedClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl PausedClock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.origin.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_others_work_does_not_count() {
        let working = || {
            let begun = SystemClock.worked();
            while SystemClock.worked() - begun < Duration::from_millis(50) {}
        };
        let begun = SystemClock.worked();
        thread::spawn(working).join().unwrap();
        assert!(SystemClock.worked() - begun < Duration::from_millis(25));
        working();
        assert!(SystemClock.worked() - begun >= Duration::from_millis(50));
    }
}
