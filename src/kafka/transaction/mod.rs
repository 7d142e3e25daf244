//! **Transactions**: who may write in one, which partitions and groups belong to it, and how it ends.
//!
//! Decide, record, apply, answer. [`decide`] is the rules as plain functions from a transactional id's state to the next;
//! [`journal`] writes states to the notebook; [`coordinator`] has one turn per transactional id, so that of two requests for it
//! one waits for the other.
//!
//! **The order of an end: prepared, durable, marked, complete, durable.** Once it is durable that a transaction is to be
//! committed or aborted, nothing takes that back: after a crash the markers are written again, which does no harm, and what
//! the groups were to keep is kept once.
//!
//! Both generations of the protocol are served: the first, in which a client names every partition before it writes there, and
//! the second (KIP-890), in which writing is enough, and every transaction has an epoch of its own.
//!
//! How we differ from Kafka: the end of a transaction is answered when its markers are durable, not when it is prepared, so that
//! a reader of committed records sees at once what a producer was told is committed; and a request that Kafka answers with
//! CONCURRENT_TRANSACTIONS while another one is under way waits for that one. Left out on purpose: two-phase commit of others
//! (KIP-939).
//!
//! Knows no message of the wire: `kafka::code` has the numbers of its [`Refusal`]s.

mod coordinator;
mod decide;
mod journal;
mod state;

pub(crate) use coordinator::{COORDINATOR_EPOCH, Coordinator, Part, Turn};
pub(crate) use decide::{Incarnation, Refusal};
pub(crate) use state::{State, Transaction};
