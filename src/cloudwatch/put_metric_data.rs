//! **PutMetricData**: accepted, so that KCL and KPL go on, and not kept.
//!
//! Only the namespace is looked at: what is in the data is nobody's business here.

use crate::aws::{Input, Operation, Output, Refusal, Rule};

use super::{View, metric};

/// PutMetricData.
pub(super) struct PutMetricData;

impl Operation<View> for PutMetricData {
    const NAME: &'static str = "PutMetricData";
    const RULES: &'static [Rule] = &[metric::NAMESPACE_RULE.required()];

    async fn perform(_: &View, _: Input) -> Result<Output, Refusal> {
        Ok(Output::default())
    }
}
