//! **shardgate**: a Kafka-protocol gateway over a Kinesis-model log.

pub mod env;
pub mod model;
