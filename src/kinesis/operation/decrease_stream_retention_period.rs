//! **DecreaseStreamRetentionPeriod**: records are kept for a shorter time. Those that are older are gone at once.
//!
//! The period that the stream has already is accepted and changes nothing: tools send it.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, retention, rule};

/// DecreaseStreamRetentionPeriod.
pub(super) struct DecreaseStreamRetentionPeriod;

impl Operation<Context> for DecreaseStreamRetentionPeriod {
    const NAME: &'static str = "DecreaseStreamRetentionPeriod";
    const RULES: &'static [Rule] = &[rule::RETENTION, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let hours = retention::hours(&input)?;
        cx.change(&stream, |settings| {
            let before = settings.retention_hours;
            if hours > before {
                return Err(refusal::argument(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be longer than existing retention period \
                     ({before} hours). Use IncreaseRetentionPeriod API.",
                    stream.name()
                )));
            }
            settings.retention_hours = hours;
            Ok(())
        })
        .await
    }
}
