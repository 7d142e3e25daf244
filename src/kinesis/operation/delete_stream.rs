//! **DeleteStream**: the stream and all its records. Its consumers must be gone first, unless it is said that they go too.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule};

/// DeleteStream.
pub(super) struct DeleteStream;

impl Operation<Context> for DeleteStream {
    const NAME: &'static str = "DeleteStream";
    const RULES: &'static [Rule] =
        &[Rule::boolean("EnforceConsumerDeletion"), rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        if stream.settings().consumers(cx.now()).next().is_some() && !input.is_set("EnforceConsumerDeletion") {
            return Err(refusal::in_use(format!(
                "Stream {} under account {} has consumers registered. Deregister them first, or set EnforceConsumerDeletion.",
                stream.name(),
                cx.account
            )));
        }
        cx.log.delete_stream(stream.id()).await.map_err(|error| cx.refused(&error))?;
        Ok(Output::default())
    }
}
