//! **What is measured.** Counters that doors feed as things happen, one-minute statistics of streams, and values that are
//! collected when somebody asks.
//!
//! Three families from one registry: the broker metrics as the JMX exporter names them, the topic and group metrics as
//! kafka_exporter names them, and those of Kinesis as exporters of CloudWatch name them, so that their dashboards work. Every name
//! is in `name.rs` and `measure.rs`. One registry per gateway; nothing is global. Never imports `log` or anything above: a stream
//! of the log carries its [`StreamMeter`], doors feed it, and `gateway` collects the values and hands them in as a [`Snapshot`].
//!
//! Series are bounded: labels are names of what exists, API names and error names, and each family has a largest size beyond
//! which it only counts what it leaves out.

mod cloudwatch;
mod measure;
mod meter;
mod name;
mod snapshot;
mod stream;
mod window;

pub use measure::{About, Measure, Scope};
pub use meter::{Meter, OpenConnection, Scraped};
pub use name::{Kind, METRICS, Metric};
pub use snapshot::{GROUP_OFFSETS_MAX, GroupOffset, GroupState, LaneState, Snapshot, StreamState, TopicState};
pub use stream::{Dimension, Got, Put, Room, StreamMeter};
pub use window::{Datapoint, HISTORY, Measured, Statistic};
