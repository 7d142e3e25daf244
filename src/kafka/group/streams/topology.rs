//! **The topology of an application**, and what follows from it: how many partitions its internal topics have, which of them are
//! missing, and which tasks there are (Kafka: `InternalTopicManager`, `RepartitionTopics`, `CopartitionedTopicsEnforcer`,
//! `ChangelogTopics`). Plain functions of a topology and the topics there are.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::request::Status;
use crate::kafka::group::request::Refusal;
use crate::kafka::group::topics::Topics;

/// Memory that a topology may take, measured roughly. *Ours*: a thousand internal topics.
const BYTES_MAX: usize = 512 << 10;
/// Tasks of an application. *Ours*.
const TASKS_MAX: i64 = 20_000;
/// Topics named in a status; of the others, their number is told.
const NAMED_MAX: usize = 3;
/// Memory that a name in a collection takes beside its bytes, and a subtopology.
const NAME_BYTES: usize = 64;
const SUBTOPOLOGY_BYTES: usize = 256;

/// What an application says of itself.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Topology {
    /// Which version of the application's topology it is.
    pub(crate) epoch: i32,
    /// Its parts, by their ids.
    pub(crate) subtopologies: BTreeMap<String, Subtopology>,
}

/// A part of a topology, whose partitions are worked on independently of each other.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Subtopology {
    /// The topics of others that it reads.
    pub(crate) sources: BTreeSet<String>,
    /// The repartition topics that it reads.
    pub(crate) repartition_sources: Vec<Internal>,
    /// The repartition topics that it writes.
    pub(crate) repartition_sinks: BTreeSet<String>,
    /// The changelogs of its stores.
    pub(crate) changelogs: Vec<Internal>,
    /// Sets of topics that need the same number of partitions.
    pub(crate) copartitions: Vec<BTreeSet<String>>,
}

/// A topic that an application needs for itself.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Internal {
    /// Its name.
    pub(crate) name: String,
    /// How many partitions it is to have; 0: as many as is found out.
    pub(crate) partitions: i32,
    /// How many replicas; 0: the default.
    pub(crate) replicas: i16,
    /// Its configs.
    pub(crate) configs: BTreeMap<String, String>,
}

impl Subtopology {
    /// All topics that it reads.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &String> {
        self.sources.iter().chain(self.repartition_sources.iter().map(|topic| &topic.name))
    }

    /// The names of all topics that it has to do with.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &String> {
        self.inputs().chain(&self.repartition_sinks).chain(self.changelogs.iter().map(|topic| &topic.name))
    }

    fn internal(&self) -> impl Iterator<Item = &Internal> {
        self.repartition_sources.iter().chain(&self.changelogs)
    }

    fn bytes(&self) -> usize {
        let configs = self.internal().flat_map(|topic| &topic.configs);
        let configs = configs.map(|(name, value)| 2 * NAME_BYTES + name.len() + value.len());
        let names = self.topics().chain(self.copartitions.iter().flatten()).map(|name| 2 * NAME_BYTES + name.len());
        SUBTOPOLOGY_BYTES + NAME_BYTES * self.copartitions.len() + configs.chain(names).sum::<usize>()
    }
}

impl Topology {
    /// Memory that it takes, in bytes, measured roughly.
    pub(super) fn bytes(&self) -> usize {
        self.subtopologies.iter().map(|(id, part)| NAME_BYTES + id.len() + part.bytes()).sum()
    }

    /// What is wrong with it whatever topics there are.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.bytes() > BYTES_MAX {
            return Err(Refusal::InvalidTopology("the topology takes more than 512 KiB; split the application"));
        }
        if self.subtopologies.values().any(|part| part.inputs().next().is_none()) {
            return Err(Refusal::InvalidTopology("a subtopology reads no topic"));
        }
        Ok(())
    }

    /// The names of all topics that are read.
    pub(super) fn inputs(&self) -> BTreeSet<String> {
        self.subtopologies.values().flat_map(Subtopology::inputs).cloned().collect()
    }

    /// The subtopology that reads a topic.
    pub(super) fn reader(&self, topic: &str) -> Option<&String> {
        self.subtopologies.iter().find(|(_, part)| part.inputs().any(|input| input == topic)).map(|(id, _)| id)
    }

    /// A number that differs when the topics that it needs do.
    pub(super) fn fingerprint(&self, topics: &dyn Topics) -> u64 {
        let needed = self.subtopologies.values();
        let needed = needed.flat_map(|part| part.inputs().chain(part.changelogs.iter().map(|topic| &topic.name)));
        let found = needed.collect::<BTreeSet<_>>().into_iter().filter_map(|name| topics.named(name));
        let found = found.map(|topic| (topic.name, topic.id, topic.partitions)).collect::<Vec<_>>();
        let mut hasher = DefaultHasher::new();
        found.hash(&mut hasher);
        hasher.finish()
    }

    /// What follows from it with the topics that there are.
    pub(super) fn configure(&self, topics: &dyn Topics) -> Result<Configured, Refusal> {
        let problem = |(status, words)| Configured { problem: Some((status, words)), ..Configured::default() };
        let missing = self.subtopologies.values().flat_map(|part| &part.sources).collect::<BTreeSet<_>>();
        let missing = missing.into_iter().filter(|name| topics.named(name).is_none()).collect::<Vec<_>>();
        if !missing.is_empty() {
            let words = format!("Source topics {} are missing.", listed(missing.iter().copied()));
            return Ok(problem((Status::MissingSourceTopics, words)));
        }
        let mut counts = Counts { topics, decided: BTreeMap::new() };
        counts.decide_repartition_topics(self)?;
        if let Err(words) = counts.enforce_copartitions(self) {
            return Ok(problem((Status::IncorrectlyPartitionedTopics, words)));
        }
        Ok(counts.configured(self).unwrap_or_else(|words| problem((Status::IncorrectlyPartitionedTopics, words))))
    }
}

/// What follows from a topology.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Configured {
    /// What each subtopology has to do; empty if that cannot be said.
    pub(super) work: BTreeMap<String, Work>,
    /// The partitions of each internal topic.
    pub(super) partitions: BTreeMap<String, i32>,
    /// The internal topics that are not there, with their partitions.
    pub(super) missing: Vec<(Internal, i32)>,
    /// What keeps the application from its work.
    pub(super) problem: Option<(Status, String)>,
}

/// What a subtopology has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Work {
    /// The number of its tasks, which are numbered from 0.
    pub(super) tasks: i32,
    /// Whether it has stores.
    pub(super) is_stateful: bool,
}

impl Configured {
    /// Whether tasks can be assigned.
    pub(super) fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

/// Numbers of partitions: of the topics there are, and as decided for those there are not.
struct Counts<'a> {
    topics: &'a dyn Topics,
    decided: BTreeMap<String, i32>,
}

impl Counts<'_> {
    fn of(&self, topic: &str) -> Option<i32> {
        self.topics.named(topic).map(|topic| topic.partitions).or_else(|| self.decided.get(topic).copied())
    }

    /// A repartition topic has as many partitions as its application asks for, or as the largest topic that is read where it is
    /// written. That may be a repartition topic itself, so one is decided after the other.
    fn decide_repartition_topics(&mut self, topology: &Topology) -> Result<(), Refusal> {
        let parts = || topology.subtopologies.values();
        let fixed = parts().flat_map(|part| &part.repartition_sources).filter(|topic| topic.partitions != 0);
        self.decided.extend(fixed.map(|topic| (topic.name.clone(), topic.partitions)));
        let open =
            |counts: &Self, part: &Subtopology| part.repartition_sinks.iter().any(|sink| !counts.decided.contains_key(sink));
        while parts().any(|part| open(self, part)) {
            // One that reads what is not decided yet waits, unless all do.
            let knows_all = |part: &&Subtopology| part.inputs().all(|topic| self.of(topic).is_some());
            let known = |part: &Subtopology| part.inputs().filter_map(|topic| self.of(topic)).max();
            let of_parts = || parts().filter(|part| open(self, part));
            let next = of_parts().find(knows_all).or_else(|| of_parts().find(|part| known(part).is_some()));
            let Some((part, count)) = next.and_then(|part| Some((part, known(part)?))) else {
                return Err(Refusal::InvalidTopology("repartition topics are read and written in a circle"));
            };
            for sink in &part.repartition_sinks {
                self.decided.entry(sink.clone()).or_insert(count);
            }
        }
        let unwritten = parts().flat_map(|part| &part.repartition_sources).find(|topic| !self.decided.contains_key(&topic.name));
        let refusal = Refusal::InvalidTopology("a repartition topic is read that nobody writes");
        unwritten.map_or(Ok(()), |_| Err(refusal))
    }

    /// Topics of a set have the same number of partitions; repartition topics get it from the others. What is wrong, in words.
    fn enforce_copartitions(&mut self, topology: &Topology) -> Result<(), String> {
        let repartition = topology.subtopologies.values().flat_map(|part| &part.repartition_sources);
        let is_fixed = repartition.map(|topic| (topic.name.as_str(), topic.partitions != 0)).collect::<BTreeMap<_, _>>();
        for set in topology.subtopologies.values().flat_map(|part| &part.copartitions) {
            let counts = set.iter().filter_map(|topic| Some((topic.as_str(), self.of(topic)?))).collect::<BTreeMap<_, _>>();
            let others = counts.iter().filter(|(topic, _)| !is_fixed.contains_key(*topic));
            let others = others.map(|(topic, count)| (*topic, *count)).collect::<BTreeMap<_, _>>();
            let fixed = counts.iter().filter(|(topic, _)| is_fixed.get(*topic) == Some(&true));
            let fixed = fixed.map(|(topic, count)| (*topic, *count)).collect::<BTreeMap<_, _>>();
            let count = if !others.is_empty() {
                same(&others)?
            } else if !fixed.is_empty() {
                same(&fixed)?
            } else {
                counts.values().copied().max()
            };
            let Some(count) = count else { continue };
            if let Some((topic, other)) = fixed.iter().find(|(_, other)| **other != count) {
                return Err(format!(
                    "Number of partitions [{other}] of repartition topic [{topic}] doesn't match number of partitions [{count}] \
                     of the source topic."
                ));
            }
            let flexible = counts.keys().filter(|topic| is_fixed.contains_key(*topic)).map(|topic| (*topic).to_owned());
            let flexible = flexible.collect::<Vec<_>>();
            self.decided.extend(flexible.into_iter().map(|topic| (topic, count)));
        }
        Ok(())
    }

    /// The work, and what is missing for it; or what is wrong, in words.
    fn configured(mut self, topology: &Topology) -> Result<Configured, String> {
        let (mut work, mut wanted) = (BTreeMap::new(), BTreeMap::new());
        for (id, part) in &topology.subtopologies {
            // Checked: each reads something, and what it reads has a number.
            let tasks = part.inputs().filter_map(|topic| self.of(topic)).max().unwrap_or(0);
            work.insert(id.clone(), Work { tasks, is_stateful: !part.changelogs.is_empty() });
            self.decided.extend(part.changelogs.iter().map(|topic| (topic.name.clone(), tasks)));
        }
        let tasks = work.values().map(|work| i64::from(work.tasks)).sum::<i64>();
        if tasks > TASKS_MAX {
            return Err(format!("The application has {tasks} tasks; at most {TASKS_MAX} are assigned."));
        }
        for topic in topology.subtopologies.values().flat_map(Subtopology::internal) {
            let count = self.decided.get(&topic.name).copied().unwrap_or(topic.partitions);
            match self.topics.named(&topic.name) {
                Some(found) if found.partitions != count => {
                    return Err(format!(
                        "Existing topic {} has different number of partitions: expected {count}, found {}",
                        topic.name, found.partitions
                    ));
                }
                Some(_) => {}
                None => drop(wanted.insert(topic.name.clone(), (topic.clone(), count))),
            }
        }
        let words = || format!("Internal topics are missing: {}", listed(wanted.keys()));
        let problem = (!wanted.is_empty()).then(|| (Status::MissingInternalTopics, words()));
        Ok(Configured { work, partitions: self.decided, missing: wanted.into_values().collect(), problem })
    }
}

/// The number that all have, if there are any.
fn same(counts: &BTreeMap<&str, i32>) -> Result<Option<i32>, String> {
    let first = counts.values().next().copied();
    if counts.values().all(|count| Some(*count) == first) {
        return Ok(first);
    }
    let each = counts.iter().map(|(topic, count)| format!("{topic}={count}")).collect::<Vec<_>>();
    Err(format!("Following topics do not have the same number of partitions: [{{{}}}]", each.join(", ")))
}

/// The first names, and how many there are more.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let first = names.take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first} and {more} additional topics") } else { first }
}

#[cfg(test)]
mod tests;
