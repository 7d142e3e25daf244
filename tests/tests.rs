//! All integration tests, in one binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

/// Every engine keeps the promises of the journal and the ledger.
mod store;
