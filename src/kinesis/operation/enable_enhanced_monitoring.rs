//! **EnableEnhancedMonitoring**: more metrics for each shard of a stream.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{metrics, rule};

/// EnableEnhancedMonitoring.
pub(super) struct EnableEnhancedMonitoring;

impl Operation<Context> for EnableEnhancedMonitoring {
    const NAME: &'static str = "EnableEnhancedMonitoring";
    const RULES: &'static [Rule] = &[rule::METRICS, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        metrics::change(cx, &input, |settings| {
            settings.shard_metrics.extend(metrics::named(&input));
        })
        .await
    }
}
