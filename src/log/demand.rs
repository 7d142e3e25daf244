//! How many shards a stream in on-demand mode has: what its traffic asks for. Pure: what was seen and the time come in.
//!
//! What AWS says (Kinesis developer guide, "Choose the right mode" and "Quotas and limits", 2026-11): a new stream carries 4 MB
//! and 4,000 records a second, which is 4 shards; a stream carries up to double the highest throughput of its last 30 days; more
//! than double the last peak within 15 minutes may be throttled; a shard that takes more than 500 KB a second is split, evenly,
//! within 15 minutes; one partition key never has more than one shard's throughput.
//!
//! So every 15 minutes the stream gets as many open shards as twice its peak needs, and its hot shards are split. In between its
//! shards are what they are, and each refuses or delays what goes over its rate as any shard does (`throughput`): that is the
//! throttling. What AWS leaves open, and is *ours*:
//! - A peak is the mean of a minute, in bytes or in records, and counts until the end of the thirtieth day (in UTC) after its own.
//! - A shard is hot when a minute took more than half of what it carries, in bytes or in records.
//! - Traffic merges no shards. Kafka's partitions never go away, and writers of a merged one would be told no offsets; a stream
//!   that was quiet for 30 days only no longer gets shards back that its owner merged in the other mode.
//! - A hot shard may be hot by one key, and no split cools that. So shards are split for being hot until there are twice as many
//!   as the peak needs, or as a new stream has.
//!
//! The ledger keeps one peak a day and hears of a new one at most every 15 minutes; what was seen since then is in memory, and a
//! crash or a restart begins the 15 minutes anew without it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::model::{ShardId, Throughput, Timestamp, limits};

use super::throughput::Cost;

/// The time over which throughput is taken. *Ours*: it is CloudWatch's.
const MINUTE: Duration = Duration::from_secs(60);
const DAY_SECONDS: i64 = 86_400;

/// What is written in a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rate {
    bytes: u64,
    records: u64,
}

impl Rate {
    /// Of what was written in `span`, rounded up.
    fn of(written: Cost, span: Duration) -> Self {
        let nanos = span.as_nanos().max(1);
        let rate = |amount: u64| u64::try_from((u128::from(amount) * 1_000_000_000).div_ceil(nanos)).unwrap_or(u64::MAX);
        Self { bytes: rate(written.bytes), records: rate(written.records) }
    }

    fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), records: self.records.max(other.records) }
    }

    fn times(self, factor: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(factor), records: self.records.saturating_mul(factor) }
    }

    /// How many shards carry it.
    fn shards(self, rates: &Throughput) -> u32 {
        let of = |rate: u64, carried: u64| rate.div_ceil(carried.max(1));
        let shards = of(self.bytes, rates.write_bytes).max(of(self.records, rates.write_records));
        u32::try_from(shards).unwrap_or(u32::MAX)
    }

    /// Whether a shard that takes it is hot.
    fn is_hot(self, rates: &Throughput) -> bool {
        let doubled = self.times(limits::ON_DEMAND_HOT_PART);
        doubled.bytes > rates.write_bytes || doubled.records > rates.write_records
    }

    /// How much of a shard it fills, in thousandths.
    fn load(self, rates: &Throughput) -> u64 {
        let of = |rate: u64, carried: u64| rate.saturating_mul(1_000) / carried.max(1);
        of(self.bytes, rates.write_bytes).max(of(self.records, rates.write_records))
    }
}

/// The highest rates of the last 30 days, one a day.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Peaks(Vec<Peak>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Peak {
    /// Days since 1970-01-01, in UTC.
    day: i64,
    rate: Rate,
}

impl Peaks {
    /// Notes what was reached today.
    fn note(&mut self, rate: Rate, now: Timestamp) {
        let day = today(now);
        self.0.retain(|peak| counts(peak, day));
        match self.0.iter_mut().find(|peak| peak.day == day) {
            Some(peak) => peak.rate = peak.rate.max(rate),
            None if rate == Rate::default() => {}
            None => self.0.push(Peak { day, rate }),
        }
    }

    /// The highest of the last 30 days.
    fn highest(&self, now: Timestamp) -> Rate {
        let day = today(now);
        self.0.iter().filter(|peak| counts(peak, day)).map(|peak| peak.rate).fold(Rate::default(), Rate::max)
    }
}

fn today(now: Timestamp) -> i64 {
    now.seconds().div_euclid(DAY_SECONDS)
}

/// Whether a peak still counts on `day`; also one of a day to come, if the clock was wrong, but not of a far one.
fn counts(peak: &Peak, day: i64) -> bool {
    day.abs_diff(peak.day) <= limits::ON_DEMAND_PEAK_DAYS
}

/// What was seen of a stream's traffic since the last decision.
#[derive(Debug)]
pub(super) struct Watch {
    since: Instant,
    seen_at: Instant,
    peak: Rate,
    /// The highest of each shard that was written to.
    shards: HashMap<ShardId, Rate>,
}

/// What becomes of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Demand {
    /// What is remembered of its peaks from now on.
    pub(super) peaks: Peaks,
    /// Shards that are to be split, hottest first.
    pub(super) hot: Vec<ShardId>,
    /// How many shards are to be open at least.
    pub(super) open: u32,
}

impl Watch {
    /// Nothing seen yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, seen_at: now, peak: Rate::default(), shards: HashMap::new() }
    }

    /// Whether it is time to look again: a minute since the last look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.seen_at) >= MINUTE
    }

    /// Takes in what was written to each shard since the last look.
    pub(super) fn see(&mut self, written: &[(ShardId, Cost)], now: Instant) {
        let span = now.saturating_duration_since(self.seen_at);
        let sum = |of: fn(&Cost) -> u64| written.iter().map(|(_, cost)| of(cost)).fold(0, u64::saturating_add);
        let all = Cost { bytes: sum(|cost| cost.bytes), records: sum(|cost| cost.records) };
        self.peak = self.peak.max(Rate::of(all, span));
        for (shard, cost) in written {
            let rate = self.shards.entry(*shard).or_default();
            *rate = rate.max(Rate::of(*cost, span));
        }
        self.seen_at = now;
    }

    /// What becomes of a stream with `open` shards and these `peaks` until now; `None` before 15 minutes have passed.
    pub(super) fn decide(
        &self,
        peaks: &Peaks,
        open: &[ShardId],
        rates: &Throughput,
        (now, wall): (Instant, Timestamp),
    ) -> Option<Demand> {
        if now.saturating_duration_since(self.since) < limits::ON_DEMAND_SPAN {
            return None;
        }
        let mut peaks = peaks.clone();
        peaks.note(self.peak, wall);
        let needed = peaks.highest(wall).times(limits::ON_DEMAND_HEADROOM).shards(rates).min(limits::SHARDS_MAX);
        let count = u32::try_from(open.len()).unwrap_or(u32::MAX);
        let splits = needed.max(limits::ON_DEMAND_SHARDS).saturating_mul(2).saturating_sub(count);
        let hot = |shard: &ShardId| {
            let rate = self.shards.get(shard).filter(|rate| rate.is_hot(rates))?;
            Some((Reverse(rate.load(rates)), *shard))
        };
        let mut hot: Vec<_> = open.iter().filter_map(hot).collect();
        hot.sort_unstable();
        hot.truncate(splits as usize);
        Some(Demand { peaks, hot: hot.into_iter().map(|(_, shard)| shard).collect(), open: needed.max(count) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const START: Timestamp = Timestamp(1_700_000_000_000);
    const KIB: u64 = 1 << 10;

    fn rates() -> Throughput {
        Limits::kinesis().throughput.unwrap()
    }

    fn shards(count: u32) -> Vec<ShardId> {
        (0..count).map(ShardId).collect()
    }

    /// What becomes of a stream whose shards were written to at these rates, in KiB and records a second, for 15 minutes.
    fn after(peaks: &Peaks, open: u32, written: &[(u64, u64)], now: Timestamp) -> Demand {
        let begun = Instant::now();
        let mut watch = Watch::new(begun);
        let in_a_minute = |(kib, records): &(u64, u64)| Cost { bytes: kib * KIB * 60, records: records * 60 };
        let written: Vec<_> = (0..).map(ShardId).zip(written.iter().map(in_a_minute)).collect();
        for minute in 1..=15 {
            assert!(watch.is_due(begun + minute * MINUTE) && !watch.is_due(begun + minute * MINUTE - Duration::from_nanos(1)));
            assert_eq!(watch.decide(peaks, &shards(open), &rates(), (begun + (minute - 1) * MINUTE, now)), None);
            watch.see(&written, begun + minute * MINUTE);
        }
        watch.decide(peaks, &shards(open), &rates(), (begun + 15 * MINUTE, now)).unwrap()
    }

    #[test]
    fn a_stream_carries_twice_its_peak_and_hot_shards_are_split() {
        // Open shards, what each is written, and then: hot shards, open shards at least.
        for (open, written, hot, at_least) in [
            (4, &[][..], &[][..], 4),
            (4, &[(250, 250); 4], &[], 4),
            (4, &[(512, 500); 4], &[], 4),
            (4, &[(513, 1); 4], &[0, 1, 2, 3], 5),
            (4, &[(1, 501); 4], &[0, 1, 2, 3], 5),
            (4, &[(1_024, 10); 4], &[0, 1, 2, 3], 8),
            (4, &[(10, 1_000); 4], &[0, 1, 2, 3], 8),
            (4, &[(0, 0), (900, 1), (600, 1), (0, 950)], &[3, 1, 2], 4),
            // Twice as many as the peak needs and as a new stream has: what is hot stays so.
            (7, &[(900, 1), (1_000, 1)], &[1], 7),
            (8, &[(1_000, 1)], &[], 8),
            (20, &[(600, 1); 10], &[0, 1, 2, 3], 20),
            // Nobody's shards are merged; a stream that its owner made small grows with its traffic.
            (100, &[(1, 1)], &[], 100),
            (1, &[(200, 1)], &[], 1),
            (1, &[(1_024, 1)], &[0], 2),
        ] {
            let demand = after(&Peaks::default(), open, written, START);
            let hot: Vec<_> = hot.iter().copied().map(ShardId).collect();
            assert_eq!((demand.hot, demand.open), (hot, at_least), "{open} {written:?}");
        }
    }

    #[test]
    fn a_peak_counts_for_thirty_days() {
        let peaks = after(&Peaks::default(), 4, &[(1_024, 1); 4], START).peaks;
        for (later, at_least) in [(Duration::ZERO, 8), (30 * DAY, 8), (31 * DAY, 1), (400 * DAY, 1)] {
            let demand = after(&peaks, 1, &[(1, 1)], START.plus(later));
            assert_eq!(demand.open, at_least, "{later:?}");
            assert!(demand.hot.is_empty());
        }
        // The newer one goes on when the older one is over.
        let newer = after(&peaks, 8, &[(1_024, 1); 3], START.plus(10 * DAY)).peaks;
        for (later, at_least) in [(30, 8), (31, 6), (40, 6), (41, 1)] {
            assert_eq!(after(&newer, 1, &[(1, 1)], START.plus(later * DAY)).open, at_least, "{later}");
        }
    }

    #[test]
    fn a_quiet_stream_has_nothing_to_write_down() {
        let demand = after(&Peaks::default(), 4, &[], START);
        assert_eq!(demand, Demand { peaks: Peaks::default(), hot: vec![], open: 4 });
        let peaks = after(&Peaks::default(), 4, &[(9, 9)], START).peaks;
        assert_eq!(after(&peaks, 4, &[(8, 8)], START).peaks, peaks, "a lower peak of the same day");
    }

    #[test]
    fn a_late_look_sees_the_mean_of_the_time_since() {
        let begun = Instant::now();
        let mut watch = Watch::new(begun);
        watch.see(&[(ShardId(0), Cost { bytes: 1_800 << 20, records: 1 })], begun + 30 * MINUTE);
        let demand = watch.decide(&Peaks::default(), &shards(1), &rates(), (begun + 30 * MINUTE, START)).unwrap();
        assert_eq!((demand.open, demand.hot), (2, vec![ShardId(0)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        /// The reference keeps everything that ever was.
        #[test]
        fn decisions_are_those_of_a_stream_that_forgets_nothing(
            spans in prop::collection::vec((
                prop::collection::vec((0..1_200_u64, 0..1_200_u64), 0..12),
                prop_oneof![Just(0_u64), 0..3 * 86_400_u64, 20 * 86_400..40 * 86_400_u64],
            ), 1..40),
        ) {
            let (mut peaks, mut all, mut open, mut now) = (Peaks::default(), Vec::new(), 4_u32, START);
            for (written, later) in spans {
                now = now.plus(Duration::from_secs(later));
                let written = &written[..written.len().min(open as usize)];
                let demand = after(&peaks, open, written, now);
                let sum = written.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                all.push((today(now), sum));
                let lately: Vec<_> = all.iter().filter(|(day, _)| today(now) - day <= 30).map(|(_, sum)| *sum).collect();
                let most = |of: fn(&(u64, u64)) -> u64| lately.iter().map(of).max().unwrap_or(0);
                let needed = (2 * most(|sum| sum.0)).div_ceil(1_024).max((2 * most(|sum| sum.1)).div_ceil(1_000));
                let needed = u32::try_from(needed).unwrap();
                prop_assert_eq!(demand.open, needed.max(open));
                let after = open + u32::try_from(demand.hot.len()).unwrap();
                prop_assert!(after <= open.max(2 * needed.max(4)), "{} of {}", after, needed);
                for hot in &demand.hot {
                    let (kib, records) = written[hot.0 as usize];
                    prop_assert!(kib > 512 || records > 500);
                }
                let hot = written.iter().filter(|(kib, records)| *kib > 512 || *records > 500).count();
                prop_assert!(demand.hot.len() == hot || after == open.max(2 * needed.max(4)));
                peaks = demand.peaks;
                prop_assert!(peaks.0.len() <= 31, "{}", peaks.0.len());
                open = demand.open.max(after);
            }
        }
    }
}
