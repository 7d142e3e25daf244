//! **PutMetricData**: accepted, so that KCL and KPL go on, and not kept.
//!
//! Only the namespace is looked at: what is in the data is nobody's business here.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::log::Log;

use super::metric;

/// PutMetricData.
pub(super) struct PutMetricData;

impl Operation<Log> for PutMetricData {
    const NAME: &'static str = "PutMetricData";
    const RULES: &'static [Rule] = &[metric::NAMESPACE_RULE.required()];

    async fn perform(_: &Log, _: Input) -> Result<Output, Refusal> {
        Ok(Output::default())
    }
}
