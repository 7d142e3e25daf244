//! **DescribeStreamConsumer**: one consumer of a stream. Clients ask until it is ACTIVE.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::address::Registered;
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule, shape};

/// DescribeStreamConsumer.
pub(super) struct DescribeStreamConsumer;

impl Operation<Context> for DescribeStreamConsumer {
    const NAME: &'static str = "DescribeStreamConsumer";
    const RULES: &'static [Rule] = &[rule::CONSUMER_ARN, rule::STREAM_ARN, rule::CONSUMER_NAME, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let Registered { stream, name } = cx.consumer(&input)?;
        let settings = stream.settings();
        let consumer = settings.fan_out.get(&name).ok_or_else(refusal::internal_failure)?;
        let description = shape::consumer(cx, &stream, &name, consumer).with("StreamARN", cx.arn(&stream));
        Ok(Output::with_capacity(1).with("ConsumerDescription", description))
    }
}
