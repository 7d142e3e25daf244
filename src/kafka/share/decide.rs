//! What a group does with a heartbeat, and with silence: plain functions that change a [`Group`] and say so.
//!
//! As Kafka's `GroupMetadataManager` decides it. Whatever calls for another assignment raises the group's epoch; the next heartbeat
//! computes it, but not sooner after the last one than `share.assignment.interval.ms` (KIP-1263). A member's epoch is that of the
//! assignment it was told last; nobody waits for anybody, because two members may read the same partition.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::assignor;
use super::state::{Beat, Beaten, Group, Lookup, Member, Read, Refusal, Settings};

/// Members in one group (Kafka: `group.share.max.size`, 4.4).
pub(crate) const GROUP_SIZE_MAX: usize = 200;
/// The epoch of a member that joins, and of one that leaves (Kafka: `ShareGroupHeartbeatRequest`).
pub(super) const JOIN: i32 = 0;
pub(super) const LEAVE: i32 = -1;

/// Partitions of the topics that one group reads. *Ours*: a topic has half as many at most.
const PARTITIONS_MAX: usize = 20_000;

/// Takes a heartbeat that is not the last one; whether anything changed that must be kept. A refused one changes nothing.
pub(super) fn beat(
    group: &mut Group,
    beat: &Beat,
    settings: Settings,
    topics: Lookup<'_>,
    now: Duration,
) -> Result<(Beaten, bool), Refusal> {
    let known = group.members.get(&beat.member);
    match known {
        Some(member) if [JOIN, member.epoch, member.previous_epoch].contains(&beat.epoch) => {}
        Some(_) => return Err(Refusal::FencedEpoch),
        None if beat.epoch != JOIN => return Err(Refusal::UnknownMember),
        None if group.members.len() >= GROUP_SIZE_MAX => return Err(Refusal::GroupFull),
        None => {}
    }
    let others = group.members.iter().filter(|(id, _)| **id != beat.member);
    let wanted = others.flat_map(|(_, member)| &member.topics);
    let own = beat.topics.as_ref().or(known.map(|member| &member.topics));
    let found = find(wanted.chain(own.into_iter().flatten()), topics);
    if found.values().map(|(_, partitions)| *partitions as usize).sum::<usize>() > PARTITIONS_MAX {
        return Err(Refusal::TooMany);
    }
    let is_new = known.is_none();
    let member = group.members.entry(beat.member.clone()).or_default();
    let before = (member.topics.clone(), member.rack.clone(), member.client_id.clone(), member.client_host.clone());
    if let Some(topics) = &beat.topics {
        member.topics.clone_from(topics);
    }
    if beat.rack.is_some() {
        member.rack.clone_from(&beat.rack);
    }
    member.client_id.clone_from(&beat.client_id);
    member.client_host.clone_from(&beat.client_host);
    member.session_end = now.saturating_add(settings.session_timeout);
    let wants_others = is_new || member.topics != before.0;
    let mut has_changed =
        (&member.topics, &member.rack, &member.client_id, &member.client_host) != (&before.0, &before.1, &before.2, &before.3);
    has_changed |= renew(group, &found, wants_others);
    has_changed |= assign(group, &found, settings.assignment_interval, now);
    let epoch = group.target_epoch;
    let member = group.members.entry(beat.member.clone()).or_default();
    if member.epoch != epoch {
        (member.previous_epoch, member.epoch) = (member.epoch, epoch);
        has_changed = true;
    }
    let is_told = beat.topics.is_some() || beat.epoch != epoch;
    let assignment = is_told.then(|| member.assigned.clone());
    Ok((Beaten { epoch, interval: settings.heartbeat_interval, assignment }, has_changed || is_new))
}

/// Lets a member go. What it read is given to others at the next heartbeat of anybody.
pub(super) fn leave(group: &mut Group, member: &str) -> Result<(), Refusal> {
    group.members.remove(member).ok_or(Refusal::UnknownMember)?;
    group.epoch = group.epoch.saturating_add(1);
    if group.members.is_empty() {
        // Whoever comes next need not wait.
        (group.target_epoch, group.assigned_at) = (group.epoch, None);
    }
    Ok(())
}

/// The members whose sessions are over.
pub(super) fn silent(group: &Group, now: Duration) -> Vec<String> {
    let is_over = |(_, member): &(&String, &Member)| member.session_end <= now;
    group.members.iter().filter(is_over).map(|(id, _)| id.clone()).collect()
}

/// Forgets topics that are gone.
pub(super) fn forget(group: &mut Group, is_gone: impl Fn(&Uuid) -> bool) -> Vec<Uuid> {
    let gone: Vec<Uuid> = group.topics.keys().filter(|topic| is_gone(topic)).copied().collect();
    for topic in &gone {
        group.topics.remove(topic);
        group.members.values_mut().for_each(|member| drop(member.assigned.remove(topic)));
    }
    if !gone.is_empty() {
        group.epoch = group.epoch.saturating_add(1);
    }
    gone
}

/// Enters topics, of which the group has state from now on. A group that was nothing yet is something then.
pub(super) fn enter(group: &mut Group, topics: &BTreeMap<Uuid, (String, u32)>) {
    group.epoch = group.epoch.max(1);
    for (topic, (name, partitions)) in topics {
        group.topics.insert(*topic, Read { name: name.clone(), partitions: *partitions });
    }
}

/// The topics of these names that there are.
fn find<'a>(names: impl Iterator<Item = &'a String>, topics: Lookup<'_>) -> BTreeMap<String, (Uuid, u32)> {
    let names: BTreeSet<&String> = names.collect();
    names.into_iter().filter_map(|name| topics(name).map(|topic| (name.clone(), topic))).collect()
}

/// Raises the epoch if members have changed, or topics have come, grown or gone, and enters the topics; whether it did.
fn renew(group: &mut Group, found: &BTreeMap<String, (Uuid, u32)>, is_due: bool) -> bool {
    let mut is_due = is_due;
    for (name, &(topic, partitions)) in found {
        if group.topics.get(&topic).is_none_or(|read| read.partitions != partitions) {
            group.topics.insert(topic, Read { name: name.clone(), partitions });
            is_due = true;
        }
    }
    let there: BTreeSet<Uuid> = found.values().map(|(topic, _)| *topic).collect();
    let reads_gone = |member: &Member| !member.assigned.keys().all(|topic| there.contains(topic));
    // Until it is assigned anew they do: once is enough.
    is_due |= group.epoch == group.target_epoch && group.members.values().any(reads_gone);
    if is_due {
        group.epoch = group.epoch.saturating_add(1);
    }
    is_due
}

/// Assigns anew if that is called for and not too early; whether it did.
fn assign(group: &mut Group, found: &BTreeMap<String, (Uuid, u32)>, interval: Duration, now: Duration) -> bool {
    let is_early = group.assigned_at.is_some_and(|at| now < at.saturating_add(interval));
    if group.epoch == group.target_epoch || is_early {
        return false;
    }
    assignor::assign(&mut group.members, found);
    (group.target_epoch, group.assigned_at) = (group.epoch, Some(now));
    true
}
