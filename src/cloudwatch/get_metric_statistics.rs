//! **GetMetricStatistics**: the statistics of one metric, span by span.
//!
//! How we differ from CloudWatch: minutes are the shortest spans there are; and where CloudWatch leaves out the spans of which it
//! does not know a percentile, the question is refused, as the answer would look whole.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::metrics::Datapoint;

use super::View;
use super::metric::{self, Metric, Stat};

/// GetMetricStatistics.
pub(super) struct GetMetricStatistics;

impl Operation<View> for GetMetricStatistics {
    const NAME: &'static str = "GetMetricStatistics";
    const RULES: &'static [Rule] = &[
        metric::NAMESPACE_RULE.required(),
        metric::NAME.required(),
        metric::DIMENSIONS,
        Rule::timestamp("StartTime").required(),
        Rule::timestamp("EndTime").required(),
        Rule::integer("Period").required().range(1, 86_400),
        Rule::list("Statistics", &Rule::text("member").one_of(metric::STATISTICS)).length(1, 5),
        Rule::list("ExtendedStatistics", &metric::STAT).length(1, 10),
        Rule::text("Unit"),
    ];

    async fn perform(view: &View, input: Input) -> Result<Output, Refusal> {
        let (Some(from), Some(to)) = (input.timestamp("StartTime"), input.timestamp("EndTime")) else {
            return Err(metric::invalid("The parameters StartTime and EndTime must be there."));
        };
        if from >= to {
            return Err(metric::invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let name = |name| Ok((name, Stat::named(name)?));
        let plain: Vec<(&str, Stat)> = input.texts("Statistics").map(name).collect::<Result<_, Refusal>>()?;
        let extended: Vec<(&str, Stat)> = input.texts("ExtendedStatistics").map(name).collect::<Result<_, Refusal>>()?;
        match (plain.is_empty(), extended.is_empty()) {
            (true, true) => {
                return Err(metric::invalid_together(
                    "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
                ));
            }
            (false, false) => {
                return Err(metric::invalid_together(
                    "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.",
                ));
            }
            _ => {}
        }
        let metric = Metric::of(&input);
        let unit = metric.as_ref().map_or("None", |metric| metric.measure.about().unit);
        let found = metric.filter(|_| input.text("Unit").is_none_or(|wanted| wanted == unit));
        let period = input.integer("Period").unwrap_or_default();
        let datapoints = found.map(|metric| metric.datapoints(view, from, to, period)).unwrap_or_default();
        let label = input.required_text("MetricName");
        let is_told = |point: &Datapoint| extended.iter().all(|(_, stat)| stat.of(&point.statistic).is_some());
        if !datapoints.iter().all(is_told) {
            return Err(metric::invalid(metric::unknown_percentile(label)));
        }
        let datapoints = datapoints.iter().map(|point| {
            let told = |stats: &[(&str, Stat)]| {
                let mut told = Structure::with_capacity(stats.len() + 2);
                stats.iter().for_each(|(name, stat)| told.push((*name).to_owned().into(), stat.of(&point.statistic).into()));
                told
            };
            let extended = Some(told(&extended)).filter(|told| !told.is_empty()).map(Value::Entries);
            told(&plain).with("Timestamp", point.from).with("Unit", unit).with("ExtendedStatistics", extended)
        });
        Ok(Output::default().with("Label", label.to_owned()).with("Datapoints", datapoints.collect::<Value>()))
    }
}
