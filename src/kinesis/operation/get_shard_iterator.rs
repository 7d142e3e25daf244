//! **GetShardIterator**: where a reader begins. Positions are numbers: one that no record has is between two.
//!
//! LATEST is fixed when it is answered, not when it is first used.

use std::time::Duration;

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::address::{name_in, shard_number};
use crate::kinesis::context::Context;
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::rates::Rate;
use crate::kinesis::start::Start;
use crate::kinesis::{refusal, rule};
use crate::log::{Reader, ShardReader};

/// Iterators of an open shard in a second (Kinesis API reference, GetShardIterator, 2026-11).
const RATE: Rate = Rate { calls: 5, span: Duration::from_secs(1) };

/// GetShardIterator.
pub(super) struct GetShardIterator;

impl Operation<Context> for GetShardIterator {
    const NAME: &'static str = "GetShardIterator";
    const RULES: &'static [Rule] = &[
        rule::SHARD_ID.required(),
        rule::ITERATOR_TYPE,
        rule::SEQUENCE_NUMBER.named("StartingSequenceNumber"),
        Rule::timestamp("Timestamp"),
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
        rule::DRY_RUN,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let mut reader = reader(cx, &input)?;
        let (stream, shard) = (reader.stream().clone(), reader.shard().clone());
        let start =
            Start { kind: input.required_text("ShardIteratorType"), number: input.text("StartingSequenceNumber"), input: &input };
        let offset = start.find(cx, &mut reader).await?;
        let of = format!("{}/{}", stream.id(), shard.id);
        if shard.is_open() && cx.is_limited() && !cx.shared.buckets.take(Self::NAME, of, RATE) {
            return Err(cx.over_throughput(&stream, &shard));
        }
        if input.is_set("DryRun") {
            return Err(refusal::dry_run());
        }
        let iterator = ShardIterator { stream: stream.id(), name: stream.name().to_string(), shard: shard.id, offset };
        Ok(Output::with_capacity(1).with("ShardIterator", iterator.close(cx)))
    }
}

/// Somebody who reads the shard that the request names.
fn reader(cx: &Context, input: &Input) -> Result<ShardReader<'static>, Refusal> {
    let shard = input.required_text("ShardId");
    let name = input.text("StreamARN").map(name_in).or(input.text("StreamName")).ok_or_else(refusal::no_stream_named)?;
    let id = shard_number(shard).ok_or_else(|| cx.no_shard(shard, name))?;
    let stream = cx.stream_named(name).ok_or_else(|| cx.shard_does_not_exist(id, name))?;
    cx.log.shard_reader(stream.id(), id, Reader::Refused).map_err(|_| cx.shard_does_not_exist(id, name))
}
