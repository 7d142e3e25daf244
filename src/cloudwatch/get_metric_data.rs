//! **GetMetricData**: one statistic of each of several metrics.
//!
//! How we differ from CloudWatch: expressions are refused; where it leaves out the spans of which it does not know a percentile
//! without a word, the result says `PartialData` and why. `MaxDatapoints` is not needed: three hours of 500
//! queries are fewer than one answer may have.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::model::Timestamp;

use super::View;
use super::metric::{self, Metric, Stat};

/// Queries of one request (CloudWatch API reference, 2026-11).
const QUERIES_MAX: usize = 500;

const METRIC: &[Rule] = &[metric::NAMESPACE_RULE, metric::NAME, metric::DIMENSIONS];
const STAT: &[Rule] = &[
    Rule::structure("Metric", METRIC).required(),
    Rule::integer("Period").required().range(1, 86_400),
    metric::STAT.named("Stat").required(),
    Rule::text("Unit"),
];
const QUERY: Rule = Rule::structure(
    "member",
    &[
        Rule::text("Id").required().length(1, 255),
        Rule::structure("MetricStat", STAT),
        Rule::text("Expression").length(1, 2_048),
        Rule::text("Label"),
        Rule::boolean("ReturnData"),
    ],
);

/// GetMetricData.
pub(super) struct GetMetricData;

impl Operation<View> for GetMetricData {
    const NAME: &'static str = "GetMetricData";
    const RULES: &'static [Rule] = &[
        Rule::list("MetricDataQueries", &QUERY).required().length(1, QUERIES_MAX),
        Rule::timestamp("StartTime").required(),
        Rule::timestamp("EndTime").required(),
        Rule::text("ScanBy").one_of(&["TimestampDescending", "TimestampAscending"]),
    ];
    const ANSWER_BYTES: usize = 4 << 20;

    async fn perform(view: &View, input: Input) -> Result<Output, Refusal> {
        let (Some(from), Some(to)) = (input.timestamp("StartTime"), input.timestamp("EndTime")) else {
            return Err(metric::invalid("The parameters StartTime and EndTime must be there."));
        };
        let ascending = input.text("ScanBy") == Some("TimestampAscending");
        let results = input.structures("MetricDataQueries").map(|query| result(view, query, from, to, ascending));
        let results: Vec<_> = results.collect::<Result<_, _>>()?;
        let shown: Value = results.into_iter().flatten().collect();
        Ok(Output::default().with("MetricDataResults", shown).with("Messages", Value::List(Vec::new())))
    }
}

/// The answer to one query; `None` if it wants none.
fn result(view: &View, query: &Structure, from: Timestamp, to: Timestamp, ascending: bool) -> Result<Option<Structure>, Refusal> {
    let (id, Some(stat)) = (query.required_text("Id").to_owned(), query.structure("MetricStat")) else {
        return Err(metric::invalid(
            "Only queries with MetricStat are answered; there is nothing here that computes expressions.",
        ));
    };
    let wanted = Stat::named(stat.required_text("Stat"))?;
    if query.get("ReturnData") == Some(&Value::Bool(false)) {
        return Ok(None);
    }
    let asked = stat.structure("Metric");
    let metric = asked.and_then(Metric::of).filter(|metric| {
        let unit = metric.measure.about().unit;
        stat.text("Unit").is_none_or(|wanted| wanted == unit)
    });
    let period = stat.integer("Period").unwrap_or_default();
    let mut points = metric.map(|metric| metric.datapoints(view, from, to, period)).unwrap_or_default();
    if !ascending {
        points.reverse();
    }
    let name = asked.map_or("", |asked| asked.required_text("MetricName"));
    let told: Vec<_> = points.iter().filter_map(|point| Some((point.from, wanted.of(&point.statistic)?))).collect();
    let result = Structure::with_capacity(6)
        .with("Id", id)
        .with("Label", query.text("Label").unwrap_or(name).to_owned())
        .with("Timestamps", told.iter().map(|(from, _)| *from).collect::<Value>())
        .with("Values", told.iter().map(|(_, value)| *value).collect::<Value>());
    if told.len() == points.len() {
        return Ok(Some(result.with("StatusCode", "Complete")));
    }
    let why = Structure::default().with("Code", "UnknownPercentile").with("Value", metric::unknown_percentile(name));
    Ok(Some(result.with("StatusCode", "PartialData").with("Messages", vec![why])))
}
