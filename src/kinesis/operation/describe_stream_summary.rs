//! **DescribeStreamSummary**: what a stream is, without its shards.
//!
//! `StreamId` is left out, as AWS says it is kept for later: KCL would send it back.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, shape};

/// DescribeStreamSummary.
pub(super) struct DescribeStreamSummary;

impl Operation<Context> for DescribeStreamSummary {
    const NAME: &'static str = "DescribeStreamSummary";
    const RULES: &'static [Rule] = &[rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let settings = stream.settings();
        let summary = shape::stream(cx, &stream)
            .with("OpenShardCount", stream.open_shards())
            .with("ConsumerCount", u32::try_from(settings.consumers(cx.now()).count()).unwrap_or(u32::MAX))
            .with("WarmThroughput", settings.warm_mib.map(shape::warm_throughput))
            .with("MaxRecordSizeInKiB", settings.record_kib_max())
            .with("RecordDistributionStrategy", if settings.spread { "AUTO" } else { "USER_PARTITION_KEY" });
        Ok(Output::default().with("StreamDescriptionSummary", summary))
    }
}
