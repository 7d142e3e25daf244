//! States ⇄ the notebook, room "kafka".
//!
//! | key | value |
//! |---|---|
//! | `transaction/NUMBER` | a [`Stored`] |
//! | `transaction-lane/NUMBER/STREAM/LANE` | `null`: the lane is in the transaction |
//!
//! `NUMBER` is given to the transactional id by this gateway, because the id may be any text of any length and a key of the
//! ledger may not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{State, Transaction};
use crate::model::{Lane, LaneId, StreamId, Timestamp};
use crate::notebook::{Notebook, Page};

/// A transactional id without its lanes.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    producer: i64,
    epoch: i16,
    producer_before: Option<i64>,
    epoch_before: Option<i16>,
    producer_next: Option<i64>,
    timeout_millis: u32,
    state: State,
    is_second: bool,
    started_at: Option<Timestamp>,
    changed_at: Timestamp,
    groups: BTreeSet<String>,
}

/// The page that makes `next` durable, where `before` is.
pub(super) fn page(before: Option<&Transaction>, next: &Transaction) -> Page {
    let (mut page, none) = (Page::default(), BTreeSet::new());
    let stored = Stored {
        name: next.name.to_string(),
        producer: next.producer,
        epoch: next.epoch,
        producer_before: next.producer_before,
        epoch_before: next.epoch_before,
        producer_next: next.producer_next,
        timeout_millis: u32::try_from(next.timeout.as_millis()).unwrap_or(u32::MAX),
        state: next.state,
        is_second: next.is_second,
        started_at: next.started_at,
        changed_at: next.changed_at,
        groups: next.groups.clone(),
    };
    page.put(key(next.number), &stored);
    let lanes = before.map_or(&none, |before| &before.lanes);
    next.lanes.difference(lanes).for_each(|lane| page.put(lane_key(next.number, *lane), &()));
    lanes.difference(&next.lanes).for_each(|lane| page.remove(lane_key(next.number, *lane)));
    page
}

/// The page that forgets `gone`, which has no transaction.
pub(super) fn removal(gone: &Transaction) -> Page {
    let mut page = Page::default();
    page.remove(key(gone.number));
    page
}

/// All transactional ids of the notebook, by number. The error is the notebook's, in words.
pub(super) fn load(notebook: &Notebook) -> Result<Vec<Transaction>, String> {
    let mut found = BTreeMap::new();
    for (key, stored) in notebook.read::<Stored>("transaction/").map_err(|error| error.to_string())? {
        let number =
            key.split_once('/').and_then(|(_, number)| u64::from_str_radix(number, 16).ok()).ok_or_else(|| wrong(&key))?;
        found.insert(number, restored(number, stored));
    }
    for (key, ()) in notebook.read::<()>("transaction-lane/").map_err(|error| error.to_string())? {
        let (number, lane) = parse_lane(&key).ok_or_else(|| wrong(&key))?;
        if let Some(transaction) = found.get_mut(&number) {
            transaction.lanes.insert(lane);
        }
    }
    Ok(found.into_values().collect())
}

fn restored(number: u64, stored: Stored) -> Transaction {
    Transaction {
        number,
        name: stored.name.into(),
        producer: stored.producer,
        epoch: stored.epoch,
        producer_before: stored.producer_before,
        epoch_before: stored.epoch_before,
        producer_next: stored.producer_next,
        timeout: Duration::from_millis(stored.timeout_millis.into()),
        state: stored.state,
        is_second: stored.is_second,
        started_at: stored.started_at,
        changed_at: stored.changed_at,
        lanes: BTreeSet::new(),
        groups: stored.groups,
    }
}

fn key(number: u64) -> String {
    format!("transaction/{number:016x}")
}

fn lane_key(number: u64, lane: LaneId) -> String {
    format!("transaction-lane/{number:016x}/{}/{}", lane.stream, lane.lane.0)
}

fn parse_lane(key: &str) -> Option<(u64, LaneId)> {
    let mut parts = key.split('/').skip(1);
    let number = u64::from_str_radix(parts.next()?, 16).ok()?;
    let (stream, lane) = (StreamId(parts.next()?.parse().ok()?), Lane(parts.next()?.parse().ok()?));
    parts.next().is_none().then_some((number, LaneId { stream, lane }))
}

fn wrong(key: &str) -> String {
    format!("the ledger's key kafka/{key} is not one of a transaction")
}
