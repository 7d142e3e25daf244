//! **UpdateStreamRecordDistributionStrategy**: whether records are placed by their keys, or spread over all shards of an on-demand
//! stream. Records that are there stay where they are.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{capacity, rule};

/// UpdateStreamRecordDistributionStrategy.
pub(super) struct UpdateStreamRecordDistributionStrategy;

impl Operation<Context> for UpdateStreamRecordDistributionStrategy {
    const NAME: &'static str = "UpdateStreamRecordDistributionStrategy";
    const RULES: &'static [Rule] = &[rule::STREAM_ARN.required(), rule::DISTRIBUTION.required(), rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        cx.change(&stream, |settings| capacity::set_distribution(settings, &input)).await
    }
}
