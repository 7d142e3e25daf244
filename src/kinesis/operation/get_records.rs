//! **GetRecords**: records from an iterator on, and the iterator behind them; or the children, where the shard ends.
//!
//! `MillisBehindLatest` is the time between the last record answered and the last one there is.

use tokio::time::Instant;

use crate::aws::{Input, Operation, Output, Refusal, Rule, Value};
use crate::kinesis::context::Context;
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::records::{Reading, Room, read};
use crate::kinesis::{refusal, rule, shape};
use crate::log::{Error, Reader};

/// Records of one answer (Kinesis API reference, GetRecords, 2026-11).
const RECORDS_MAX: usize = 10_000;
/// Bytes of one answer (Kinesis API reference, GetRecords: 10 MiB, 2026-11).
const BYTES_MAX: u64 = 10 << 20;

/// Memory that an answer takes: its records as they were read, and in base64.
const ANSWER_BYTES_MAX: usize = 24 << 20;

/// GetRecords.
pub(super) struct GetRecords;

impl Operation<Context> for GetRecords {
    const NAME: &'static str = "GetRecords";
    const ANSWER_BYTES: usize = ANSWER_BYTES_MAX;
    const RULES: &'static [Rule] = &[
        Rule::integer("Limit").range(1, RECORDS_MAX as i64),
        Rule::text("ShardIterator").required().length(1, 512),
        rule::STREAM_ARN,
        rule::STREAM_ID,
        rule::DRY_RUN,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let iterator = ShardIterator::open(cx, input.required_text("ShardIterator"))?;
        let records = input.integer("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(RECORDS_MAX);
        let gone = |error: &Error| match error {
            Error::UnknownStream(_) | Error::UnknownShard { .. } => cx.shard_does_not_exist(iterator.shard, &iterator.name),
            error => cx.refused(error),
        };
        let mut reader = cx.log.shard_reader(iterator.stream, iterator.shard, Reader::Refused).map_err(|error| gone(&error))?;
        if input.is_set("DryRun") {
            return Err(refusal::dry_run());
        }
        let (begun, stream) = (Instant::now(), reader.stream().clone());
        let refused = |error: &Error| {
            cx.measure_no_get(&stream, iterator.shard, error);
            gone(error)
        };
        reader.may_read().await.map_err(|error| refused(&error))?;
        // Where there is little memory left, the answer has fewer records, and the next one goes on behind them.
        let bytes = BYTES_MAX * cx.answer_bytes_max.min(ANSWER_BYTES_MAX) as u64 / ANSWER_BYTES_MAX as u64;
        let read = read(cx, &mut reader, iterator.offset, Room { records, bytes }).await;
        let Reading { walk, is_over, millis_behind } = read.map_err(|error| gone(&error))?;
        reader.pay(walk.bytes).map_err(|error| refused(&error))?;
        cx.measure_get(&stream, iterator.shard, &walk, begun);
        let (next, children) = if is_over {
            (None, shape::children(reader.stream(), iterator.shard))
        } else {
            (Some(ShardIterator { offset: walk.next, ..iterator }.close(cx)), Value::Null)
        };
        Ok(Output::with_capacity(4)
            .with("Records", walk.records)
            .with("NextShardIterator", next)
            .with("MillisBehindLatest", millis_behind)
            .with("ChildShards", children))
    }
}
