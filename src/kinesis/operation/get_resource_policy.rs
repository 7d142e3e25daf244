//! **GetResourcePolicy**: the policy of a stream or a consumer; an empty one if it has none, as AWS was seen to answer.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// GetResourcePolicy.
pub(super) struct GetResourcePolicy;

impl Operation<Context> for GetResourcePolicy {
    const NAME: &'static str = "GetResourcePolicy";
    const RULES: &'static [Rule] = &[rule::RESOURCE_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let policy = cx.resource(&input)?.policy().unwrap_or_else(|| "{}".to_owned());
        Ok(Output::with_capacity(1).with("Policy", policy))
    }
}
