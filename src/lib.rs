//! **shardgate**: a Kafka-protocol gateway over a Kinesis-model log.
pub mod batch;
pub mod env;
pub mod kafka;
pub mod log;
pub mod model;
pub mod notebook;
pub mod store;
