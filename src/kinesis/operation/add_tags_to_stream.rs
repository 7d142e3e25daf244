//! **AddTagsToStream**: adds tags to a stream, or changes them.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};

/// AddTagsToStream.
pub(super) struct AddTagsToStream;

impl Operation<Context> for AddTagsToStream {
    const NAME: &'static str = "AddTagsToStream";
    const RULES: &'static [Rule] = &[rule::TAGS.required(), rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let (stream, none) = (cx.stream(&input)?, Structure::default());
        let failed =
            |why: &str| format!("Failed to add tags to stream {} under account {} because {why}", stream.name(), cx.account);
        let given = input.structure("Tags").unwrap_or(&none);
        cx.change(&stream, |settings| tags::add(&mut settings.tags, given, failed)).await
    }
}
