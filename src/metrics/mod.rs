//! **What is measured.** Counters that doors feed as things happen, and values that are collected when somebody asks.
//!
//! Two families from one registry: the broker metrics as the JMX exporter names them, and the topic and group metrics as
//! kafka_exporter names them, so that their dashboards work. Every name is in [`name`]. One registry per gateway; nothing is
//! global. Never imports `log` or anything above; `gateway` collects the values and hands them in as a [`Snapshot`].
//!
//! Series are bounded: labels are names of what exists, API names and error names, and each family has a largest size beyond
//! which it only counts what it leaves out.

mod meter;
mod name;
mod snapshot;

pub use meter::{Meter, OpenConnection, Scraped};
pub use snapshot::{GroupOffset, GroupState, LaneState, Snapshot, TopicState};
