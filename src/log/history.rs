//! What happened to a stream lately, as far as rules ask for it: its status, how often it was changed, its peaks. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Status, Timestamp};

use super::demand::Peaks;

/// The span in which changes of capacity are counted (Kinesis API reference, UpdateShardCount and UpdateStreamMode: a rolling
/// day, 2026-11).
const DAY: Duration = Duration::from_secs(86_400);

/// What the ledger keeps of a stream's past.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    /// The last change of state.
    change: Option<Change>,
    /// When the stream was scaled, within a day.
    pub(super) scaled: Times,
    /// When its mode was switched, within a day.
    pub(super) switched: Times,
    /// The highest throughput of the last 30 days, as far as it was in on-demand mode.
    pub(super) peaks: Peaks,
}

/// A change of state: how the stream is called while it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Change {
    status: Status,
    /// When it is over; told by the delay that was set when it began.
    until: Timestamp,
}

impl History {
    /// The status at `now`; `None` if the stream is gone.
    pub(super) fn status(&self, now: Timestamp) -> Option<Status> {
        match self.change {
            Some(change) if now < change.until => Some(change.status),
            Some(Change { status: Status::Deleting, .. }) => None,
            _ => Some(Status::Active),
        }
    }

    /// When the stream is gone, if it is being deleted.
    pub(super) fn gone_at(&self) -> Option<Timestamp> {
        self.change.filter(|change| change.status == Status::Deleting).map(|change| change.until)
    }

    /// The history after a change began that lasts for `delay`.
    pub(super) fn changing(&self, status: Status, now: Timestamp, delay: Duration) -> Self {
        Self { change: Some(Change { status, until: now.plus(delay) }), ..self.clone() }
    }
}

/// When something happened, for as long as that counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Times(Vec<Timestamp>);

impl Times {
    /// How often it happened within the day before `now`.
    pub(super) fn within_a_day(&self, now: Timestamp) -> usize {
        self.0.iter().filter(|at| at.plus(DAY) > now).count()
    }

    /// Notes that it happens now.
    pub(super) fn note(&mut self, now: Timestamp) {
        self.0.retain(|at| at.plus(DAY) > now);
        self.0.push(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_change_is_over_exactly_when_its_delay_has_passed() {
        let (delay, active) = (Duration::from_secs(10), Some(Status::Active));
        assert_eq!(History::default().status(Timestamp(0)), active);
        for (status, after) in [(Status::Creating, active), (Status::Updating, active), (Status::Deleting, None)] {
            let history = History::default().changing(status, Timestamp(1_000), delay);
            assert_eq!(history.status(Timestamp(10_999)), Some(status));
            assert_eq!(history.status(Timestamp(11_000)), after);
            assert_eq!(history.gone_at().is_some(), status == Status::Deleting);
        }
        let at_once = History::default().changing(Status::Updating, Timestamp(5), Duration::ZERO);
        assert_eq!(at_once.status(Timestamp(5)), active);
    }

    #[test]
    fn a_change_counts_for_a_day() {
        let mut times = Times::default();
        times.note(Timestamp(0));
        times.note(Timestamp(HOUR));
        assert_eq!(times.within_a_day(Timestamp(24 * HOUR - 1)), 2);
        assert_eq!(times.within_a_day(Timestamp(24 * HOUR)), 1);
        times.note(Timestamp(25 * HOUR));
        assert_eq!(times.0, [Timestamp(25 * HOUR)]);
    }
}
