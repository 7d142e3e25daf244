//! **PutResourcePolicy**: a policy for a stream or a consumer. It is kept and shown; nobody is kept out by it.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule};

/// Bytes of a policy (IAM user guide, "Resource-based policies": 20 KiB, 2026-11).
const POLICY_BYTES_MAX: usize = 20 << 10;

/// PutResourcePolicy.
pub(super) struct PutResourcePolicy;

impl Operation<Context> for PutResourcePolicy {
    const NAME: &'static str = "PutResourcePolicy";
    const RULES: &'static [Rule] = &[rule::RESOURCE_ARN, Rule::text("Policy").required(), rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let resource = cx.resource(&input)?;
        let policy = input.required_text("Policy");
        let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy).is_ok();
        if policy.len() > POLICY_BYTES_MAX || !is_object {
            return Err(refusal::argument(format!(
                "The resource policy is malformed: a JSON object of at most {POLICY_BYTES_MAX} bytes is accepted."
            )));
        }
        cx.change_resource(&resource, |owner| {
            *owner.policy = Some(policy.to_owned());
            Ok(())
        })
        .await
    }
}
