//! **A member's way to its target** (Kafka: `CurrentAssignmentBuilder`).
//!
//! ```text
//!              something to give up                  it is given up, others are in the way
//!   ┌────────┐ ─────────────────────▶ ┌───────────┐ ──────────────────────────────────────▶ ┌────────────┐
//!   │ Stable │                        │ Unrevoked │                                         │ Unreleased │
//!   └────────┘ ◀───────────────────── └───────────┘ ◀────────────────────────────────────── └────────────┘
//!       ▲        it is given up, and all is there         a newer target takes something away     │
//!       └─────────────────────────────────────────────────────────────────────────────────────────┘
//!                                          nobody is in the way any more
//! ```

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Holding, Share, Target};
use crate::kafka::group::roster::Phase;

/// What a step of the way depends on.
pub(super) struct Way<'a> {
    /// Where the member is to go, and the epoch it then has.
    pub(super) target: &'a Target,
    pub(super) target_epoch: i32,
    /// The topics it subscribes to.
    pub(super) subscribed: &'a BTreeSet<Uuid>,
    /// Whether that has just changed: then what it no longer subscribes to goes at once.
    pub(super) changed: bool,
    /// What it says it has; `None` if it does not say.
    pub(super) owned: Option<&'a Target>,
    /// Whether another member holds a partition.
    pub(super) is_held: &'a dyn Fn(Uuid, i32) -> bool,
}

impl Way<'_> {
    /// What the member has after the next step.
    pub(super) fn from(&self, before: &Holding) -> Holding {
        match before.phase {
            Phase::Stable if before.epoch != self.target_epoch => self.step(before),
            Phase::Stable => self.without_unsubscribed(before),
            Phase::Unrevoked if self.still_has(&before.revoking) => self.without_unsubscribed(before),
            Phase::Unrevoked | Phase::Unreleased => self.step(before),
        }
    }

    /// Whether the member has, or may have, some of `share`.
    fn still_has(&self, share: &Share) -> bool {
        let Some(owned) = self.owned else { return true };
        let has = |(topic, partitions): (&Uuid, &BTreeMap<i32, i32>)| {
            owned.get(topic).is_some_and(|owned| owned.iter().any(|partition| partitions.contains_key(partition)))
        };
        share.iter().any(has)
    }

    fn without_unsubscribed(&self, before: &Holding) -> Holding {
        let mut after = before.clone();
        if self.changed {
            after.assigned.retain(|topic, _| self.subscribed.contains(topic));
        }
        if after.assigned.len() == before.assigned.len() {
            return after;
        }
        let mut revoking = before.revoking.clone();
        for (topic, partitions) in before.assigned.iter().filter(|(topic, _)| !self.subscribed.contains(topic)) {
            revoking.entry(*topic).or_default().extend(partitions);
        }
        after.previous = before.epoch;
        if self.still_has(&revoking) {
            (after.phase, after.revoking) = (Phase::Unrevoked, revoking);
        }
        after
    }

    fn step(&self, before: &Holding) -> Holding {
        let (mut assigned, mut revoking, mut fresh, mut held) = (Share::new(), Share::new(), Vec::new(), false);
        let nothing = BTreeSet::new();
        let targeted = |topic: &Uuid| match self.subscribed.contains(topic) {
            true => self.target.get(topic).unwrap_or(&nothing),
            false => &nothing,
        };
        for (topic, partitions) in &before.assigned {
            let target = targeted(topic);
            for (&partition, &given) in partitions {
                let side = if target.contains(&partition) { &mut assigned } else { &mut revoking };
                side.entry(*topic).or_default().insert(partition, given);
            }
        }
        for topic in self.target.keys() {
            for &partition in targeted(topic) {
                if assigned.get(topic).is_some_and(|partitions| partitions.contains_key(&partition)) {
                    continue;
                }
                if (self.is_held)(*topic, partition) { held = true } else { fresh.push((*topic, partition)) }
            }
        }
        if !revoking.is_empty() && self.still_has(&revoking) {
            return Holding { epoch: before.epoch, previous: before.epoch, phase: Phase::Unrevoked, assigned, revoking };
        }
        for (topic, partition) in fresh {
            assigned.entry(topic).or_default().insert(partition, self.target_epoch);
        }
        let phase = if held { Phase::Unreleased } else { Phase::Stable };
        Holding { epoch: self.target_epoch, previous: before.epoch, phase, assigned, revoking: Share::new() }
    }
}
