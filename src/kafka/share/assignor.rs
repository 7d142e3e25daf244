//! Who reads what (Kafka: `SimpleAssignor`): every partition has a reader, every member has something to read if there is anything,
//! members have equally much, and as little moves as possible.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Member, Place};

/// Gives each member what it is to read of `topics`, given by name with id and number of partitions.
pub(super) fn assign(members: &mut BTreeMap<String, Member>, topics: &BTreeMap<String, (Uuid, u32)>) {
    let Some(first) = members.values().next() else { return };
    let is_alike = members.values().all(|member| member.topics == first.topics);
    let wanted: BTreeSet<&String> = members.values().flat_map(|member| &member.topics).collect();
    let partitions: usize = wanted.iter().filter_map(|name| topics.get(*name)).map(|(_, count)| *count as usize).sum();
    if partitions == 0 {
        return members.values_mut().for_each(|member| member.assigned.clear());
    }
    let readers_max = members.len().div_ceil(partitions);
    let mut readers = keep(members, topics);
    let mut loads: Vec<usize> = loads(members, &readers);
    for (_, readers) in readers.iter_mut() {
        while readers.len() > readers_max {
            readers.sort_by_key(|reader| loads.get(*reader).copied());
            if let Some(reader) = readers.pop()
                && let Some(load) = loads.get_mut(reader)
            {
                *load -= 1;
            }
        }
    }
    // Where all want the same, nobody keeps more than comes out even; where they do not, nothing is taken away.
    if is_alike {
        level(&mut readers, &mut loads, readers_max * partitions);
    }
    let subscribers = subscribers(members, topics);
    for (place, readers) in &mut readers {
        let Some(subscribers) = subscribers.get(&place.topic) else { continue };
        while readers.len() < readers_max.min(subscribers.len()) {
            let free = subscribers.iter().filter(|member| !readers.contains(member));
            let Some(&least) = free.min_by_key(|member| loads.get(**member).copied()) else { break };
            readers.push(least);
            if let Some(load) = loads.get_mut(least) {
                *load += 1;
            }
        }
    }
    give(members, readers);
}

/// The readers of each partition, by their number, as they are now and want to stay.
fn keep(members: &BTreeMap<String, Member>, topics: &BTreeMap<String, (Uuid, u32)>) -> BTreeMap<Place, Vec<usize>> {
    let mut readers = BTreeMap::new();
    let wanted: BTreeSet<&String> = members.values().flat_map(|member| &member.topics).collect();
    for (topic, count) in wanted.into_iter().filter_map(|name| topics.get(name)) {
        let partitions = 0..i32::try_from(*count).unwrap_or(i32::MAX);
        readers.extend(partitions.map(|partition| (Place { topic: *topic, partition }, Vec::new())));
    }
    for (number, member) in members.values().enumerate() {
        let wanted: BTreeSet<_> = member.topics.iter().filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect();
        for (&topic, partitions) in member.assigned.iter().filter(|(topic, _)| wanted.contains(topic)) {
            for &partition in partitions {
                if let Some(readers) = readers.get_mut(&Place { topic, partition }) {
                    readers.push(number);
                }
            }
        }
    }
    readers
}

fn loads(members: &BTreeMap<String, Member>, readers: &BTreeMap<Place, Vec<usize>>) -> Vec<usize> {
    let mut loads = vec![0; members.len()];
    for reader in readers.values().flatten() {
        if let Some(load) = loads.get_mut(*reader) {
            *load += 1;
        }
    }
    loads
}

/// Takes from each member what it has more than an even part of `total`.
fn level(readers: &mut BTreeMap<Place, Vec<usize>>, loads: &mut [usize], total: usize) {
    let (even, mut odd) = (total / loads.len().max(1), total % loads.len().max(1));
    let mut quota: Vec<usize> = Vec::with_capacity(loads.len());
    for load in loads.iter() {
        let more = odd > 0 && *load > even;
        odd -= usize::from(more);
        quota.push(even + usize::from(more));
    }
    for readers in readers.values_mut() {
        readers.retain(|reader| match (loads.get_mut(*reader), quota.get(*reader)) {
            (Some(load), Some(quota)) if *load > *quota => {
                *load -= 1;
                false
            }
            _ => true,
        });
    }
}

fn subscribers(members: &BTreeMap<String, Member>, topics: &BTreeMap<String, (Uuid, u32)>) -> BTreeMap<Uuid, Vec<usize>> {
    let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (number, member) in members.values().enumerate() {
        for (topic, _) in member.topics.iter().filter_map(|name| topics.get(name)) {
            subscribers.entry(*topic).or_default().push(number);
        }
    }
    subscribers
}

fn give(members: &mut BTreeMap<String, Member>, readers: BTreeMap<Place, Vec<usize>>) {
    let mut shares: Vec<BTreeMap<Uuid, BTreeSet<i32>>> = vec![BTreeMap::new(); members.len()];
    for (place, readers) in readers {
        for reader in readers {
            if let Some(share) = shares.get_mut(reader) {
                share.entry(place.topic).or_default().insert(place.partition);
            }
        }
    }
    members.values_mut().zip(shares).for_each(|(member, share)| member.assigned = share);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: &[&str], topics: &[&str]) -> BTreeMap<String, Member> {
        let member = || Member { topics: topics.iter().map(|topic| (*topic).to_owned()).collect(), ..Member::default() };
        ids.iter().map(|id| ((*id).to_owned(), member())).collect()
    }

    fn topics(counts: &[(&str, u128, u32)]) -> BTreeMap<String, (Uuid, u32)> {
        counts.iter().map(|(name, id, count)| ((*name).to_owned(), (Uuid::from_u128(*id), *count))).collect()
    }

    fn counts(members: &BTreeMap<String, Member>) -> Vec<usize> {
        members.values().map(|member| member.assigned.values().map(BTreeSet::len).sum()).collect()
    }

    fn all_are_read(members: &BTreeMap<String, Member>, id: u128, count: i32) -> bool {
        let is_read = |partition: &i32| {
            let of = |member: &Member| member.assigned.get(&Uuid::from_u128(id)).is_some_and(|read| read.contains(partition));
            members.values().any(of)
        };
        (0..count).all(|partition| is_read(&partition))
    }

    #[test]
    fn every_partition_is_read_and_every_member_reads_equally_much() {
        for (ids, count, expected) in [
            (&["a"][..], 3, &[3][..]),
            (&["a", "b"], 3, &[2, 1]),
            (&["a", "b", "c"], 1, &[1, 1, 1]),
            (&["a", "b", "c"], 2, &[2, 1, 1]),
            (&["a", "b", "c", "d"], 2, &[1, 1, 1, 1]),
        ] {
            let mut members = members(ids, &["t"]);
            assign(&mut members, &topics(&[("t", 1, count)]));
            let mut seen = counts(&members);
            seen.sort_by(|one, other| other.cmp(one));
            assert_eq!(seen, expected, "{ids:?} {count}");
            assert!(all_are_read(&members, 1, count as i32));
        }
    }

    #[test]
    fn who_comes_and_goes_moves_as_little_as_possible() {
        let topics = topics(&[("t", 1, 4)]);
        let mut group = members(&["a", "b"], &["t"]);
        assign(&mut group, &topics);
        let before = group.clone();
        group.extend(members(&["c"], &["t"]));
        assign(&mut group, &topics);
        assert_eq!(counts(&group).iter().sum::<usize>(), 4);
        let kept: usize = ["a", "b"]
            .iter()
            .map(|id| group[*id].assigned[&Uuid::from_u128(1)].intersection(&before[*id].assigned[&Uuid::from_u128(1)]).count())
            .sum();
        assert_eq!(kept, 3);
        group.remove("c");
        assign(&mut group, &topics);
        assert_eq!(counts(&group), [2, 2]);
    }

    #[test]
    fn members_read_only_what_they_want() {
        let topics = topics(&[("t", 1, 2), ("u", 2, 3)]);
        let mut group = members(&["a"], &["t"]);
        group.extend(members(&["b"], &["u", "nowhere"]));
        assign(&mut group, &topics);
        assert!(all_are_read(&group, 1, 2) && all_are_read(&group, 2, 3));
        assert_eq!(counts(&group), [2, 3]);
        group.get_mut("a").unwrap().topics.clear();
        assign(&mut group, &topics);
        assert_eq!(counts(&group), [0, 3]);
    }
}
