//! **UpdateStreamMode**: who decides how many shards there are. They stay as they are, in either direction.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{capacity, rule};
use crate::model::Mode;

/// UpdateStreamMode.
pub(super) struct UpdateStreamMode;

impl Operation<Context> for UpdateStreamMode {
    const NAME: &'static str = "UpdateStreamMode";
    const RULES: &'static [Rule] =
        &[rule::STREAM_ARN.required(), rule::STREAM_MODE_DETAILS.required(), rule::WARM_THROUGHPUT, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        cx.change(&stream, |settings| {
            settings.mode = capacity::mode(&input);
            if settings.mode == Mode::Provisioned {
                // Both are for on-demand streams alone.
                (settings.warm_mib, settings.spread) = (None, false);
            }
            capacity::set_warm_throughput(settings, &input)
        })
        .await
    }
}
