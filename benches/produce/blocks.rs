//! The bytes that are produced, and those who wait for their acknowledgement.

use std::thread::scope;

use shardgate::batch::{Batch, Builder, Draft};
use shardgate::model::Timestamp;

use super::IN_FLIGHT;
use super::support::{Outcome, Window};

/// Bytes of one record's value.
const VALUE_BYTES: usize = 1_000;

/// An uncompressed batch of records of 1,000 bytes, of nearly `bytes`.
pub(crate) fn batch(bytes: usize) -> Outcome<Batch> {
    let value: Vec<u8> = (0..VALUE_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let draft = Draft { value: Some(&value), created_at: Timestamp(1_700_000_000_000), ..Draft::default() };
    // A record of this size has 8 bytes beside its value, a batch 61.
    let records = (bytes - 61) / (VALUE_BYTES + 8);
    Ok((0..records).fold(Builder::default(), |builder, _| builder.record(draft)).build()?)
}

/// Lets 32 threads append one block of `bytes` after the other, each waiting for the acknowledgement, until the window is over.
pub(crate) fn append_all(window: &Window, bytes: usize, append: impl Fn(usize) -> Outcome<()> + Sync) -> Outcome<()> {
    let appender = |number| {
        while !window.is_over() {
            append(number)?;
            window.count(bytes);
        }
        Ok(())
    };
    scope(|threads| {
        let appenders: Vec<_> = (0..IN_FLIGHT).map(|number| threads.spawn(move || appender(number))).collect();
        appenders.into_iter().try_for_each(|appender| appender.join().map_err(|_| "an appender panicked")?)
    })
}
