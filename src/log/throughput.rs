//! What a shard may carry: now, after a wait, or not at all.
//!
//! Pure: state, rates and the time come in. Every meter is a leaky bucket: what is used raises it, and it leaks at the shard's
//! rate. A shard is never over its rate for longer than its burst; the two doors differ only in what they do then.
//!
//! - **Refuse** (Kinesis): a write that does not fit in a second's worth is not made. That is also how much a shard that was
//!   idle takes at once (AWS was seen to take one record of almost 1 MiB, and to refuse the four behind it).
//! - **Wait** (Kafka): the write is made, and its answer held until the meters are back at two fifths of a second's worth. So a
//!   saturated shard carries its rate from the first second on, and what is small is answered at once.
//!
//! A stream that takes records of more than 1 MiB has so much more room (Kinesis developer guide, "Large records": an allowance
//! of up to 10 MiB, which unused throughput refills).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{ShardId, Throughput, limits};

/// What is metered is counted in parts of this size, so that no part of a second is lost: as many as a second has nanoseconds, so
/// that a rate is also what leaks in one of those.
const PARTS: u128 = 1_000_000_000;
/// What a waiting writer has for nothing. *Ours*: 1/75 of what half a minute carries, and the time that a client with one request
/// in flight has to send the next one before its shard idles.
const BURST: Duration = Duration::from_millis(400);
/// Parts of a second's worth that a single read may take: a quarter. *Ours*.
const READ_DIVISOR: u64 = 4;
/// Parts of a second's worth that readers may owe and still be given more: a twentieth, so that small reads are not held apart.
/// *Ours*.
const DEBT_DIVISOR: u64 = 20;
/// Fan-out consumers whose meters are kept for a shard; the emptiest is forgotten for the next one. *Ours*: as many as are
/// registered at once.
const FAN_OUT_METERS_MAX: usize = limits::FAN_OUT_CONSUMERS_ADVANTAGE_MAX;

/// What somebody does when there is too little throughput for a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// The write is refused.
    Refuse,
    /// The write is made, and answered when it is paid for; but refused if others owe so much that this takes longer, unless
    /// the shard is free: a large batch is not refused for its own size.
    WaitUpTo(Duration),
    /// Nothing is asked any more: [`Log::afford`](super::Log::afford) has metered the write's records one by one.
    Paid,
}

/// What a write takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cost {
    pub(super) bytes: u64,
    pub(super) records: u64,
}

/// A leaky bucket.
#[derive(Clone, Copy, Debug)]
struct Meter {
    /// Parts used at `at`.
    used: u128,
    at: Instant,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self { used: 0, at: now }
    }

    /// Lets out what has leaked until now.
    fn leak(&mut self, per_second: u64, now: Instant) {
        let leaked = now.saturating_duration_since(self.at).as_nanos().saturating_mul(u128::from(per_second));
        self.used = self.used.saturating_sub(leaked);
        self.at = self.at.max(now);
    }

    fn add(&mut self, amount: u64) {
        self.used = self.used.saturating_add(u128::from(amount) * PARTS);
    }

    fn remove(&mut self, amount: u64) {
        self.used = self.used.saturating_sub(u128::from(amount) * PARTS);
    }

    /// How long until no more than `level` is used.
    fn until(&self, level: u64, per_second: u64) -> Duration {
        let over = self.used.saturating_sub(u128::from(level) * PARTS);
        let nanos = over.div_ceil(u128::from(per_second.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The meters of writes to a lane's open shard.
#[derive(Debug)]
pub(super) struct Writes {
    shard: ShardId,
    bytes: Meter,
    records: Meter,
    /// What the shard was given since somebody looked.
    given: Cost,
}

impl Writes {
    /// Nothing used yet of `shard`.
    pub(super) fn new(shard: ShardId, now: Instant) -> Self {
        Self { shard, bytes: Meter::new(now), records: Meter::new(now), given: Cost::default() }
    }

    /// What the shard was given since this was asked before.
    pub(super) fn take_given(&mut self) -> (ShardId, Cost) {
        (self.shard, std::mem::take(&mut self.given))
    }

    /// Meters a write to `shard`, the lane's open one, of a stream whose largest write has `bytes_max` bytes.
    ///
    /// Returns how long its answer is to be held.
    ///
    /// # Errors
    /// How long it would have to be held, if that is too long; then nothing is metered.
    pub(super) fn admit(
        &mut self,
        shard: ShardId,
        cost: Cost,
        bytes_max: u64,
        rates: &Throughput,
        patience: Patience,
        now: Instant,
    ) -> Result<Duration, Duration> {
        if self.shard != shard {
            *self = Self::new(shard, now);
        }
        self.bytes.leak(rates.write_bytes, now);
        self.records.leak(rates.write_records, now);
        let allowance = bytes_max.saturating_sub(rates.write_bytes);
        let (bytes, records, longest) = match patience {
            Patience::Paid => return Ok(Duration::ZERO),
            Patience::Refuse => (rates.write_bytes + allowance, rates.write_records, Duration::ZERO),
            Patience::WaitUpTo(longest) => {
                (within(BURST, rates.write_bytes) + allowance, within(BURST, rates.write_records), longest)
            }
        };
        let wait =
            |meters: &Self| meters.bytes.until(bytes, rates.write_bytes).max(meters.records.until(records, rates.write_records));
        let before = wait(self);
        let (saved_bytes, saved_records) = (self.bytes, self.records);
        self.bytes.add(cost.bytes);
        self.records.add(cost.records);
        let after = wait(self);
        let is_free = longest > Duration::ZERO && before.is_zero();
        if after > longest && !is_free {
            (self.bytes, self.records) = (saved_bytes, saved_records);
            return Err(after);
        }
        self.given.bytes = self.given.bytes.saturating_add(cost.bytes);
        self.given.records = self.given.records.saturating_add(cost.records);
        Ok(after.min(longest))
    }
}

/// The meters of reads from one shard.
#[derive(Debug)]
pub(super) struct Reads {
    bytes: Meter,
    calls: Meter,
    fan_out: BTreeMap<Box<str>, Meter>,
}

impl Reads {
    /// Nothing used yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: Meter::new(now), calls: Meter::new(now), fan_out: BTreeMap::new() }
    }

    /// How long until another read may be made; `fan_out` is the reader's name if it has throughput of its own.
    ///
    /// A read may be made as soon as next to nothing is owed for earlier ones, whatever it gives: so readers are slowed down by what
    /// they took, and never stuck at a batch that is larger than what there is.
    pub(super) fn wait(&mut self, fan_out: Option<&str>, rates: &Throughput, now: Instant) -> Duration {
        if let Some(name) = fan_out {
            let Some(meter) = self.fan_out.get_mut(name) else { return Duration::ZERO };
            meter.leak(rates.fan_out_bytes, now);
            return meter.until(rates.fan_out_bytes / DEBT_DIVISOR, rates.fan_out_bytes);
        }
        self.bytes.leak(rates.read_bytes, now);
        self.calls.leak(rates.reads, now);
        let owed = self.bytes.until(rates.read_bytes / DEBT_DIVISOR, rates.read_bytes);
        owed.max(self.calls.until(rates.reads.saturating_sub(1), rates.reads))
    }

    /// Meters a read that gives `bytes` bytes.
    pub(super) fn take(&mut self, bytes: u64, fan_out: Option<&str>, rates: &Throughput, now: Instant) {
        let Some(name) = fan_out else {
            self.bytes.leak(rates.read_bytes, now);
            self.calls.leak(rates.reads, now);
            self.bytes.add(bytes);
            self.calls.add(1);
            return;
        };
        if !self.fan_out.contains_key(name) && self.fan_out.len() >= FAN_OUT_METERS_MAX {
            self.fan_out.values_mut().for_each(|meter| meter.leak(rates.fan_out_bytes, now));
            let emptiest = self.fan_out.iter().min_by_key(|(_, meter)| meter.used).map(|(name, _)| name.clone());
            emptiest.map(|name| self.fan_out.remove(&name));
        }
        let meter = self.fan_out.entry(name.into()).or_insert_with(|| Meter::new(now));
        meter.leak(rates.fan_out_bytes, now);
        meter.add(bytes);
    }

    /// Takes a read that was metered, and not given to anybody after all, back.
    pub(super) fn give_back(&mut self, bytes: u64, fan_out: Option<&str>) {
        match fan_out {
            None => {
                self.bytes.remove(bytes);
                self.calls.remove(1);
            }
            Some(name) => {
                if let Some(meter) = self.fan_out.get_mut(name) {
                    meter.remove(bytes);
                }
            }
        }
    }

    /// Whether nothing is owed any more, so that nothing is lost with these meters.
    pub(super) fn is_idle(&mut self, rates: &Throughput, now: Instant) -> bool {
        self.bytes.leak(rates.read_bytes, now);
        self.calls.leak(rates.reads, now);
        self.fan_out.values_mut().for_each(|meter| meter.leak(rates.fan_out_bytes, now));
        self.bytes.used == 0 && self.calls.used == 0 && self.fan_out.values().all(|meter| meter.used == 0)
    }
}

/// What is carried in a span of less than some hours.
fn within(span: Duration, per_second: u64) -> u64 {
    u64::try_from(u128::from(per_second) * span.as_millis() / 1_000).unwrap_or(u64::MAX)
}

/// The most bytes that one read is given where reads are metered.
pub(super) fn read_bytes_max(rates: &Throughput) -> usize {
    usize::try_from(rates.read_bytes / READ_DIVISOR).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    const SHARD: ShardId = ShardId(0);
    const MIB: u64 = 1 << 20;
    const WAITS: Patience = Patience::WaitUpTo(Duration::from_secs(10));

    fn rates() -> Throughput {
        Limits::kinesis().throughput.unwrap()
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn cost(bytes: u64, records: u64) -> Cost {
        Cost { bytes, records }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_of_either_kind_fits_and_one_more_is_refused_until_it_has_leaked() {
        let start = Instant::now();
        for (all, one, leaked) in [(cost(MIB, 1), cost(1_024, 1), 1), (cost(10, 1_000), cost(10, 1), 1)] {
            let mut writes = Writes::new(SHARD, start);
            let mut put = |cost, now| writes.admit(SHARD, cost, MIB, &rates(), Patience::Refuse, now);
            assert_eq!(put(all, start), Ok(Duration::ZERO));
            assert!(put(one, start).is_err());
            assert!(put(one, start + millis(leaked) - Duration::from_nanos(50_000)).is_err());
            assert_eq!(put(one, start + millis(leaked)), Ok(Duration::ZERO));
            assert!(put(one, start + millis(leaked)).is_err(), "what was refused was not metered");
            let given = Cost { bytes: all.bytes + one.bytes, records: all.records + one.records };
            assert_eq!(writes.take_given(), (SHARD, given));
            assert_eq!(writes.take_given(), (SHARD, Cost::default()));
        }
    }

    /// The library takes any rates.
    #[tokio::test(start_paused = true)]
    async fn the_largest_rates_leak_for_years() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.add(u64::MAX);
        assert_eq!(meter.until(0, u64::MAX), Duration::from_secs(1));
        meter.leak(u64::MAX, start + Duration::from_secs(100 * 365 * 86_400));
        assert_eq!(meter.until(0, 1), Duration::ZERO);
        meter.add(u64::MAX);
        assert_eq!(meter.until(0, 0), Duration::from_nanos(u64::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn both_kinds_are_decided_together() {
        let start = Instant::now();
        let mut writes = Writes::new(SHARD, start);
        assert!(writes.admit(SHARD, cost(1, 1_001), MIB, &rates(), Patience::Refuse, start).is_err());
        assert_eq!(writes.admit(SHARD, cost(MIB, 1_000), MIB, &rates(), Patience::Refuse, start), Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_patient_writer_is_held_until_two_fifths_of_a_second_are_owed() {
        let start = Instant::now();
        let mut writes = Writes::new(SHARD, start);
        let mut put = |cost, now| writes.admit(SHARD, cost, MIB, &rates(), WAITS, now);
        assert_eq!(put(cost(within(BURST, MIB), 400), start), Ok(Duration::ZERO));
        assert_eq!(put(cost(MIB / 2, 1), start), Ok(millis(500)));
        assert_eq!(put(cost(0, 1_000), start + millis(500)), Ok(millis(600)));
    }

    #[tokio::test(start_paused = true)]
    async fn too_long_a_wait_is_refused_unless_the_shard_was_free() {
        let start = Instant::now();
        let mut writes = Writes::new(SHARD, start);
        let mut put = |cost, now| writes.admit(SHARD, cost, 10 * MIB, &rates(), WAITS, now);
        // By itself it takes 149.6 s: it is held for as long as anything is, and pays the rest later.
        assert_eq!(put(cost(1, 150_000), start), Ok(millis(10_000)));
        assert_eq!(put(cost(1, 1), start), Err(millis(149_601)));
        assert_eq!(put(cost(1, 1), start + millis(139_600)), Err(millis(10_001)));
        assert_eq!(put(cost(1, 1), start + millis(139_601)), Ok(millis(10_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_large_records_has_an_allowance_for_them() {
        let start = Instant::now();
        for (patience, wait) in [(Patience::Refuse, Err(millis(1_000))), (WAITS, Ok(millis(1_600)))] {
            let mut writes = Writes::new(SHARD, start);
            assert_eq!(writes.admit(SHARD, cost(9 * MIB, 1), 10 * MIB, &rates(), patience, start), Ok(Duration::ZERO));
            let found = writes.admit(SHARD, cost(2 * MIB, 1), 10 * MIB, &rates(), patience, start);
            let whole = |wait: Duration| wait - Duration::from_nanos(u64::from(wait.subsec_nanos() % 1_000_000));
            assert_eq!(found.map(whole).map_err(whole), wait);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_shard_of_the_lane_begins_with_nothing_used() {
        let start = Instant::now();
        let mut writes = Writes::new(SHARD, start);
        assert!(writes.admit(SHARD, cost(MIB, 1), MIB, &rates(), Patience::Refuse, start).is_ok());
        assert!(writes.admit(ShardId(1), cost(MIB, 1), MIB, &rates(), Patience::Refuse, start).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_saturated_shard_carries_its_rate_from_the_first_second_on() {
        let start = Instant::now();
        let mut writes = Writes::new(SHARD, start);
        let (mut now, mut carried) = (start, 0_u64);
        while now < start + Duration::from_secs(30) {
            now += writes.admit(SHARD, cost(16_000, 10), MIB, &rates(), WAITS, now).unwrap();
            carried += 16_000;
        }
        let expected = 30 * MIB;
        assert!(carried.abs_diff(expected) < expected / 50, "{carried} instead of {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_owe_what_they_took_and_at_most_five_are_made_at_once() {
        let start = Instant::now();
        let mut reads = Reads::new(start);
        for _ in 0..5 {
            assert_eq!(reads.wait(None, &rates(), start), Duration::ZERO);
            reads.take(0, None, &rates(), start);
        }
        assert_eq!(reads.wait(None, &rates(), start), millis(200));
        // A fan-out consumer knows nothing of that.
        assert_eq!(reads.wait(Some("a"), &rates(), start), Duration::ZERO);
        reads.take(10 * MIB, Some("a"), &rates(), start);
        assert_eq!(reads.wait(Some("a"), &rates(), start).as_millis(), 4_950);
        assert_eq!(reads.wait(Some("b"), &rates(), start), Duration::ZERO);
        let later = start + Duration::from_secs(1);
        reads.take(2 * MIB, None, &rates(), later);
        assert_eq!(reads.wait(None, &rates(), later).as_millis(), 950);
        assert!(!reads.is_idle(&rates(), later) && reads.is_idle(&rates(), start + Duration::from_secs(6)));
    }

    #[tokio::test(start_paused = true)]
    async fn meters_of_fan_out_consumers_are_bounded() {
        let start = Instant::now();
        let mut reads = Reads::new(start);
        for consumer in 0..100 {
            reads.take(u64::from(consumer == 0) + 1, Some(&consumer.to_string()), &rates(), start);
        }
        assert_eq!(reads.fan_out.len(), FAN_OUT_METERS_MAX);
        assert!(reads.fan_out.contains_key("0"), "the emptiest goes first");
    }
}
