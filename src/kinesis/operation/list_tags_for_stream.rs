//! **ListTagsForStream**: a stream's tags in the order of their keys, 50 at a time.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};
use crate::model::limits::TAGS_MAX;

/// ListTagsForStream.
pub(super) struct ListTagsForStream;

impl Operation<Context> for ListTagsForStream {
    const NAME: &'static str = "ListTagsForStream";
    const RULES: &'static [Rule] = &[
        Rule::integer("Limit").range(1, TAGS_MAX as i64),
        Rule::text("ExclusiveStartTagKey").length(1, 128),
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let settings = cx.stream(&input)?.settings();
        let limit = input.integer("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(TAGS_MAX);
        let behind = input.text("ExclusiveStartTagKey");
        let all = || settings.tags.iter().filter(|(key, _)| behind.is_none_or(|behind| key.as_str() > behind));
        Ok(Output::with_capacity(2).with("Tags", tags::shown(all().take(limit))).with("HasMoreTags", all().count() > limit))
    }
}
