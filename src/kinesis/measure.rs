//! What the door tells the meters of streams (`metrics`), as CloudWatch counts it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::Refusal;
use crate::log::{Error, Stream};
use crate::metrics::{Got, Measure, Put};
use crate::model::ShardId;

use super::context::Context;
use super::records::Walk;
use super::write::{Entry, Written};

/// What became of the records of one operation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Outcome {
    bytes: u64,
    put: u64,
    throttled: u64,
    failed: u64,
}

impl Context {
    /// A PutRecord that began at `begun` is done, or refused.
    pub(super) fn measure_put_record(
        &self,
        stream: &Stream,
        entry: &Entry<'_>,
        result: &Result<Written, Refusal>,
        begun: Instant,
    ) {
        let whole = self.measure_put(stream, std::slice::from_ref(entry), std::slice::from_ref(result));
        let mut samples = vec![(Measure::PutRecordLatency, millis(begun)), (Measure::PutRecordSuccess, whole.put as f64)];
        if whole.put > 0 {
            samples.push((Measure::PutRecordBytes, whole.bytes as f64));
        }
        stream.meter().of_stream(&samples, self.now());
    }

    /// A PutRecords that began at `begun` is done; some of its records may be refused.
    pub(super) fn measure_put_records(
        &self,
        stream: &Stream,
        entries: &[Entry<'_>],
        results: &[Result<Written, Refusal>],
        begun: Instant,
    ) {
        let whole = self.measure_put(stream, entries, results);
        let mut samples = vec![
            (Measure::PutRecordsLatency, millis(begun)),
            (Measure::PutRecordsSuccess, f64::from(u8::from(whole.put > 0))),
            (Measure::PutRecordsTotalRecords, results.len() as f64),
            (Measure::PutRecordsSuccessfulRecords, whole.put as f64),
            (Measure::PutRecordsFailedRecords, whole.failed as f64),
            (Measure::PutRecordsThrottledRecords, whole.throttled as f64),
        ];
        if whole.put > 0 {
            samples.push((Measure::PutRecordsBytes, whole.bytes as f64));
        }
        stream.meter().of_stream(&samples, self.now());
    }

    fn measure_put(&self, stream: &Stream, entries: &[Entry<'_>], results: &[Result<Written, Refusal>]) -> Outcome {
        let (mut whole, mut parts) = (Outcome::default(), BTreeMap::<ShardId, Put>::new());
        for (entry, result) in entries.iter().zip(results) {
            match result {
                Ok(written) => {
                    let part = parts.entry(written.number.shard).or_default();
                    (part.bytes, part.records) = (part.bytes + entry.bytes(), part.records + 1);
                    (whole.bytes, whole.put) = (whole.bytes + entry.bytes(), whole.put + 1);
                }
                Err(refusal) if refusal.is_throughput() => {
                    whole.throttled += 1;
                    // Where it would go now is where it was to go, unless shards were changed at this very moment.
                    if let Ok(shard) = stream.route(entry.place) {
                        parts.entry(shard.id).or_default().throttled += 1;
                    }
                }
                Err(_) => whole.failed += 1,
            }
        }
        stream.meter().put(&parts.into_iter().collect::<Vec<_>>(), self.now());
        whole
    }

    /// A batch was appended. What Kafka's metrics tell of a topic are all its records, whoever writes or reads them.
    pub(super) fn measure_append(&self, stream: &Stream, records: usize, bytes: usize) {
        if stream.realm().is_home() {
            self.shared.meter.produced(stream.name().as_str(), records as u64, bytes as u64);
        }
    }

    fn measure_read(&self, stream: &Stream, walk: &Walk) {
        if stream.realm().is_home() && walk.bytes > 0 {
            self.shared.meter.fetched(stream.name().as_str(), walk.bytes);
        }
    }

    /// A GetRecords that began at `begun` has found that much.
    pub(super) fn measure_get(&self, stream: &Stream, shard: ShardId, walk: &Walk, begun: Instant) {
        let age = walk.at.filter(|_| !walk.records.is_empty()).map_or(Duration::ZERO, |at| self.now().since(at));
        stream.meter().got(shard, got(walk, age), self.now());
        self.measure_read(stream, walk);
        stream.meter().of_stream(&[(Measure::GetRecordsLatency, millis(begun))], self.now());
    }

    /// A GetRecords is refused because of that.
    pub(super) fn measure_no_get(&self, stream: &Stream, shard: ShardId, error: &Error) {
        if let Error::ReadThroughput { .. } = error {
            stream.meter().get_refused(shard, self.now());
        }
    }

    /// A SubscribeToShard has begun, or is refused because there is one already.
    pub(super) fn measure_subscription(&self, stream: &Stream, consumer: &str, is_begun: bool) {
        let samples = [
            (Measure::SubscribeToShardSuccess, f64::from(u8::from(is_begun))),
            (Measure::SubscribeToShardRateExceeded, f64::from(u8::from(!is_begun))),
        ];
        stream.meter().of_consumer(consumer, &samples, self.now());
    }

    /// An event for a consumer has that much, and is so far behind the tip.
    pub(super) fn measure_event(&self, stream: &Stream, shard: ShardId, consumer: &str, walk: &Walk, millis_behind: i64) {
        let age = Duration::from_millis(u64::try_from(millis_behind).unwrap_or(0));
        stream.meter().delivered(shard, consumer, got(walk, age), self.now());
        self.measure_read(stream, walk);
    }
}

fn got(walk: &Walk, age: Duration) -> Got {
    Got { bytes: walk.bytes, records: walk.records.len() as u64, age, throttled: false }
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
