//! **UpdateAccountSettings**: begins or ends the account's commitment to minimum throughput, which lasts a day at least.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::refusal;

/// UpdateAccountSettings.
pub(super) struct UpdateAccountSettings;

impl Operation<Context> for UpdateAccountSettings {
    const NAME: &'static str = "UpdateAccountSettings";
    const RULES: &'static [Rule] = &[Rule::structure(
        "MinimumThroughputBillingCommitment",
        &[Rule::text("Status").required().one_of(&["ENABLED", "DISABLED"])],
    )
    .required()];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let wanted = input.structure("MinimumThroughputBillingCommitment").and_then(|wanted| wanted.text("Status"));
        let (commitment, now) = (&cx.shared.commitment, cx.now());
        if !commitment.has_room(&cx.realm) {
            return Err(refusal::limit("Too many accounts have settings of their own."));
        }
        let is_set = commitment.set(&cx.realm, wanted == Some("ENABLED"), now).await;
        is_set.map_err(|error| cx.refused(&error.into()))?;
        Ok(Output::with_capacity(1).with("MinimumThroughputBillingCommitment", commitment.shown(&cx.realm, now)))
    }
}
