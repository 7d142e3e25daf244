//! **UntagResource**: takes tags off a stream or a consumer; those that are not there do not matter.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};

/// UntagResource.
pub(super) struct UntagResource;

impl Operation<Context> for UntagResource {
    const NAME: &'static str = "UntagResource";
    const RULES: &'static [Rule] = &[rule::TAG_KEYS, rule::RESOURCE_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let resource = cx.resource(&input)?;
        let arn = input.required_text("ResourceARN");
        let failed = |why: &str| format!("Failed to remove tags from {arn} because {why}");
        cx.change_resource(&resource, |owner| tags::remove(owner.tags, &input, failed)).await
    }
}
