//! **The server-side assignors**: who reads which partition. Plain functions of members and topics.
//!
//! `uniform` gives every member as many partitions as any other that could read them, and moves as few as that takes (Kafka:
//! `UniformAssignor`). `range` gives members in order a run of each topic's partitions, so that equal numbers of topics of equal
//! size are together (Kafka: `RangeAssignor`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::state::Target;

/// An assignor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Assignor {
    /// Even, and as before as far as it can be.
    Uniform,
    /// Runs of each topic.
    Range,
}

impl Assignor {
    /// All, the default first (`group.consumer.assignors`).
    pub(crate) const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// A target for each of `members`, in their order; `topics` has the number of partitions of each topic there is.
    pub(super) fn assign(self, members: &[Applicant<'_>], topics: &BTreeMap<Uuid, i32>) -> Vec<Target> {
        match self {
            Self::Uniform => uniform(members, topics),
            Self::Range => range(members, topics),
        }
    }
}

/// What an assignor looks at in a member.
#[derive(Debug)]
pub(super) struct Applicant<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
    /// The topics it subscribes to.
    pub(super) topics: BTreeSet<Uuid>,
    /// Its target before.
    pub(super) before: &'a Target,
}

/// The topics that each set of members subscribes to, smallest sets first: who has little choice is served first.
fn classes(members: &[Applicant<'_>], topics: &BTreeMap<Uuid, i32>) -> Vec<(Vec<usize>, BTreeSet<Uuid>)> {
    let mut subscribers = BTreeMap::<Uuid, Vec<usize>>::new();
    for (at, member) in members.iter().enumerate() {
        for topic in member.topics.iter().filter(|topic| topics.contains_key(topic)) {
            subscribers.entry(*topic).or_default().push(at);
        }
    }
    let mut classes = BTreeMap::<Vec<usize>, BTreeSet<Uuid>>::new();
    for (topic, members) in subscribers {
        classes.entry(members).or_default().insert(topic);
    }
    let mut classes = classes.into_iter().collect::<Vec<_>>();
    classes.sort_by_key(|(members, _)| members.len());
    classes
}

fn range(members: &[Applicant<'_>], topics: &BTreeMap<Uuid, i32>) -> Vec<Target> {
    let mut targets = vec![Target::new(); members.len()];
    for (mut subscribers, class) in classes(members, topics) {
        // Static members first, by instance id, so that a restart under another id changes nothing.
        subscribers.sort_by_key(|&at| (members[at].instance.is_none(), members[at].instance, members[at].id));
        let count = i32::try_from(subscribers.len()).unwrap_or(i32::MAX);
        for topic in class {
            let partitions = topics.get(&topic).copied().unwrap_or(0);
            let (each, more, mut next) = (partitions / count, partitions % count, 0);
            for (rank, &at) in (0..).zip(&subscribers) {
                let end = next + each + i32::from(rank < more);
                if end > next {
                    targets[at].insert(topic, (next..end).collect());
                }
                next = end;
            }
        }
    }
    targets
}

/// Rounds of evening out. With members of equal subscriptions one is enough (Kafka: 16, too).
const ROUNDS_MAX: usize = 16;

fn uniform(members: &[Applicant<'_>], topics: &BTreeMap<Uuid, i32>) -> Vec<Target> {
    let mut even = Evening::of(members, topics);
    let classes = classes(members, topics);
    for (subscribers, class) in &classes {
        even.hand_out(subscribers, class, topics);
    }
    for _ in 0..ROUNDS_MAX {
        let moved = classes.iter().map(|(subscribers, class)| even.even_out(subscribers, class)).sum::<usize>();
        if moved == 0 || classes.len() == 1 {
            break;
        }
    }
    even.targets
}

/// An even assignment in the making.
struct Evening {
    targets: Vec<Target>,
    loads: Vec<usize>,
    taken: HashSet<(Uuid, i32)>,
}

impl Evening {
    /// Everybody with what they had and still can have.
    fn of(members: &[Applicant<'_>], topics: &BTreeMap<Uuid, i32>) -> Self {
        let (mut targets, mut loads, mut taken) = (Vec::new(), Vec::new(), HashSet::new());
        for member in members {
            let mut target = Target::new();
            for (topic, partitions) in member.before.iter().filter(|(topic, _)| member.topics.contains(topic)) {
                let count = topics.get(topic).copied().unwrap_or(0);
                let mut keeps = |&partition: &i32| partition < count && taken.insert((*topic, partition));
                let kept = partitions.iter().copied().filter(|partition| keeps(partition)).collect::<BTreeSet<_>>();
                if !kept.is_empty() {
                    target.insert(*topic, kept);
                }
            }
            loads.push(target.values().map(BTreeSet::len).sum());
            targets.push(target);
        }
        Self { targets, loads, taken }
    }

    /// Members by load, the least loaded first.
    fn ranked(&self, members: &[usize]) -> BTreeSet<(usize, usize)> {
        members.iter().map(|&at| (self.loads[at], at)).collect()
    }

    fn give(&mut self, at: usize, topic: Uuid, partition: i32) {
        self.targets[at].entry(topic).or_default().insert(partition);
        self.loads[at] += 1;
    }

    /// Gives what nobody has to whoever has least.
    fn hand_out(&mut self, members: &[usize], class: &BTreeSet<Uuid>, topics: &BTreeMap<Uuid, i32>) {
        let mut ranked = self.ranked(members);
        for &topic in class {
            for partition in 0..topics.get(&topic).copied().unwrap_or(0) {
                if self.taken.contains(&(topic, partition)) {
                    continue;
                }
                let Some((load, at)) = ranked.pop_first() else { return };
                self.give(at, topic, partition);
                ranked.insert((load + 1, at));
            }
        }
    }

    /// Moves partitions of `class` from who has most to who has least until that makes nothing more even; how many.
    fn even_out(&mut self, members: &[usize], class: &BTreeSet<Uuid>) -> usize {
        let (mut ranked, mut moved) = (self.ranked(members), 0);
        while let Some((least, to)) = ranked.first().copied() {
            let rich = ranked.iter().rev().take_while(|(load, _)| *load >= least + 2);
            let from = rich.copied().find_map(|(load, from)| Some((load, from, self.any_of(from, class)?)));
            let Some((most, from, (topic, partition))) = from else { break };
            if let Some(partitions) = self.targets[from].get_mut(&topic) {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.targets[from].remove(&topic);
                }
            }
            self.loads[from] -= 1;
            self.give(to, topic, partition);
            ranked.remove(&(most, from));
            ranked.remove(&(least, to));
            ranked.extend([(most - 1, from), (least + 1, to)]);
            moved += 1;
        }
        moved
    }

    /// A partition of `class` that the member has.
    fn any_of(&self, member: usize, class: &BTreeSet<Uuid>) -> Option<(Uuid, i32)> {
        let (topic, partitions) = self.targets[member].iter().rev().find(|(topic, _)| class.contains(topic))?;
        partitions.last().map(|&partition| (*topic, partition))
    }
}

#[cfg(test)]
mod tests;
