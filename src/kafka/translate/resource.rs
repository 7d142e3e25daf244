//! The resources that have configs, and changing those configs.

use super::{Refusal, quoted, refuse_broker_config, topic, warn_of_compaction};
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

/// Changes the configs `names` of one resource as `change` says, all or nothing; only tries it if `validate_only`.
///
/// Only topics have configs that a request can change. `change` sees the settings of the topic as they are when it is this
/// request's turn, so it may run twice.
pub(crate) async fn alter<F>(
    door: &Door,
    (code, resource): (i8, &str),
    names: &[&str],
    validate_only: bool,
    change: F,
) -> Result<(), Refusal>
where
    F: Fn(&Settings) -> Result<Settings, Refusal> + Send + Sync,
{
    match ResourceType::of(code)? {
        ResourceType::Topic => alter_topic(door, resource, validate_only, change).await,
        other => refuse(other, &door.config, resource, names),
    }
}

/// Why nothing but a topic can be altered; changing no config of a broker is no error.
fn refuse(kind: ResourceType, config: &Config, resource: &str, names: &[&str]) -> Result<(), Refusal> {
    let words = match kind {
        ResourceType::Topic | ResourceType::Broker => {
            if !resource.is_empty() {
                check_broker(config, resource)?;
            }
            return names.first().map_or(Ok(()), |name| Err(refuse_broker_config(name)));
        }
        ResourceType::BrokerLogger => "log levels are set by the environment variable RUST_LOG when the gateway is started",
        ResourceType::ClientMetrics => "metrics of clients are not collected, so there are no subscriptions to set up",
        ResourceType::Group => "groups have no configs; a member's own configs decide",
    };
    Err(Refusal::request(words))
}

async fn alter_topic<F>(door: &Door, name: &str, validate_only: bool, change: F) -> Result<(), Refusal>
where
    F: Fn(&Settings) -> Result<Settings, Refusal> + Send + Sync,
{
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
    use kafka_protocol::ResponseError::{InvalidConfig, InvalidRequest};

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
    fn only_topics_can_be_altered_and_the_rest_is_told_why_not() {
        let node = config().node_id.to_string();
        for (kind, resource, error, words) in [
            (ResourceType::Broker, node.as_str(), InvalidConfig, "--default-partitions"),
            (ResourceType::Broker, "", InvalidConfig, "--default-partitions"),
            (ResourceType::Broker, "8", InvalidRequest, "the broker is \"8\"; the only broker of this cluster is 7"),
            (ResourceType::Broker, "seven", InvalidRequest, "the broker is \"seven\""),
            (ResourceType::BrokerLogger, node.as_str(), InvalidRequest, "RUST_LOG"),
            (ResourceType::ClientMetrics, "all", InvalidRequest, "not collected"),
            (ResourceType::Group, "g", InvalidRequest, "groups have no configs"),
        ] {
            let refusal = refuse(kind, &config(), resource, &["num.partitions"]).unwrap_err();
            assert_eq!(refusal.error, error);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
        assert_eq!(refuse(ResourceType::Broker, &config(), &node, &[]), Ok(()));
    }
}
