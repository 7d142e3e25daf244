//! Access rules: DescribeAcls, CreateAcls, DeleteAcls (keys 29 to 31), and what every API lets those do who may not; that there are no
//! tokens: CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken, DescribeDelegationToken (keys 38 to 41).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use shardgate::kafka::{Listener, Mechanism};

use crate::support::{Gateway, Kafka, batch, commit, committed, name, produce, text};

const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const ALL: i8 = 2;
const READ: i8 = 3;
const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DESCRIBE: i8 = 8;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

fn authorizing() -> Gateway {
    Gateway::with(|config| {
        config.security.users = ["admin", "alice"].map(|user| (user.to_owned(), "secret".to_owned())).to_vec();
        config.security.authorizer = true;
        config.security.super_users = vec!["User:admin".parse().unwrap()];
    })
}

/// Somebody who has logged in.
async fn login(gateway: &Gateway, user: &str) -> Kafka {
    let mut kafka = gateway.kafka_at(Listener { mechanisms: vec![Mechanism::Plain], ..Listener::default() });
    kafka.call(1, SaslHandshakeRequest::default().with_mechanism("PLAIN".into())).await;
    let message = format!("\0{user}\0secret").into_bytes();
    let answer = kafka.call(2, SaslAuthenticateRequest::default().with_auth_bytes(message.into())).await;
    assert_eq!(answer.error_code, 0);
    kafka
}

fn rule(kind: i8, pattern: i8, name: &str, operation: i8, verdict: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(kind)
        .with_resource_pattern_type(pattern)
        .with_resource_name(text(name))
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(operation)
        .with_permission_type(verdict)
}

async fn add(kafka: &mut Kafka, rules: Vec<AclCreation>) -> Vec<i16> {
    let answer = kafka.call(3, CreateAclsRequest::default().with_creations(rules)).await;
    answer.results.iter().map(|result| result.error_code).collect()
}

/// The names of the resources that have rules, and how many.
async fn shown(kafka: &mut Kafka, version: i16) -> Vec<(String, usize)> {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let answer = kafka.call(version, request).await;
    assert_eq!(answer.error_code, 0);
    answer.resources.iter().map(|resource| (resource.resource_name.to_string(), resource.acls.len())).collect()
}

#[tokio::test(start_paused = true)]
async fn rules_are_added_shown_and_removed_and_outlive_a_restart() {
    let gateway = authorizing();
    let mut admin = login(&gateway, "admin").await;
    let rules = vec![
        rule(TOPIC, LITERAL, "orders", READ, ALLOW),
        rule(TOPIC, LITERAL, "orders", WRITE, ALLOW),
        rule(TOPIC, PREFIXED, "ord", READ, DENY),
        rule(CLUSTER, LITERAL, "kafka-cluster", ALL, ALLOW),
    ];
    assert_eq!(add(&mut admin, rules.clone()).await, [0; 4]);
    // Again, without a word.
    assert_eq!(add(&mut admin, rules[..2].to_vec()).await, [0; 2]);
    let gateway = gateway.restarted();
    let mut admin = login(&gateway, "admin").await;
    let all = [("orders", 2), ("ord", 1), ("kafka-cluster", 1)].map(|(name, rules)| (name.to_owned(), rules));
    for version in 1..=3 {
        assert_eq!(shown(&mut admin, version).await, all);
    }
    let filter = |operation| {
        DeleteAclsFilter::default()
            .with_resource_type_filter(TOPIC)
            .with_resource_name_filter(Some(text("orders")))
            .with_pattern_type_filter(2)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(operation)
            .with_permission_type(ANY)
    };
    let request = DeleteAclsRequest::default().with_filters(vec![filter(READ), filter(DESCRIBE), filter(ANY)]);
    let answer = admin.call(3, request).await;
    let removed: Vec<_> = answer.filter_results.iter().map(|result| (result.error_code, result.matching_acls.len())).collect();
    assert_eq!(removed, [(0, 2), (0, 0), (0, 1)]);
    assert_eq!(shown(&mut login(&gateway.restarted(), "admin").await, 3).await, all[2..]);
}

#[tokio::test(start_paused = true)]
async fn rules_that_mean_nothing_are_refused() {
    let gateway = authorizing();
    let mut admin = login(&gateway, "admin").await;
    let good = || rule(TOPIC, LITERAL, "orders", READ, ALLOW);
    let wrong = vec![
        good().with_resource_type(ANY),
        good().with_resource_type(99),
        good().with_resource_pattern_type(2),
        good().with_operation(ANY),
        good().with_permission_type(ANY),
        good().with_principal(text("alice")),
        good().with_host(text("")),
        good().with_resource_name(text("")),
        good().with_resource_name(text(&"n".repeat(513))),
        rule(CLUSTER, LITERAL, "cluster", ALL, ALLOW),
        good(),
        // Nobody logs in as a group here; tools carry such rules over from elsewhere.
        good().with_principal(text("Group:alice")),
    ];
    let invalid = ResponseError::InvalidRequest.code();
    let codes = add(&mut admin, wrong).await;
    assert!(codes[..10].iter().all(|code| *code == invalid) && codes[10..] == [0, 0], "{codes:?}");
    // A filter with numbers that nobody knows matches nothing.
    let answer = admin.call(3, DescribeAclsRequest::default()).await;
    assert_eq!((answer.error_code, answer.resources.len()), (0, 0));
    // Who may not change them, and where there are none.
    let mut alice = login(&gateway, "alice").await;
    let denied = ResponseError::ClusterAuthorizationFailed.code();
    assert_eq!(add(&mut alice, vec![good()]).await, [denied]);
    assert_eq!(alice.call(3, DescribeAclsRequest::default()).await.error_code, denied);
    let plain = Gateway::start();
    let mut kafka = plain.kafka();
    assert_eq!(add(&mut kafka, vec![good()]).await, [ResponseError::SecurityDisabled.code()]);
}

async fn topics(kafka: &mut Kafka, asked: Option<&[&'static str]>) -> Vec<(String, i16, i32)> {
    let topic = |topic: &&'static str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(asked.map(|asked| asked.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
        .with_include_topic_authorized_operations(true);
    let answer = kafka.call(9, request).await;
    let seen = answer.topics.iter().map(|topic| {
        let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
        (name, topic.error_code, topic.topic_authorized_operations)
    });
    seen.collect()
}

async fn fetch(kafka: &mut Kafka, topic: &'static str) -> i16 {
    let partition = FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let answer = kafka.call(11, FetchRequest::default().with_topics(vec![topic])).await;
    answer.responses[0].partitions[0].error_code
}

#[tokio::test(start_paused = true)]
async fn what_no_rule_allows_is_denied_and_what_is_there_stays_unknown() {
    let gateway = authorizing();
    gateway.stream("orders", 1).await;
    gateway.stream("secret", 1).await;
    let (mut admin, mut alice) = (login(&gateway, "admin").await, login(&gateway, "alice").await);
    let denied = ResponseError::TopicAuthorizationFailed.code();
    assert_eq!(topics(&mut alice, None).await, []);
    // Whether it is there or not.
    for topic in ["secret", "nowhere"] {
        assert_eq!(topics(&mut alice, Some(&[topic])).await, [(topic.to_owned(), denied, i32::MIN)]);
        assert_eq!(alice.produce(topic, 0, batch(&["a"])).await.error_code, denied);
        assert_eq!(fetch(&mut alice, topic).await, denied);
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let asked = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let answer = alice.call(5, ListOffsetsRequest::default().with_topics(vec![asked])).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, denied);
        let asked = CreatableTopic::default().with_name(name(topic)).with_num_partitions(1).with_replication_factor(1);
        let answer = alice.call(7, CreateTopicsRequest::default().with_topics(vec![asked])).await;
        assert_eq!(answer.topics[0].error_code, denied);
        let asked = DeleteTopicState::default().with_name(Some(name(topic)));
        let answer = alice.call(6, DeleteTopicsRequest::default().with_topics(vec![asked])).await;
        assert_eq!(answer.responses[0].error_code, denied);
        let asked = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(topic));
        let answer = alice.call(4, DescribeConfigsRequest::default().with_resources(vec![asked])).await;
        assert_eq!((answer.results[0].error_code, answer.results[0].configs.len()), (denied, 0));
    }
    add(&mut admin, vec![rule(TOPIC, PREFIXED, "ord", READ, ALLOW), rule(TOPIC, LITERAL, "mine", CREATE, ALLOW)]).await;
    let operations = 1 << READ | 1 << DESCRIBE;
    assert_eq!(topics(&mut alice, None).await, [("orders".to_owned(), 0, operations)]);
    assert_eq!(fetch(&mut alice, "orders").await, 0);
    assert_eq!(alice.produce("orders", 0, batch(&["a"])).await.error_code, denied);
    // To create it by asking one has to see it.
    assert_eq!(topics(&mut alice, Some(&["order"])).await, [("order".to_owned(), denied, i32::MIN)]);
    add(&mut admin, vec![rule(TOPIC, LITERAL, "orders", WRITE, ALLOW)]).await;
    assert_eq!(alice.produce("orders", 0, batch(&["a"])).await.error_code, 0);
    add(&mut admin, vec![rule(TOPIC, LITERAL, "*", ALL, DENY)]).await;
    assert_eq!(fetch(&mut alice, "orders").await, denied);
    assert_eq!(topics(&mut admin, None).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn groups_are_for_those_who_may_read_them() {
    let gateway = authorizing();
    gateway.stream("orders", 1).await;
    let (mut admin, mut alice) = (login(&gateway, "admin").await, login(&gateway, "alice").await);
    let denied = ResponseError::GroupAuthorizationFailed.code();
    let group = || GroupId(text("readers"));
    assert_eq!(alice.call(9, JoinGroupRequest::default().with_group_id(group())).await.error_code, denied);
    assert_eq!(alice.call(4, HeartbeatRequest::default().with_group_id(group())).await.error_code, denied);
    assert_eq!(alice.call(5, LeaveGroupRequest::default().with_group_id(group())).await.error_code, denied);
    let sync = SyncGroupRequest::default().with_group_id(group());
    assert_eq!(alice.call(4, sync).await.error_code, denied);
    let asked = FindCoordinatorRequest::default().with_key_type(0).with_coordinator_keys(vec![text("readers")]);
    assert_eq!(alice.call(4, asked).await.coordinators[0].error_code, denied);
    assert_eq!(admin.call(8, commit("readers", "orders", 0, 5)).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(alice.call(8, commit("readers", "orders", 0, 5)).await.topics[0].partitions[0].error_code, denied);
    assert_eq!(alice.call(5, DescribeGroupsRequest::default().with_groups(vec![group()])).await.groups[0].error_code, denied);
    assert_eq!(
        alice.call(2, DeleteGroupsRequest::default().with_groups_names(vec![group()])).await.results[0].error_code,
        denied
    );
    assert_eq!(alice.call(5, ListGroupsRequest::default()).await.groups.len(), 0);
    assert_eq!(admin.call(5, ListGroupsRequest::default()).await.groups.len(), 1);
    add(&mut admin, vec![rule(GROUP, LITERAL, "readers", READ, ALLOW)]).await;
    assert_eq!(alice.call(5, ListGroupsRequest::default()).await.groups.len(), 1);
    let described = DescribeGroupsRequest::default().with_groups(vec![group()]).with_include_authorized_operations(true);
    assert_eq!(alice.call(5, described).await.groups[0].authorized_operations, 1 << READ | 1 << DESCRIBE);
    // The group without its topic.
    let hidden = ResponseError::TopicAuthorizationFailed.code();
    assert_eq!(alice.call(8, commit("readers", "orders", 0, 6)).await.topics[0].partitions[0].error_code, hidden);
    let asked = || OffsetFetchRequest::default().with_group_id(group()).with_topics(None);
    assert_eq!(alice.call(7, asked()).await.topics.len(), 0);
    add(&mut admin, vec![rule(TOPIC, LITERAL, "orders", READ, ALLOW)]).await;
    assert_eq!(alice.call(7, asked()).await.topics.len(), 1);
    assert_eq!(committed(&mut alice, "readers", "orders", 0).await, 5);
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_for_those_who_may_describe_or_alter_it() {
    let gateway = authorizing();
    let (mut admin, mut alice) = (login(&gateway, "admin").await, login(&gateway, "alice").await);
    let denied = ResponseError::ClusterAuthorizationFailed.code();
    assert_eq!(alice.call(4, DescribeLogDirsRequest::default().with_topics(None)).await.error_code, denied);
    assert_eq!(alice.call(0, DescribeUserScramCredentialsRequest::default()).await.error_code, denied);
    assert_eq!(alice.call(1, DescribeClientQuotasRequest::default()).await.error_code, denied);
    let asked = describe_quorum_request::TopicData::default().with_topic_name(name("__cluster_metadata"));
    let quorum = alice.call(2, DescribeQuorumRequest::default().with_topics(vec![asked])).await;
    assert_eq!((quorum.error_code, quorum.topics.len()), (denied, 0));
    assert_eq!(alice.call(2, UpdateFeaturesRequest::default()).await.error_code, denied);
    assert_eq!(alice.call(0, UnregisterBrokerRequest::default().with_broker_id(BrokerId(0))).await.error_code, denied);
    assert_eq!(alice.call(0, shardgate::kafka::wire::UnregisterControllerRequest::default()).await.error_code, denied);
    assert_eq!(alice.call(1, shardgate::kafka::wire::AddRaftVoterRequest::default()).await.0.error_code, denied);
    assert_eq!(alice.call(0, RemoveRaftVoterRequest::default()).await.error_code, denied);
    let entry = alter_client_quotas_request::EntryData::default();
    let quotas = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    assert_eq!(alice.call(1, quotas).await.entries[0].error_code, denied);
    let ask = || InitProducerIdRequest::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    let ask = || ask().with_transactional_id(None).with_transaction_timeout_ms(1_000);
    assert_eq!(alice.call(4, ask()).await.error_code, denied);
    let describe = || DescribeClusterRequest::default().with_include_cluster_authorized_operations(true).with_endpoint_type(1);
    assert_eq!(alice.call(1, describe()).await.cluster_authorized_operations, 0);
    assert_eq!(admin.call(1, describe()).await.cluster_authorized_operations, 8_096);
    add(&mut admin, vec![rule(CLUSTER, LITERAL, "kafka-cluster", DESCRIBE, ALLOW)]).await;
    assert_eq!(alice.call(1, describe()).await.cluster_authorized_operations, 1 << DESCRIBE);
    assert_eq!(alice.call(4, DescribeLogDirsRequest::default().with_topics(None)).await.error_code, 0);
    // Who may write to some topic may do it without repeats.
    add(&mut admin, vec![rule(TOPIC, PREFIXED, "ord", WRITE, ALLOW)]).await;
    assert_eq!(alice.call(4, ask()).await.error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn without_an_authorizer_everybody_may_do_everything() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    assert_eq!(topics(&mut kafka, None).await, [("orders".to_owned(), 0, 0b1101_1111_1000)]);
    let answer = kafka.call(9, produce("orders", 0, Some(batch(&["a"])))).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_refused_as_by_a_broker_without_a_secret_for_them() {
    let gateway = authorizing();
    let mut alice = login(&gateway, "alice").await;
    let disabled = ResponseError::DelegationTokenAuthDisabled.code();
    let answer = alice.call(3, CreateDelegationTokenRequest::default()).await;
    assert_eq!((answer.error_code, answer.principal_name.as_str()), (disabled, "alice"));
    assert_eq!(alice.call(2, RenewDelegationTokenRequest::default()).await.error_code, disabled);
    assert_eq!(alice.call(2, ExpireDelegationTokenRequest::default()).await.error_code, disabled);
    assert_eq!(alice.call(3, DescribeDelegationTokenRequest::default()).await.error_code, disabled);
    let request = CreateDelegationTokenRequest::default().with_owner_principal_name(Some(text("bob")));
    let denied = ResponseError::DelegationTokenAuthorizationFailed.code();
    assert_eq!(alice.call(3, request).await.error_code, denied);
    let answer = Gateway::start().kafka().call(3, CreateDelegationTokenRequest::default()).await;
    assert_eq!(answer.error_code, ResponseError::DelegationTokenRequestNotAllowed.code());
}
