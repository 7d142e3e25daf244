//! **RemoveTagsFromStream**: takes tags off a stream; those that are not there do not matter.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};

/// RemoveTagsFromStream.
pub(super) struct RemoveTagsFromStream;

impl Operation<Context> for RemoveTagsFromStream {
    const NAME: &'static str = "RemoveTagsFromStream";
    const RULES: &'static [Rule] = &[rule::TAG_KEYS, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        let failed =
            |why: &str| format!("Failed to remove tags from stream {} under account {} because {why}", stream.name(), cx.account);
        cx.change(&stream, |settings| tags::remove(&mut settings.tags, &input, failed)).await
    }
}
