//! The metrics that a stream has for each shard: which are named, and the answer when they were changed.

use crate::aws::{Input, Output, Refusal};
use crate::model::Settings;

use super::context::Context;
use super::{rule, shape};

/// What stands for all metrics.
const ALL: &str = "ALL";

/// The metrics that a request names.
pub(super) fn named(input: &Input) -> Vec<String> {
    let is_all = input.texts("ShardLevelMetrics").any(|metric| metric == ALL);
    let is_named = |metric: &str| metric != ALL && (is_all || input.texts("ShardLevelMetrics").any(|named| named == metric));
    rule::SHARD_METRICS.iter().filter(|metric| is_named(metric)).map(|metric| (*metric).to_owned()).collect()
}

/// Changes a stream's metrics; tells those before and those after.
pub(super) async fn change(cx: &Context, input: &Input, change: impl FnOnce(&mut Settings) + Send) -> Result<Output, Refusal> {
    let stream = cx.stream(input)?;
    let before = shape::metrics(&stream.settings());
    let changed = |settings: &mut Settings| {
        change(settings);
        Ok(())
    };
    cx.change(&stream, changed).await?;
    Ok(Output::with_capacity(4)
        .with("StreamName", stream.name().to_string())
        .with("CurrentShardLevelMetrics", before)
        .with("DesiredShardLevelMetrics", shape::metrics(&stream.settings()))
        .with("StreamARN", cx.arn(&stream)))
}
