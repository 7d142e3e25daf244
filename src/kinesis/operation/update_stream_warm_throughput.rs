//! **UpdateStreamWarmThroughput**: what an on-demand stream is to be ready for. Kept and shown; nothing here has to warm up.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{capacity, rule, shape};

/// UpdateStreamWarmThroughput.
pub(super) struct UpdateStreamWarmThroughput;

impl Operation<Context> for UpdateStreamWarmThroughput {
    const NAME: &'static str = "UpdateStreamWarmThroughput";
    const RULES: &'static [Rule] = &[rule::WARM_THROUGHPUT.required(), rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        cx.change(&stream, |settings| capacity::set_warm_throughput(settings, &input)).await?;
        Ok(Output::with_capacity(3)
            .with("StreamARN", cx.arn(&stream))
            .with("StreamName", stream.name().to_string())
            .with("WarmThroughput", stream.settings().warm_mib.map(shape::warm_throughput)))
    }
}
