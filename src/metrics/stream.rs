//! What CloudWatch shows of one stream, of its shards and of its fan-out consumers.
//!
//! Shards are always measured: on AWS that costs money and is switched on per stream, here it costs some 700 bytes of memory for a
//! shard that is written and read. A meter belongs to one incarnation of a stream and goes with it.
//!
//! Bounded: a stream has no more shards than it has, and no more than [`CONSUMERS_MAX`] consumers; minutes that are over have
//! [`Room`] for so many statistics, all streams together, and beyond that every series keeps its last minute only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::{ShardId, Timestamp};

use super::Measure;
use super::window::{Datapoint, HISTORY, Measured, Minute, Windows};

/// Fan-out consumers of a stream that are measured. *Ours*: more than can be registered at once.
const CONSUMERS_MAX: usize = 64;
/// Statistics of minutes that are over, all streams together: 40 bytes each, so 6 MB. *Ours*: three hours of some 50 busy streams of
/// one shard, or of some 100 busy shards.
const PAST_MAX: usize = 150_000;
/// Minutes that are kept while there is room.
const MINUTES_MAX: usize = (HISTORY.as_secs() / 60) as usize;

/// What is measured together, beside the stream's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dimension {
    /// The whole stream.
    Stream,
    /// One of its shards.
    Shard(ShardId),
    /// One of its fan-out consumers, by name.
    Consumer(Box<str>),
}

/// Records that somebody wants to put on a shard, by one operation or one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Put {
    /// Bytes of those that were put.
    pub bytes: u64,
    /// How many were put.
    pub records: u64,
    /// How many were over the shard's throughput: put late, or refused.
    pub throttled: u64,
}

impl Put {
    fn with(self, other: Self) -> Self {
        let (bytes, records) = (self.bytes.saturating_add(other.bytes), self.records.saturating_add(other.records));
        Self { bytes, records, throttled: self.throttled.saturating_add(other.throttled) }
    }

    fn add_to(self, mut add: impl FnMut(&[(Measure, f64)])) {
        add(&[(Measure::WriteThroughputExceeded, self.throttled as f64)]);
        // What is refused does not come in.
        if self.records > 0 {
            add(&[(Measure::IncomingBytes, self.bytes as f64), (Measure::IncomingRecords, self.records as f64)]);
        }
    }
}

/// A read from a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Got {
    /// Bytes of the records that were read.
    pub bytes: u64,
    /// How many they are.
    pub records: u64,
    /// The time since the last of them arrived; zero if there are none.
    pub age: Duration,
    /// Whether it had to wait because the shard was over its throughput.
    pub throttled: bool,
}

/// The room that all meters of a log share.
#[derive(Default)]
pub struct Room {
    past: AtomicUsize,
}

/// The meter of one stream.
pub struct StreamMeter {
    room: Arc<Room>,
    series: Mutex<AllSeries>,
}

#[derive(Default)]
struct AllSeries {
    stream: Windows,
    shards: BTreeMap<ShardId, Windows>,
    consumers: BTreeMap<Box<str>, Windows>,
}

impl StreamMeter {
    /// Nothing measured yet.
    pub fn new(room: Arc<Room>) -> Self {
        Self { room, series: Mutex::default() }
    }

    /// One operation put records on shards, which are told apart, or was refused to: to the stream it is one put.
    pub fn put(&self, parts: &[(ShardId, Put)], now: Timestamp) {
        let mut series = self.series.lock();
        let whole = parts.iter().fold(Put::default(), |whole, (_, part)| whole.with(*part));
        whole.add_to(|samples| self.take(&mut series.stream, samples, now));
        for (shard, part) in parts {
            let windows = series.shards.entry(*shard).or_default();
            part.add_to(|samples| self.take(windows, samples, now));
        }
    }

    /// Somebody without fan-out read from `shard`.
    pub fn got(&self, shard: ShardId, got: Got, now: Timestamp) {
        let (bytes, records, age) = (got.bytes as f64, got.records as f64, millis(got.age));
        let throttled = f64::from(u8::from(got.throttled));
        let stream = [
            (Measure::GetRecordsBytes, bytes),
            (Measure::GetRecordsRecords, records),
            (Measure::GetRecordsIteratorAge, age),
            (Measure::GetRecordsSuccess, 1.0),
            (Measure::ReadThroughputExceeded, throttled),
        ];
        let shard_samples = [
            (Measure::OutgoingBytes, bytes),
            (Measure::OutgoingRecords, records),
            (Measure::IteratorAge, age),
            (Measure::ReadThroughputExceeded, throttled),
        ];
        self.on_shard(shard, &stream, &shard_samples, now);
    }

    /// Somebody without fan-out got nothing from `shard`, because it was over its throughput.
    pub fn get_refused(&self, shard: ShardId, now: Timestamp) {
        let throttled = (Measure::ReadThroughputExceeded, 1.0);
        self.on_shard(shard, &[(Measure::GetRecordsSuccess, 0.0), throttled], &[throttled], now);
    }

    /// The fan-out consumer `consumer` read from `shard`: its age is how far it is behind the tip then, and as it has throughput of
    /// its own, it is never over the shard's.
    pub fn delivered(&self, shard: ShardId, consumer: &str, got: Got, now: Timestamp) {
        let (bytes, records) = (got.bytes as f64, got.records as f64);
        let event = [
            (Measure::EventBytes, bytes),
            (Measure::EventRecords, records),
            (Measure::EventMillisBehindLatest, millis(got.age)),
            (Measure::EventSuccess, 1.0),
        ];
        self.on_shard(shard, &[], &[(Measure::OutgoingBytes, bytes), (Measure::OutgoingRecords, records)], now);
        self.of_consumer(consumer, &event, now);
    }

    /// Samples of the whole stream, which no other verb takes: those of a door's own operations.
    pub fn of_stream(&self, samples: &[(Measure, f64)], now: Timestamp) {
        let mut series = self.series.lock();
        self.take(&mut series.stream, samples, now);
    }

    /// The same of a fan-out consumer.
    pub fn of_consumer(&self, consumer: &str, samples: &[(Measure, f64)], now: Timestamp) {
        let mut series = self.series.lock();
        if let Some(windows) = series.consumers.get_mut(consumer) {
            return self.take(windows, samples, now);
        }
        if series.consumers.len() < CONSUMERS_MAX {
            self.take(series.consumers.entry(consumer.into()).or_default(), samples, now);
        }
    }

    /// Forgets what is too old to be told, so that series without samples go away.
    pub fn forget(&self, now: Timestamp) {
        let oldest = Minute::of(now).oldest_kept();
        let mut series = self.series.lock();
        let mut forgotten = 0;
        let mut keeps = |windows: &mut Windows| {
            let before = windows.past_statistics();
            let is_left = windows.forget_before(oldest);
            forgotten += before - windows.past_statistics();
            is_left
        };
        if !keeps(&mut series.stream) {
            series.stream = Windows::default();
        }
        series.shards.retain(|_, windows| keeps(windows));
        series.consumers.retain(|_, windows| keeps(windows));
        self.room.past.fetch_sub(forgotten, Ordering::Relaxed);
    }

    /// What was measured in the last minute that is over at `now`.
    pub fn last_minute(&self, now: Timestamp) -> Vec<(Dimension, Box<Measured>)> {
        let minute = Minute::of(now).before();
        let series = self.series.lock();
        let all = series.all().map(|(dimension, windows)| (dimension, Box::<Measured>::from(windows.at(minute))));
        all.filter(|(_, measured)| !measured.is_empty()).collect()
    }

    /// The statistics of a measure (CloudWatch: GetMetricStatistics) from `from`, rounded down to the minute, to before `to`, in
    /// spans of `period`, rounded to 1 minute or more. Minutes that are not over at `now` and spans without samples are left out.
    pub fn datapoints(
        &self,
        measure: Measure,
        dimension: &Dimension,
        (from, to): (Timestamp, Timestamp),
        period: Duration,
        now: Timestamp,
    ) -> Vec<Datapoint> {
        let to = Minute::of(to.plus(Duration::from_millis(59_999))).min(Minute::of(now));
        let minutes = i64::try_from(period.as_secs() / 60).unwrap_or(i64::MAX);
        let series = self.series.lock();
        let windows = series.of(dimension);
        windows.map(|windows| windows.datapoints(measure, Minute::of(from), to, minutes)).unwrap_or_default()
    }

    /// Everything of which there are statistics (CloudWatch: ListMetrics).
    pub fn measures(&self) -> Vec<(Dimension, Measure)> {
        let series = self.series.lock();
        let mut found = Vec::new();
        for (dimension, windows) in series.all() {
            let mut measures: Vec<_> = windows.measures().collect();
            measures.sort_unstable();
            measures.dedup();
            found.extend(measures.into_iter().map(|measure| (dimension.clone(), measure)));
        }
        found
    }

    fn on_shard(&self, shard: ShardId, stream: &[(Measure, f64)], samples: &[(Measure, f64)], now: Timestamp) {
        let mut series = self.series.lock();
        self.take(&mut series.stream, stream, now);
        self.take(series.shards.entry(shard).or_default(), samples, now);
    }

    fn take(&self, windows: &mut Windows, samples: &[(Measure, f64)], now: Timestamp) {
        let minute = Minute::of(now);
        if !samples.is_empty() && windows.is_over(minute) {
            self.turn(windows, minute);
        }
        for (measure, value) in samples {
            windows.add(*measure, *value);
        }
    }

    fn turn(&self, windows: &mut Windows, minute: Minute) {
        let room = &self.room.past;
        let minutes_max = if room.load(Ordering::Relaxed) < PAST_MAX { MINUTES_MAX } else { 1 };
        let before = windows.past_statistics();
        windows.turn(minute, minutes_max);
        let after = windows.past_statistics();
        if after > before {
            room.fetch_add(after - before, Ordering::Relaxed);
        } else {
            room.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

impl Drop for StreamMeter {
    fn drop(&mut self) {
        let past = self.series.get_mut().all().map(|(_, windows)| windows.past_statistics()).sum();
        self.room.past.fetch_sub(past, Ordering::Relaxed);
    }
}

impl AllSeries {
    fn of(&self, dimension: &Dimension) -> Option<&Windows> {
        match dimension {
            Dimension::Stream => Some(&self.stream),
            Dimension::Shard(shard) => self.shards.get(shard),
            Dimension::Consumer(consumer) => self.consumers.get(consumer),
        }
    }

    fn all(&self) -> impl Iterator<Item = (Dimension, &Windows)> {
        let shards = self.shards.iter().map(|(shard, windows)| (Dimension::Shard(*shard), windows));
        let consumers = self.consumers.iter().map(|(consumer, windows)| (Dimension::Consumer(consumer.clone()), windows));
        std::iter::once((Dimension::Stream, &self.stream)).chain(shards).chain(consumers)
    }
}

fn millis(span: Duration) -> f64 {
    span.as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Statistic;

    const MINUTE: i64 = 60_000;
    const SHARD: Dimension = Dimension::Shard(ShardId(0));

    fn meter() -> StreamMeter {
        StreamMeter::new(Arc::default())
    }

    fn put(meter: &StreamMeter, shard: u32, minute: i64) {
        meter.put(&[(ShardId(shard), Put { bytes: 100, records: 2, throttled: 0 })], Timestamp(minute * MINUTE));
    }

    fn past(meter: &StreamMeter) -> usize {
        meter.room.past.load(Ordering::Relaxed)
    }

    #[test]
    fn only_minutes_that_are_over_are_told() {
        let meter = meter();
        put(&meter, 0, 10);
        let ask = |now| {
            let all = (Timestamp(0), Timestamp(i64::MAX));
            meter.datapoints(Measure::IncomingBytes, &SHARD, all, Duration::from_secs(60), Timestamp(now)).len()
        };
        assert_eq!((ask(11 * MINUTE - 1), ask(11 * MINUTE)), (0, 1));
        assert_eq!(meter.last_minute(Timestamp(11 * MINUTE)).len(), 2);
        assert_eq!(meter.last_minute(Timestamp(11 * MINUTE - 1)).len(), 0);
        assert_eq!(meter.last_minute(Timestamp(12 * MINUTE)).len(), 0);
    }

    #[test]
    fn an_operation_on_several_shards_is_one_put_and_what_is_refused_does_not_come_in() {
        let meter = meter();
        let part = |shard, bytes, records, throttled| (ShardId(shard), Put { bytes, records, throttled });
        meter.put(&[part(0, 100, 2, 0), part(1, 0, 0, 3), part(2, 50, 1, 4)], Timestamp(0));
        meter.put(&[part(1, 0, 0, 1)], Timestamp(1));
        let told = |dimension, measure| {
            let all = (Timestamp(0), Timestamp(MINUTE));
            let points = meter.datapoints(measure, &dimension, all, Duration::ZERO, Timestamp(MINUTE));
            points.first().map(|point| (point.statistic.samples, point.statistic.sum))
        };
        for (dimension, bytes, records, throttled) in [
            (Dimension::Stream, Some((1, 150.0)), Some((1, 3.0)), Some((2, 8.0))),
            (Dimension::Shard(ShardId(0)), Some((1, 100.0)), Some((1, 2.0)), Some((1, 0.0))),
            (Dimension::Shard(ShardId(1)), None, None, Some((2, 4.0))),
            (Dimension::Shard(ShardId(2)), Some((1, 50.0)), Some((1, 1.0)), Some((1, 4.0))),
        ] {
            assert_eq!(told(dimension.clone(), Measure::IncomingBytes), bytes, "{dimension:?}");
            assert_eq!(told(dimension.clone(), Measure::IncomingRecords), records, "{dimension:?}");
            assert_eq!(told(dimension.clone(), Measure::WriteThroughputExceeded), throttled, "{dimension:?}");
        }
    }

    #[test]
    fn a_span_begins_with_the_minute_asked_for_and_ends_before_its_end() {
        let meter = meter();
        (10..14).for_each(|minute| put(&meter, 0, minute));
        let ask = |from, to| {
            let span = (Timestamp(from), Timestamp(to));
            let found =
                meter.datapoints(Measure::IncomingRecords, &Dimension::Stream, span, Duration::ZERO, Timestamp(99 * MINUTE));
            found.iter().map(|point| point.from.0 / MINUTE).collect::<Vec<_>>()
        };
        assert_eq!(ask(11 * MINUTE + 59_999, 13 * MINUTE), [11, 12]);
        assert_eq!(ask(11 * MINUTE, 13 * MINUTE + 1), [11, 12, 13]);
    }

    #[test]
    fn series_without_samples_go_away_and_give_their_room_back() {
        let meter = meter();
        (0..3).for_each(|minute| put(&meter, 0, minute));
        put(&meter, 1, 100);
        meter.delivered(ShardId(1), "reports", Got { bytes: 0, records: 0, age: Duration::ZERO, throttled: false }, Timestamp(0));
        assert_eq!(past(&meter), 3 * 3 + 2 * 3);
        meter.forget(Timestamp(181 * MINUTE));
        let left: Vec<_> = meter.measures().into_iter().map(|(dimension, _)| dimension).collect();
        assert!(left.contains(&Dimension::Shard(ShardId(1))) && left.contains(&SHARD));
        assert!(!left.iter().any(|dimension| matches!(dimension, Dimension::Consumer(_))), "{left:?}");
        meter.forget(Timestamp(300 * MINUTE));
        assert_eq!((past(&meter), meter.measures().len()), (0, 0));
    }

    #[test]
    fn a_stream_that_goes_gives_its_room_back() {
        let room = Arc::<Room>::default();
        let (stays, goes) = (StreamMeter::new(room.clone()), StreamMeter::new(room.clone()));
        for minute in 0..5 {
            put(&stays, 0, minute);
            put(&goes, 0, minute);
        }
        drop(goes);
        assert_eq!(past(&stays), 2 * 4 * 3);
    }

    #[test]
    fn twelve_thousand_busy_shards_keep_the_bound_and_their_last_minute() {
        let meter = meter();
        let got = Got { bytes: 1, records: 1, age: Duration::ZERO, throttled: false };
        let (shards, minutes) = (12_000, 12);
        for minute in 0..minutes {
            for shard in 0..shards {
                put(&meter, shard, minute);
                meter.got(ShardId(shard), got, Timestamp(minute * MINUTE));
            }
        }
        // Those of the newest minute, and of the one before, are kept in any case.
        let (past, busy) = (past(&meter), (shards as usize + 1) * 7);
        assert!(past <= PAST_MAX + busy, "{past}");
        let bytes = size_of::<(Measure, Statistic)>() * (past + busy);
        assert!(bytes < 12_000 * 1_024, "{bytes}");
        let last = meter.last_minute(Timestamp(minutes * MINUTE));
        assert_eq!(last.len(), shards as usize + 1);
        let all = (Timestamp(0), Timestamp(i64::MAX));
        let ask = |minute: i64| {
            let shard = Dimension::Shard(ShardId(shards - 1));
            meter.datapoints(Measure::IncomingBytes, &shard, all, Duration::from_secs(60), Timestamp(minute * MINUTE))
        };
        assert_eq!(ask(minutes).last().unwrap().from, Timestamp((minutes - 1) * MINUTE));
    }

    #[test]
    fn consumers_are_bounded() {
        let meter = meter();
        for consumer in 0..1_000 {
            meter.of_consumer(&consumer.to_string(), &[(Measure::SubscribeToShardSuccess, 1.0)], Timestamp(0));
        }
        assert_eq!(meter.measures().len(), CONSUMERS_MAX);
    }
}
