//! Share groups ⇄ the notebook.
//!
//! | key | value |
//! |---|---|
//! | `share/group/ID` | a [`Group`] |
//! | `share/records/ID/TOPIC/PARTITION` | a partition's [`Stored`] records |
//!
//! `ID` is a number given to the group by this gateway, because a group name may be any text of any length and a key of the ledger
//! may not. An id is never given out twice while a key with it exists, so leftovers cannot join a new group.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::partition::{Partition, Stored};
use super::state::{Group, Place};
use crate::notebook::{Notebook, Page};

const GROUP: &str = "share/group/";
const RECORDS: &str = "share/records/";

/// A group as it is kept.
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) group: Group,
    pub(super) partitions: BTreeMap<Place, Partition>,
}

pub(super) fn put_group(page: &mut Page, id: u64, group: &Group) {
    page.put(format!("{GROUP}{id:016x}"), group);
}

pub(super) fn remove_group(page: &mut Page, id: u64) {
    page.remove(format!("{GROUP}{id:016x}"));
}

pub(super) fn put_records(page: &mut Page, id: u64, place: Place, partition: &Partition) {
    page.put(records_key(id, place), &partition.stored());
}

pub(super) fn remove_records(page: &mut Page, id: u64, place: Place) {
    page.remove(records_key(id, place));
}

/// All groups of the notebook, and an id above all that were ever used. The error is the notebook's, in words.
pub(super) fn load(notebook: &Notebook) -> Result<(Vec<Kept>, u64), String> {
    let (mut groups, mut last_id) = (BTreeMap::new(), 0);
    for (key, group) in notebook.read::<Group>(GROUP).map_err(|error| error.to_string())? {
        let id = key.strip_prefix(GROUP).and_then(|id| u64::from_str_radix(id, 16).ok()).ok_or_else(|| wrong(&key))?;
        last_id = last_id.max(id);
        groups.insert(id, Kept { id, group, partitions: BTreeMap::new() });
    }
    for (key, stored) in notebook.read::<Stored>(RECORDS).map_err(|error| error.to_string())? {
        let (id, place) = parse(&key).ok_or_else(|| wrong(&key))?;
        last_id = last_id.max(id);
        match groups.get_mut(&id) {
            Some(kept) => drop(kept.partitions.insert(place, Partition::restored(&stored))),
            None => tracing::warn!(id, "the ledger has records of a share group without a name; they are not used"),
        }
    }
    Ok((groups.into_values().collect(), last_id + 1))
}

fn records_key(id: u64, place: Place) -> String {
    format!("{RECORDS}{id:016x}/{}/{}", place.topic.simple(), place.partition)
}

fn parse(key: &str) -> Option<(u64, Place)> {
    let (id, place) = key.strip_prefix(RECORDS)?.split_once('/')?;
    let (topic, partition) = place.split_once('/')?;
    let place = Place { topic: Uuid::parse_str(topic).ok()?, partition: partition.parse().ok()? };
    Some((u64::from_str_radix(id, 16).ok()?, place))
}

fn wrong(key: &str) -> String {
    format!("the ledger's key {key} is not one of a share group")
}
