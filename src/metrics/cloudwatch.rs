//! The last whole minute of every stream, as exporters of CloudWatch for Prometheus show it.
//!
//! prometheus/cloudwatch_exporter makes a gauge of each metric and statistic: `aws_kinesis_` with the metric's name, then `_sum`,
//! `_sample_count`, `_minimum`, `_maximum` or `_average`, and of each dimension a label. As there, what was not measured in that
//! minute has no value.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::Measure;
use super::snapshot::StreamState;
use super::stream::Dimension;
use super::window::Statistic;

/// Measures of streams, shards and consumers shown, five lines of some 110 bytes each. *Ours*.
const SHOWN_MAX: usize = 20_000;

/// How a statistic is called by exporters and by CloudWatch, and what it is.
type Told = (&'static str, &'static str, fn(&Statistic) -> f64);

const STATISTICS: [Told; 5] = [
    ("sum", "Sum", |statistic| statistic.sum),
    ("sample_count", "SampleCount", |statistic| statistic.samples as f64),
    ("minimum", "Minimum", |statistic| statistic.minimum),
    ("maximum", "Maximum", |statistic| statistic.maximum),
    ("average", "Average", Statistic::average),
];

/// Writes them; how many measures were left out. Those of streams go before those of shards and consumers.
pub(super) fn write(streams: &[StreamState], to: &mut String) -> Result<usize, fmt::Error> {
    let is_stream = |dimension: &Dimension| *dimension == Dimension::Stream;
    let series = || streams.iter().flat_map(|stream| stream.minute.iter().map(move |(of, measured)| (stream, of, measured)));
    let first = series().filter(|(_, of, _)| is_stream(of));
    let rest = series().filter(|(_, of, _)| !is_stream(of));
    let mut all = first.chain(rest).flat_map(|(stream, of, measured)| measured.iter().map(move |found| (stream, of, found)));
    let mut shown = BTreeMap::<Measure, Vec<(String, &Statistic)>>::new();
    for (stream, of, (measure, statistic)) in all.by_ref().take(SHOWN_MAX) {
        shown.entry(*measure).or_default().push((labels(stream, of), statistic));
    }
    let left_out = all.count();
    for (measure, statistics) in shown {
        let about = measure.about();
        for (suffix, statistic_name, value) in STATISTICS {
            let name = format!("{}_{suffix}", about.prometheus_name());
            let what = format!("AWS/Kinesis {}, {statistic_name} of the last whole minute, in {}", about.name, about.unit);
            write!(to, "# HELP {name} {what}.\n# TYPE {name} gauge\n")?;
            for (labels, statistic) in &statistics {
                writeln!(to, "{name}{{{labels}}} {}", value(statistic))?;
            }
        }
    }
    Ok(left_out)
}

fn labels(stream: &StreamState, of: &Dimension) -> String {
    let mut labels = format!("stream_name=\"{}\"", stream.name);
    match of {
        Dimension::Stream => {}
        Dimension::Shard(shard) => labels += &format!(",shard_id=\"{shard}\""),
        Dimension::Consumer(consumer) => labels += &format!(",consumer_name=\"{}\"", escaped(consumer)),
    }
    if let Some((region, account)) = &stream.owner {
        labels += &format!(",region=\"{region}\",account_id=\"{account}\"");
    }
    labels
}

/// A label's value may be any text, whose quotes, backslashes and ends of lines are escaped (OpenMetrics 1.0).
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Measured;
    use crate::model::ShardId;

    fn stream(name: &str, minute: Vec<(Dimension, Box<Measured>)>) -> StreamState {
        StreamState { name: name.to_owned(), owner: None, minute }
    }

    #[test]
    fn each_statistic_is_a_gauge_with_the_dimensions_as_labels() {
        let of = |sum, dimension| {
            let statistic = Statistic { samples: 4, sum, minimum: 0.5, maximum: 7.0 };
            (dimension, Box::from([(Measure::IncomingBytes, statistic)]))
        };
        let consumer = Statistic::of(3.0);
        let streams = [stream(
            "orders",
            vec![
                of(10.0, Dimension::Stream),
                of(6.0, Dimension::Shard(ShardId(7))),
                (Dimension::Consumer("a\"b".into()), Box::from([(Measure::EventMillisBehindLatest, consumer)])),
            ],
        )];
        let mut text = String::new();
        assert_eq!(write(&streams, &mut text), Ok(0));
        let expected = "\
            # HELP aws_kinesis_incoming_bytes_sum AWS/Kinesis IncomingBytes, Sum of the last whole minute, in Bytes.\n\
            # TYPE aws_kinesis_incoming_bytes_sum gauge\n\
            aws_kinesis_incoming_bytes_sum{stream_name=\"orders\"} 10\n\
            aws_kinesis_incoming_bytes_sum{stream_name=\"orders\",shard_id=\"shardId-000000000007\"} 6\n";
        assert!(text.starts_with(expected), "{text}");
        for line in [
            "aws_kinesis_incoming_bytes_sample_count{stream_name=\"orders\"} 4",
            "aws_kinesis_incoming_bytes_minimum{stream_name=\"orders\"} 0.5",
            "aws_kinesis_incoming_bytes_maximum{stream_name=\"orders\"} 7",
            "aws_kinesis_incoming_bytes_average{stream_name=\"orders\"} 2.5",
            "aws_kinesis_subscribe_to_shard_event_millis_behind_latest_maximum{stream_name=\"orders\",consumer_name=\"a\\\"b\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn streams_of_the_same_name_are_told_apart_by_their_owners() {
        let measured = |sum| vec![(Dimension::Stream, Box::from([(Measure::IncomingBytes, Statistic::of(sum))]))];
        let owner = Some(("eu-west-1".to_owned(), "123456789012".to_owned()));
        let streams = [stream("orders", measured(1.0)), StreamState { owner, ..stream("orders", measured(2.0)) }];
        let mut text = String::new();
        assert_eq!(write(&streams, &mut text), Ok(0));
        for line in [
            "aws_kinesis_incoming_bytes_sum{stream_name=\"orders\"} 1",
            "aws_kinesis_incoming_bytes_sum{stream_name=\"orders\",region=\"eu-west-1\",account_id=\"123456789012\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn shards_are_left_out_before_streams_are() {
        let measured = || Box::from([(Measure::IncomingBytes, Statistic::of(1.0))]);
        let shards = (0..30_000).map(|shard| (Dimension::Shard(ShardId(shard)), measured()));
        let streams = [stream("many", shards.collect()), stream("one", vec![(Dimension::Stream, measured())])];
        let mut text = String::new();
        assert_eq!(write(&streams, &mut text), Ok(10_001));
        assert!(text.contains("aws_kinesis_incoming_bytes_sum{stream_name=\"one\"} 1\n"));
        assert_eq!(text.lines().filter(|line| line.starts_with("aws_kinesis_incoming_bytes_sum{")).count(), SHOWN_MAX);
    }
}
