//! The bytes that are produced.

use shardgate::batch::{Batch, Builder, Draft};
use shardgate::model::Timestamp;

use super::Outcome;

/// Bytes of one record's value, where batches have room for more than one.
const VALUE_BYTES: usize = 1_000;
/// What a record of up to 1,000 bytes has beside its value, and what a batch has.
const RECORD_OVERHEAD_BYTES: usize = 8;
const BATCH_OVERHEAD_BYTES: usize = 61;

/// An uncompressed batch of records of 1,000 bytes (or of one smaller record), of nearly `bytes`, which are 100 at least.
pub(crate) fn batch(bytes: usize) -> Outcome<Batch> {
    let value_bytes = VALUE_BYTES.min(bytes - BATCH_OVERHEAD_BYTES - RECORD_OVERHEAD_BYTES);
    let value: Vec<u8> = (0..value_bytes).map(|at| (at * 31 % 251) as u8).collect();
    let draft = Draft { value: Some(&value), created_at: Timestamp(1_700_000_000_000), ..Draft::default() };
    let records = ((bytes - BATCH_OVERHEAD_BYTES) / (VALUE_BYTES + RECORD_OVERHEAD_BYTES)).max(1);
    Ok((0..records).fold(Builder::default(), |builder, _| builder.record(draft)).build()?)
}
