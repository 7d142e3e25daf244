//! **Groups** with committed offsets: classic (JoinGroup, SyncGroup, Heartbeat, LeaveGroup), of the consumer protocol (KIP-848,
//! [`consumer`]) and of the streams protocol (KIP-1071, [`streams`]). [`roster`] is what the newer two have in common.
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
mod roster;
mod state;
mod streams;
mod subscription;
mod topics;

pub(crate) use config::{GROUP_SIZE_MAX, GroupConfig};
pub(crate) use consumer::assignor::Assignor;
pub(crate) use consumer::pattern::{Pattern, check as check_pattern, matching};
pub(crate) use consumer::state::Target;
pub(crate) use coordinator::Coordinator;
pub(crate) use request::{
    Beat, Beaten, Commit, ConsumerSettings, Described, DescribedConsumer, DescribedConsumers, Join, JoinRefused, Joined, Leaver,
    Listed, Membership, NewOffset, Partitions, Protocol, Refusal, Sync, TopicOffsets,
};
pub(crate) use state::{Committed, State};
pub(crate) use streams::assignor::NAME as STREAMS_ASSIGNOR;
pub(crate) use streams::request::{
    DescribedStreams, DescribedStreamsMember, Served, Status, StreamsBeat, StreamsBeaten, TaskOffsets,
};
pub(crate) use streams::state::{Endpoint, Settings as StreamsSettings, Target as TaskTarget, Tasks};
pub(crate) use streams::topology::{Internal, Subtopology, Topology};
#[cfg(test)]
pub(crate) use topics::Shelf;
pub(crate) use topics::{Topic, Topics};
