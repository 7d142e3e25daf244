//! **Consumer groups**, classic (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and of the consumer protocol (KIP-848, [`consumer`]),
//! and committed offsets.
//!
//! Decide, record, apply, answer. [`decide`] is the rules as plain functions; a [`Change`](state::Change) is what must
//! outlive the process; [`journal`] writes changes to the notebook; `Group::apply` carries them out, live and at start-up
//! alike; [`coordinator`] gives every group with work to do a task of its own.
//!
//! **One order for every change: written, durable, applied, answered.** What only lives as long as the connections (who
//! waits, who must send a heartbeat by when) is changed at once, so that the next request sees it. No answer that depends
//! on a change leaves before the change is durable, and OffsetFetch reads only what has been applied.
//!
//! How we differ from Kafka: an unfinished group is a value, not a state (`Dead` is only what is shown of a group that does
//! not exist); a group nobody waits for has no task; several members whose sessions end together cause one rebalance.
//! What a transaction commits is durable at once, and seen when the transaction's coordinator says that it is committed.
//!
//! Knows no message of the wire, no log and no store: `kafka::code` has the numbers of its [`Refusal`]s, and the API files
//! translate its plain structs.

mod config;
mod consumer;
mod coordinator;
mod decide;
mod journal;
mod request;
mod state;
mod subscription;
mod topics;

pub(crate) use config::GroupConfig;
pub(crate) use consumer::assignor::Assignor;
pub(crate) use consumer::pattern::{check as check_pattern, matching};
pub(crate) use consumer::state::Target;
pub(crate) use coordinator::Coordinator;
pub(crate) use request::{
    Beat, Beaten, Commit, Described, DescribedConsumer, DescribedConsumers, Join, JoinRefused, Joined, Leaver, Listed,
    Membership, NewOffset, Partitions, Protocol, Refusal, Sync, TopicOffsets,
};
pub(crate) use state::{Committed, State};
#[cfg(test)]
pub(crate) use topics::Shelf;
pub(crate) use topics::{Topic, Topics};
