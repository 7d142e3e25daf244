//! A good request for every API in every version, with names that exist, names that do not, and numbers from both ends.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Request, StrBytes};
use shardgate::kafka::wire::{
    self, AddRaftVoterListener, AddRaftVoterRequest, StreamsCopartitionGroup, StreamsEndpoint, StreamsGroupDescribeRequest,
    StreamsGroupHeartbeatRequest, StreamsSubtopology, StreamsTaskOffset, StreamsTopicInfo, StreamsTopology, Unchanged,
};

use super::Dice;
use super::batches::Batches;

/// What attackers know of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    /// Topics by name and id.
    pub(crate) topics: Vec<(String, uuid::Uuid)>,
    /// Groups.
    pub(crate) groups: Vec<String>,
}

/// Numbers at which sums overflow, loops run away and tables end.
pub(super) const EDGES: [i64; 16] = [
    0,
    1,
    -1,
    -2,
    2,
    0x7f,
    0x80,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    -0x8000_0000,
    0x7fff_fff0,
    i64::MAX,
    i64::MIN,
    1_700_000_000_000,
];

pub(super) struct Requests<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) targets: &'a Targets,
    pub(super) batches: &'a Batches,
    pub(super) version: i16,
}

/// Header and body of a request, without the length. `None`: this version cannot say what was put in.
pub(super) fn encode<R: Request>(version: i16, client: &str, request: &R) -> Option<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(text(client)));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, R::header_version(version)).ok()?;
    request.encode(&mut bytes, version).ok()?;
    Some(bytes.freeze())
}

fn sent<R: Request>(version: i16, request: &R) -> Option<Bytes> {
    encode(version, "attacker", request)
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Requests<'_> {
    /// A good request; an empty body where the codec has none for this key and version.
    pub(super) fn any(&mut self, key: i16) -> Bytes {
        self.built(key).unwrap_or_else(|| self.bare(key))
    }

    fn bare(&self, key: i16) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(key);
        bytes.put_i16(self.version);
        bytes.put_i32(7);
        bytes.put_i16(-1);
        bytes.freeze()
    }

    fn built(&mut self, key: i16) -> Option<Bytes> {
        match key {
            // These the message crate does not have.
            88 => return self.streams_group_heartbeat(),
            89 => {
                let group_ids = (0..3).map(|_| self.group()).collect();
                return sent(self.version, &StreamsGroupDescribeRequest { group_ids, ..StreamsGroupDescribeRequest::default() });
            }
            94 => {
                let controller_id = self.edge32();
                return sent(self.version, &wire::UnregisterControllerRequest { controller_id });
            }
            _ => {}
        }
        match ApiKey::try_from(key).ok()? {
            ApiKey::Produce => self.produce(),
            ApiKey::Fetch => self.fetch(),
            ApiKey::ListOffsets => self.list_offsets(),
            ApiKey::Metadata => self.metadata(),
            ApiKey::OffsetCommit => self.offset_commit(),
            ApiKey::OffsetFetch => self.offset_fetch(),
            ApiKey::FindCoordinator => self.find_coordinator(),
            ApiKey::JoinGroup => self.join_group(),
            ApiKey::Heartbeat => self.heartbeat(),
            ApiKey::LeaveGroup => self.leave_group(),
            ApiKey::SyncGroup => self.sync_group(),
            ApiKey::DescribeGroups => {
                let groups = (0..3).map(|_| self.group()).collect();
                sent(self.version, &DescribeGroupsRequest::default().with_groups(groups))
            }
            ApiKey::ListGroups => sent(self.version, &ListGroupsRequest::default()),
            ApiKey::ApiVersions => self.api_versions(),
            ApiKey::CreateTopics => self.create_topics(),
            ApiKey::DeleteTopics => self.delete_topics(),
            ApiKey::DeleteRecords => self.delete_records(),
            ApiKey::InitProducerId => {
                let transactional = self.dice.one_in(2).then(|| self.transactional_id());
                sent(
                    self.version,
                    &InitProducerIdRequest::default().with_transactional_id(transactional).with_transaction_timeout_ms(60_000),
                )
            }
            ApiKey::OffsetForLeaderEpoch => self.offset_for_leader_epoch(),
            ApiKey::DescribeConfigs => self.describe_configs(),
            ApiKey::AlterConfigs => self.alter_configs(),
            ApiKey::DescribeLogDirs => {
                sent(self.version, &Unchanged::<_, 5>(DescribeLogDirsRequest::default().with_topics(None)))
            }
            ApiKey::CreatePartitions => self.create_partitions(),
            ApiKey::DeleteGroups => {
                let groups = vec![self.group()];
                sent(self.version, &Unchanged::<_, 3>(DeleteGroupsRequest::default().with_groups_names(groups)))
            }
            ApiKey::IncrementalAlterConfigs => self.incremental_alter_configs(),
            ApiKey::OffsetDelete => self.offset_delete(),
            ApiKey::AddPartitionsToTxn => self.add_partitions_to_txn(),
            ApiKey::AddOffsetsToTxn => self.add_offsets_to_txn(),
            ApiKey::EndTxn => self.end_txn(),
            ApiKey::WriteTxnMarkers => self.write_txn_markers(),
            ApiKey::TxnOffsetCommit => self.txn_offset_commit(),
            ApiKey::DescribeProducers => self.describe_producers(),
            ApiKey::DescribeTransactions => {
                let ids = (0..3).map(|_| self.transactional_id()).collect();
                sent(self.version, &DescribeTransactionsRequest::default().with_transactional_ids(ids))
            }
            ApiKey::ListTransactions => {
                let transactional_id_pattern = Some(text("(a|b)*[c-e]{2,9}"));
                sent(self.version, &wire::ListTransactionsRequest { transactional_id_pattern, ..Default::default() })
            }
            ApiKey::SaslHandshake => sent(self.version, &SaslHandshakeRequest::default().with_mechanism("PLAIN".into())),
            ApiKey::SaslAuthenticate => sent(self.version, &SaslAuthenticateRequest::default().with_auth_bytes("\0a\0b".into())),
            ApiKey::DescribeAcls => self.describe_acls(),
            ApiKey::CreateAcls => self.create_acls(),
            ApiKey::DeleteAcls => self.delete_acls(),
            ApiKey::CreateDelegationToken => sent(self.version, &CreateDelegationTokenRequest::default()),
            ApiKey::RenewDelegationToken => sent(self.version, &RenewDelegationTokenRequest::default()),
            ApiKey::ExpireDelegationToken => sent(self.version, &ExpireDelegationTokenRequest::default()),
            ApiKey::DescribeDelegationToken => sent(self.version, &DescribeDelegationTokenRequest::default()),
            ApiKey::DescribeUserScramCredentials => self.describe_scram(),
            ApiKey::AlterUserScramCredentials => self.alter_scram(),
            ApiKey::DescribeClientQuotas => self.describe_client_quotas(),
            ApiKey::AlterClientQuotas => self.alter_client_quotas(),
            ApiKey::DescribeQuorum => {
                use describe_quorum_request::{PartitionData, TopicData};
                let name = if self.dice.one_in(2) { TopicName(text("__cluster_metadata")) } else { self.topic().0 };
                let topic = TopicData::default().with_topic_name(name).with_partitions(vec![PartitionData::default()]);
                sent(self.version, &DescribeQuorumRequest::default().with_topics(vec![topic]))
            }
            ApiKey::UpdateFeatures => {
                let feature = update_features_request::FeatureUpdateKey::default().with_feature(text("group.version"));
                let feature = feature.with_max_version_level(self.edge() as i16);
                sent(self.version, &UpdateFeaturesRequest::default().with_feature_updates(vec![feature]))
            }
            ApiKey::UnregisterBroker => {
                sent(self.version, &UnregisterBrokerRequest::default().with_broker_id(BrokerId(self.edge32())))
            }
            ApiKey::AddRaftVoter => {
                let listeners = vec![AddRaftVoterListener::default()];
                let voter_id = self.edge32();
                sent(self.version, &AddRaftVoterRequest { cluster_id: None, voter_id, listeners, ..Default::default() })
            }
            ApiKey::RemoveRaftVoter => {
                sent(self.version, &RemoveRaftVoterRequest::default().with_cluster_id(None).with_voter_id(self.edge32()))
            }
            ApiKey::AlterReplicaLogDirs => self.alter_replica_log_dirs(),
            ApiKey::ElectLeaders => self.elect_leaders(),
            ApiKey::AlterPartitionReassignments => self.alter_partition_reassignments(),
            ApiKey::ListPartitionReassignments => {
                sent(self.version, &ListPartitionReassignmentsRequest::default().with_topics(None))
            }
            ApiKey::ListConfigResources => {
                let kinds = if self.version > 0 { vec![self.edge() as i8] } else { Vec::new() };
                sent(self.version, &ListConfigResourcesRequest::default().with_resource_types(kinds))
            }
            ApiKey::DescribeTopicPartitions => self.describe_topic_partitions(),
            ApiKey::DescribeCluster => sent(self.version, &DescribeClusterRequest::default()),
            ApiKey::ConsumerGroupHeartbeat => {
                let pattern = self.dice.one_in(4).then(|| text("(a|b)*[c-e]{2,9}"));
                let request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(self.group())
                    .with_member_id(text("member"))
                    .with_rebalance_timeout_ms(1_000)
                    .with_subscribed_topic_names(Some(vec![TopicName(text("orders"))]))
                    .with_subscribed_topic_regex(pattern.filter(|_| self.version >= 1))
                    .with_topic_partitions(Some(vec![]));
                sent(self.version, &request)
            }
            ApiKey::ConsumerGroupDescribe => {
                let groups = (0..3).map(|_| self.group()).collect();
                sent(self.version, &ConsumerGroupDescribeRequest::default().with_group_ids(groups))
            }
            ApiKey::ShareGroupHeartbeat => self.share_group_heartbeat(),
            ApiKey::ShareGroupDescribe => {
                let groups = (0..3).map(|_| self.group()).collect();
                sent(self.version, &ShareGroupDescribeRequest::default().with_group_ids(groups))
            }
            ApiKey::ShareFetch => self.share_fetch(),
            ApiKey::ShareAcknowledge => self.share_acknowledge(),
            ApiKey::DescribeShareGroupOffsets => {
                use describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup as Group;
                let group = Group::default().with_group_id(self.group()).with_topics(None);
                sent(self.version, &Unchanged::<_, 1>(DescribeShareGroupOffsetsRequest::default().with_groups(vec![group])))
            }
            ApiKey::AlterShareGroupOffsets => self.alter_share_group_offsets(),
            ApiKey::DeleteShareGroupOffsets => {
                use delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic as Topic;
                let topic = Topic::default().with_topic_name(self.topic().0);
                let request = DeleteShareGroupOffsetsRequest::default().with_group_id(self.group());
                sent(self.version, &request.with_topics(vec![topic]))
            }
            _ => None,
        }
    }

    fn describe_acls(&mut self) -> Option<Bytes> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(self.dice.below(8) as i8)
            .with_pattern_type_filter(self.dice.below(5) as i8)
            .with_operation(self.dice.below(16) as i8)
            .with_permission_type(self.dice.below(4) as i8);
        sent(self.version, &request)
    }

    fn create_acls(&mut self) -> Option<Bytes> {
        let creation = create_acls_request::AclCreation::default()
            .with_resource_type(self.dice.below(8) as i8)
            .with_resource_name(text(&format!("name-{}", self.dice.below(20))))
            .with_resource_pattern_type(3 + self.dice.one_in(2) as i8)
            .with_principal(text(&format!("User:user-{}", self.dice.below(20))))
            .with_host("*".into())
            .with_operation(self.dice.below(16) as i8)
            .with_permission_type(2 + self.dice.one_in(2) as i8);
        sent(self.version, &CreateAclsRequest::default().with_creations(vec![creation]))
    }

    fn delete_acls(&mut self) -> Option<Bytes> {
        let filter = delete_acls_request::DeleteAclsFilter::default()
            .with_resource_type_filter(self.dice.below(8) as i8)
            .with_pattern_type_filter(self.dice.below(5) as i8)
            .with_operation(self.dice.below(16) as i8)
            .with_permission_type(self.dice.below(4) as i8);
        sent(self.version, &DeleteAclsRequest::default().with_filters(vec![filter]))
    }

    fn transactional_id(&mut self) -> TransactionalId {
        TransactionalId(text(&format!("transaction-{}", self.dice.below(4))))
    }

    /// A producer's id and epoch, as they may have been given.
    fn incarnation(&mut self) -> (ProducerId, i16) {
        let id = if self.dice.one_in(6) { self.edge() } else { self.dice.below(12) as i64 };
        (ProducerId(id), if self.dice.one_in(6) { self.edge() as i16 } else { self.dice.below(3) as i16 })
    }

    fn add_partitions_to_txn(&mut self) -> Option<Bytes> {
        use add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
        let (id, (producer, epoch), (name, _)) = (self.transactional_id(), self.incarnation(), self.topic());
        let partitions = (0..3).map(|_| self.partition()).collect();
        let topics = vec![AddPartitionsToTxnTopic::default().with_name(name).with_partitions(partitions)];
        let request = AddPartitionsToTxnRequest::default();
        if self.version < 4 {
            let request = request.with_v3_and_below_transactional_id(id).with_v3_and_below_producer_id(producer);
            let request = request.with_v3_and_below_producer_epoch(epoch).with_v3_and_below_topics(topics);
            return sent(self.version, &request);
        }
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(id)
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_verify_only(self.dice.one_in(2))
            .with_topics(topics);
        sent(self.version, &request.with_transactions(vec![transaction]))
    }

    fn add_offsets_to_txn(&mut self) -> Option<Bytes> {
        let (producer, epoch) = self.incarnation();
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_group_id(self.group());
        sent(self.version, &request)
    }

    fn end_txn(&mut self) -> Option<Bytes> {
        let (producer, epoch) = self.incarnation();
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_committed(self.dice.one_in(2));
        sent(self.version, &request)
    }

    fn write_txn_markers(&mut self) -> Option<Bytes> {
        let ((producer_id, producer_epoch), (name, _)) = (self.incarnation(), self.topic());
        let marker = wire::WritableTxnMarker {
            producer_id,
            producer_epoch,
            transaction_result: self.dice.one_in(2),
            coordinator_epoch: self.edge32(),
            topics: vec![wire::WritableTxnMarkerTopic { name, partition_indexes: vec![self.partition()] }],
            transaction_version: self.edge() as i8,
        };
        sent(self.version, &wire::WriteTxnMarkersRequest { markers: vec![marker] })
    }

    fn txn_offset_commit(&mut self) -> Option<Bytes> {
        let ((producer_id, producer_epoch), (name, topic_id)) = (self.incarnation(), self.topic());
        let partition = wire::TxnOffsetCommitRequestPartition {
            partition_index: self.partition(),
            committed_offset: self.edge(),
            committed_metadata: Some(text("m")),
            ..Default::default()
        };
        let request = wire::TxnOffsetCommitRequest {
            transactional_id: self.transactional_id(),
            group_id: self.group(),
            producer_id,
            producer_epoch,
            topics: vec![wire::TxnOffsetCommitRequestTopic { name, topic_id, partitions: vec![partition] }],
            ..Default::default()
        };
        sent(self.version, &request)
    }

    fn describe_producers(&mut self) -> Option<Bytes> {
        use describe_producers_request::TopicRequest;
        let (name, _) = self.topic();
        let topic = TopicRequest::default().with_name(name).with_partition_indexes((0..3).map(|_| self.partition()).collect());
        sent(self.version, &DescribeProducersRequest::default().with_topics(vec![topic]))
    }

    fn describe_scram(&mut self) -> Option<Bytes> {
        use describe_user_scram_credentials_request::UserName;
        let name = |_| UserName::default().with_name(text(&format!("user-{}", self.dice.below(20))));
        let users = (0..3).map(name).collect();
        sent(self.version, &DescribeUserScramCredentialsRequest::default().with_users(Some(users)))
    }

    fn alter_scram(&mut self) -> Option<Bytes> {
        use alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
        let (made, gone) = (format!("user-{}", self.dice.below(20)), format!("user-{}", self.dice.below(20)));
        let edge = self.dice.pick(&EDGES);
        let mechanism = 1 + self.dice.one_in(2) as i8;
        let iterations = if self.dice.one_in(4) { *edge as i32 } else { 4_096 };
        let made = ScramCredentialUpsertion::default()
            .with_name(text(&made))
            .with_mechanism(mechanism)
            .with_iterations(iterations)
            .with_salt(Bytes::from_static(b"salt"))
            .with_salted_password(vec![7; 32 * mechanism as usize].into());
        let gone = ScramCredentialDeletion::default().with_name(text(&gone)).with_mechanism(mechanism);
        let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![gone]).with_upsertions(vec![made]);
        sent(self.version, &request)
    }

    fn describe_client_quotas(&mut self) -> Option<Bytes> {
        use describe_client_quotas_request::ComponentData;
        let kind = self.dice.pick(&["user", "client-id", "ip", "x"]);
        let (kind, match_type) = (text(kind), self.dice.below(4) as i8);
        let name = (match_type == 0).then(|| text("attacker"));
        let component = ComponentData::default().with_entity_type(kind).with_match_type(match_type).with_match(name);
        sent(self.version, &DescribeClientQuotasRequest::default().with_components(vec![component]))
    }

    /// Nothing that slows the attack itself down: those who ask are others.
    fn alter_client_quotas(&mut self) -> Option<Bytes> {
        use alter_client_quotas_request::{EntityData, EntryData, OpData};
        let kind = self.dice.pick(&["user", "client-id", "ip", "x"]);
        let name = format!("somebody-{}", self.dice.below(20));
        let entity = EntityData::default().with_entity_type(text(kind)).with_entity_name(Some(text(&name)));
        let key = self.dice.pick(&["producer_byte_rate", "request_percentage", "connection_creation_rate", "x"]);
        let value = f64::from_bits(self.edge().cast_unsigned());
        let value = if self.dice.one_in(2) { value } else { 1_000.0 };
        let op = OpData::default().with_key(text(key)).with_value(value).with_remove(self.dice.one_in(4));
        let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
        sent(self.version, &AlterClientQuotasRequest::default().with_entries(vec![entry]))
    }

    fn member(&mut self) -> StrBytes {
        text(&format!("member-{}", self.dice.below(4)))
    }

    fn streams_group_heartbeat(&mut self) -> Option<Bytes> {
        let internal = |name: TopicName, partitions| StreamsTopicInfo { name, partitions, ..StreamsTopicInfo::default() };
        let subtopologies = (0..2).map(|number| StreamsSubtopology {
            subtopology_id: text(&number.to_string()),
            source_topics: vec![TopicName(text("orders"))],
            state_changelog_topics: vec![internal(self.topic().0, 0)],
            repartition_sink_topics: vec![self.topic().0],
            repartition_source_topics: vec![internal(self.topic().0, if self.dice.one_in(4) { self.edge() as i32 } else { 0 })],
            copartition_groups: vec![StreamsCopartitionGroup {
                source_topics: vec![if self.dice.one_in(4) { self.edge() as i16 } else { 0 }],
                ..StreamsCopartitionGroup::default()
            }],
            ..StreamsSubtopology::default()
        });
        let subtopologies = subtopologies.collect();
        let offset = StreamsTaskOffset { subtopology_id: text("0"), partition: self.edge() as i32, offset: self.edge() };
        let request = StreamsGroupHeartbeatRequest {
            group_id: self.group(),
            member_id: text(&format!("member-{}", self.dice.below(4))),
            rebalance_timeout_ms: 1_000,
            topology: Some(StreamsTopology { epoch: 0, subtopologies }),
            process_id: Some(text("process")),
            user_endpoint: Some(StreamsEndpoint { host: text("host"), port: 1 }),
            task_offsets: Some(vec![offset]),
            shutdown_application: self.dice.one_in(4),
            ..StreamsGroupHeartbeatRequest::default()
        };
        sent(self.version, &request)
    }

    fn share_group_heartbeat(&mut self) -> Option<Bytes> {
        let epoch = if self.dice.one_in(2) { 0 } else { self.edge32() };
        let topics = (0..self.dice.below(3) + 1).map(|_| self.topic().0).collect();
        let request = ShareGroupHeartbeatRequest::default().with_group_id(self.group()).with_member_id(self.member());
        sent(self.version, &request.with_member_epoch(epoch).with_subscribed_topic_names(Some(topics)))
    }

    fn share_fetch(&mut self) -> Option<Bytes> {
        let epoch = *self.dice.pick(&[0, 0, 1, 2, -1]);
        let said = (0..self.dice.below(3)).map(|_| {
            let acknowledge_types = (0..self.dice.below(4)).map(|_| self.dice.below(6) as i8).collect();
            wire::ShareAcknowledgementBatch { first_offset: self.edge(), last_offset: self.edge(), acknowledge_types }
        });
        let acknowledgement_batches = if epoch == 0 { vec![] } else { said.collect() };
        let partition = wire::ShareFetchPartition { partition_index: self.partition(), acknowledgement_batches };
        let fetches = wire::ShareFetchRequest {
            group_id: Some(self.group().0),
            member_id: Some(self.member()),
            share_session_epoch: epoch,
            max_wait_ms: self.dice.below(100) as i32,
            max_bytes: self.edge32(),
            max_records: self.edge32(),
            share_acquire_mode: *self.dice.pick(&[0, 1, 1, 2, -1]),
            topics: vec![wire::ShareFetchTopic { topic_id: self.topic().1, partitions: vec![partition] }],
            ..Default::default()
        };
        let request = match self.dice.below(4) {
            0 => wire::ShareFetchRequest { is_renew_ack: true, max_wait_ms: 0, max_bytes: 0, max_records: 0, ..fetches },
            _ => fetches,
        };
        sent(self.version, &request)
    }

    fn share_acknowledge(&mut self) -> Option<Bytes> {
        let first_offset = self.dice.below(20) as i64;
        let batch = wire::ShareAcknowledgementBatch {
            first_offset,
            last_offset: first_offset + self.dice.below(5) as i64,
            acknowledge_types: vec![self.dice.below(6) as i8],
        };
        let partition =
            wire::ShareAcknowledgePartition { partition_index: self.partition(), acknowledgement_batches: vec![batch] };
        let request = wire::ShareAcknowledgeRequest {
            group_id: Some(self.group().0),
            member_id: Some(self.member()),
            share_session_epoch: *self.dice.pick(&[1, 1, 2, -1, 0]),
            is_renew_ack: self.dice.below(2) == 0,
            topics: vec![wire::ShareAcknowledgeTopic { topic_id: self.topic().1, partitions: vec![partition] }],
        };
        sent(self.version, &request)
    }

    fn alter_share_group_offsets(&mut self) -> Option<Bytes> {
        use alter_share_group_offsets_request::{
            AlterShareGroupOffsetsRequestPartition as Partition, AlterShareGroupOffsetsRequestTopic as Topic,
        };
        let partition = Partition::default().with_partition_index(self.partition()).with_start_offset(self.edge());
        let topic = Topic::default().with_topic_name(self.topic().0).with_partitions(vec![partition]);
        let request = AlterShareGroupOffsetsRequest::default().with_group_id(self.group());
        sent(self.version, &request.with_topics(vec![topic]))
    }

    fn topic(&mut self) -> (TopicName, uuid::Uuid) {
        match self.dice.below(8) {
            0 => (TopicName(text(&format!("made-up-{}", self.dice.below(20)))), uuid::Uuid::nil()),
            1 => (TopicName(StrBytes::new()), uuid::Uuid::from_u128(self.dice.next().into())),
            _ => {
                let (name, id) = self.dice.pick(&self.targets.topics).clone();
                (TopicName(text(&name)), id)
            }
        }
    }

    fn group(&mut self) -> GroupId {
        let name = if self.dice.one_in(6) {
            format!("made-up-{}", self.dice.below(50))
        } else {
            self.dice.pick(&self.targets.groups).clone()
        };
        GroupId(text(&name))
    }

    fn partition(&mut self) -> i32 {
        if self.dice.one_in(6) { self.edge32() } else { self.dice.below(4) as i32 }
    }

    fn edge(&mut self) -> i64 {
        *self.dice.pick(&EDGES)
    }

    fn edge32(&mut self) -> i32 {
        self.edge() as i32
    }

    /// A small number as a rule.
    fn span(&mut self, usual: i32) -> i32 {
        if self.dice.one_in(5) { self.edge32() } else { usual }
    }

    fn produce(&mut self) -> Option<Bytes> {
        let (name, id) = self.topic();
        let batches = self.batches;
        let data = (0..self.dice.below(3) + 1).map(|_| {
            let records = Some(batches.good(self.dice));
            produce_request::PartitionProduceData::default().with_index(self.partition()).with_records(records)
        });
        let data = data.collect();
        let topic = produce_request::TopicProduceData::default().with_partition_data(data);
        let topic = if self.version >= 13 { topic.with_topic_id(id) } else { topic.with_name(name) };
        let acks = *self.dice.pick(&[-1, -1, 1, 1, 0, 7]);
        sent(
            self.version,
            &ProduceRequest::default().with_acks(acks).with_timeout_ms(self.span(1_000)).with_topic_data(vec![topic]),
        )
    }

    fn fetch(&mut self) -> Option<Bytes> {
        let (name, id) = self.topic();
        let partitions = (0..self.dice.below(4) + 1).map(|_| {
            let offset = if self.dice.one_in(3) { self.edge() } else { self.dice.below(50) as i64 };
            fetch_request::FetchPartition::default()
                .with_partition(self.partition())
                .with_fetch_offset(offset)
                .with_partition_max_bytes(self.span(1 << 20))
        });
        let topic = fetch_request::FetchTopic::default().with_partitions(partitions.collect());
        let topic = if self.version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(name) };
        let request = FetchRequest::default()
            .with_max_wait_ms(self.span(5))
            .with_min_bytes(self.span(1))
            .with_max_bytes(self.span(1 << 20))
            .with_isolation_level((self.dice.below(3) as i8) - 1)
            .with_topics(vec![topic]);
        let request = if self.version >= 7 && self.dice.one_in(4) { request.with_session_epoch(self.edge32()) } else { request };
        sent(self.version, &request)
    }

    fn list_offsets(&mut self) -> Option<Bytes> {
        let (name, _) = self.topic();
        let partitions = (0..self.dice.below(3) + 1).map(|_| {
            let timestamp = if self.dice.one_in(2) { -(self.dice.below(8) as i64) } else { self.edge() };
            list_offsets_request::ListOffsetsPartition::default().with_partition_index(self.partition()).with_timestamp(timestamp)
        });
        let topic = list_offsets_request::ListOffsetsTopic::default().with_name(name).with_partitions(partitions.collect());
        sent(self.version, &Unchanged::<_, 11>(ListOffsetsRequest::default().with_topics(vec![topic])))
    }

    fn metadata(&mut self) -> Option<Bytes> {
        let (name, id) = self.topic();
        let asked = metadata_request::MetadataRequestTopic::default();
        let asked = if self.version >= 10 && self.dice.one_in(2) {
            asked.with_topic_id(id).with_name(None)
        } else {
            asked.with_name(Some(name))
        };
        let topics = if self.version > 0 && self.dice.one_in(3) { None } else { Some(vec![asked]) };
        sent(self.version, &MetadataRequest::default().with_topics(topics))
    }

    fn offset_commit(&mut self) -> Option<Bytes> {
        let (name, topic_id) = self.topic();
        let partition = wire::OffsetCommitRequestPartition {
            partition_index: self.partition(),
            committed_offset: self.edge(),
            committed_metadata: Some(text("where I was")),
            ..Default::default()
        };
        let topic = wire::OffsetCommitRequestTopic { name, topic_id, partitions: vec![partition] };
        let request = wire::OffsetCommitRequest {
            group_id: self.group(),
            generation_id_or_member_epoch: self.span(-1),
            topics: vec![topic],
            ..Default::default()
        };
        sent(self.version, &request)
    }

    fn offset_fetch(&mut self) -> Option<Bytes> {
        let (group_id, (name, topic_id)) = (self.group(), self.topic());
        let partition_indexes = vec![0, 1, self.partition()];
        let request = wire::OffsetFetchRequest::default();
        if self.version >= 8 {
            let named = wire::OffsetFetchRequestTopics { name, topic_id, partition_indexes };
            let topics = self.dice.one_in(2).then(|| vec![named]);
            let group = wire::OffsetFetchRequestGroup { group_id, topics, ..Default::default() };
            return sent(self.version, &wire::OffsetFetchRequest { groups: vec![group], ..request });
        }
        let topics = Some(vec![wire::OffsetFetchRequestTopic { name, partition_indexes }]);
        sent(self.version, &wire::OffsetFetchRequest { group_id, topics, ..request })
    }

    fn find_coordinator(&mut self) -> Option<Bytes> {
        let (group, request) = (self.group().0, FindCoordinatorRequest::default());
        let request = if self.version >= 4 { request.with_coordinator_keys(vec![group]) } else { request.with_key(group) };
        sent(self.version, &if self.version >= 1 { request.with_key_type(self.dice.below(3) as i8) } else { request })
    }

    fn join_group(&mut self) -> Option<Bytes> {
        let protocol = |name: &str| {
            let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x04open\0\0\0\0");
            join_group_request::JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata)
        };
        let request = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(self.span(6_000))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol("range"), protocol("roundrobin")]);
        let request = if self.version >= 1 { request.with_rebalance_timeout_ms(self.span(100)) } else { request };
        let instance = (self.version >= 5 && self.dice.one_in(2)).then(|| text(&format!("instance-{}", self.dice.below(5))));
        sent(self.version, &request.with_group_instance_id(instance))
    }

    fn heartbeat(&mut self) -> Option<Bytes> {
        let request = HeartbeatRequest::default().with_group_id(self.group()).with_member_id(text("member"));
        sent(self.version, &request.with_generation_id(self.span(1)))
    }

    fn leave_group(&mut self) -> Option<Bytes> {
        let request = LeaveGroupRequest::default().with_group_id(self.group());
        if self.version < 3 {
            return sent(self.version, &request.with_member_id(text("member")));
        }
        let instance = Some(text(&format!("instance-{}", self.dice.below(5))));
        let member = leave_group_request::MemberIdentity::default().with_group_instance_id(instance);
        sent(self.version, &request.with_members(vec![member.clone(), member]))
    }

    fn sync_group(&mut self) -> Option<Bytes> {
        let share = sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(text("member"))
            .with_assignment(Bytes::from_static(b"share"));
        let request = SyncGroupRequest::default().with_group_id(self.group()).with_member_id(text("member"));
        sent(self.version, &request.with_generation_id(self.span(1)).with_assignments(vec![share]))
    }

    fn api_versions(&mut self) -> Option<Bytes> {
        let (client_software_name, client_software_version) = (text("attacker"), text("1"));
        let node_id = self.span(-1);
        sent(self.version, &wire::ApiVersionsRequest { client_software_name, client_software_version, cluster_id: None, node_id })
    }

    fn create_topics(&mut self) -> Option<Bytes> {
        let config = create_topics_request::CreatableTopicConfig::default()
            .with_name(text(self.dice.pick::<&str>(&["retention.ms", "cleanup.policy", "max.message.bytes", "no.such.config"])))
            .with_value(Some(text(self.dice.pick::<&str>(&["compact", "86400000", "-1", "", "99999999999999999999"]))));
        let configs = if self.dice.one_in(2) { vec![config] } else { Vec::new() };
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(TopicName(text(&format!("made-up-{}", self.dice.below(20)))))
            .with_num_partitions(self.span(2))
            .with_replication_factor(1)
            .with_configs(configs);
        sent(self.version, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(self.span(100)))
    }

    fn delete_topics(&mut self) -> Option<Bytes> {
        let name = TopicName(text(&format!("made-up-{}", self.dice.below(20))));
        if self.version < 6 {
            return sent(self.version, &DeleteTopicsRequest::default().with_topic_names(vec![name]));
        }
        let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
        sent(self.version, &DeleteTopicsRequest::default().with_topics(vec![topic]))
    }

    fn delete_records(&mut self) -> Option<Bytes> {
        let (name, _) = self.topic();
        let partition = delete_records_request::DeleteRecordsPartition::default()
            .with_partition_index(self.partition())
            .with_offset(if self.dice.one_in(2) { self.edge() } else { self.dice.below(50) as i64 });
        let topic = delete_records_request::DeleteRecordsTopic::default().with_name(name).with_partitions(vec![partition]);
        sent(self.version, &DeleteRecordsRequest::default().with_topics(vec![topic]))
    }

    fn offset_for_leader_epoch(&mut self) -> Option<Bytes> {
        let (name, _) = self.topic();
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
            .with_partition(self.partition())
            .with_leader_epoch(self.edge32());
        let topic =
            offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(name).with_partitions(vec![partition]);
        sent(self.version, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic]))
    }

    fn describe_configs(&mut self) -> Option<Bytes> {
        let kind = *self.dice.pick(&[2, 2, 4, 8, 0, -1, 127]);
        let name = if kind == 2 { self.topic().0.0 } else { text("0") };
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_configuration_keys(None);
        sent(self.version, &DescribeConfigsRequest::default().with_resources(vec![resource]))
    }

    fn alter_configs(&mut self) -> Option<Bytes> {
        let config =
            alter_configs_request::AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("90000000")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(*self.dice.pick(&[2, 2, 4, 0]))
            .with_resource_name(text(&format!("made-up-{}", self.dice.below(20))))
            .with_configs(vec![config]);
        sent(self.version, &AlterConfigsRequest::default().with_resources(vec![resource]))
    }

    fn incremental_alter_configs(&mut self) -> Option<Bytes> {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text(self.dice.pick::<&str>(&["cleanup.policy", "retention.ms", "segment.ms"])))
            .with_config_operation((self.dice.below(6) as i8) - 1)
            .with_value(Some(text("compact")));
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(*self.dice.pick(&[2, 2, 4, 0]))
            .with_resource_name(text(&format!("made-up-{}", self.dice.below(20))))
            .with_configs(vec![config]);
        sent(self.version, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]))
    }

    fn create_partitions(&mut self) -> Option<Bytes> {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(TopicName(text(&format!("made-up-{}", self.dice.below(20)))))
            .with_count(self.span(5))
            .with_assignments(None);
        sent(self.version, &CreatePartitionsRequest::default().with_topics(vec![topic]))
    }

    fn alter_replica_log_dirs(&mut self) -> Option<Bytes> {
        let partitions = vec![0, self.partition()];
        let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
            .with_name(self.topic().0)
            .with_partitions(partitions);
        let dir =
            alter_replica_log_dirs_request::AlterReplicaLogDir::default().with_path(text("memory")).with_topics(vec![topic]);
        sent(self.version, &AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]))
    }

    fn elect_leaders(&mut self) -> Option<Bytes> {
        let partitions = vec![0, self.partition()];
        let topic = elect_leaders_request::TopicPartitions::default().with_topic(self.topic().0).with_partitions(partitions);
        let topics = (!self.dice.one_in(3)).then(|| vec![topic]);
        let election = if self.version > 0 { self.dice.below(3) as i8 } else { 0 };
        sent(self.version, &ElectLeadersRequest::default().with_topic_partitions(topics).with_election_type(election))
    }

    fn alter_partition_reassignments(&mut self) -> Option<Bytes> {
        let replicas = (!self.dice.one_in(3)).then(|| vec![BrokerId(0), BrokerId(self.edge32())]);
        let partition = alter_partition_reassignments_request::ReassignablePartition::default()
            .with_partition_index(self.partition())
            .with_replicas(replicas);
        let topic = alter_partition_reassignments_request::ReassignableTopic::default()
            .with_name(self.topic().0)
            .with_partitions(vec![partition]);
        sent(self.version, &AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]))
    }

    fn describe_topic_partitions(&mut self) -> Option<Bytes> {
        let name = self.topic().0;
        let cursor = describe_topic_partitions_request::Cursor::default()
            .with_topic_name(name.clone())
            .with_partition_index(self.partition());
        let topics = vec![describe_topic_partitions_request::TopicRequest::default().with_name(name)];
        let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(self.edge32());
        let request = if self.dice.one_in(2) { request.with_topics(topics) } else { request };
        sent(self.version, &request.with_cursor(self.dice.one_in(2).then_some(cursor)))
    }

    fn offset_delete(&mut self) -> Option<Bytes> {
        let (name, _) = self.topic();
        let partition = offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(self.partition());
        let topic = offset_delete_request::OffsetDeleteRequestTopic::default().with_name(name).with_partitions(vec![partition]);
        sent(self.version, &OffsetDeleteRequest::default().with_group_id(self.group()).with_topics(vec![topic]))
    }
}
