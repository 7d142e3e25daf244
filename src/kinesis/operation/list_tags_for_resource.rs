//! **ListTagsForResource**: all tags of a stream or a consumer.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};

/// ListTagsForResource.
pub(super) struct ListTagsForResource;

impl Operation<Context> for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const RULES: &'static [Rule] = &[rule::RESOURCE_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let tags = cx.resource(&input)?.tags();
        Ok(Output::with_capacity(1).with("Tags", tags::shown(&tags)))
    }
}
