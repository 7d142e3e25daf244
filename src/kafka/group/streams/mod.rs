//! **Groups of the streams protocol** (KIP-1071): applications of Kafka Streams, whose tasks the server assigns.
//!
//! A member brings the application's **topology**: its subtopologies with the topics they read, and the internal topics they
//! need. A **task** is one partition of a subtopology; it is **active** with one member and may be on **standby** with others,
//! which then keep copies of its stores. The group's epochs are those of the consumer protocol (see the module `consumer`), and
//! so is the way of a member to its target: it gives up first, and nobody gets what somebody else still has.
//!
//! [`topology`] is what an application says of itself and what follows for topics and tasks, [`assignor`] the target,
//! [`reconcile`] one member's way to it, [`state`] what a group keeps, [`decide`] the rules, [`request`] what is asked and
//! answered.
//!
//! The oracle is Apache Kafka 4.4: `GroupMetadataManager`, `StreamsGroup`, `InternalTopicManager`, `StickyTaskAssignor`,
//! `CurrentAssignmentBuilder`. As there, a topology is never replaced by another while the group lives, tasks do not warm up
//! before they move (4.4's `AssignmentRefiner` leaves the target as it is), and topics by regular expression are refused.
//! Different here: topics are compared at the next heartbeat after they have changed; members whose time is up together go in one
//! epoch; where a copartition group has nothing but repartition topics, only those of the group have to agree; a topology, its
//! tasks and what is told of endpoints are bounded.

pub(super) mod assignor;
pub(super) mod decide;
mod reconcile;
pub(super) mod request;
pub(super) mod state;
pub(super) mod topology;
