//! **DescribeStreamSummary**: what a stream is, without its shards.
//!
//! `StreamId` is left out, as AWS says it is kept for later: KCL would send it back.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// DescribeStreamSummary.
pub(super) struct DescribeStreamSummary;

impl Operation<Context> for DescribeStreamSummary {
    const NAME: &'static str = "DescribeStreamSummary";
    const RULES: &'static [Rule] = &[rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let settings = stream.settings();
        let summary = Structure::default()
            .with("StreamName", stream.name().to_string())
            .with("StreamARN", cx.arn(&stream))
            .with("StreamStatus", stream.status(cx.now()).to_string())
            .with("StreamModeDetails", Structure::default().with("StreamMode", settings.mode.to_string()))
            .with("RetentionPeriodHours", settings.retention_hours)
            .with("StreamCreationTimestamp", stream.created_at())
            .with("EnhancedMonitoring", vec![Structure::default().with("ShardLevelMetrics", Value::List(Vec::new()))])
            .with("EncryptionType", "NONE")
            .with("OpenShardCount", stream.open_shards())
            .with("ConsumerCount", u32::try_from(settings.fan_out.len()).unwrap_or(u32::MAX));
        Ok(Output::default().with("StreamDescriptionSummary", summary))
    }
}
