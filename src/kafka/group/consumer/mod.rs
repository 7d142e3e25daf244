//! **Groups of the consumer protocol** (KIP-848): the server assigns, and each member goes to its share at its own pace.
//!
//! A group has three kinds of epochs. The **group epoch** rises whenever something calls for another assignment: a member comes,
//! goes or subscribes to something else, a topic comes, goes or grows. The **target epoch** is the group epoch that the target,
//! the assignment that all members go to, was computed for: at the next heartbeat of anybody, a second after the last one at the
//! earliest (KIP-1263). A **member epoch** is the target that a member has gone to. On its way a member first gives up what is no longer its own, and gets what is new only when
//! nobody holds it any more, so that no partition has two owners at any time.
//!
//! [`state`] is what a group keeps and the [`Step`](state::Step)s that change it, [`decide`] the rules, [`reconcile`] one
//! member's way to its target, [`assignor`] the target, [`pattern`] subscriptions by regular expression, [`migrate`] the ways
//! from the classic protocol and back while members are at work.
//!
//! **One change at a time.** Steps are written, durable, and carried out before the group's next request is decided: what a
//! member is given depends on what others are known to have given up.
//!
//! The oracle is Apache Kafka 4.4: `GroupMetadataManager`, `ConsumerGroup`, `CurrentAssignmentBuilder`. Different here: a
//! pattern is resolved by the heartbeat that brings it, not in the background some time later, and topics are compared at the
//! next heartbeat after they have changed, not after a refresh interval; members whose time is up together go in one epoch.

pub(super) mod assignor;
pub(super) mod decide;
mod migrate;
pub(super) mod pattern;
mod reconcile;
pub(super) mod state;
