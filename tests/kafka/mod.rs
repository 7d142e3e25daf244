//! The Kafka door: one file per API key, each a script of frames; and what all requests have in common.

mod api_versions;
mod fetch;
mod find_coordinator;
mod hostile;
mod init_producer_id;
mod list_offsets;
mod listener;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod sasl;
