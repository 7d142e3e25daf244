//! One metric as CloudWatch names it, and its statistics.

use std::time::Duration;

use crate::aws::{Refusal, Rule, Structure};
use crate::log::Log;
use crate::metrics::{Datapoint, Dimension, Measure, Statistic};
use crate::model::{ShardId, Timestamp};

/// The namespace of everything that is told here.
pub(super) const NAMESPACE: &str = "AWS/Kinesis";
const STREAM_NAME: &str = "StreamName";
const SHARD_ID: &str = "ShardId";
const CONSUMER_NAME: &str = "ConsumerName";

/// Dimensions of one metric (CloudWatch API reference, 2026-11).
const DIMENSIONS_MAX: usize = 30;

const DIMENSION: Rule =
    Rule::structure("member", &[Rule::text("Name").required().length(1, 255), Rule::text("Value").required().length(1, 1_024)]);
/// The names that operations share.
pub(super) const DIMENSIONS: Rule = Rule::list("Dimensions", &DIMENSION).length(0, DIMENSIONS_MAX);
pub(super) const NAME: Rule = Rule::text("MetricName").length(1, 255);
pub(super) const NAMESPACE_RULE: Rule = Rule::text("Namespace").length(1, 255);
pub(super) const STATISTICS: &[&str] = &["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

/// Something that is refused.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValueException", message.into())
}

/// A metric of a stream.
pub(super) struct Metric<'a> {
    stream: &'a str,
    pub(super) measure: Measure,
    dimension: Dimension,
}

impl<'a> Metric<'a> {
    /// The one that `Namespace`, `MetricName` and `Dimensions` name. Dimensions have to be exactly those of a metric, as in
    /// CloudWatch; `None` if they are not.
    pub(super) fn of(input: &'a Structure) -> Option<Self> {
        if input.text("Namespace") != Some(NAMESPACE) {
            return None;
        }
        let measure = Measure::named(input.text("MetricName")?)?;
        let mut dimensions = input.structures("Dimensions").map(|one| Some((one.text("Name")?, one.text("Value")?)));
        let mut found: Vec<_> = dimensions.by_ref().collect::<Option<_>>()?;
        // CloudWatch does not mind their order.
        found.sort_by_key(|(name, _)| *name != STREAM_NAME);
        let (stream, dimension) = match found.as_slice() {
            [(STREAM_NAME, stream)] => (*stream, Dimension::Stream),
            [(STREAM_NAME, stream), (SHARD_ID, shard)] => (*stream, Dimension::Shard(shard_id(shard)?)),
            [(STREAM_NAME, stream), (CONSUMER_NAME, consumer)] => (*stream, Dimension::Consumer((*consumer).into())),
            _ => return None,
        };
        Some(Self { stream, measure, dimension })
    }

    /// What was measured, in spans of `period` seconds.
    pub(super) fn datapoints(&self, log: &Log, from: Timestamp, to: Timestamp, period: i64) -> Vec<Datapoint> {
        let Some(stream) = log.stream(self.stream) else { return Vec::new() };
        let period = Duration::from_secs(u64::try_from(period).unwrap_or(0));
        stream.meter().datapoints(self.measure, &self.dimension, (from, to), period, log.env().clock.now())
    }
}

fn shard_id(text: &str) -> Option<ShardId> {
    text.strip_prefix("shardId-")?.parse().ok().map(ShardId)
}

/// The names and values of the dimensions of a metric.
pub(super) fn dimensions(stream: &str, dimension: &Dimension) -> Vec<(&'static str, String)> {
    let mut all = vec![(STREAM_NAME, stream.to_owned())];
    match dimension {
        Dimension::Stream => {}
        Dimension::Shard(shard) => all.push((SHARD_ID, shard.to_string())),
        Dimension::Consumer(consumer) => all.push((CONSUMER_NAME, consumer.to_string())),
    }
    all
}

/// The value of a statistic by CloudWatch's name of it; `None` for percentiles and the like, which are not kept.
pub(super) fn value(statistic: &Statistic, name: &str) -> Option<f64> {
    match name {
        "SampleCount" => Some(statistic.samples as f64),
        "Average" => Some(statistic.average()),
        "Sum" => Some(statistic.sum),
        "Minimum" => Some(statistic.minimum),
        "Maximum" => Some(statistic.maximum),
        _ => None,
    }
}
