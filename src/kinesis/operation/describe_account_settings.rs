//! **DescribeAccountSettings**: whether the account is committed to minimum throughput (On-demand Advantage).

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;

/// DescribeAccountSettings.
pub(super) struct DescribeAccountSettings;

impl Operation<Context> for DescribeAccountSettings {
    const NAME: &'static str = "DescribeAccountSettings";
    const RULES: &'static [Rule] = &[];

    async fn perform(cx: &Context, _input: Input) -> Result<Output, Refusal> {
        Ok(Output::with_capacity(1).with("MinimumThroughputBillingCommitment", cx.shared.commitment.shown(&cx.realm, cx.now())))
    }
}
