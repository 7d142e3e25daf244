//! **MergeShards**: one shard for two, of which the second's hash keys follow the first's.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// MergeShards.
pub(super) struct MergeShards;

impl Operation<Context> for MergeShards {
    const NAME: &'static str = "MergeShards";
    const RULES: &'static [Rule] = &[
        rule::SHARD_ID.named("ShardToMerge").required(),
        rule::SHARD_ID.named("AdjacentShardToMerge").required(),
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let first = cx.shard(&stream, input.required_text("ShardToMerge"))?;
        let second = cx.shard(&stream, input.required_text("AdjacentShardToMerge"))?;
        cx.log.merge_shards(stream.id(), first.id, second.id).await.map_err(|error| cx.refused(&error))?;
        Ok(Output::default())
    }
}
