//! **RegisterStreamConsumer**: somebody who reads with throughput of its own. A Kafka client whose `client.id` is the consumer's name
//! has that too, and sees the name in the topic's `kinesis.fanout.consumers`.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule, shape, tags};
use crate::model::{Consumer, Mode, Status, limits};

/// Consumers of a stream that are being registered at once (Kinesis API reference, RegisterStreamConsumer, 2026-11).
const CREATING_MAX: usize = 5;

/// RegisterStreamConsumer.
pub(super) struct RegisterStreamConsumer;

impl Operation<Context> for RegisterStreamConsumer {
    const NAME: &'static str = "RegisterStreamConsumer";
    const RULES: &'static [Rule] = &[rule::STREAM_ARN.required(), rule::CONSUMER_NAME.required(), rule::TAGS, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let (stream, name) = (cx.stream(&input)?, input.required_text("ConsumerName"));
        let mut consumer = Consumer::default();
        if let Some(given) = input.structure("Tags") {
            tags::add(&mut consumer.tags, given, |why| format!("Failed to register consumer {name} because {why}"))?;
        }
        let is_advantage = cx.shared.commitment.is_in_force(&cx.realm, cx.now());
        cx.change(&stream, |settings| {
            settings.fan_out.retain(|_, consumer| !consumer.is_gone(cx.now()));
            if settings.fan_out.contains_key(name) {
                return Err(refusal::in_use(format!(
                    "Consumer {name} of stream {} under account {} already exists.",
                    stream.name(),
                    cx.account
                )));
            }
            let max = match settings.mode {
                Mode::OnDemand if is_advantage => limits::FAN_OUT_CONSUMERS_ADVANTAGE_MAX,
                _ => limits::FAN_OUT_CONSUMERS_MAX,
            };
            let is_creating = |consumer: &&Consumer| cx.log.consumer_status(consumer) == Status::Creating;
            let creating = settings.fan_out.values().filter(is_creating).count();
            if settings.fan_out.len() >= max || (cx.is_limited() && creating >= CREATING_MAX) {
                return Err(refusal::limit(format!(
                    "Stream {} under account {} has {} consumers, {creating} of them CREATING; at most {max}, and {CREATING_MAX} \
                     CREATING, are accepted.",
                    stream.name(),
                    cx.account,
                    settings.fan_out.len()
                )));
            }
            settings.fan_out.insert(name.to_owned(), consumer);
            Ok(())
        })
        .await?;
        let settings = stream.settings();
        let registered = settings.fan_out.get(name).ok_or_else(refusal::internal_failure)?;
        Ok(Output::with_capacity(1).with("Consumer", shape::consumer(cx, &stream, name, registered)))
    }
}
