//! **DeleteResourcePolicy**: takes the policy off a stream or a consumer.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// DeleteResourcePolicy.
pub(super) struct DeleteResourcePolicy;

impl Operation<Context> for DeleteResourcePolicy {
    const NAME: &'static str = "DeleteResourcePolicy";
    const RULES: &'static [Rule] = &[rule::RESOURCE_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let resource = cx.resource(&input)?;
        cx.change_resource(&resource, |owner| {
            *owner.policy = None;
            Ok(())
        })
        .await
    }
}
