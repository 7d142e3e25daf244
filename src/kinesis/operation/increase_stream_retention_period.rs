//! **IncreaseStreamRetentionPeriod**: records are kept longer. What is over already does not come back.
//!
//! The period that the stream has already is accepted and changes nothing: tools send it.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, retention, rule};

/// IncreaseStreamRetentionPeriod.
pub(super) struct IncreaseStreamRetentionPeriod;

impl Operation<Context> for IncreaseStreamRetentionPeriod {
    const NAME: &'static str = "IncreaseStreamRetentionPeriod";
    const RULES: &'static [Rule] = &[rule::RETENTION, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let hours = retention::hours(&input)?;
        cx.change(&stream, |settings| {
            let before = settings.retention_hours;
            if hours < before {
                return Err(refusal::argument(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be shorter than existing retention period \
                     ({before} hours). Use DecreaseRetentionPeriod API.",
                    stream.name()
                )));
            }
            settings.retention_hours = hours;
            Ok(())
        })
        .await
    }
}
