//! **DescribeLimits**: how many shards and on-demand streams there are, and may be.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::model::{Mode, limits};

/// DescribeLimits.
pub(super) struct DescribeLimits;

impl Operation<Context> for DescribeLimits {
    const NAME: &'static str = "DescribeLimits";
    const RULES: &'static [Rule] = &[];

    async fn perform(cx: &Context, _input: Input) -> Result<Output, Refusal> {
        let streams = cx.log.streams_in(&cx.realm);
        let in_mode = |mode| streams.iter().filter(move |stream| stream.settings().mode == mode);
        let open = in_mode(Mode::Provisioned).map(|stream| stream.open_shards()).fold(0, u32::saturating_add);
        Ok(Output::with_capacity(4)
            .with("ShardLimit", cx.log.shard_quota())
            .with("OpenShardCount", open)
            .with("OnDemandStreamCount", u32::try_from(in_mode(Mode::OnDemand).count()).unwrap_or(u32::MAX))
            .with("OnDemandStreamCountLimit", u32::try_from(limits::ON_DEMAND_STREAMS_MAX).unwrap_or(u32::MAX)))
    }
}
