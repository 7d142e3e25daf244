//! **ListStreamConsumers**: the consumers of a stream in the order of their names, 100 at a time.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Value};
use crate::kinesis::context::Context;
use crate::kinesis::page::{self, Token};
use crate::kinesis::seal::Kind;
use crate::kinesis::{rule, shape};

/// Consumers of one answer, whatever is asked for (Kinesis API reference, ListStreamConsumers, `MaxResults`, 2026-11).
const CONSUMERS_MAX: usize = 100;

/// ListStreamConsumers.
pub(super) struct ListStreamConsumers;

impl Operation<Context> for ListStreamConsumers {
    const NAME: &'static str = "ListStreamConsumers";
    const RULES: &'static [Rule] = &[
        rule::STREAM_ARN.required(),
        rule::NEXT_TOKEN,
        Rule::integer("MaxResults").range(1, 10_000),
        Rule::timestamp("StreamCreationTimestamp"),
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let (stream, behind) = match input.text("NextToken") {
            Some(token) => {
                page::check_alone(&input, &["StreamCreationTimestamp"])?;
                let (stream, behind) = page::open::<String>(cx, Kind::Consumers, token)?;
                (stream, Some(behind))
            }
            None => (page::stream(cx, &input)?, None),
        };
        let (settings, limit) = (stream.settings(), page::limit(&input, CONSUMERS_MAX));
        let all = || settings.consumers(cx.now()).filter(|(name, _)| behind.as_ref().is_none_or(|behind| *name > behind));
        let has_more = all().count() > limit;
        let next = all().take(limit).last().filter(|_| has_more).map(|(last, _)| {
            page::close(cx, Kind::Consumers, &Token { stream: stream.id(), born_at: cx.now(), rest: last.clone() })
        });
        let consumers = all().take(limit).map(|(name, consumer)| shape::consumer(cx, &stream, name, consumer));
        Ok(Output::with_capacity(2).with("Consumers", consumers.collect::<Value>()).with("NextToken", next))
    }
}
