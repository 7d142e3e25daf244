//! **UpdateMaxRecordSize**: how large a record may be, with its key. Kafka clients see it as `max.message.bytes`.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{capacity, rule};

/// UpdateMaxRecordSize.
pub(super) struct UpdateMaxRecordSize;

impl Operation<Context> for UpdateMaxRecordSize {
    const NAME: &'static str = "UpdateMaxRecordSize";
    const RULES: &'static [Rule] = &[rule::STREAM_ARN, rule::RECORD_SIZE.required(), rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        cx.change(&stream, |settings| {
            if let Some(kib) = capacity::record_kib(&input) {
                settings.set_record_kib_max(kib);
            }
            Ok(())
        })
        .await
    }
}
