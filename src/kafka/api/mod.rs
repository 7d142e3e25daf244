//! **The table of contents**: one `mod` line and one table line per API key, in key order.
//!
//! ApiVersions, the connections' dispatch and the README's table all read [`TABLE`].

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod add_raft_voter;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod alter_user_scram_credentials;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
pub(crate) mod contract;
mod create_acls;
mod create_delegation_token;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_delegation_token;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod expire_delegation_token;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod remove_raft_voter;
mod renew_delegation_token;
mod sasl_authenticate;
mod sasl_handshake;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod streams_group_describe;
mod streams_group_heartbeat;
mod sync_group;
mod throttled;
mod txn_offset_commit;
mod unregister_broker;
mod unregister_controller;
mod update_features;
mod write_txn_markers;

use std::ops::RangeInclusive;

use contract::{Entry, entry};
pub(crate) use sasl_authenticate::raw as raw_login;

/// Every API that is served, in key order.
const TABLE: &[Entry] = &[
    entry::<produce::Produce>(),
    entry::<fetch::Fetch>(),
    entry::<list_offsets::ListOffsets>(),
    entry::<metadata::Metadata>(),
    entry::<offset_commit::OffsetCommit>(),
    entry::<offset_fetch::OffsetFetch>(),
    entry::<find_coordinator::FindCoordinator>(),
    entry::<join_group::JoinGroup>(),
    entry::<heartbeat::Heartbeat>(),
    entry::<leave_group::LeaveGroup>(),
    entry::<sync_group::SyncGroup>(),
    entry::<describe_groups::DescribeGroups>(),
    entry::<list_groups::ListGroups>(),
    entry::<sasl_handshake::SaslHandshake>(),
    entry::<api_versions::ApiVersions>(),
    entry::<create_topics::CreateTopics>(),
    entry::<delete_topics::DeleteTopics>(),
    entry::<delete_records::DeleteRecords>(),
    entry::<init_producer_id::InitProducerId>(),
    entry::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    entry::<add_partitions_to_txn::AddPartitionsToTxn>(),
    entry::<add_offsets_to_txn::AddOffsetsToTxn>(),
    entry::<end_txn::EndTxn>(),
    entry::<write_txn_markers::WriteTxnMarkers>(),
    entry::<txn_offset_commit::TxnOffsetCommit>(),
    entry::<describe_acls::DescribeAcls>(),
    entry::<create_acls::CreateAcls>(),
    entry::<delete_acls::DeleteAcls>(),
    entry::<describe_configs::DescribeConfigs>(),
    entry::<alter_configs::AlterConfigs>(),
    entry::<alter_replica_log_dirs::AlterReplicaLogDirs>(),
    entry::<describe_log_dirs::DescribeLogDirs>(),
    entry::<sasl_authenticate::SaslAuthenticate>(),
    entry::<create_partitions::CreatePartitions>(),
    entry::<create_delegation_token::CreateDelegationToken>(),
    entry::<renew_delegation_token::RenewDelegationToken>(),
    entry::<expire_delegation_token::ExpireDelegationToken>(),
    entry::<describe_delegation_token::DescribeDelegationToken>(),
    entry::<delete_groups::DeleteGroups>(),
    entry::<elect_leaders::ElectLeaders>(),
    entry::<incremental_alter_configs::IncrementalAlterConfigs>(),
    entry::<alter_partition_reassignments::AlterPartitionReassignments>(),
    entry::<list_partition_reassignments::ListPartitionReassignments>(),
    entry::<offset_delete::OffsetDelete>(),
    entry::<describe_client_quotas::DescribeClientQuotas>(),
    entry::<alter_client_quotas::AlterClientQuotas>(),
    entry::<describe_user_scram_credentials::DescribeUserScramCredentials>(),
    entry::<alter_user_scram_credentials::AlterUserScramCredentials>(),
    entry::<describe_quorum::DescribeQuorum>(),
    entry::<update_features::UpdateFeatures>(),
    entry::<describe_cluster::DescribeCluster>(),
    entry::<describe_producers::DescribeProducers>(),
    entry::<unregister_broker::UnregisterBroker>(),
    entry::<describe_transactions::DescribeTransactions>(),
    entry::<list_transactions::ListTransactions>(),
    entry::<consumer_group_heartbeat::ConsumerGroupHeartbeat>(),
    entry::<consumer_group_describe::ConsumerGroupDescribe>(),
    entry::<list_config_resources::ListConfigResources>(),
    entry::<describe_topic_partitions::DescribeTopicPartitions>(),
    entry::<share_group_heartbeat::ShareGroupHeartbeat>(),
    entry::<share_group_describe::ShareGroupDescribe>(),
    entry::<share_fetch::ShareFetch>(),
    entry::<share_acknowledge::ShareAcknowledge>(),
    entry::<add_raft_voter::AddRaftVoter>(),
    entry::<remove_raft_voter::RemoveRaftVoter>(),
    entry::<streams_group_heartbeat::StreamsGroupHeartbeat>(),
    entry::<streams_group_describe::StreamsGroupDescribe>(),
    entry::<describe_share_group_offsets::DescribeShareGroupOffsets>(),
    entry::<alter_share_group_offsets::AlterShareGroupOffsets>(),
    entry::<delete_share_group_offsets::DeleteShareGroupOffsets>(),
    entry::<unregister_controller::UnregisterController>(),
];

/// The line of the API with this key.
pub(crate) fn find(key: i16) -> Option<&'static Entry> {
    TABLE.binary_search_by_key(&key, |entry| entry.key).ok().and_then(|at| TABLE.get(at))
}

/// What is served of one API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Supported {
    /// Its number in the protocol.
    pub key: i16,
    /// Its name in the protocol.
    pub name: &'static str,
    /// The versions that ApiVersions names.
    pub advertised: RangeInclusive<i16>,
    /// The versions that are served.
    pub served: RangeInclusive<i16>,
}

/// Every API of the Kafka door, in key order.
pub fn supported() -> impl Iterator<Item = Supported> {
    TABLE.iter().map(|entry| Supported {
        key: entry.key,
        name: (entry.name)(),
        advertised: entry.advertised.clone(),
        served: entry.versions.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::ApiKey;

    #[test]
    fn the_table_is_in_key_order_without_repeats() {
        assert!(TABLE.is_sorted_by_key(|entry| entry.key));
        assert!(supported().all(|api| find(api.key).is_some_and(|entry| entry.key == api.key)));
        assert!(find(4).is_none() && find(-1).is_none() && find(i16::MAX).is_none());
    }

    #[test]
    fn every_api_has_the_name_of_its_key() {
        let name = |key| match key {
            // Those that the message crate does not have.
            88 => Ok("StreamsGroupHeartbeat".to_owned()),
            89 => Ok("StreamsGroupDescribe".to_owned()),
            94 => Ok("UnregisterController".to_owned()),
            key => ApiKey::try_from(key).map(|key| format!("{key:?}")),
        };
        assert!(TABLE.iter().all(|entry| name(entry.key).is_ok_and(|name| (entry.name)() == name)));
    }

    #[test]
    fn every_served_version_is_advertised() {
        for api in supported() {
            assert!(api.advertised.contains(api.served.start()) && api.advertised.end() == api.served.end(), "{api:?}");
        }
    }
}
