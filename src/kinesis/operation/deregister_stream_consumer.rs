//! **DeregisterStreamConsumer**: takes a consumer's own throughput away; its subscriptions end.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::address::Registered;
use crate::kinesis::context::Context;
use crate::kinesis::rule;

/// DeregisterStreamConsumer.
pub(super) struct DeregisterStreamConsumer;

impl Operation<Context> for DeregisterStreamConsumer {
    const NAME: &'static str = "DeregisterStreamConsumer";
    const RULES: &'static [Rule] = &[rule::CONSUMER_ARN, rule::STREAM_ARN, rule::CONSUMER_NAME, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let Registered { stream, name } = cx.consumer(&input)?;
        cx.change(&stream, |settings| {
            settings.fan_out.remove(&name);
            Ok(())
        })
        .await
    }
}
