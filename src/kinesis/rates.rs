//! How often operations may be called, where limits are in force (Kinesis developer guide, "Quotas and limits", 2026-11).
//!
//! Each pair of an operation and what it is counted for has a leaky bucket of one second's calls; PutRecord, PutRecords and
//! GetRecords have none here, because shards meter them.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::aws::{Input, Refusal};

use super::address::{arn, name_in};
use super::context::Context;
use super::refusal::limit;

/// Buckets that are kept; the empty ones are forgotten then. *Ours*: names of streams come from clients.
const BUCKETS_MAX: usize = 10_000;
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);

/// What calls are counted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Account,
    Stream,
}

/// So many calls in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    /// The calls.
    pub(super) calls: u32,
    /// The span.
    pub(super) span: Duration,
}

impl Rate {
    /// So many percent of it. As many calls may come at once, or else the rarest could never be made.
    fn times(self, percent: u32) -> Self {
        Self { span: self.span * 100 / percent.max(1), ..self }
    }
}

/// The rate of an operation.
fn rate(operation: &str) -> Option<(Scope, Rate)> {
    let (scope, calls) = match operation {
        "DescribeLimits" => (Scope::Account, 1),
        "CreateStream"
        | "DeleteStream"
        | "ListStreams"
        | "PutResourcePolicy"
        | "GetResourcePolicy"
        | "DeleteResourcePolicy"
        | "DescribeAccountSettings"
        | "UpdateAccountSettings"
        | "UpdateStreamWarmThroughput" => (Scope::Account, 5),
        "IncreaseStreamRetentionPeriod"
        | "DecreaseStreamRetentionPeriod"
        | "MergeShards"
        | "SplitShard"
        | "EnableEnhancedMonitoring"
        | "DisableEnhancedMonitoring"
        | "RegisterStreamConsumer"
        | "DeregisterStreamConsumer"
        | "ListStreamConsumers"
        | "AddTagsToStream"
        | "RemoveTagsFromStream"
        | "ListTagsForStream"
        | "TagResource"
        | "UntagResource"
        | "ListTagsForResource" => (Scope::Stream, 5),
        "DescribeStream" => (Scope::Account, 10),
        "DescribeStreamSummary" => (Scope::Account, 20),
        "DescribeStreamConsumer" => (Scope::Stream, 20),
        "ListShards" => (Scope::Stream, 1_000),
        "StartStreamEncryption" | "StopStreamEncryption" => {
            return Some((Scope::Stream, Rate { calls: 25, span: DAY }));
        }
        _ => return None,
    };
    Some((scope, Rate { calls, span: SECOND }))
}

/// All buckets.
#[derive(Default)]
pub(super) struct Buckets(Mutex<HashMap<(&'static str, String), Bucket>>);

/// Calls that were made and have not leaked yet.
struct Bucket {
    calls: f64,
    at: Instant,
    rate: Rate,
}

impl Bucket {
    fn leak(&mut self, now: Instant) {
        let leaked = now.saturating_duration_since(self.at).as_secs_f64() / self.rate.span.as_secs_f64();
        self.calls = (self.calls - leaked * f64::from(self.rate.calls)).max(0.0);
        self.at = now;
    }
}

impl Buckets {
    /// Whether there may be another call of `operation` for `of`; counts it then.
    pub(super) fn take(&self, operation: &'static str, of: String, rate: Rate) -> bool {
        let (mut buckets, now) = (self.0.lock(), Instant::now());
        let key = (operation, of);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| {
                bucket.leak(now);
                bucket.calls > 0.0
            });
            if buckets.len() >= BUCKETS_MAX {
                return true;
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { calls: 0.0, at: now, rate });
        bucket.leak(now);
        bucket.rate = rate;
        // A call that has leaked but for a rounding has leaked.
        let is_free = bucket.calls + 1.0 <= f64::from(rate.calls) + 1e-6;
        bucket.calls += f64::from(u8::from(is_free));
        is_free
    }
}

impl Context {
    /// Whether `operation` may be called now with this input.
    ///
    /// # Errors
    /// LimitExceededException if it was called too often.
    pub(super) fn check_rate(&self, operation: &'static str, input: &Input) -> Result<(), Refusal> {
        let Some((scope, rate)) = rate(operation).filter(|_| self.is_limited()) else { return Ok(()) };
        let rate = rate.times(self.log.env().limits.get().calls_percent);
        let (region, account) = (&self.region, &self.account);
        let stream = arn(input).map(name_in).or(input.text("StreamName"));
        let (of, words) = match (scope, stream) {
            (Scope::Stream, Some(stream)) => {
                (format!("{region}/{account}/{stream}"), format!("Rate exceeded for stream {stream} under account {account}."))
            }
            _ => (format!("{region}/{account}"), format!("Rate exceeded for account {account}.")),
        };
        if self.shared.buckets.take(operation, of, rate) { Ok(()) } else { Err(limit(words)) }
    }

    /// Whether the limits of Kinesis are in force.
    pub(super) fn is_limited(&self) -> bool {
        self.log.env().limits.get().throughput.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_a_spans_calls_and_leaks() {
        let (buckets, rate) = (Buckets::default(), Rate { calls: 5, span: SECOND });
        let take = |of: &str| buckets.take("A", of.to_owned(), rate);
        assert!((0..5).all(|_| take("s")) && !take("s") && take("t"));
        advance(Duration::from_millis(199)).await;
        assert!(!take("s"));
        advance(Duration::from_millis(1)).await;
        assert!(take("s") && !take("s"));
        advance(DAY).await;
        assert!((0..5).all(|_| take("s")) && !take("s"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_buckets_is_bounded() {
        let (buckets, rate) = (Buckets::default(), Rate { calls: 1, span: SECOND });
        for of in 0..3 * BUCKETS_MAX {
            assert!(buckets.take("A", of.to_string(), rate));
        }
        assert!(buckets.0.lock().len() <= BUCKETS_MAX);
        advance(SECOND).await;
        assert!(buckets.take("A", "new".to_owned(), rate) && !buckets.take("A", "new".to_owned(), rate));
        assert_eq!(buckets.0.lock().len(), 1);
    }
}
