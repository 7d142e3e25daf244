//! All integration tests, in one binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

/// Gateways in memory, pipes to them, and batches.
mod support;

/// Both doors at once: one log, one set of streams.
mod bridge;
/// What is asked of CloudWatch.
mod cloudwatch;
/// The bodies of the fuzzer's targets, run on their corpus.
mod fuzz;
/// One file per API key: a script of frames.
mod kafka;
/// One file per operation of the Kinesis API.
mod kinesis;
/// What is true of streams, whoever asks.
mod log;
/// The program, as a process.
mod program;
/// The real librdkafka over real sockets.
mod rdkafka;
/// Every engine keeps the promises of the journal and the ledger.
mod store;
/// The house rules.
mod tidy;

/// The binary's allocator: it maps what is asked for lazily, so that a count of billions in a request becomes a decoding
/// error as soon as the request turns out to be short.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
