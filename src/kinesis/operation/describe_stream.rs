//! **DescribeStream**: what a stream is, and its shards, 100 at a time. The waiters of the AWS CLI ask for it.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Value};
use crate::kinesis::address::shard_number;
use crate::kinesis::context::Context;
use crate::kinesis::{rule, shape};
use crate::model::Status;

/// Shards of one answer, whatever is asked for (Kinesis API reference, DescribeStream, `Limit`, 2026-11).
const SHARDS_MAX: usize = 100;

/// DescribeStream.
pub(super) struct DescribeStream;

impl Operation<Context> for DescribeStream {
    const NAME: &'static str = "DescribeStream";
    const RULES: &'static [Rule] = &[
        Rule::integer("Limit").range(1, 10_000),
        rule::SHARD_ID.named("ExclusiveStartShardId"),
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let limit = input.integer("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(SHARDS_MAX);
        let behind = input.text("ExclusiveStartShardId").and_then(shard_number);
        let mut shards = stream.listed_shards(cx.now());
        shards.retain(|shard| behind.is_none_or(|behind| shard.id > behind));
        if stream.status(cx.now()) == Status::Creating {
            shards.clear();
        }
        let has_more = shards.len() > limit.min(SHARDS_MAX);
        shards.truncate(limit.min(SHARDS_MAX));
        let description = shape::stream(cx, &stream)
            .with("Shards", shards.iter().map(shape::shard).collect::<Value>())
            .with("HasMoreShards", has_more);
        Ok(Output::default().with("StreamDescription", description))
    }
}
