//! **DisableEnhancedMonitoring**: fewer metrics for each shard of a stream.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{metrics, rule};

/// DisableEnhancedMonitoring.
pub(super) struct DisableEnhancedMonitoring;

impl Operation<Context> for DisableEnhancedMonitoring {
    const NAME: &'static str = "DisableEnhancedMonitoring";
    const RULES: &'static [Rule] = &[rule::METRICS, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        metrics::change(cx, &input, |settings| {
            for metric in metrics::named(&input) {
                settings.shard_metrics.remove(&metric);
            }
        })
        .await
    }
}
