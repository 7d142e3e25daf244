//! One metric as CloudWatch names it, and its statistics.

use std::time::Duration;

use crate::aws::{Refusal, Rule, Structure};
use crate::metrics::{Datapoint, Dimension, Measure, Statistic};
use crate::model::{ShardId, Timestamp};

use super::View;

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
/// A statistic by name. *Ours*: CloudWatch says no length, and refusals repeat it.
pub(super) const STAT: Rule = Rule::text("member").length(1, 64);
pub(super) const STATISTICS: &[&str] = &["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

/// Something that is refused.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValueException", message.into())
}

/// Things that are refused together.
pub(super) fn invalid_together(message: &'static str) -> Refusal {
    Refusal::new("InvalidParameterCombinationException", message)
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
    pub(super) fn datapoints(&self, view: &View, from: Timestamp, to: Timestamp, period: i64) -> Vec<Datapoint> {
        let Some(stream) = view.log.stream_in(&view.realm, self.stream) else { return Vec::new() };
        let period = Duration::from_secs(u64::try_from(period).unwrap_or(0));
        stream.meter().datapoints(self.measure, &self.dimension, (from, to), period, view.log.env().clock.now())
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

/// What is asked of a statistic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Stat {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// The value that so many of a hundred samples do not exceed.
    Percentile(f64),
}

impl Stat {
    /// The one that CloudWatch calls so.
    ///
    /// # Errors
    /// InvalidParameterValueException if there is none, or none that could be told of what is kept.
    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "SampleCount" => Ok(Self::SampleCount),
            "Average" => Ok(Self::Average),
            "Sum" => Ok(Self::Sum),
            "Minimum" => Ok(Self::Minimum),
            "Maximum" => Ok(Self::Maximum),
            name => Self::percentile(name).ok_or_else(|| {
                let kept = STATISTICS.join(", ");
                invalid(format!("The value {name} is not a statistic that is answered; {kept} and percentiles p0 to p100 are."))
            }),
        }
    }

    /// The percentile in `p99` or `p99.9`.
    fn percentile(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('p').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'))?;
        digits.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Self::Percentile)
    }

    /// Its value. Percentiles are known where CloudWatch knows those of statistic sets: where all samples were the same; the
    /// smallest and the largest sample are known too.
    pub(super) fn of(self, statistic: &Statistic) -> Option<f64> {
        match self {
            Self::SampleCount => Some(statistic.samples as f64),
            Self::Average => Some(statistic.average()),
            Self::Sum => Some(statistic.sum),
            Self::Minimum => Some(statistic.minimum),
            Self::Maximum => Some(statistic.maximum),
            Self::Percentile(100.0) => Some(statistic.maximum),
            Self::Percentile(percent) => (percent == 0.0 || statistic.minimum == statistic.maximum).then_some(statistic.minimum),
        }
    }
}

/// Why a percentile of `metric` is not told.
pub(super) fn unknown_percentile(metric: &str) -> String {
    format!(
        "Not every percentile of {metric} that was asked for is known: of each minute its SampleCount, Sum, Minimum and Maximum \
         are kept, which tell percentiles only where all samples are the same. p0 and p100 are always known."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_known_where_all_samples_are_the_same() {
        let (same, other) = (
            Statistic { samples: 3, sum: 6.0, minimum: 2.0, maximum: 2.0 },
            Statistic { samples: 3, sum: 6.0, minimum: 1.0, maximum: 4.0 },
        );
        for (name, of_same, of_other) in [
            ("p50", Some(2.0), None),
            ("p99.9", Some(2.0), None),
            ("p0", Some(2.0), Some(1.0)),
            ("p100", Some(2.0), Some(4.0)),
            ("p100.0", Some(2.0), Some(4.0)),
            ("Average", Some(2.0), Some(2.0)),
        ] {
            let stat = Stat::named(name).unwrap();
            assert_eq!((stat.of(&same), stat.of(&other)), (of_same, of_other), "{name}");
        }
        for name in ["", "p", "p101", "p-1", "p1e1", "pNaN", "tm90", "PR(0:1)", "sum"] {
            assert_eq!(Stat::named(name).unwrap_err().name(), "InvalidParameterValueException", "{name}");
        }
    }
}
