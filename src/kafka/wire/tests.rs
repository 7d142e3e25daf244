//! Each message against the crate's own where that has it, and against the bytes of Java's client where it has not.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    self, GroupId, ListOffsetsRequest, TopicName, TransactionalId, list_offsets_request, offset_commit_request,
    offset_fetch_request,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};
use uuid::Uuid;

use super::*;

fn written<M: Encodable>(message: &M, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    assert_eq!(message.compute_size(version).unwrap(), bytes.len(), "version {version}");
    bytes.freeze()
}

fn read<M: Decodable>(bytes: &Bytes, version: i16) -> M {
    let mut rest = bytes.clone();
    let message = M::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "version {version}: {} bytes are left", rest.len());
    message
}

/// Ours and the crate's have the same headers and, in each version that both have, the same bytes.
fn agree<Ours, Theirs>(pairs: impl Fn(i16) -> (Ours, Theirs))
where
    Ours: Encodable + Decodable + HeaderVersion + Message,
    Theirs: Encodable + HeaderVersion + Message,
{
    assert_eq!(Ours::VERSIONS.min, Theirs::VERSIONS.min);
    for version in Theirs::VERSIONS.min..=Theirs::VERSIONS.max {
        let (ours, theirs) = pairs(version);
        let bytes = written(&theirs, version);
        assert_eq!(written(&ours, version), bytes, "version {version}");
        assert_eq!(written(&read::<Ours>(&bytes, version), version), bytes, "version {version}");
        assert_eq!(Ours::header_version(version), Theirs::header_version(version));
        for end in 0..bytes.len() {
            assert!(Ours::decode(&mut bytes.slice(..end), version).is_err(), "version {version}, {end} bytes");
        }
    }
    for version in [Ours::VERSIONS.min - 1, Ours::VERSIONS.max + 1] {
        assert!(Ours::decode(&mut Bytes::from(vec![0; 64]), version).is_err(), "version {version}");
        assert!(pairs(Ours::VERSIONS.min).0.compute_size(version).is_err(), "version {version}");
    }
}

/// The message is what Java's client 4.4.0 writes as `hex`.
fn is_javas<M: Encodable + Decodable + PartialEq + std::fmt::Debug>(message: M, version: i16, hex: &str) {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Bytes = (0..hex.len()).step_by(2).map(byte).collect();
    assert_eq!(written(&message, version), bytes);
    assert_eq!(read::<M>(&bytes, version), message);
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn group(name: &'static str) -> GroupId {
    GroupId(text(name))
}

fn topic(name: &'static str) -> TopicName {
    TopicName(text(name))
}

const ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);

#[test]
fn offset_commit_requests() {
    agree(|version| {
        let (instance, retention) = ((version >= 7).then(|| text("i")), if version <= 4 { 9 } else { -1 });
        let partition = |at: i32, words: Option<StrBytes>| OffsetCommitRequestPartition {
            partition_index: at,
            committed_offset: 7,
            committed_leader_epoch: 5,
            committed_metadata: words,
        };
        let theirs = |at: i32, words: Option<StrBytes>| {
            offset_commit_request::OffsetCommitRequestPartition::default()
                .with_partition_index(at)
                .with_committed_offset(7)
                .with_committed_leader_epoch(5)
                .with_committed_metadata(words)
        };
        let ours = OffsetCommitRequest {
            group_id: group("g"),
            generation_id_or_member_epoch: 3,
            member_id: text("m"),
            group_instance_id: instance.clone(),
            retention_time_ms: retention,
            topics: vec![OffsetCommitRequestTopic {
                name: topic("t"),
                topic_id: ID,
                partitions: vec![partition(1, None), partition(2, Some(text("words")))],
            }],
        };
        let topic = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![theirs(1, None), theirs(2, Some(text("words")))]);
        let theirs = messages::OffsetCommitRequest::default()
            .with_group_id(group("g"))
            .with_generation_id_or_member_epoch(3)
            .with_member_id(text("m"))
            .with_group_instance_id(instance)
            .with_retention_time_ms(retention)
            .with_topics(vec![topic]);
        (ours, theirs)
    });
    let partition = OffsetCommitRequestPartition {
        partition_index: 1,
        committed_offset: 7,
        committed_leader_epoch: 5,
        committed_metadata: None,
    };
    let request = OffsetCommitRequest {
        group_id: group("g"),
        generation_id_or_member_epoch: 3,
        member_id: text("m"),
        group_instance_id: Some(text("i")),
        topics: vec![OffsetCommitRequestTopic { topic_id: ID, partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let hex = "026700000003026d0269020102030405060708090a0b0c0d0e0f10020000000100000000000000070000000500000000";
    is_javas(request, 10, hex);
}

#[test]
fn offset_fetch_requests() {
    agree(|version| {
        let (one, many, stable) = (version <= 7, version >= 8, version >= 7);
        let (member, epoch) = if version >= 9 { (Some(text("m")), 4) } else { (None, -1) };
        let named = |named: bool| named.then(|| vec![1, 2]);
        let ours = OffsetFetchRequest {
            group_id: if one { group("g") } else { group("") },
            topics: Some(
                named(one)
                    .map(|partition_indexes| OffsetFetchRequestTopic { name: topic("t"), partition_indexes })
                    .into_iter()
                    .collect(),
            ),
            groups: named(many)
                .map(|partition_indexes| OffsetFetchRequestGroup {
                    group_id: group("g"),
                    member_id: member.clone(),
                    member_epoch: epoch,
                    topics: Some(vec![OffsetFetchRequestTopics { name: topic("t"), topic_id: ID, partition_indexes }]),
                })
                .into_iter()
                .collect(),
            require_stable: stable,
        };
        let topic_of_one = |partitions| {
            offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic("t")).with_partition_indexes(partitions)
        };
        let group_of_many = |partitions| {
            let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(topic("t"))
                .with_partition_indexes(partitions);
            offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group("g"))
                .with_member_id(member.clone())
                .with_member_epoch(epoch)
                .with_topics(Some(vec![topic]))
        };
        let theirs = messages::OffsetFetchRequest::default()
            .with_group_id(if one { group("g") } else { group("") })
            .with_topics(Some(named(one).map(topic_of_one).into_iter().collect()))
            .with_groups(named(many).map(group_of_many).into_iter().collect())
            .with_require_stable(stable);
        (ours, theirs)
    });
    let named = OffsetFetchRequestGroup {
        group_id: group("g"),
        member_id: Some(text("m")),
        member_epoch: 4,
        topics: Some(vec![OffsetFetchRequestTopics { topic_id: ID, partition_indexes: vec![1, 2], ..Default::default() }]),
    };
    let all = OffsetFetchRequestGroup { group_id: group("h"), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![named, all], require_stable: true, ..Default::default() };
    let hex = "030267026d00000004020102030405060708090a0b0c0d0e0f100300000001000000020000026800ffffffff00000100";
    is_javas(request, 10, hex);
}

#[test]
fn share_fetch_requests() {
    use messages::share_fetch_request as theirs;
    let said = || ShareAcknowledgementBatch { first_offset: 3, last_offset: 5, acknowledge_types: vec![4, 1, 2] };
    let ours = |member_id| ShareFetchRequest {
        group_id: Some(text("g")),
        member_id,
        share_session_epoch: 7,
        max_wait_ms: 8,
        min_bytes: 9,
        max_bytes: 10,
        max_records: 11,
        batch_size: 12,
        topics: vec![ShareFetchTopic {
            topic_id: ID,
            partitions: vec![ShareFetchPartition { partition_index: 1, acknowledgement_batches: vec![said()] }],
        }],
        forgotten_topics_data: vec![ShareForgottenTopic { topic_id: ID, partitions: vec![2, 3] }],
        ..Default::default()
    };
    agree(|_| {
        let said = theirs::AcknowledgementBatch::default()
            .with_first_offset(3)
            .with_last_offset(5)
            .with_acknowledge_types(vec![4, 1, 2]);
        let partition = theirs::FetchPartition::default().with_partition_index(1).with_acknowledgement_batches(vec![said]);
        let topic = theirs::FetchTopic::default().with_topic_id(ID).with_partitions(vec![partition]);
        let forgotten = theirs::ForgottenTopic::default().with_topic_id(ID).with_partitions(vec![2, 3]);
        let theirs = messages::ShareFetchRequest::default()
            .with_group_id(Some(group("g")))
            .with_member_id(None)
            .with_share_session_epoch(7)
            .with_max_wait_ms(8)
            .with_min_bytes(9)
            .with_max_bytes(10)
            .with_max_records(11)
            .with_batch_size(12)
            .with_topics(vec![topic])
            .with_forgotten_topics_data(vec![forgotten]);
        (ours(None), theirs)
    });
    is_javas(
        ShareFetchRequest { share_acquire_mode: 1, is_renew_ack: true, ..ours(Some(text("m"))) },
        2,
        "0267026d0000000700000008000000090000000a0000000b0000000c0101020102030405060708090a0b0c0d0e0f10020000\
         0001020000000000000003000000000000000504040102000000020102030405060708090a0b0c0d0e0f1003000000020000\
         00030000",
    );
}

#[test]
fn share_acknowledge_requests() {
    use messages::share_acknowledge_request as theirs;
    let said = || ShareAcknowledgementBatch { first_offset: 3, last_offset: 5, acknowledge_types: vec![4] };
    let ours = |is_renew_ack| ShareAcknowledgeRequest {
        group_id: Some(text("g")),
        member_id: None,
        share_session_epoch: 7,
        is_renew_ack,
        topics: vec![ShareAcknowledgeTopic {
            topic_id: ID,
            partitions: vec![ShareAcknowledgePartition { partition_index: 1, acknowledgement_batches: vec![said()] }],
        }],
    };
    agree(|_| {
        let said =
            theirs::AcknowledgementBatch::default().with_first_offset(3).with_last_offset(5).with_acknowledge_types(vec![4]);
        let partition = theirs::AcknowledgePartition::default().with_partition_index(1).with_acknowledgement_batches(vec![said]);
        let topic = theirs::AcknowledgeTopic::default().with_topic_id(ID).with_partitions(vec![partition]);
        let theirs = messages::ShareAcknowledgeRequest::default()
            .with_group_id(Some(group("g")))
            .with_member_id(None)
            .with_share_session_epoch(7)
            .with_topics(vec![topic]);
        (ours(false), theirs)
    });
    is_javas(
        ours(true),
        2,
        "0267000000000701020102030405060708090a0b0c0d0e0f1002000000010200000000000000030000000000000005020400\
         000000",
    );
}

#[test]
fn share_acknowledge_responses() {
    use messages::share_acknowledge_response as theirs;
    let ours = |acquisition_lock_timeout_ms| ShareAcknowledgeResponse {
        throttle_time_ms: 5,
        error_code: 6,
        error_message: None,
        acquisition_lock_timeout_ms,
        responses: vec![ShareAcknowledgeTopicResponse {
            topic_id: ID,
            partitions: vec![ShareAcknowledgePartitionResponse {
                partition_index: 1,
                error_code: 121,
                error_message: Some(text("w")),
                current_leader: ShareLeader { leader_id: 2, leader_epoch: 3 },
            }],
        }],
        node_endpoints: vec![ShareNodeEndpoint { node_id: 2, host: text("h"), port: 9, rack: None }],
    };
    agree(|_| {
        let leader = theirs::LeaderIdAndEpoch::default().with_leader_id(2).with_leader_epoch(3);
        let partition = theirs::PartitionData::default()
            .with_partition_index(1)
            .with_error_code(121)
            .with_error_message(Some(text("w")))
            .with_current_leader(leader);
        let topic = theirs::ShareAcknowledgeTopicResponse::default().with_topic_id(ID).with_partitions(vec![partition]);
        let endpoint = theirs::NodeEndpoint::default().with_node_id(2.into()).with_host(text("h")).with_port(9).with_rack(None);
        let theirs = messages::ShareAcknowledgeResponse::default()
            .with_throttle_time_ms(5)
            .with_error_code(6)
            .with_error_message(None)
            .with_responses(vec![topic])
            .with_node_endpoints(vec![endpoint]);
        (ours(0), theirs)
    });
    is_javas(
        ours(30_000),
        2,
        "0000000500060000007530020102030405060708090a0b0c0d0e0f1002000000010079027700000002000000030000000200\
         000002026800000009000000",
    );
}

#[test]
fn add_raft_voter_requests() {
    let ours = |ack_when_committed| AddRaftVoterRequest {
        cluster_id: Some(text("c")),
        timeout_ms: 5,
        voter_id: 3,
        voter_directory_id: ID,
        listeners: vec![AddRaftVoterListener { name: text("n"), host: text("h"), port: 40_000 }],
        ack_when_committed,
    };
    agree(|_| {
        let listener = messages::add_raft_voter_request::Listener::default();
        let listener = listener.with_name(text("n")).with_host(text("h")).with_port(40_000);
        let theirs = messages::AddRaftVoterRequest::default()
            .with_cluster_id(Some(text("c")))
            .with_timeout_ms(5)
            .with_voter_id(3)
            .with_voter_directory_id(ID)
            .with_listeners(vec![listener]);
        (ours(true), theirs)
    });
    is_javas(ours(false), 1, "026300000005000000030102030405060708090a0b0c0d0e0f1002026e02689c40000000");
}

#[test]
fn unregister_controllers() {
    is_javas(UnregisterControllerRequest { controller_id: 9 }, 0, "0000000900");
    let (error_code, error_message) = (136, Some(text("no")));
    is_javas(UnregisterControllerResponse { throttle_time_ms: 10, error_code, error_message }, 0, "0000000a0088036e6f00");
}

#[test]
fn write_txn_markers_requests() {
    let ours = |transaction_version| WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: 7.into(),
            producer_epoch: 2,
            transaction_result: true,
            topics: vec![WritableTxnMarkerTopic { name: topic("t"), partition_indexes: vec![1, 2] }],
            coordinator_epoch: 5,
            transaction_version,
        }],
    };
    agree(|_| {
        use messages::write_txn_markers_request as theirs;
        let topic = theirs::WritableTxnMarkerTopic::default().with_name(topic("t")).with_partition_indexes(vec![1, 2]);
        let marker = theirs::WritableTxnMarker::default()
            .with_producer_id(7.into())
            .with_producer_epoch(2)
            .with_transaction_result(true)
            .with_coordinator_epoch(5)
            .with_topics(vec![topic]);
        (ours(0), messages::WriteTxnMarkersRequest::default().with_markers(vec![marker]))
    });
    is_javas(ours(2), 2, "0200000000000000070002010202740300000001000000020000000005020000");
}

#[test]
fn list_transactions_requests() {
    let ours = |duration_filter, pattern| ListTransactionsRequest {
        state_filters: vec![text("Ongoing")],
        producer_id_filters: vec![7.into()],
        duration_filter,
        transactional_id_pattern: pattern,
    };
    agree(|version| {
        let duration = if version >= 1 { 8 } else { -1 };
        let theirs = messages::ListTransactionsRequest::default()
            .with_state_filters(vec![text("Ongoing")])
            .with_producer_id_filters(vec![7.into()])
            .with_duration_filter(duration);
        (ours(duration, None), theirs)
    });
    is_javas(ours(8, Some(text("a.*"))), 2, "02084f6e676f696e67020000000000000007000000000000000804612e2a00");
}

#[test]
fn txn_offset_commits() {
    let ours = |version: i16, metadata| {
        let (member, instance) = if version >= 3 { (text("m"), Some(text("i"))) } else { Default::default() };
        TxnOffsetCommitRequest {
            transactional_id: TransactionalId(text("x")),
            group_id: group("g"),
            producer_id: 7.into(),
            producer_epoch: 2,
            generation_id_or_member_epoch: if version >= 3 { 3 } else { -1 },
            member_id: member,
            group_instance_id: instance,
            topics: vec![TxnOffsetCommitRequestTopic {
                name: if version < 6 { topic("t") } else { topic("") },
                topic_id: if version < 6 { Uuid::nil() } else { ID },
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: 1,
                    committed_offset: 7,
                    committed_leader_epoch: if version >= 2 { 5 } else { -1 },
                    committed_metadata: metadata,
                }],
            }],
        }
    };
    agree(|version| {
        use messages::txn_offset_commit_request as theirs;
        let ours = ours(version, Some(text("words")));
        let partition = theirs::TxnOffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(7)
            .with_committed_leader_epoch(5)
            .with_committed_metadata(Some(text("words")));
        let topic = theirs::TxnOffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let theirs = messages::TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text("x")))
            .with_group_id(group("g"))
            .with_producer_id(7.into())
            .with_producer_epoch(2)
            .with_generation_id(ours.generation_id_or_member_epoch)
            .with_member_id(ours.member_id.clone())
            .with_group_instance_id(ours.group_instance_id.clone())
            .with_topics(vec![topic]);
        (ours, theirs)
    });
    let hex = "027802670000000000000007000200000003026d0269020102030405060708090a0b0c0d0e0f1002000000010000000000000007000000\
               0500000000";
    is_javas(ours(6, None), 6, hex);
    let response = |version: i16| TxnOffsetCommitResponse {
        throttle_time_ms: 9,
        topics: vec![TxnOffsetCommitResponseTopic {
            name: if version < 6 { topic("t") } else { topic("") },
            topic_id: if version < 6 { Uuid::nil() } else { ID },
            partitions: vec![TxnOffsetCommitResponsePartition { partition_index: 1, error_code: 100 }],
        }],
    };
    agree(|version| {
        use messages::txn_offset_commit_response as theirs;
        let partition = theirs::TxnOffsetCommitResponsePartition::default().with_partition_index(1).with_error_code(100);
        let topic = theirs::TxnOffsetCommitResponseTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let theirs = messages::TxnOffsetCommitResponse::default().with_throttle_time_ms(9).with_topics(vec![topic]);
        (response(version), theirs)
    });
    is_javas(response(6), 6, "00000009020102030405060708090a0b0c0d0e0f1002000000010064000000");
}

#[test]
fn describe_share_group_offsets_responses() {
    let ours = |lag| DescribeShareGroupOffsetsResponse {
        throttle_time_ms: 9,
        groups: vec![DescribeShareGroupOffsetsResponseGroup {
            group_id: group("g"),
            topics: vec![DescribeShareGroupOffsetsResponseTopic {
                topic_name: topic("t"),
                topic_id: ID,
                partitions: vec![DescribeShareGroupOffsetsResponsePartition {
                    partition_index: 1,
                    start_offset: 7,
                    leader_epoch: 5,
                    lag,
                    error_code: 2,
                    error_message: Some(text("x")),
                }],
            }],
            error_code: 1,
            error_message: Some(text("why")),
        }],
    };
    agree(|_| {
        use messages::describe_share_group_offsets_response as theirs;
        let partition = theirs::DescribeShareGroupOffsetsResponsePartition::default()
            .with_partition_index(1)
            .with_start_offset(7)
            .with_leader_epoch(5)
            .with_error_code(2)
            .with_error_message(Some(text("x")));
        let topic = theirs::DescribeShareGroupOffsetsResponseTopic::default()
            .with_topic_name(topic("t"))
            .with_topic_id(ID)
            .with_partitions(vec![partition]);
        let group = theirs::DescribeShareGroupOffsetsResponseGroup::default()
            .with_group_id(group("g"))
            .with_topics(vec![topic])
            .with_error_code(1)
            .with_error_message(Some(text("why")));
        let theirs = messages::DescribeShareGroupOffsetsResponse::default().with_throttle_time_ms(9);
        (ours(-1), theirs.with_groups(vec![group]))
    });
    let hex = "000000090202670202740102030405060708090a0b0c0d0e0f10020000000100000000000000070000000500000000000000040002027800\
               000001047768790000";
    is_javas(ours(4), 1, hex);
}

#[test]
fn api_versions_requests() {
    agree(|version| {
        let (name, its_version) = if version >= 3 { (text("java"), text("4.4.0")) } else { Default::default() };
        let ours = ApiVersionsRequest {
            client_software_name: name.clone(),
            client_software_version: its_version.clone(),
            ..Default::default()
        };
        let theirs =
            messages::ApiVersionsRequest::default().with_client_software_name(name).with_client_software_version(its_version);
        (ours, theirs)
    });
    let request = ApiVersionsRequest {
        client_software_name: text("java"),
        client_software_version: text("4.4.0"),
        cluster_id: Some(text("c")),
        node_id: 2,
    };
    is_javas(request, 5, "056a61766106342e342e3002630000000200");
}

#[test]
fn delete_groups_responses() {
    agree(|_| {
        let ours = DeletableGroupResult { group_id: group("g"), error_code: 68, error_message: Some(text("why")) };
        let theirs =
            messages::delete_groups_response::DeletableGroupResult::default().with_group_id(group("g")).with_error_code(68);
        (
            DeleteGroupsResponse { throttle_time_ms: 9, results: vec![ours] },
            messages::DeleteGroupsResponse::default().with_throttle_time_ms(9).with_results(vec![theirs]),
        )
    });
    let result = DeletableGroupResult { group_id: group("g"), error_code: 68, error_message: Some(text("why")) };
    is_javas(DeleteGroupsResponse { throttle_time_ms: 9, results: vec![result] }, 3, "000000090202670044047768790000");
}

#[test]
fn describe_log_dirs_responses() {
    use messages::describe_log_dirs_response as theirs;
    let ours = || DescribeLogDirsResponse {
        throttle_time_ms: 9,
        error_code: 1,
        results: vec![DescribeLogDirsResult {
            error_code: 2,
            log_dir: text("d"),
            topics: vec![DescribeLogDirsTopic {
                name: topic("t"),
                partitions: vec![DescribeLogDirsPartition {
                    partition_index: 1,
                    partition_size: 2,
                    offset_lag: 3,
                    is_future_key: true,
                }],
            }],
            total_bytes: 10,
            usable_bytes: 11,
            is_cordoned: true,
        }],
    };
    agree(|_| {
        let partition = theirs::DescribeLogDirsPartition::default()
            .with_partition_index(1)
            .with_partition_size(2)
            .with_offset_lag(3)
            .with_is_future_key(true);
        let topic = theirs::DescribeLogDirsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let result = theirs::DescribeLogDirsResult::default()
            .with_error_code(2)
            .with_log_dir(text("d"))
            .with_topics(vec![topic])
            .with_total_bytes(10)
            .with_usable_bytes(11);
        let response = messages::DescribeLogDirsResponse::default().with_throttle_time_ms(9).with_error_code(1);
        (ours(), response.with_results(vec![result]))
    });
    let hex =
        "0000000900010200020264020274020000000100000000000000020000000000000003010000000000000000000a000000000000000b010000";
    is_javas(ours(), 5, hex);
}

#[test]
fn a_version_without_a_change_has_the_form_of_the_one_before() {
    let partition = list_offsets_request::ListOffsetsPartition::default()
        .with_partition_index(1)
        .with_current_leader_epoch(2)
        .with_timestamp(-6);
    let topic = list_offsets_request::ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_isolation_level(1).with_timeout_ms(6).with_topics(vec![topic]);
    let request = Unchanged::<_, 11>(request.with_replica_id((-1).into()));
    is_javas(request.clone(), 11, "ffffffff01020274020000000100000002fffffffffffffffa00000000000600");
    assert_eq!(written(&request, 10), written(&request.0, 10));
    assert!(request.compute_size(12).and_then(|_| request.encode(&mut BytesMut::new(), 12)).is_err());
    assert!(Unchanged::<ListOffsetsRequest, 11>::decode(&mut Bytes::from_static(&[0; 64]), 12).is_err());
}

#[test]
fn tagged_fields_that_nobody_knows_are_passed_over() {
    let known = written(&DeleteGroupsResponse::default(), 3);
    let mut bytes = BytesMut::from(&known[..known.len() - 1]);
    bytes.extend_from_slice(&[2, 0, 1, b'x', 0x80, 0x01, 2, b'y', b'z']);
    assert_eq!(read::<DeleteGroupsResponse>(&bytes.freeze(), 3), DeleteGroupsResponse::default());
}

#[test]
fn lengths_that_cannot_be_are_refused_without_room_for_them() {
    let decode = |version: i16, bytes: &'static [u8]| DeleteGroupsResponse::decode(&mut Bytes::from_static(bytes), version);
    // A list of 2^31 - 1, of -2, of null; a compact one of 2^32 - 2, of null, and one with a length of 36 bits.
    for list in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xfe], &[0xff; 4]] {
        let bytes = [&[0; 4], list].concat().leak();
        assert!(decode(0, bytes).is_err(), "{list:?}");
    }
    for list in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0x80; 9]] {
        let bytes = [&[0; 4], list].concat().leak();
        assert!(decode(3, bytes).is_err(), "{list:?}");
    }
    // A group without a name, one whose name is not UTF-8, one that ends early.
    for name in [&[0, 0, 0, 0, 0][..], &[2, 0xff, 0, 0, 0, 0], &[9, b'a']] {
        let bytes = [&[0, 0, 0, 0, 2], name, &[0]].concat().leak();
        assert!(decode(3, bytes).is_err(), "{name:?}");
    }
}

fn pair() -> StreamsKeyValue {
    StreamsKeyValue { key: text("k"), value: text("v") }
}

fn tasks() -> Vec<StreamsTaskIds> {
    vec![StreamsTaskIds { subtopology_id: text("0"), partitions: vec![0, 1] }]
}

fn offsets() -> Vec<StreamsTaskOffset> {
    vec![StreamsTaskOffset { subtopology_id: text("0"), partition: 1, offset: 77 }]
}

fn internal(
    name: &'static str,
    partitions: i32,
    replication_factor: i16,
    topic_configs: Vec<StreamsKeyValue>,
) -> StreamsTopicInfo {
    StreamsTopicInfo { name: topic(name), partitions, replication_factor, topic_configs }
}

#[test]
fn streams_group_heartbeats() {
    let part = StreamsSubtopology {
        subtopology_id: text("0"),
        source_topics: vec![topic("in")],
        source_topic_regex: vec![text("r.*")],
        state_changelog_topics: vec![internal("log", 0, 1, vec![pair()])],
        repartition_sink_topics: vec![topic("sink")],
        repartition_source_topics: vec![internal("rep", 3, 0, vec![])],
        copartition_groups: vec![StreamsCopartitionGroup {
            source_topics: vec![0],
            source_topic_regex: vec![],
            repartition_source_topics: vec![0],
        }],
    };
    let full = StreamsGroupHeartbeatRequest {
        group_id: group("g"),
        member_id: text("m"),
        member_epoch: 0,
        endpoint_information_epoch: 4,
        instance_id: Some(text("i")),
        rack_id: Some(text("r")),
        rebalance_timeout_ms: 9,
        topology: Some(StreamsTopology { epoch: 2, subtopologies: vec![part] }),
        active_tasks: Some(tasks()),
        standby_tasks: Some(vec![]),
        warmup_tasks: Some(vec![]),
        process_id: Some(text("p")),
        user_endpoint: Some(StreamsEndpoint { host: text("h"), port: u16::MAX }),
        client_tags: Some(vec![pair()]),
        task_offsets: Some(offsets()),
        task_end_offsets: Some(vec![]),
        shutdown_application: true,
    };
    let bare = StreamsGroupHeartbeatRequest {
        group_id: group("g"),
        member_id: text("m"),
        member_epoch: 5,
        ..StreamsGroupHeartbeatRequest::default()
    };
    for version in 0..=1 {
        is_javas(
            full.clone(),
            version,
            "0267026d0000000000000004026902720000000901000000020202300203696e0204722e2a02046c6f670000000000010202\
         6b02760000020573696e6b020472657000000003000001000202000001020000000000020230030000000000000001000101\
         0270010268ffff0002026b02760002023000000001000000000000004d00010100",
        );
        is_javas(bare.clone(), version, "0267026d00000005000000000000ffffffffff00000000ff0000000000");
    }
    let topics = StreamsTopicPartitions { topic: topic("in"), partitions: vec![0] };
    let response = StreamsGroupHeartbeatResponse {
        member_id: text("m"),
        member_epoch: 3,
        heartbeat_interval_ms: 5_000,
        task_offset_interval_ms: 60_000,
        status: Some(vec![StreamsStatus { status_code: 3, status_detail: text("d") }]),
        active_tasks: Some(tasks()),
        standby_tasks: Some(vec![]),
        warmup_tasks: Some(vec![]),
        endpoint_information_epoch: 6,
        partitions_by_user_endpoint: Some(vec![StreamsEndpointPartitions {
            user_endpoint: StreamsEndpoint { host: text("h"), port: 1 },
            active_partitions: vec![topics],
            standby_partitions: vec![],
        }]),
        ..StreamsGroupHeartbeatResponse::default()
    };
    is_javas(
        response.clone(),
        0,
        "00000000000000026d0000000300001388000000000000ea6002030264000202300300000000000000010001010000000602\
         02680001000203696e020000000000010000",
    );
    is_javas(
        StreamsGroupHeartbeatResponse { acceptable_recovery_lag: 10_000, ..response },
        1,
        "00000000000000026d00000003000013880000ea600000000000002710020302640002023003000000000000000100010100\
         000000060202680001000203696e020000000000010000",
    );
    let refusal = StreamsGroupHeartbeatResponse {
        error_code: 25,
        error_message: Some(text("w")),
        ..StreamsGroupHeartbeatResponse::default()
    };
    is_javas(refusal, 1, "000000000019027701000000000000000000000000ffffffffffffffff0100000000000000000000");
}

#[test]
fn streams_group_descriptions() {
    let request = StreamsGroupDescribeRequest {
        group_ids: vec![group("g")],
        include_authorized_operations: true,
        include_topology_description: false,
    };
    is_javas(request.clone(), 0, "0202670100");
    is_javas(StreamsGroupDescribeRequest { include_topology_description: true, ..request }, 1, "020267010100");
    let assignment = |active_tasks, standby_tasks| StreamsAssignment { active_tasks, standby_tasks, warmup_tasks: vec![] };
    let member = StreamsDescribedMember {
        member_id: text("m"),
        member_epoch: 3,
        instance_id: Some(text("i")),
        rack_id: None,
        client_id: text("c"),
        client_host: text("/h"),
        topology_epoch: 2,
        process_id: text("p"),
        user_endpoint: Some(StreamsEndpoint { host: text("h"), port: 1 }),
        client_tags: vec![pair()],
        task_offsets: offsets(),
        task_end_offsets: vec![],
        assignment: assignment(tasks(), vec![]),
        target_assignment: assignment(vec![], tasks()),
        is_classic: false,
    };
    let part = StreamsDescribedSubtopology {
        subtopology_id: text("0"),
        source_topics: vec![topic("in")],
        repartition_sink_topics: vec![topic("sink")],
        state_changelog_topics: vec![internal("log", 2, 1, vec![pair()])],
        repartition_source_topics: vec![],
    };
    let described = StreamsDescribedGroup {
        group_id: group("g"),
        group_state: text("Stable"),
        group_epoch: 4,
        assignment_epoch: 4,
        topology: Some(StreamsDescribedTopology { epoch: 2, subtopologies: Some(vec![part]) }),
        members: vec![member],
        authorized_operations: 328,
        ..StreamsDescribedGroup::default()
    };
    let response = |group| StreamsGroupDescribeResponse { throttle_time_ms: 0, groups: vec![group] };
    is_javas(
        response(described.clone()),
        0,
        "0000000002000000026707537461626c65000000040000000401000000020202300203696e020573696e6b02046c6f670000\
         0002000102026b0276000001000002026d000000030269000263032f6800000002027001026800010002026b027600020230\
         00000001000000000000004d0001020230030000000000000001000101000102023003000000000000000100010000000000\
         01480000",
    );
    let newer = StreamsDescribedGroup { topology_description_status: 1, assignor_name: Some(text("sticky")), ..described };
    is_javas(
        response(newer),
        1,
        "0000000002000000026707537461626c65000000040000000401000000020202300203696e020573696e6b02046c6f670000\
         0002000102026b0276000001000002026d000000030269000263032f6800000002027001026800010002026b027600020230\
         00000001000000000000004d0001020230030000000000000001000101000102023003000000000000000100010000000000\
         0148ff0107737469636b790000",
    );
}
