//! **ListStreams**: the names of the streams in their order, 100 at a time.
//!
//! `NextToken` is the name of the last stream shown: it never expires, and goes on behind that name even if the stream is gone.

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// Streams of one answer, whatever is asked for (Kinesis API reference, ListStreams, `Limit`, 2026-11).
const STREAMS_MAX: usize = 100;

/// ListStreams.
pub(super) struct ListStreams;

impl Operation<Context> for ListStreams {
    const NAME: &'static str = "ListStreams";
    const RULES: &'static [Rule] =
        &[Rule::integer("Limit").range(1, 10_000), rule::STREAM_NAME.named("ExclusiveStartStreamName"), rule::NEXT_TOKEN];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let limit = input.integer("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(STREAMS_MAX);
        let behind = input.text("NextToken").or(input.text("ExclusiveStartStreamName"));
        let mut streams = cx.log.streams_in(&cx.realm);
        streams.retain(|stream| behind.is_none_or(|behind| stream.name().as_str() > behind));
        let has_more = streams.len() > limit.min(STREAMS_MAX);
        streams.truncate(limit.min(STREAMS_MAX));
        let last = streams.last().map(|stream| stream.name().to_string());
        let summaries: Value = streams
            .iter()
            .map(|stream| {
                Structure::default()
                    .with("StreamName", stream.name().to_string())
                    .with("StreamARN", cx.arn(stream))
                    .with("StreamStatus", stream.status(cx.now()).to_string())
                    .with("StreamModeDetails", Structure::default().with("StreamMode", stream.settings().mode.to_string()))
                    .with("StreamCreationTimestamp", stream.created_at())
            })
            .collect();
        Ok(Output::default()
            .with("StreamNames", streams.iter().map(|stream| stream.name().to_string()).collect::<Value>())
            .with("HasMoreStreams", has_more)
            .with("NextToken", last.filter(|_| has_more))
            .with("StreamSummaries", summaries))
    }
}
