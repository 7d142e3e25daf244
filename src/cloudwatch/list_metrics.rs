//! **ListMetrics**: the metrics of which there are statistics, 500 at a time, in the order of their streams.
//!
//! `NextToken` is the number of metrics shown before; metrics that come or go meanwhile may be missed or shown twice.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};

use super::{View, metric};

/// Metrics of one answer (CloudWatch API reference, 2026-11).
const METRICS_MAX: usize = 500;

const FILTER: Rule =
    Rule::structure("member", &[Rule::text("Name").required().length(1, 255), Rule::text("Value").length(1, 1_024)]);

/// ListMetrics.
pub(super) struct ListMetrics;

impl Operation<View> for ListMetrics {
    const NAME: &'static str = "ListMetrics";
    const RULES: &'static [Rule] = &[
        metric::NAMESPACE_RULE,
        metric::NAME,
        Rule::list("Dimensions", &FILTER).length(0, 10),
        Rule::text("NextToken"),
        Rule::text("RecentlyActive").one_of(&["PT3H"]),
    ];

    async fn perform(view: &View, input: Input) -> Result<Output, Refusal> {
        let before: usize = match input.text("NextToken").map(str::parse) {
            None => 0,
            Some(Ok(before)) => before,
            Some(Err(_)) => return Err(metric::invalid("The NextToken is none that was given.")),
        };
        let is_ours = input.text("Namespace").is_none_or(|namespace| namespace == metric::NAMESPACE);
        let streams = if is_ours { view.log.streams_in(&view.realm) } else { Vec::new() };
        let all = streams.iter().flat_map(|stream| {
            let of = stream.meter().measures().into_iter();
            of.map(|(dimension, measure)| (measure.about().name, metric::dimensions(stream.name().as_str(), &dimension)))
        });
        let mut wanted = all.filter(|(name, dimensions)| is_wanted(&input, name, dimensions)).skip(before);
        let page: Vec<_> = wanted.by_ref().take(METRICS_MAX).collect();
        let next = wanted.next().map(|_| (before + page.len()).to_string());
        let metrics = page.into_iter().map(|(name, dimensions)| {
            let dimensions = dimensions.into_iter();
            let dimensions = dimensions.map(|(name, value)| Structure::with_capacity(2).with("Name", name).with("Value", value));
            Structure::with_capacity(3)
                .with("Namespace", metric::NAMESPACE)
                .with("MetricName", name)
                .with("Dimensions", dimensions.collect::<Value>())
        });
        Ok(Output::default().with("Metrics", metrics.collect::<Value>()).with("NextToken", next))
    }
}

/// Whether a metric has the name and all the dimensions that are asked for.
fn is_wanted(input: &Input, name: &str, dimensions: &[(&'static str, String)]) -> bool {
    input.text("MetricName").is_none_or(|wanted| wanted == name)
        && input.structures("Dimensions").all(|wanted| {
            dimensions.iter().any(|(name, value)| {
                wanted.text("Name") == Some(name) && wanted.text("Value").is_none_or(|wanted| wanted == value)
            })
        })
}
