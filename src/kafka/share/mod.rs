//! **Share groups** (KIP-932): members of a group take records of the same partitions, one by one, each locked while somebody
//! works on it and delivered again unless it is acknowledged.
//!
//! Two machines, both pure: a group with its members and who reads what ([`state`], [`decide`], [`assignor`]), and a partition with
//! its records ([`partition`]). [`sessions`] are what a member's connection has asked for. [`journal`] writes to the notebook;
//! [`coordinator`] holds all of it and says what is durable when.
//!
//! **Changed at once, written in the same order, answered when durable.** A group or partition is always written whole, so a write
//! that fails is made good by the next one. To be ahead of the disk is harmless here: after a crash a record may be delivered once
//! more, and no answer said that it would not be. Deliveries alone are not written, as in Kafka; a record that was locked when the
//! gateway died is available again.
//!
//! How we differ from Kafka: a member reads without a session on a coordinator elsewhere, so nothing of `WriteShareGroupState` and
//! its like is served; a partition that nobody has read gets its start when it is read first, and keeps it through a restart even if
//! nothing was acknowledged.
//!
//! Knows no message of the wire, no log and no store.

mod assignor;
mod coordinator;
mod decide;
mod journal;
mod partition;
mod sessions;
mod state;

pub(crate) use coordinator::{Durable, Look, Reader, Shares};
pub(crate) use decide::GROUP_SIZE_MAX;
pub(crate) use partition::{Acknowledgement, Acquired, Verdict, Wanted};
pub(crate) use state::{Beat, Member, Place, Refusal, Settings};
