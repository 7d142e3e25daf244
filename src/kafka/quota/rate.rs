//! How far somebody is over a quota: pure, and told the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Windows that are counted, the one under way among them (Kafka, `quota.window.num`).
const WINDOWS: u32 = 11;
/// The length of one (Kafka, `quota.window.size.seconds`).
pub(super) const WINDOW: Duration = Duration::from_secs(1);
/// Whole windows over which a rate is taken at least (Kafka, `Rate.windowSize`).
pub(super) const WHOLE_WINDOWS: u32 = WINDOWS - 1;
/// The longest delay: `throttle_time_ms` can say no longer one.
const DELAY_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// How much there was in the last windows (Kafka, `Rate` and `SampledStat`).
#[derive(Default, Debug)]
pub(super) struct Rate {
    /// When each window began, and how much there was in it.
    windows: VecDeque<(Instant, f64)>,
}

impl Rate {
    /// Counts `amount`.
    pub(super) fn record(&mut self, amount: f64, now: Instant) {
        self.windows.retain(|(begun, _)| now.saturating_duration_since(*begun) < WINDOW * WINDOWS);
        match self.windows.back_mut() {
            Some((begun, sum)) if now.saturating_duration_since(*begun) < WINDOW => *sum += amount,
            _ => {
                self.windows.push_back((now, amount));
                if self.windows.len() > WINDOWS as usize {
                    self.windows.pop_front();
                }
            }
        }
    }

    /// How long nothing may come for the rate to be no more than `bound` a second (Kafka, `QuotaUtils.throttleTime`).
    pub(super) fn delay(&self, bound: f64, now: Instant) -> Duration {
        let Some((first, _)) = self.windows.front() else { return Duration::ZERO };
        let elapsed = now.saturating_duration_since(*first);
        let whole = u32::try_from(elapsed.as_secs() / WINDOW.as_secs()).unwrap_or(u32::MAX);
        let elapsed = (elapsed + WINDOW * WHOLE_WINDOWS.saturating_sub(whole)).as_secs_f64();
        let sum: f64 = self.windows.iter().map(|(_, sum)| sum).sum();
        delay((sum / elapsed - bound) / bound * elapsed)
    }
}

/// Partitions that may be created and deleted at once, refilled as time goes by (Kafka, `TokenBucket`).
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(bound: f64, now: Instant) -> Self {
        Self { tokens: bound * f64::from(WINDOWS), filled_at: now }
    }

    /// Fills it with what has become due.
    pub(super) fn fill(&mut self, bound: f64, now: Instant) {
        let due = now.saturating_duration_since(self.filled_at).as_secs_f64() * bound;
        self.tokens = (self.tokens + due).min(bound * f64::from(WINDOWS));
        self.filled_at = now;
    }

    /// Takes `amount`, even more than is there.
    pub(super) fn take(&mut self, amount: f64) {
        self.tokens -= amount;
    }

    /// How long it takes until nothing is owed.
    pub(super) fn delay(&self, bound: f64) -> Duration {
        delay(-self.tokens / bound)
    }
}

fn delay(seconds: f64) -> Duration {
    if seconds <= 0.0 {
        Duration::ZERO
    } else {
        Duration::try_from_secs_f64(seconds).map_or(DELAY_MAX, |delay| delay.min(DELAY_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_taken_over_ten_windows_and_the_one_under_way() {
        let (begun, mut rate) = (Instant::now(), Rate::default());
        rate.record(1_000.0, begun);
        assert_eq!(rate.delay(100.0, begun), Duration::ZERO);
        rate.record(500.0, begun);
        // 1,500 in 10 s are 150 a second, half more than there may be of 10 s.
        assert_eq!(rate.delay(100.0, begun), 5 * SECOND);
        // In the middle of the window 10.5 s are counted.
        assert_eq!(rate.delay(100.0, begun + SECOND / 2), 5 * SECOND - SECOND / 2);
        rate.record(0.0, begun + 5 * SECOND);
        assert_eq!(rate.delay(100.0, begun + 5 * SECOND), 5 * SECOND);
        rate.record(0.0, begun + 11 * SECOND);
        assert_eq!(rate.delay(1.0, begun + 11 * SECOND), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_takes_no_more_room_however_much_is_counted() {
        let (begun, mut rate) = (Instant::now(), Rate::default());
        for millis in (0..100_000).step_by(70) {
            rate.record(1.0, begun + Duration::from_millis(millis));
        }
        assert!(rate.windows.len() <= WINDOWS as usize);
        assert_eq!(rate.delay(1e-300, begun + 100 * SECOND), DELAY_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_lets_eleven_seconds_worth_pass_at_once_and_then_as_much_as_comes() {
        let begun = Instant::now();
        let mut bucket = Bucket::full(2.0, begun);
        bucket.take(22.0);
        assert_eq!(bucket.delay(2.0), Duration::ZERO);
        bucket.take(4.0);
        assert_eq!(bucket.delay(2.0), 2 * SECOND);
        bucket.fill(2.0, begun + SECOND);
        assert_eq!(bucket.delay(2.0), SECOND);
        bucket.fill(2.0, begun + 100 * SECOND);
        bucket.take(23.0);
        assert_eq!(bucket.delay(2.0), SECOND / 2);
    }
}
