//! One-minute statistics, as CloudWatch keeps them. Pure: the state, what is measured and the time come in.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Timestamp;

use super::Measure;

/// How long a minute's statistics are kept, as far as there is room. *Ours*: CloudWatch keeps minutes for 15 days.
pub const HISTORY: Duration = Duration::from_secs(3 * 3_600);

const MINUTE_MILLIS: i64 = 60_000;

/// What the samples of one measure were in a span of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Statistic {
    /// How many there were (CloudWatch: SampleCount).
    pub samples: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

impl Statistic {
    /// One sample.
    pub fn of(value: f64) -> Self {
        Self { samples: 1, sum: value, minimum: value, maximum: value }
    }

    /// All samples of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            samples: self.samples.saturating_add(other.samples),
            sum: self.sum + other.sum,
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
        }
    }

    /// The mean.
    pub fn average(&self) -> f64 {
        self.sum / self.samples as f64
    }
}

/// The statistics of a span of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Datapoint {
    /// When the span began.
    pub from: Timestamp,
    /// What was measured in it.
    pub statistic: Statistic,
}

/// A minute, counted from 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Minute(i64);

impl Minute {
    /// The one that `at` is in.
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(MINUTE_MILLIS))
    }

    pub(super) fn before(self) -> Self {
        Self(self.0 - 1)
    }

    /// The oldest minute that is kept in this one.
    pub(super) fn oldest_kept(self) -> Self {
        Self(self.0 - i64::try_from(HISTORY.as_secs() / 60).unwrap_or(i64::MAX))
    }

    fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MINUTE_MILLIS))
    }
}

/// The measures of a minute of which there were samples.
pub type Measured = [(Measure, Statistic)];

/// The minutes of one stream, one shard or one consumer. Minutes without samples take no room.
#[derive(Default)]
pub(super) struct Windows {
    newest: Minute,
    current: Vec<(Measure, Statistic)>,
    past: VecDeque<(Minute, Box<Measured>)>,
}

impl Windows {
    /// Whether what is measured at `minute` needs a [`turn`](Self::turn) before. If the time goes back, the newest minute goes on.
    pub(super) fn is_over(&self, minute: Minute) -> bool {
        minute > self.newest
    }

    /// Closes the newest minute and begins `minute`. Of minutes that are over, the last `past_max` are kept.
    pub(super) fn turn(&mut self, minute: Minute, past_max: usize) {
        if !self.current.is_empty() {
            self.past.push_back((self.newest, self.current.as_slice().into()));
            self.current.clear();
        }
        self.newest = minute;
        let excess = self.past.len().saturating_sub(past_max);
        self.past.drain(..excess);
    }

    /// Takes a sample into the newest minute.
    pub(super) fn add(&mut self, measure: Measure, value: f64) {
        match self.current.iter_mut().find(|(found, _)| *found == measure) {
            Some((_, statistic)) => *statistic = statistic.with(Statistic::of(value)),
            None => self.current.push((measure, Statistic::of(value))),
        }
    }

    /// Forgets minutes before `oldest`; whether anything is left.
    pub(super) fn forget_before(&mut self, oldest: Minute) -> bool {
        self.past.retain(|(minute, _)| *minute >= oldest);
        self.past.shrink_to(self.past.len() * 2 + 4);
        !self.past.is_empty() || self.newest >= oldest
    }

    /// How many statistics of minutes that are over are kept.
    pub(super) fn past_statistics(&self) -> usize {
        self.past.iter().map(|(_, measured)| measured.len()).sum()
    }

    /// What was measured in that minute.
    pub(super) fn at(&self, minute: Minute) -> &Measured {
        if minute == self.newest {
            return &self.current;
        }
        self.past.iter().rev().find(|(found, _)| *found == minute).map_or(&[], |(_, measured)| measured)
    }

    /// The measures of which there is something to tell.
    pub(super) fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        let past = self.past.iter().flat_map(|(_, measured)| measured.iter());
        past.chain(&self.current).map(|(measure, _)| *measure)
    }

    /// The statistics of a measure from `from`, in whole minutes, to before `to`, in spans of `minutes` minutes from there on; spans without
    /// samples are left out.
    pub(super) fn datapoints(&self, measure: Measure, from: Minute, to: Minute, minutes: i64) -> Vec<Datapoint> {
        let current = (self.newest, self.current.as_slice());
        let all = self.past.iter().map(|(minute, measured)| (*minute, measured.as_ref())).chain([current]);
        let mut points: Vec<Datapoint> = Vec::new();
        for (minute, measured) in all.filter(|(minute, _)| (from..to).contains(minute)) {
            let Some((_, statistic)) = measured.iter().find(|(found, _)| *found == measure) else { continue };
            let span = (minute.0 - from.0).div_euclid(minutes.max(1));
            let start = Minute(from.0.saturating_add(span.saturating_mul(minutes.max(1)))).start();
            match points.last_mut() {
                Some(last) if last.from == start => last.statistic = last.statistic.with(*statistic),
                _ => points.push(Datapoint { from: start, statistic: *statistic }),
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Measure = Measure::IncomingBytes;

    fn windows(samples: &[(i64, f64)]) -> Windows {
        let mut windows = Windows::default();
        for &(minute, value) in samples {
            if windows.is_over(Minute(minute)) {
                windows.turn(Minute(minute), 180);
            }
            windows.add(BYTES, value);
        }
        windows
    }

    fn statistic(samples: u64, sum: f64, minimum: f64, maximum: f64) -> Statistic {
        Statistic { samples, sum, minimum, maximum }
    }

    #[test]
    fn a_minute_has_the_count_the_sum_the_smallest_and_the_largest_of_its_samples() {
        let windows = windows(&[(5, 3.0), (5, 1.0), (5, 8.0), (6, 2.0)]);
        assert_eq!(windows.at(Minute(5)), [(BYTES, statistic(3, 12.0, 1.0, 8.0))]);
        assert_eq!(windows.at(Minute(5))[0].1.average(), 4.0);
        assert_eq!(windows.at(Minute(6)), [(BYTES, Statistic::of(2.0))]);
        assert!(windows.at(Minute(4)).is_empty() && windows.at(Minute(7)).is_empty());
    }

    #[test]
    fn a_minute_ends_at_its_last_millisecond() {
        for (at, minute) in [(0, 0), (59_999, 0), (60_000, 1), (-1, -1)] {
            assert_eq!(Minute::of(Timestamp(at)), Minute(minute));
        }
    }

    #[test]
    fn spans_begin_where_the_question_does_and_gather_their_minutes() {
        let windows = windows(&[(10, 1.0), (11, 2.0), (13, 4.0), (14, 8.0), (15, 16.0)]);
        let points = |from, to, minutes| {
            let points = windows.datapoints(BYTES, Minute(from), Minute(to), minutes);
            points.iter().map(|point| (point.from.0 / 60_000, point.statistic.sum)).collect::<Vec<_>>()
        };
        assert_eq!(points(10, 16, 1), [(10, 1.0), (11, 2.0), (13, 4.0), (14, 8.0), (15, 16.0)]);
        assert_eq!(points(11, 15, 2), [(11, 2.0), (13, 12.0)]);
        assert_eq!(points(0, 100, 60), [(0, 31.0)]);
        assert_eq!(points(12, 13, 1), []);
        assert!(windows.datapoints(Measure::GetRecordsBytes, Minute(0), Minute(100), 1).is_empty());
    }

    #[test]
    fn what_is_too_old_or_too_much_goes_first() {
        let mut windows = windows(&[(1, 1.0), (2, 1.0), (3, 1.0)]);
        windows.turn(Minute(4), 2);
        assert_eq!((windows.past_statistics(), windows.at(Minute(1)).len()), (2, 0));
        assert!(windows.forget_before(Minute(3)));
        assert_eq!((windows.past_statistics(), windows.at(Minute(3)).len()), (1, 1));
        assert!(windows.forget_before(Minute(4)) && !windows.forget_before(Minute(5)));
    }

    #[test]
    fn a_clock_that_goes_back_adds_to_the_newest_minute() {
        let windows = windows(&[(7, 1.0), (6, 2.0), (7, 4.0)]);
        assert_eq!(windows.at(Minute(7)), [(BYTES, statistic(3, 7.0, 1.0, 4.0))]);
    }
}
