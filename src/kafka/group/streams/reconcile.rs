//! **A member's way to its target** (Kafka: `CurrentAssignmentBuilder`), as in the consumer protocol from [`Phase::Stable`] over
//! [`Phase::Unrevoked`] and [`Phase::Unreleased`] back.
//!
//! A task that changes its role with the same member need not be given up first: its stores stay where they are. A standby task
//! becomes active when nobody else works on it, and is kept until then; an active one becomes a standby at once. No two members of
//! a process have the same task, because they would open the same stores.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::state::{Given, Held, Holding, Roster, Target, Tasks};
use crate::kafka::group::roster::Phase;

/// Who holds tasks now, whether they were told to give them up or not.
pub(super) struct Holders<'a> {
    /// The process of each active task.
    active: HashMap<(&'a str, i32), &'a str>,
    /// The standby tasks of one process.
    standby: HashSet<(&'a str, i32)>,
    process: &'a str,
}

impl<'a> Holders<'a> {
    /// Those of a group's tasks, as a member of `process` sees them.
    pub(super) fn of(roster: &'a Roster, process: &'a str) -> Self {
        let mut holders = Self { active: HashMap::new(), standby: HashSet::new(), process };
        for member in roster.members.values() {
            let other = member.profile.process.as_str();
            for held in [&member.holding.assigned, &member.holding.revoking] {
                for (part, given) in &held.active {
                    holders.active.extend(given.keys().map(|partition| ((part.as_str(), *partition), other)));
                }
                if other == process {
                    holders.standby.extend(each(&held.standby));
                }
            }
        }
        holders
    }

    /// Whether a task cannot be worked on yet by a member that has `own`.
    fn hinders_active(&self, task: (&str, i32), own: &Held) -> bool {
        self.active.contains_key(&task) || (self.standby.contains(&task) && !has(&own.standby, task))
    }

    /// Whether it cannot be on standby with it yet.
    fn hinders_standby(&self, task: (&str, i32), own: &Held) -> bool {
        let is_active_here = self.active.get(&task) == Some(&self.process) && !is_given(&own.active, task);
        is_active_here || self.standby.contains(&task)
    }
}

/// What a step of the way depends on.
pub(super) struct Way<'a> {
    /// Where the member is to go, and the epoch it then has.
    pub(super) target: &'a Target,
    pub(super) target_epoch: i32,
    /// What it says it has; `None` if it does not say.
    pub(super) owned: Option<&'a Target>,
    pub(super) holders: &'a Holders<'a>,
}

impl Way<'_> {
    /// What the member has after the next step.
    pub(super) fn from(&self, before: &Holding) -> Holding {
        match before.phase {
            Phase::Stable if before.epoch == self.target_epoch => before.clone(),
            Phase::Unrevoked if self.still_has(&before.revoking) => before.clone(),
            Phase::Unrevoked => self.step(before, before.epoch.saturating_add(1)),
            Phase::Stable | Phase::Unreleased => self.step(before, before.epoch),
        }
    }

    /// Whether the member has, or may have, some of `held`.
    fn still_has(&self, held: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        let held = held.tasks();
        each(&held.active).any(|task| has(&owned.active, task)) || each(&held.standby).any(|task| has(&owned.standby, task))
    }

    /// A step from what the member had; `epoch` is its own until it has given up what it has to.
    fn step(&self, before: &Holding, epoch: i32) -> Holding {
        let (had, target) = (&before.assigned, self.target);
        let (mut kept, mut revoking, mut is_hindered) = (Held::default(), Held::default(), false);
        for (part, given) in &had.active {
            for (&partition, &since) in given {
                let side = if has(&target.active, (part, partition)) { &mut kept } else { &mut revoking };
                side.active.entry(part.clone()).or_default().insert(partition, since);
            }
        }
        for task in each(&had.standby) {
            // One that becomes active is no longer a standby, and not given up either.
            if has(&target.standby, task) {
                put(&mut kept.standby, task);
            } else if !has(&target.active, task) {
                put(&mut revoking.standby, task);
            }
        }
        let mut fresh = Target::default();
        for task in each(&target.active).filter(|task| !is_given(&kept.active, *task)) {
            if self.holders.hinders_active(task, had) { is_hindered = true } else { put(&mut fresh.active, task) }
        }
        for task in each(&target.standby).filter(|task| !has(&had.standby, *task)) {
            if self.holders.hinders_standby(task, had) {
                is_hindered = true;
            } else if is_given(&had.active, task) {
                put(&mut kept.standby, task);
            } else {
                put(&mut fresh.standby, task);
            }
        }
        let must_revoke = !revoking.is_empty() && self.still_has(&revoking);
        for task in each(&had.standby).filter(|task| has(&target.active, *task)) {
            if must_revoke || !has(&fresh.active, task) {
                put(&mut kept.standby, task);
            }
        }
        if must_revoke {
            return Holding { epoch, previous: before.epoch, phase: Phase::Unrevoked, assigned: kept, revoking };
        }
        for task in each(&fresh.active) {
            kept.active.entry(task.0.to_owned()).or_default().insert(task.1, self.target_epoch);
        }
        each(&fresh.standby).for_each(|task| put(&mut kept.standby, task));
        let phase = if is_hindered { Phase::Unreleased } else { Phase::Stable };
        let revoking = Held::default();
        Holding { epoch: self.target_epoch, previous: before.epoch, phase, assigned: kept, revoking }
    }
}

/// Each of some tasks.
pub(super) fn each(tasks: &Tasks) -> impl Iterator<Item = (&str, i32)> {
    tasks.iter().flat_map(|(part, partitions)| partitions.iter().map(move |partition| (part.as_str(), *partition)))
}

/// Whether a task is one of them.
pub(super) fn has(tasks: &Tasks, (part, partition): (&str, i32)) -> bool {
    tasks.get(part).is_some_and(|partitions| partitions.contains(&partition))
}

fn is_given(given: &Given, (part, partition): (&str, i32)) -> bool {
    given.get(part).is_some_and(|partitions: &BTreeMap<i32, i32>| partitions.contains_key(&partition))
}

/// Adds a task.
pub(super) fn put(tasks: &mut Tasks, (part, partition): (&str, i32)) {
    match tasks.get_mut(part) {
        Some(partitions) => drop(partitions.insert(partition)),
        None => drop(tasks.insert(part.to_owned(), [partition].into())),
    }
}

#[cfg(test)]
mod tests;
