//! The Kinesis door: one file per operation, each with its shape, its rules and its behaviour; and what all requests have in
//! common.

mod connections;
mod create_stream;
mod describe_stream_summary;
mod list_streams;
mod transport;
