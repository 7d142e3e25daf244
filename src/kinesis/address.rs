//! Which stream a request means: by name, by ARN, or by an id that AWS keeps for itself. The only place that decides it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aws::{Input, Output, Refusal};
use crate::log::{Error, Stream};
use crate::model::{Consumer, Settings, Shard, ShardId, Status};

use super::context::Context;
use super::refusal;

impl Context {
    /// The stream that `StreamName` or `StreamARN` names. The ARN counts where there is one, as AWS's own clients mean it;
    /// `StreamId` alone names nothing, since no answer ever has one.
    pub(super) fn stream(&self, input: &Input) -> Result<Arc<Stream>, Refusal> {
        let name = match (input.text("StreamARN"), input.text("StreamName")) {
            (Some(arn), _) => name_in(arn),
            (None, Some(name)) => name,
            (None, None) => return Err(refusal::no_stream_named()),
        };
        self.stream_named(name).ok_or_else(|| self.no_stream(name))
    }

    /// The stream of that name in the realm of the request.
    pub(super) fn stream_named(&self, name: &str) -> Option<Arc<Stream>> {
        self.log.stream_in(&self.realm, name)
    }

    /// The same for records on their way in: one that is CREATING is not there yet, as AWS has it.
    pub(super) fn stream_to_write(&self, input: &Input) -> Result<Arc<Stream>, Refusal> {
        let stream = self.stream(input)?;
        if stream.status(self.now()) == Status::Creating {
            return Err(self.no_stream(stream.name()));
        }
        Ok(stream)
    }

    /// The shard of `stream` that somebody names.
    pub(super) fn shard(&self, stream: &Stream, text: &str) -> Result<Shard, Refusal> {
        let id = shard_number(text).ok_or_else(|| self.no_shard(text, stream.name()))?;
        stream.shard(id).ok_or_else(|| self.no_shard(id, stream.name()))
    }

    /// Changes a stream's settings: `change` gets what they are and leaves what they shall be, or refuses.
    pub(super) async fn change(
        &self,
        stream: &Stream,
        change: impl FnOnce(&mut Settings) -> Result<(), Refusal> + Send,
    ) -> Result<Output, Refusal> {
        let change = |settings: &mut Settings| change(settings).map_err(Changed::Refused);
        match self.log.try_change_settings(stream.id(), change).await {
            Ok(()) => Ok(Output::default()),
            Err(Changed::Refused(refusal)) => Err(refusal),
            Err(Changed::Failed(error)) => Err(self.refused(&error)),
        }
    }

    /// Changes the tags or the policy of a stream or a consumer.
    pub(super) async fn change_resource(
        &self,
        resource: &Resource,
        change: impl FnOnce(Owner<'_>) -> Result<(), Refusal> + Send,
    ) -> Result<Output, Refusal> {
        match resource {
            Resource::Stream(stream) => {
                let change = |settings: &mut Settings| change(Owner { tags: &mut settings.tags, policy: &mut settings.policy });
                self.change(stream, change).await
            }
            Resource::Consumer(Registered { stream, name }) => {
                let change = |settings: &mut Settings| match settings.fan_out.get_mut(name) {
                    Some(consumer) => change(Owner { tags: &mut consumer.tags, policy: &mut consumer.policy }),
                    None => Err(self.no_consumer(name)),
                };
                self.change(stream, change).await
            }
        }
    }

    /// The stream, or one of its consumers, that `ResourceARN` names.
    pub(super) fn resource(&self, input: &Input) -> Result<Resource, Refusal> {
        let arn = input.required_text("ResourceARN");
        match self.consumer_in(arn) {
            Some(consumer) => consumer.map(Resource::Consumer),
            None => {
                let name = name_in(arn);
                self.stream_named(name).map(Resource::Stream).ok_or_else(|| self.no_stream(name))
            }
        }
    }

    /// The consumer that `ConsumerARN`, or `StreamARN` and `ConsumerName`, name.
    pub(super) fn consumer(&self, input: &Input) -> Result<Registered, Refusal> {
        if let Some(arn) = input.text("ConsumerARN") {
            return self.consumer_in(arn).unwrap_or_else(|| Err(self.no_consumer(arn)));
        }
        let (Some(_), Some(name)) = (input.text("StreamARN"), input.text("ConsumerName")) else {
            return Err(refusal::argument("Either ConsumerARN or both StreamARN and ConsumerName should be provided."));
        };
        let stream = self.stream(input)?;
        match stream.settings().consumer(name, self.now()) {
            Some(_) => Ok(Registered { stream, name: name.to_owned() }),
            None => Err(self.no_consumer(name)),
        }
    }

    /// The consumer of that ARN; `None` if it is not one of consumers.
    fn consumer_in(&self, arn: &str) -> Option<Result<Registered, Refusal>> {
        let (_, consumer) = arn.split_once("/consumer/")?;
        let (name, registered) = consumer.split_once(':').unwrap_or((consumer, ""));
        let found = self.stream_named(name_in(arn)).filter(|stream| {
            let settings = stream.settings();
            settings.consumer(name, self.now()).is_some_and(|consumer| consumer.registered_at.seconds().to_string() == registered)
        });
        Some(found.map(|stream| Registered { stream, name: name.to_owned() }).ok_or_else(|| self.no_consumer(arn)))
    }

    fn no_consumer(&self, consumer: &str) -> Refusal {
        refusal::not_found(format!("Consumer {consumer} under account {} not found.", self.account))
    }
}

/// Why settings were not changed.
enum Changed {
    /// They did not suit.
    Refused(Refusal),
    /// The log says so.
    Failed(Error),
}

impl From<Error> for Changed {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What belongs to a stream or a consumer beside what it does.
pub(super) struct Owner<'a> {
    /// Its tags.
    pub(super) tags: &'a mut BTreeMap<String, String>,
    /// Its policy.
    pub(super) policy: &'a mut Option<String>,
}

impl Resource {
    /// Its tags.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        match self {
            Self::Stream(stream) => stream.settings().tags.clone(),
            Self::Consumer(consumer) => consumer.get().map(|consumer| consumer.tags).unwrap_or_default(),
        }
    }

    /// Its policy.
    pub(super) fn policy(&self) -> Option<String> {
        match self {
            Self::Stream(stream) => stream.settings().policy.clone(),
            Self::Consumer(consumer) => consumer.get().and_then(|consumer| consumer.policy),
        }
    }
}

impl Registered {
    /// The consumer, if it is still there.
    pub(super) fn get(&self) -> Option<Consumer> {
        self.stream.settings().fan_out.get(&self.name).cloned()
    }
}

/// What has tags and a policy.
pub(super) enum Resource {
    /// A stream.
    Stream(Arc<Stream>),
    /// One of its consumers.
    Consumer(Registered),
}

/// A consumer of a stream that was there a moment ago.
pub(super) struct Registered {
    /// The stream.
    pub(super) stream: Arc<Stream>,
    /// The consumer's name.
    pub(super) name: String,
}

/// The number of a shard: the digits behind the first hyphen, or all of it, so that the zeros and the word can be left out.
pub(super) fn shard_number(text: &str) -> Option<ShardId> {
    let digits = text.split('-').find(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))?;
    let number = digits.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok())?;
    Some(ShardId(number))
}

/// The stream's name in its ARN, or in that of one of its consumers.
pub(super) fn name_in(arn: &str) -> &str {
    let name = arn.rsplit_once(":stream/").map_or(arn, |(_, name)| name);
    name.split_once('/').map_or(name, |(name, _)| name)
}

/// The ARN by which a request names its stream, or a consumer of it.
pub(super) fn arn(input: &Input) -> Option<&str> {
    ["ConsumerARN", "ResourceARN", "StreamARN"].iter().find_map(|name| input.text(name))
}

/// The region and the account in the ARN of a stream or a consumer.
pub(super) fn owner_in(arn: &str) -> Option<(&str, &str)> {
    let (owner, _) = arn.rsplit_once(":stream/")?;
    let (rest, account) = owner.rsplit_once(':')?;
    Some((rest.rsplit_once(':')?.1, account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_known_by_the_end_of_its_id() {
        for text in ["shardId-000000000007", "shardId-7", "7", "anything-07", "shardId--00000007"] {
            assert_eq!(shard_number(text), Some(ShardId(7)), "{text}");
        }
        for text in ["", "shardId", "shardId-", "-", "shardId-x", "shardId-2147483648", "shardId-00000000000000000000000x"] {
            assert_eq!(shard_number(text), None, "{text}");
        }
    }

    #[test]
    fn an_arn_has_the_streams_owner() {
        let owner = Some(("us-east-1", "000000000000"));
        assert_eq!(owner_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders"), owner);
        assert_eq!(owner_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:1700000000"), owner);
        assert_eq!(owner_in("orders"), None);
    }

    #[test]
    fn an_arn_has_the_streams_name() {
        assert_eq!(name_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders"), "orders");
        assert_eq!(name_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:1700000000"), "orders");
    }
}
