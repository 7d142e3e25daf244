//! The resources that have configs, and changing those configs.

use super::broker_config::{self, BrokerChange, Wanted};
use super::{Refusal, quoted, topic, warn_of_compaction};
use crate::kafka::{Config, Door};
use crate::model::{Settings, StreamName};

/// What a config belongs to, by its number on the wire (Apache Kafka, `ConfigResource.Type`, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ResourceType {
    /// A topic, by its name.
    Topic = 2,
    /// A broker, by its id; the empty name stands for what all brokers have in common.
    Broker = 4,
    /// The loggers of a broker.
    BrokerLogger = 8,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ResourceType {
    /// The type with the number `code`; INVALID_REQUEST if there is none.
    pub(crate) fn of(code: i8) -> Result<Self, Refusal> {
        let all = [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];
        all.into_iter().find(|known| *known as i8 == code).ok_or_else(|| {
            Refusal::request(format!(
                "the resource type is {code}; 2 (topic), 4 (broker), 8 (broker logger), 16 (client metrics) and 32 (group) are accepted"
            ))
        })
    }
}

/// Whether the broker that a resource names (a decimal id) is this one; INVALID_REQUEST if not.
pub(crate) fn check_broker(config: &Config, name: &str) -> Result<(), Refusal> {
    if name.parse() == Ok(config.node_id) {
        return Ok(());
    }
    Err(Refusal::request(format!("the broker is {}; the only broker of this cluster is {}", quoted(name), config.node_id)))
}

/// Changes configs of one resource, all or nothing; only tries it if `validate_only`.
///
/// A topic's are changed as `change` says, which sees the settings of the topic as they are when it is this request's turn, so
/// it may run twice. `named` is the same for a broker.
pub(crate) async fn alter<F>(
    door: &Door,
    (code, resource): (i8, &str),
    named: &[(&str, BrokerChange<'_>)],
    validate_only: bool,
    change: F,
) -> Result<(), Refusal>
where
    F: Fn(&Settings) -> Result<Settings, Refusal> + Send + Sync,
{
    match ResourceType::of(code)? {
        ResourceType::Topic => alter_topic(door, resource, validate_only, change).await,
        ResourceType::Broker => {
            let wanted = wanted(&door.config, resource, named)?;
            if validate_only { Ok(()) } else { alter_broker(door, wanted).await }
        }
        other => Err(Refusal::request(why_not(other))),
    }
}

/// What is wanted of a broker. The empty name stands for what all brokers have in common, and there is only one.
fn wanted(config: &Config, broker: &str, named: &[(&str, BrokerChange<'_>)]) -> Result<Vec<Wanted>, Refusal> {
    if !broker.is_empty() {
        check_broker(config, broker)?;
    }
    named.iter().map(|(name, change)| broker_config::changed(name, *change)).collect()
}

async fn alter_broker(door: &Door, wanted: Vec<Wanted>) -> Result<(), Refusal> {
    let (mut limits, mut lasting) = (None, Vec::new());
    for each in wanted {
        match each {
            Wanted::Limits(to) => limits = Some(to),
            Wanted::Lasting(name, value) => lasting.push((name, value)),
        }
    }
    // What may fail comes first.
    door.broker.change(lasting).await?;
    match limits {
        Some(Some(limits)) => door.log.env().limits.set(limits),
        Some(None) => door.log.env().limits.reset(),
        None => {}
    }
    Ok(())
}

/// Why a resource of this kind cannot be altered.
fn why_not(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::BrokerLogger => "log levels are set by the environment variable RUST_LOG when the gateway is started",
        ResourceType::ClientMetrics => "metrics of clients are not collected, so there are no subscriptions to set up",
        ResourceType::Topic | ResourceType::Broker | ResourceType::Group => {
            "configs of groups are changed one by one, with IncrementalAlterConfigs"
        }
    }
}

async fn alter_topic<F>(door: &Door, name: &str, validate_only: bool, change: F) -> Result<(), Refusal>
where
    F: Fn(&Settings) -> Result<Settings, Refusal> + Send + Sync,
{
    if name.is_empty() {
        return Err(Refusal::request("the topic has no name"));
    }
    StreamName::new(name)?;
    let stream = topic(door, name)?;
    change(&stream.settings())?;
    if validate_only {
        return Ok(());
    }
    let mut outcome = Ok(());
    let turn = |settings: &mut Settings| match change(settings) {
        Ok(after) => {
            warn_of_compaction(stream.name(), settings, &after);
            *settings = after;
        }
        Err(refusal) => outcome = Err(refusal),
    };
    door.log.change_settings(stream.id(), turn).await?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::translate::tests::config;
    use crate::model::Limits;
    use kafka_protocol::ResponseError::InvalidRequest;

    #[test]
    fn a_resource_type_is_one_of_kafkas() {
        assert_eq!(ResourceType::of(2), Ok(ResourceType::Topic));
        assert_eq!(ResourceType::of(32), Ok(ResourceType::Group));
        for wrong in [0, 1, 3, 64, -1] {
            let refusal = ResourceType::of(wrong).unwrap_err();
            assert_eq!(refusal.error, InvalidRequest);
            assert!(refusal.words.starts_with(&format!("the resource type is {wrong};")), "{}", refusal.words);
        }
    }

    #[test]
    fn what_cannot_be_changed_of_a_broker_is_told_why_not() {
        let node = config().node_id.to_string();
        let set = |broker: &str, name: &str| wanted(&config(), broker, &[(name, BrokerChange::Set(Some("off")))]);
        for (broker, words) in [
            (node.as_str(), "--default-partitions"),
            ("", "--default-partitions"),
            ("8", "the broker is \"8\"; the only broker of this cluster is 7"),
            ("seven", "the broker is \"seven\""),
        ] {
            let refusal = set(broker, "num.partitions").unwrap_err();
            assert_eq!(refusal.error, InvalidRequest);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
        for broker in [node.as_str(), ""] {
            assert_eq!(set(broker, "kinesis.limits.profile"), Ok(vec![Wanted::Limits(Some(Limits::off()))]));
        }
        assert_eq!(wanted(&config(), &node, &[]), Ok(Vec::new()));
        for (kind, words) in [
            (ResourceType::BrokerLogger, "RUST_LOG"),
            (ResourceType::ClientMetrics, "not collected"),
            (ResourceType::Group, "IncrementalAlterConfigs"),
        ] {
            assert!(why_not(kind).contains(words));
        }
    }
}
