//! **Client quotas**: how much a client may do, and how long one that has done more has to wait.
//!
//! `entity` has Kafka's words for whom a quota is and what it limits; `rate` is pure and says how far somebody is over; `quotas`
//! keeps the rules in the notebook and counts what is used. Whoever is over is answered at once, with the delay in
//! `throttle_time_ms`, and the next request of the connection is read after it (KIP-219; `turn.rs`). Beside them are the limits of
//! each shard, which nobody can change.
//!
//! Never imports the wire.

mod entity;
mod quotas;
mod rate;

pub(crate) use entity::{Entity, Limit, NAME_BYTES_MAX, Name, address};
pub(crate) use quotas::{ENTITIES_MAX, Quotas, TooMany, Who};
