//! **TagResource**: adds tags to a stream or a consumer, or changes them.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure};
use crate::kinesis::context::Context;
use crate::kinesis::{rule, tags};

/// TagResource.
pub(super) struct TagResource;

impl Operation<Context> for TagResource {
    const NAME: &'static str = "TagResource";
    const RULES: &'static [Rule] = &[rule::TAGS.required(), rule::RESOURCE_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let (resource, none) = (cx.resource(&input)?, Structure::default());
        let arn = input.required_text("ResourceARN");
        let failed = |why: &str| format!("Failed to add tags to {arn} because {why}");
        let given = input.structure("Tags").unwrap_or(&none);
        cx.change_resource(&resource, |owner| tags::add(owner.tags, given, failed)).await
    }
}
