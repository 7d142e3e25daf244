//! **CreateTopics** (19): makes streams, each with as many shards as the topic has partitions.
//!
//! How we differ from Kafka:
//! - a name has at most 128 characters, which is Kinesis's limit;
//! - any replication factor is accepted and one replica is shown, because durability is the log's business; a manual assignment can
//!   only name this broker;
//! - the answer is sent when every topic is durable and usable, however short the request's timeout is.
//!
//! Versions: 4 made partition count and replication factor optional (KIP-464) · 5 answers with counts and configs (KIP-525) ·
//! 6 allows 89 (THROTTLING_QUOTA_EXCEEDED, KIP-599): what older ones create beyond a quota has to be waited for ·
//! 7 answers with the topic id.
//!
//! Left out on purpose: the topic policy classes.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::Config;
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::translate::{self, Refusal, Shown};
use crate::model::{Limits, Mode, Settings, StreamName, limits};

/// Partitions that one request can create, all its topics together (Apache Kafka, `ReplicationControlManager`, 4.4).
const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT: i16 = 6;

/// CreateTopics.
pub(crate) struct CreateTopics;

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;
    type Response = CreateTopicsResponse;

    const VERSIONS: RangeInclusive<i16> = 2..=7;

    async fn handle(cx: &Context, request: CreateTopicsRequest) -> Reply<CreateTopicsResponse> {
        let repeated = translate::repeated(request.topics.iter().map(|topic| &topic.name));
        let too_many = check_total(&request.topics, &cx.door.config);
        let twice =
            repeated.iter().map(|name| refused((*name).clone(), Refusal::request("the topic is named twice in the request")));
        let mut results: Vec<CreatableTopicResult> = twice.collect();
        for topic in request.topics.iter().filter(|topic| !repeated.contains(&topic.name)) {
            let created = match &too_many {
                Ok(()) => create(cx, topic, request.validate_only).await,
                Err(refusal) => Err(refusal.clone()),
            };
            results.push(created.unwrap_or_else(|refusal| refused(topic.name.clone(), refusal)));
        }
        Reply::Send(CreateTopicsResponse::default().with_topics(results))
    }
}

/// A topic as it will be.
#[derive(PartialEq, Debug)]
struct Plan {
    name: StreamName,
    lanes: u32,
    settings: Settings,
}

async fn create(cx: &Context, topic: &CreatableTopic, validate_only: bool) -> Result<CreatableTopicResult, Refusal> {
    let name = topic.name.as_str();
    if !cx.allows_cluster(Operation::Create) && !cx.allows(Operation::Create, Kind::Topic, name) {
        return Err(Refusal::denied(Kind::Topic));
    }
    let exists = cx.door.log.stream(name).is_some();
    let plan = plan(topic, &cx.door.config, exists)?;
    cx.mutate(plan.lanes, cx.version >= STRICT)?;
    let mut result = created(&plan, &cx.door.config, cx.door.log.env().limits.get());
    if !cx.allows(Operation::DescribeConfigs, Kind::Topic, name) {
        // As Kafka hides them.
        result = result.with_topic_config_error_code(Kind::Topic.denied().code()).with_configs(Some(Vec::new()));
        result = result.with_num_partitions(-1).with_replication_factor(-1);
    }
    if validate_only {
        cx.door.log.check_stream(plan.settings.mode, plan.lanes)?;
        // As in Kafka, an id that no topic will have.
        return Ok(result.with_topic_id(cx.door.log.env().entropy.uuid()));
    }
    let stream = translate::create(&cx.door, plan.name, plan.lanes, plan.settings).await?;
    Ok(result.with_topic_id(stream.id().0))
}

/// What `topic` asks for, checked in Kafka's order: name, existence, configs, numbers.
fn plan(topic: &CreatableTopic, config: &Config, exists: bool) -> Result<Plan, Refusal> {
    let name = StreamName::new(topic.name.as_str())?;
    if exists {
        return Err(Refusal::topic_exists(name.as_str()));
    }
    let configs = topic.configs.iter().map(|config| (config.name.as_str(), config.value.as_deref()));
    let configs = translate::with_values(configs, ResponseError::InvalidConfig)?;
    let settings = translate::replaced(&Settings::default(), configs)?;
    Ok(Plan { name, lanes: lanes(topic, config, settings.mode)?, settings })
}

fn lanes(topic: &CreatableTopic, config: &Config, mode: Mode) -> Result<u32, Refusal> {
    if !topic.assignments.is_empty() {
        return assigned_lanes(topic, config.node_id);
    }
    if topic.replication_factor == 0 || topic.replication_factor < -1 {
        return Err(Refusal::new(
            ResponseError::InvalidReplicationFactor,
            format!("the replication factor is {}; 1 or more, and -1 for the default are accepted", topic.replication_factor),
        ));
    }
    match topic.num_partitions {
        -1 if mode == Mode::OnDemand => Ok(limits::ON_DEMAND_SHARDS),
        -1 => Ok(config.default_partitions),
        count => translate::lanes(count, "the number of partitions (-1 for the default)"),
    }
}

/// The lanes that a manual assignment names: partitions 0 to N-1 in any order, each on this broker.
fn assigned_lanes(topic: &CreatableTopic, node_id: i32) -> Result<u32, Refusal> {
    let (partitions, replicas) = (topic.num_partitions, topic.replication_factor);
    if (partitions, replicas) != (-1, -1) {
        let words = format!(
            "replicas are assigned by hand, the number of partitions is {partitions} and the replication factor {replicas}; \
             with an assignment both must be -1"
        );
        return Err(Refusal::new(ResponseError::InvalidRequest, words));
    }
    let mut indexes: Vec<i32> = topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    if let Some((expected, found)) = (0..).zip(&indexes).find(|(expected, found)| expected != *found) {
        let words =
            format!("replicas are assigned to partition {found} where {expected} follows; 0, 1, 2 … each once are accepted");
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, words));
    }
    translate::check_replicas(node_id, topic.assignments.iter().map(|assignment| assignment.broker_ids.as_slice()))?;
    translate::lanes(i32::try_from(indexes.len()).unwrap_or(i32::MAX), "the number of assigned partitions")
}

/// Whether one request creates no more partitions than it may; POLICY_VIOLATION, as Kafka answers, if it does.
fn check_total(topics: &[CreatableTopic], config: &Config) -> Result<(), Refusal> {
    let partitions = |topic: &CreatableTopic| match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => i64::from(config.default_partitions),
        (0, count) => i64::from(count).max(1),
        (assigned, _) => i64::try_from(assigned).unwrap_or(i64::MAX),
    };
    let total = topics.iter().map(partitions).fold(0, i64::saturating_add);
    // A single topic that is too large is told so on its own.
    if topics.len() < 2 || total <= PARTITIONS_PER_REQUEST_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        ResponseError::PolicyViolation,
        format!("the request creates {total} partitions; at most {PARTITIONS_PER_REQUEST_MAX} in one request are accepted"),
    ))
}

fn created(plan: &Plan, config: &Config, limits: Limits) -> CreatableTopicResult {
    let arn = format!("{}{}", config.arn_prefix, plan.name);
    let configs = translate::show_topic(&arn, &plan.settings, plan.lanes, limits).into_iter().map(config_result).collect();
    CreatableTopicResult::default()
        .with_name(TopicName(plan.name.as_str().to_owned().into()))
        .with_topic_id(Uuid::nil())
        .with_error_message(None)
        .with_num_partitions(i32::try_from(plan.lanes).unwrap_or(i32::MAX))
        .with_replication_factor(1)
        .with_configs(Some(configs))
}

fn config_result(shown: Shown) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(shown.name.into())
        .with_value(Some(shown.value.into()))
        .with_read_only(shown.read_only)
        .with_config_source(shown.source as i8)
}

fn refused(name: TopicName, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(refusal.error.code())
        .with_error_message(Some(refusal.words.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::translate::tests::config;
    use bytes::BytesMut;
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
        CreatableTopic::default()
            .with_name(StrBytes::from(name.to_owned()).into())
            .with_num_partitions(partitions)
            .with_replication_factor(replicas)
    }

    fn assigned(partitions: &[(i32, &[i32])]) -> CreatableTopic {
        let assignment = |(index, brokers): &(i32, &[i32])| {
            CreatableReplicaAssignment::default()
                .with_partition_index(*index)
                .with_broker_ids(brokers.iter().map(|broker| BrokerId(*broker)).collect())
        };
        topic("orders", -1, -1).with_assignments(partitions.iter().map(assignment).collect())
    }

    fn with_config(name: &'static str, value: Option<&'static str>) -> CreatableTopic {
        let config = CreatableTopicConfig::default().with_name(name.into()).with_value(value.map(Into::into));
        topic("orders", 1, 1).with_configs(vec![config])
    }

    #[test]
    fn a_topic_gets_the_partitions_it_asks_for_or_the_default_and_any_replication_factor_will_do() {
        let assigned = assigned(&[(1, &[7]), (0, &[7])]);
        for (topic, lanes) in [
            (topic("orders", 5, 1), 5),
            (topic("orders", 5, -1), 5),
            (topic("orders", 5, i16::MAX), 5),
            (topic("orders", -1, 3), 3),
            (topic("orders", limits::SHARDS_MAX as i32, 1), limits::SHARDS_MAX),
            (assigned, 2),
        ] {
            let plan = plan(&topic, &config(), false).unwrap();
            assert_eq!((plan.name.as_str(), plan.lanes), ("orders", lanes));
        }
    }

    #[test]
    fn what_cannot_be_created_is_refused_in_words() {
        use ResponseError::*;
        let long = "a".repeat(129);
        for (topic, error, words) in [
            (topic("", 1, 1), InvalidTopicException, "empty"),
            (topic("..", 1, 1), InvalidTopicException, "cannot be '.' or '..'"),
            (topic("a b", 1, 1), InvalidTopicException, "' '"),
            (topic(&long, 1, 1), InvalidTopicException, "129 characters; at most 128"),
            (topic("orders", 0, 1), InvalidPartitions, "is 0; 1 to 10000"),
            (topic("orders", -2, 1), InvalidPartitions, "is -2; 1 to 10000"),
            (topic("orders", 10_001, 1), InvalidPartitions, "is 10001; 1 to 10000"),
            (topic("orders", 1, 0), InvalidReplicationFactor, "the replication factor is 0"),
            (topic("orders", 1, -2), InvalidReplicationFactor, "the replication factor is -2"),
            (assigned(&[(0, &[7]), (2, &[7])]), InvalidReplicaAssignment, "partition 2 where 1 follows"),
            (assigned(&[(0, &[7]), (0, &[7])]), InvalidReplicaAssignment, "partition 0 where 1 follows"),
            (assigned(&[(-1, &[7])]), InvalidReplicaAssignment, "partition -1 where 0 follows"),
            (assigned(&[(0, &[7, 8])]), InvalidReplicaAssignment, "brokers [7, 8]"),
            (assigned(&[(0, &[7])]).with_num_partitions(1), InvalidRequest, "both must be -1"),
            (assigned(&[(0, &[7])]).with_replication_factor(1), InvalidRequest, "both must be -1"),
            (with_config("retention.ms", Some("5")), InvalidConfig, "86400000 (24 hours)"),
            (with_config("retention.m", Some("5")), InvalidConfig, "nearest one is retention.ms"),
            (with_config("retention.ms", None), InvalidConfig, "has no value"),
        ] {
            let refusal = plan(&topic, &config(), false).unwrap_err();
            assert_eq!(refusal.error, error, "{}", refusal.words);
            assert!(refusal.words.contains(words), "{}", refusal.words);
        }
    }

    #[test]
    fn an_existing_topic_is_said_to_exist_before_anything_else_is_found_wrong() {
        let refusal = plan(&topic("orders", 0, 0), &config(), true).unwrap_err();
        assert_eq!(refusal, Refusal::topic_exists("orders"));
        assert_eq!(refusal.error.code(), 36);
    }

    #[test]
    fn one_request_creates_a_bounded_number_of_partitions() {
        let two = |count| check_total(&[topic("a", count, 1), topic("b", -1, 1)], &config());
        assert_eq!(two(9_997), Ok(()));
        let refusal = two(9_998).unwrap_err();
        assert_eq!(refusal.error, ResponseError::PolicyViolation);
        assert!(refusal.words.contains("10001 partitions"), "{}", refusal.words);
        assert_eq!(check_total(&[topic("a", i32::MAX, 1)], &config()), Ok(()));
    }

    #[test]
    fn every_version_of_the_answer_can_be_written() {
        let plan = plan(&with_config("cleanup.policy", Some("compact")), &config(), false).unwrap();
        let refusal = Refusal::topic_exists("b");
        let response = CreateTopicsResponse::default()
            .with_topics(vec![created(&plan, &config(), Limits::off()), refused(StrBytes::from("b").into(), refusal)]);
        for version in CreateTopics::VERSIONS {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            let read = CreateTopicsResponse::decode(&mut bytes.freeze(), version).unwrap();
            assert_eq!((read.topics[0].error_code, read.topics[0].error_message.clone()), (0, None));
            assert_eq!(read.topics[1].error_code, 36);
            if version >= 5 {
                assert_eq!((read.topics[0].num_partitions, read.topics[0].replication_factor), (1, 1));
                let configs = read.topics[0].configs.as_ref().unwrap();
                let source = |name: &str| configs.iter().find(|config| &*config.name == name).unwrap().config_source;
                assert_eq!((source("cleanup.policy"), source("segment.ms")), (1, 5));
            }
        }
    }
}
