//! **UpdateShardCount**: so many shards of even ranges, by splits and merges.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// UpdateShardCount.
pub(super) struct UpdateShardCount;

impl Operation<Context> for UpdateShardCount {
    const NAME: &'static str = "UpdateShardCount";
    const RULES: &'static [Rule] = &[
        Rule::text("ScalingType").required().one_of(&["UNIFORM_SCALING"]),
        rule::STREAM_NAME,
        Rule::integer("TargetShardCount").required().range(1, i32::MAX as i64),
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let target = input.integer("TargetShardCount").and_then(|target| u32::try_from(target).ok()).unwrap_or(u32::MAX);
        let before = stream.open_shards();
        cx.log.scale(stream.id(), target).await.map_err(|error| cx.refused(&error))?;
        Ok(Output::with_capacity(4)
            .with("StreamName", stream.name().to_string())
            .with("CurrentShardCount", before)
            .with("TargetShardCount", target)
            .with("StreamARN", cx.arn(&stream)))
    }
}
