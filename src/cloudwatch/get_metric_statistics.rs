//! **GetMetricStatistics**: the statistics of one metric, span by span.
//!
//! How we differ from CloudWatch: minutes are the shortest spans there are, and percentiles are not kept.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::log::Log;

use super::metric::{self, Metric};

/// GetMetricStatistics.
pub(super) struct GetMetricStatistics;

impl Operation<Log> for GetMetricStatistics {
    const NAME: &'static str = "GetMetricStatistics";
    const RULES: &'static [Rule] = &[
        metric::NAMESPACE_RULE.required(),
        metric::NAME.required(),
        metric::DIMENSIONS,
        Rule::timestamp("StartTime").required(),
        Rule::timestamp("EndTime").required(),
        Rule::integer("Period").required().range(1, 86_400),
        Rule::list("Statistics", &Rule::text("member").one_of(metric::STATISTICS)).length(1, 5),
        Rule::list("ExtendedStatistics", &Rule::text("member")).length(1, 10),
        Rule::text("Unit"),
    ];

    async fn perform(log: &Log, input: Input) -> Result<Output, Refusal> {
        let (Some(from), Some(to)) = (input.timestamp("StartTime"), input.timestamp("EndTime")) else {
            return Err(metric::invalid("The parameters StartTime and EndTime must be there."));
        };
        if from >= to {
            return Err(metric::invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let statistics: Vec<&str> = input.texts("Statistics").collect();
        if statistics.is_empty() {
            return Err(metric::invalid("Statistics must be asked for; ExtendedStatistics are not kept."));
        }
        let metric = Metric::of(&input);
        let unit = metric.as_ref().map_or("None", |metric| metric.measure.about().unit);
        let found = metric.filter(|_| input.text("Unit").is_none_or(|wanted| wanted == unit));
        let period = input.integer("Period").unwrap_or_default();
        let datapoints = found.map(|metric| metric.datapoints(log, from, to, period)).unwrap_or_default();
        let datapoints = datapoints.iter().map(|point| {
            let shown = Structure::with_capacity(7).with("Timestamp", point.from).with("Unit", unit);
            metric::STATISTICS
                .iter()
                .filter(|name| statistics.contains(name))
                .fold(shown, |shown, name| shown.with(name, metric::value(&point.statistic, name)))
        });
        let label = input.required_text("MetricName").to_owned();
        Ok(Output::default().with("Label", label).with("Datapoints", datapoints.collect::<Value>()))
    }
}
