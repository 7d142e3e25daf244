//! **The sticky assignor** (Kafka: `StickyTaskAssignor`): tasks stay where they are or go where their stores are, as long as no
//! member gets more than its even part; what is left goes to the process with least to do for each of its members.
//!
//! A plain function of members and work. Of equals the first is taken, in the order of the members (Kafka: any).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::reconcile::{each, put};
use super::request::TaskOffsets;
use super::state::{Held, Target};
use super::topology::Work;

/// The name of the only assignor (`group.streams.assignors`).
pub(crate) const NAME: &str = "sticky";

/// What the assignor looks at in a member.
#[derive(Debug)]
pub(super) struct Applicant<'a> {
    /// The process that it is a thread of.
    pub(super) process: &'a str,
    /// What it has.
    pub(super) before: &'a Held,
    /// How far its copies of changelogs are.
    pub(super) offsets: Option<&'a TaskOffsets>,
}

/// A subtopology and a partition.
type Task = (String, i32);

/// A target for each of `members`, in their order, with `standbys` copies of each task with stores.
pub(super) fn assign(members: &[Applicant<'_>], work: &BTreeMap<String, Work>, standbys: u32) -> Vec<Target> {
    let tasks =
        |(part, work): (&String, &Work)| (0..work.tasks).map(|partition| (part.clone(), partition)).collect::<Vec<Task>>();
    let all = work.iter().flat_map(tasks).collect::<Vec<_>>();
    let stateful = work.iter().filter(|(_, work)| work.is_stateful).flat_map(tasks).collect::<Vec<_>>();
    let mut sharing = Sharing::of(members, all.len(), all.len() + stateful.len() * standbys as usize);
    sharing.assign_active(all);
    if standbys > 0 {
        sharing.assign_standby(stateful, standbys);
    }
    sharing.targets
}

/// How much there is for each of those that can take more: who has got as much takes no part in the rest.
struct Quota {
    tasks: usize,
    members: usize,
    each: usize,
}

impl Quota {
    fn of(tasks: usize, members: usize) -> Self {
        Self { tasks, members, each: tasks.checked_div(members).map_or(0, |_| tasks.div_ceil(members)) }
    }

    /// A member has `count` tasks now.
    fn reached(&mut self, count: usize) {
        if count == self.each {
            *self = Self::of(self.tasks.saturating_sub(count), self.members.saturating_sub(1));
        }
    }
}

/// Tasks for each member of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Load {
    tasks: usize,
    members: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.tasks * other.members).cmp(&(other.tasks * self.members))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A process: its members by what they have, and the tasks of all of them.
#[derive(Default)]
struct Process {
    members: BTreeSet<(usize, usize)>,
    tasks: HashSet<Task>,
    count: usize,
}

impl Process {
    fn load(&self) -> Load {
        Load { tasks: self.count, members: self.members.len() }
    }
}

/// An assignment in the making.
struct Sharing {
    targets: Vec<Target>,
    /// How many tasks each member has, and which process it is of.
    counts: Vec<usize>,
    process_of: Vec<usize>,
    processes: Vec<Process>,
    /// Processes by load.
    ranked: BTreeSet<(Load, usize)>,
    active_quota: Quota,
    quota: Quota,
    /// Who worked on a task.
    worked: HashMap<Task, usize>,
    /// Who has its stores, the best copy first.
    copies: HashMap<Task, Vec<usize>>,
}

impl Sharing {
    fn of(members: &[Applicant<'_>], active: usize, all: usize) -> Self {
        let (mut processes, mut process_of, mut numbers) = (Vec::<Process>::new(), Vec::new(), HashMap::new());
        let (mut worked, mut ranks) = (HashMap::new(), HashMap::<Task, Vec<(bool, i64, usize)>>::new());
        for (at, member) in members.iter().enumerate() {
            let number = *numbers.entry(member.process).or_insert_with(|| {
                processes.push(Process::default());
                processes.len() - 1
            });
            processes[number].members.insert((0, at));
            process_of.push(number);
            for (part, given) in &member.before.active {
                worked.extend(given.keys().map(|partition| ((part.clone(), *partition), at)));
            }
            let offset = |task: &Task| member.offsets.and_then(|offsets| offsets.get(task)).copied();
            let standby = each(&member.before.standby).map(|(part, partition)| (part.to_owned(), partition));
            let standby = standby.collect::<HashSet<_>>();
            for (task, offset) in member.offsets.into_iter().flatten().filter(|(task, _)| !standby.contains(*task)) {
                ranks.entry(task.clone()).or_default().push((true, -offset, at));
            }
            for task in standby {
                let offset = offset(&task).unwrap_or(0);
                ranks.entry(task).or_default().push((false, -offset, at));
            }
        }
        let best_first = |(task, mut ranks): (Task, Vec<(bool, i64, usize)>)| {
            ranks.sort_unstable();
            (task, ranks.into_iter().map(|(_, _, at)| at).collect())
        };
        Self {
            targets: vec![Target::default(); members.len()],
            counts: vec![0; members.len()],
            ranked: processes.iter().enumerate().map(|(number, process)| (process.load(), number)).collect(),
            process_of,
            processes,
            active_quota: Quota::of(active, members.len()),
            quota: Quota::of(all, members.len()),
            worked,
            copies: ranks.into_iter().map(best_first).collect(),
        }
    }

    /// Gives a task to a member.
    fn give(&mut self, at: usize, task: &Task, is_active: bool) {
        let target = &mut self.targets[at];
        let tasks = if is_active { &mut target.active } else { &mut target.standby };
        put(tasks, (&task.0, task.1));
        let number = self.process_of[at];
        let process = &mut self.processes[number];
        self.ranked.remove(&(process.load(), number));
        process.members.remove(&(self.counts[at], at));
        self.counts[at] += 1;
        process.members.insert((self.counts[at], at));
        process.count += 1;
        process.tasks.insert(task.clone());
        self.ranked.insert((process.load(), number));
        if is_active {
            self.active_quota.reached(self.counts[at]);
        }
        self.quota.reached(self.counts[at]);
    }

    fn process(&self, at: usize) -> &Process {
        &self.processes[self.process_of[at]]
    }

    /// Of those with the stores of a task the one with the best copy, unless one behind it has less to do, and its process too.
    fn copy_of(&self, task: &Task, may: impl Fn(&Process) -> bool) -> Option<usize> {
        let mut copies = self.copies.get(task)?.iter().copied().filter(|at| may(self.process(*at)));
        let mut best = copies.next()?;
        for at in copies {
            if self.process(at).load() < self.process(best).load() && self.counts[at] < self.counts[best] {
                best = at;
            }
        }
        Some(best)
    }

    fn assign_active(&mut self, mut tasks: Vec<Task>) {
        tasks.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        for by_stores in [false, true] {
            tasks.retain(|task| {
                let candidate = if by_stores { self.copy_of(task, |_| true) } else { self.worked.get(task).copied() };
                let Some(at) = candidate.filter(|at| self.counts[*at] < self.active_quota.each) else { return true };
                self.give(at, task, true);
                false
            });
        }
        tasks.sort();
        for task in &tasks {
            if let Some(at) = self.least_loaded(|_| true) {
                self.give(at, task, true);
            }
        }
    }

    /// The member with least to do of the process with least to do of those that may take something.
    fn least_loaded(&self, may: impl Fn(&Process) -> bool) -> Option<usize> {
        let process = self.ranked.iter().map(|(_, number)| &self.processes[*number]).find(|process| may(process))?;
        process.members.first().map(|(_, at)| *at)
    }

    fn assign_standby(&mut self, mut tasks: Vec<Task>, standbys: u32) {
        tasks.sort_by(|one, other| (other.1, &other.0).cmp(&(one.1, &one.0)));
        let mut left = Vec::new();
        for task in tasks {
            for missing in (1..=standbys).rev() {
                let has_room = |sharing: &Self, at: &usize| sharing.counts[*at] < sharing.quota.each;
                let lacks = |process: &Process| !process.tasks.contains(&task);
                let worked = self.worked.get(&task).copied().filter(|at| lacks(self.process(*at)) && has_room(self, at));
                let copy = || self.copy_of(&task, lacks).filter(|at| has_room(self, at));
                let Some(at) = worked.or_else(copy) else {
                    left.push((task, missing));
                    break;
                };
                self.give(at, &task, false);
            }
        }
        left.sort_by(|(one, _), (other, _)| other.cmp(one));
        for (task, missing) in left {
            for _ in 0..missing {
                // With fewer processes than copies some are not made.
                let Some(at) = self.least_loaded(|process| !process.tasks.contains(&task)) else { break };
                self.give(at, &task, false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
