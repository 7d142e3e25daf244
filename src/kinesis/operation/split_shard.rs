//! **SplitShard**: two shards for one, of which the second begins at a hash key.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{placement, rule};

/// SplitShard.
pub(super) struct SplitShard;

impl Operation<Context> for SplitShard {
    const NAME: &'static str = "SplitShard";
    const RULES: &'static [Rule] = &[
        rule::HASH_KEY.named("NewStartingHashKey").required(),
        rule::STREAM_NAME,
        rule::SHARD_ID.named("ShardToSplit").required(),
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let shard = cx.shard(&stream, input.required_text("ShardToSplit"))?;
        let key = placement::of_split(cx, &stream, &shard, input.required_text("NewStartingHashKey"))?;
        cx.log.split_shard(stream.id(), shard.id, key).await.map_err(|error| cx.refused(&error))?;
        Ok(Output::default())
    }
}
