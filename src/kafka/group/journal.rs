//! Changes ⇄ the notebook, room "groups".
//!
//! | key | value |
//! |---|---|
//! | `name/ID` | the group's name |
//! | `generation/ID` | the last completed [`Generation`] |
//! | `roster/ID` | of a group of the consumer protocol, its epochs ([`Parts::Head`]); then there is no generation |
//! | `member/ID/NUMBER` | what a member of it says of itself ([`Parts::Profile`]) |
//! | `target/ID/NUMBER`, `holding/ID/NUMBER` | what it is to have, and what it has ([`Parts::Target`], [`Holding`]) |
//! | `streams-roster/ID`, `streams-member/ID/NUMBER` … | the same of a group of the streams protocol |
//! | `offset/ID/TOPIC/PARTITION` | a [`Committed`] |
//! | `pending/ID/PRODUCER/TOPIC/PARTITION` | a [`Committed`] of a transaction that has not ended |
//!
//! `ID` is a number given to the group by this gateway, because a group name may be any text of any length and a key of the
//! ledger may not. An id is never given out twice while a key with it exists, so leftovers cannot join a new group.

use std::collections::BTreeMap;

use super::consumer::state::Consumers;
use super::roster::{Holding, Parts, Seat, Step};
use super::state::{Change, Committed, Generation, Group, Now};
use super::streams::state::Streams;
use crate::notebook::{Notebook, Page};

/// The page that makes `changes` of `group` durable, together.
pub(super) fn page(group: &Group, changes: &[Change]) -> Page {
    let mut page = Page::default();
    if !group.recorded {
        page.put(name_key(group.id), &group.name.as_ref());
    }
    for change in changes {
        write(&mut page, group, change);
    }
    page
}

fn write(page: &mut Page, group: &Group, change: &Change) {
    match change {
        Change::Generation(generation) => {
            page.put(generation_key(group.id), generation);
            // The group may have been one of a newer protocol, before the last member left.
            page.remove(roster_key::<Consumers>(group.id));
            page.remove(roster_key::<Streams>(group.id));
        }
        Change::Roster(steps) => {
            if group.roster.is_none() {
                page.remove(generation_key(group.id));
            }
            steps.iter().for_each(|step| write_step(page, group.id, step));
        }
        Change::Streams(steps) => {
            if group.streams.is_none() {
                page.remove(generation_key(group.id));
            }
            steps.iter().for_each(|step| write_step(page, group.id, step));
        }
        Change::Downgraded { generation, .. } => {
            page.put(generation_key(group.id), generation);
            remove_roster(page, group);
        }
        Change::Offsets(offsets) => {
            for (topic, partition, committed) in offsets {
                match committed {
                    Some(committed) => page.put(offset_key(group.id, topic, *partition), committed),
                    None => page.remove(offset_key(group.id, topic, *partition)),
                }
            }
        }
        Change::Pending(producer, offsets) => {
            for (topic, partition, committed) in offsets {
                let key = pending_key(group.id, *producer, topic, *partition);
                match committed {
                    Some(committed) => page.put(key, committed),
                    None => page.remove(key),
                }
            }
        }
        Change::Deleted => {
            for (producer, pending) in &group.uncommitted {
                pending.keys().for_each(|(topic, partition)| page.remove(pending_key(group.id, *producer, topic, *partition)));
            }
            page.remove(name_key(group.id));
            page.remove(generation_key(group.id));
            remove_roster(page, group);
            for (topic, partitions) in &group.offsets {
                partitions.keys().for_each(|&partition| page.remove(offset_key(group.id, topic, partition)));
            }
        }
    }
}

fn write_step<P: Parts>(page: &mut Page, id: u64, step: &Step<P>) {
    match step {
        Step::Head(head) => page.put(roster_key::<P>(id), &**head),
        Step::Profile(seat, profile) => page.put(member_key::<P>("member", id, seat.number), &**profile),
        Step::Target(seat, target) => page.put(member_key::<P>("target", id, seat.number), &**target),
        Step::Holding(seat, holding) => page.put(member_key::<P>("holding", id, seat.number), &**holding),
        Step::Gone(seat) => remove_member::<P>(page, id, seat.number),
    }
}

fn remove_member<P: Parts>(page: &mut Page, id: u64, number: u64) {
    ["member", "target", "holding"].into_iter().for_each(|kind| page.remove(member_key::<P>(kind, id, number)));
}

fn remove_roster(page: &mut Page, group: &Group) {
    remove_parts::<Consumers>(page, group.id, group.roster.iter().flat_map(|roster| roster.numbers()));
    remove_parts::<Streams>(page, group.id, group.streams.iter().flat_map(|roster| roster.numbers()));
}

fn remove_parts<P: Parts>(page: &mut Page, id: u64, numbers: impl Iterator<Item = u64>) {
    page.remove(roster_key::<P>(id));
    numbers.for_each(|number| remove_member::<P>(page, id, number));
}

/// All groups of the notebook, and an id above all that were ever used. The error is the notebook's, in words.
pub(super) fn load(notebook: &Notebook, now: Now) -> Result<(Vec<Group>, u64), String> {
    let mut groups = BTreeMap::new();
    let mut last_id = 0;
    for (key, name) in read::<String>(notebook, "name/")? {
        let (id, _) = parse(&key)?;
        last_id = last_id.max(id);
        let mut group = Group::new(id, name.into());
        group.recorded = true;
        groups.insert(id, group);
    }
    for (key, generation) in read::<Generation>(notebook, "generation/")? {
        let (id, _) = parse(&key)?;
        last_id = last_id.max(id);
        restore(&mut groups, id, Change::Generation(generation), now);
    }
    load_roster::<Consumers>(notebook, &mut groups, &mut last_id, Change::Roster, now)?;
    load_roster::<Streams>(notebook, &mut groups, &mut last_id, Change::Streams, now)?;
    for (key, committed) in read::<Committed>(notebook, "offset/")? {
        let (id, place) = parse(&key)?;
        last_id = last_id.max(id);
        let (topic, partition) = place.rsplit_once('/').ok_or_else(|| wrong(&key))?;
        let partition = partition.parse().map_err(|_| wrong(&key))?;
        restore(&mut groups, id, Change::Offsets(vec![(topic.to_owned(), partition, Some(committed))]), now);
    }
    for (key, committed) in read::<Committed>(notebook, "pending/")? {
        let (id, place) = parse(&key)?;
        last_id = last_id.max(id);
        let (producer, place) = place.split_once('/').ok_or_else(|| wrong(&key))?;
        let (topic, partition) = place.rsplit_once('/').ok_or_else(|| wrong(&key))?;
        let (Ok(producer), Ok(partition)) = (producer.parse(), partition.parse()) else { return Err(wrong(&key)) };
        restore(&mut groups, id, Change::Pending(producer, vec![(topic.to_owned(), partition, Some(committed))]), now);
    }
    Ok((groups.into_values().collect(), last_id + 1))
}

/// Restores the groups of one protocol; `change` makes one of their steps.
fn load_roster<P: Parts>(
    notebook: &Notebook,
    groups: &mut BTreeMap<u64, Group>,
    last_id: &mut u64,
    change: fn(Vec<Step<P>>) -> Change,
    now: Now,
) -> Result<(), String> {
    let room = P::ROOM;
    for (key, head) in read::<P::Head>(notebook, &format!("{room}roster/"))? {
        let (id, _) = parse(&key)?;
        *last_id = id.max(*last_id);
        restore(groups, id, change(vec![Step::Head(head.into())]), now);
    }
    let mut seats = BTreeMap::new();
    for (key, profile) in read::<P::Profile>(notebook, &format!("{room}member/"))? {
        let (id, number) = parse_member(&key)?;
        let seat = Seat { number, id: P::names(&profile).0.clone() };
        seats.insert((id, number), seat.clone());
        restore(groups, id, change(vec![Step::Profile(seat, profile.into())]), now);
    }
    for (key, target) in read::<P::Target>(notebook, &format!("{room}target/"))? {
        let place = parse_member(&key)?;
        let seat = seats.get(&place).cloned().ok_or_else(|| wrong(&key))?;
        restore(groups, place.0, change(vec![Step::Target(seat, target.into())]), now);
    }
    for (key, holding) in read::<Holding<P::Held>>(notebook, &format!("{room}holding/"))? {
        let place = parse_member(&key)?;
        let seat = seats.get(&place).cloned().ok_or_else(|| wrong(&key))?;
        restore(groups, place.0, change(vec![Step::Holding(seat, holding.into())]), now);
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(notebook: &Notebook, prefix: &str) -> Result<Vec<(String, T)>, String> {
    notebook.read(prefix).map_err(|error| error.to_string())
}

fn restore(groups: &mut BTreeMap<u64, Group>, id: u64, change: Change, now: Now) {
    match groups.get_mut(&id) {
        Some(group) => group.apply(change, now),
        None => tracing::warn!(id, "the ledger has state of a consumer group without a name; it is not used"),
    }
}

fn name_key(id: u64) -> String {
    format!("name/{id:016x}")
}

fn generation_key(id: u64) -> String {
    format!("generation/{id:016x}")
}

fn roster_key<P: Parts>(id: u64) -> String {
    format!("{}roster/{id:016x}", P::ROOM)
}

fn member_key<P: Parts>(kind: &str, id: u64, number: u64) -> String {
    format!("{}{kind}/{id:016x}/{number:016x}", P::ROOM)
}

fn offset_key(id: u64, topic: &str, partition: i32) -> String {
    format!("offset/{id:016x}/{topic}/{partition}")
}

fn pending_key(id: u64, producer: i64, topic: &str, partition: i32) -> String {
    format!("pending/{id:016x}/{producer}/{topic}/{partition}")
}

/// The id in a key, and what follows it.
fn parse(key: &str) -> Result<(u64, &str), String> {
    let (_kind, rest) = key.split_once('/').ok_or_else(|| wrong(key))?;
    let (id, place) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((u64::from_str_radix(id, 16).map_err(|_| wrong(key))?, place))
}

/// The ids in the key of a member of a group of a newer protocol.
fn parse_member(key: &str) -> Result<(u64, u64), String> {
    let (id, number) = parse(key)?;
    Ok((id, u64::from_str_radix(number, 16).map_err(|_| wrong(key))?))
}

fn wrong(key: &str) -> String {
    format!("the ledger's key groups/{key} is not one of a consumer group")
}

/// Bytes as hexadecimal text: half the size of JSON's list of numbers.
pub(super) mod hex {
    use std::fmt::Write;

    use bytes::Bytes;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(in crate::kafka::group) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    pub(in crate::kafka::group) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
            u8::from_str_radix(pair, 16).map_err(D::Error::custom)
        };
        text.as_bytes().chunks(2).map(digit).collect()
    }
}
