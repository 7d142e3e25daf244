//! DescribeQuorum, UpdateFeatures, UnregisterBroker, AddRaftVoter, RemoveRaftVoter and UnregisterController (keys 55, 57, 64, 80,
//! 81, 94): what there is to say of a cluster of one. The questions are those that Apache Kafka 4.4.0 was asked, and so are the codes.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::*;
use shardgate::kafka::wire::{AddRaftVoterListener, AddRaftVoterRequest, UnregisterControllerRequest};
use uuid::Uuid;

use crate::support::{Gateway, LOCAL, name, text};

const METADATA: &str = "__cluster_metadata";
const UNKNOWN: i16 = 3;

fn asked(topics: &[(&'static str, &[i32])]) -> DescribeQuorumRequest {
    let topic = |(topic, partitions): &(&'static str, &[i32])| {
        let partitions = partitions.iter().map(|&index| PartitionData::default().with_partition_index(index)).collect();
        TopicData::default().with_topic_name(name(topic)).with_partitions(partitions)
    };
    DescribeQuorumRequest::default().with_topics(topics.iter().map(topic).collect())
}

#[tokio::test(start_paused = true)]
async fn this_node_leads_the_metadata_and_is_their_only_voter() {
    let gateway = Gateway::with(|config| config.node_id = 7);
    gateway.stream("orders", 2).await;
    let kafka = &mut gateway.kafka();
    for version in 0..=2 {
        let answer = kafka.call(version, asked(&[(METADATA, &[0])])).await;
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((answer.error_code, partition.error_code), (0, 0));
        assert_eq!((partition.leader_id.0, partition.leader_epoch, partition.observers.len()), (7, 1, 0));
        let [voter] = &partition.current_voters[..] else { panic!("{partition:?}") };
        assert_eq!((voter.replica_id.0, voter.replica_directory_id), (7, Uuid::nil()));
        assert!(voter.log_end_offset > 0 && voter.log_end_offset == partition.high_watermark);
        assert_eq!(voter.last_caught_up_timestamp > 0, version >= 1);
        let nodes: Vec<_> =
            answer.nodes.iter().map(|node| (node.node_id.0, &*node.listeners[0].name, node.listeners[0].port)).collect();
        assert_eq!(nodes, if version >= 2 { vec![(7, "CONTROLLER", LOCAL.1)] } else { vec![] });
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_else_has_a_quorum() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let kafka = &mut gateway.kafka();
    for topics in [
        &[("orders", &[0][..])][..],
        &[(METADATA, &[1])],
        &[(METADATA, &[0, 1])],
        &[(METADATA, &[0]), ("orders", &[0])],
        &[("orders", &[0, 3])],
    ] {
        let answer = kafka.call(2, asked(topics)).await;
        assert_eq!((answer.error_code, answer.nodes.len()), (0, 0));
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            assert_eq!((partition.error_code, partition.leader_id.0, partition.current_voters.len()), (UNKNOWN, 0, 0));
        }
    }
    assert!(kafka.call(2, asked(&[])).await.topics.is_empty());
    assert!(kafka.call(2, asked(&[(METADATA, &[])])).await.topics[0].partitions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn levels_of_features_stay_as_they_are() {
    let gateway = Gateway::start();
    let kafka = &mut gateway.kafka();
    let update = |feature: &str, level, kind| {
        FeatureUpdateKey::default().with_feature(text(feature)).with_max_version_level(level).with_upgrade_type(kind)
    };
    let failed = ResponseError::InvalidUpdateVersion.code();
    for (updates, error) in [
        (vec![], 0),
        (vec![update("transaction.version", 2, 1)], 0),
        (vec![update("transaction.version", 2, 1), update("group.version", 1, 2)], 0),
        (vec![update("transaction.version", 2, 1), update("nope", 1, 1)], failed),
        (vec![update("group.version", 0, 1)], failed),
        (vec![update("group.version", 2, 1)], failed),
        (vec![update("group.version", -1, 3)], failed),
        (vec![update("group.version", 1, 0)], failed),
        (vec![update("group.version", 1, 9)], failed),
    ] {
        for version in 1..=2 {
            let answer = kafka.call(version, UpdateFeaturesRequest::default().with_feature_updates(updates.clone())).await;
            assert_eq!((answer.error_code, answer.error_message.is_some()), (error, error != 0), "{updates:?}");
            let results = if error == 0 && version < 2 { updates.len() } else { 0 };
            assert_eq!(answer.results.len(), results, "{updates:?}");
        }
    }
    let old = FeatureUpdateKey::default().with_feature(text("group.version")).with_max_version_level(1);
    let answer = kafka.call(0, UpdateFeaturesRequest::default().with_feature_updates(vec![old])).await;
    assert_eq!((answer.error_code, answer.results[0].error_code), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_only_broker_stays_and_there_is_no_other_one() {
    let gateway = Gateway::start();
    let kafka = &mut gateway.kafka();
    let unknown = ResponseError::BrokerIdNotRegistered.code();
    for (broker, error) in [(0, 0), (9, unknown), (-1, unknown)] {
        let answer = kafka.call(0, UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker))).await;
        assert_eq!(answer.error_code, error);
        assert_eq!(answer.error_message.unwrap().is_empty(), error == 0);
    }
    assert_eq!(kafka.call(2, DescribeClusterRequest::default().with_endpoint_type(1)).await.brokers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_only_controller_stays_and_there_is_no_other_one() {
    let gateway = Gateway::with(|config| config.node_id = 7);
    let kafka = &mut gateway.kafka();
    for (controller_id, error) in [(7, ResponseError::InvalidRequest.code()), (9, 136), (-1, 136)] {
        let answer = kafka.call(0, UnregisterControllerRequest { controller_id }).await;
        assert_eq!((answer.error_code, answer.error_message.is_some()), (error, true));
    }
}

#[tokio::test(start_paused = true)]
async fn voters_are_neither_added_nor_removed() {
    let gateway = Gateway::start();
    let kafka = &mut gateway.kafka();
    let unsupported = ResponseError::UnsupportedVersion.code();
    let (other, invalid) = (ResponseError::InconsistentClusterId.code(), ResponseError::InvalidRequest.code());
    let own = "shardgate-tests-000000";
    for (cluster, voter, error) in [
        (Some(own), 9, unsupported),
        (None, 9, unsupported),
        (Some("x"), 9, other),
        (Some(own), -1, invalid),
        (None, 0, unsupported),
    ] {
        let (cluster_id, directory) = (cluster.map(text), Uuid::from_u128(5));
        for version in 0..=1 {
            let (cluster_id, listeners) = (cluster_id.clone(), vec![AddRaftVoterListener::default()]);
            let request = AddRaftVoterRequest {
                cluster_id,
                voter_id: voter,
                voter_directory_id: directory,
                listeners,
                ..Default::default()
            };
            assert_eq!(kafka.call(version, request).await.0.error_code, error, "{cluster:?} {voter}");
        }
        let request = RemoveRaftVoterRequest::default().with_cluster_id(cluster_id).with_voter_id(voter);
        assert_eq!(kafka.call(0, request.with_voter_directory_id(directory)).await.error_code, error, "{cluster:?} {voter}");
    }
}
