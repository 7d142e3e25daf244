//! What is true of all APIs together: each version answers, the range is wide enough for old and new clients, and what is not
//! served is refused so that a client can see it.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request};
use shardgate::kafka::wire::{self, Unchanged};

use crate::support::{Gateway, Kafka, Member, text};

/// A request as it comes out of the codec, in all versions that are served; their number.
async fn default_of<R: Request + Clone + Default>(kafka: &mut Kafka, change: impl Fn(R, i16) -> R) -> (i16, usize) {
    answered_as::<R, R::Response>(kafka, change).await
}

/// The same for a request whose answer is of another type than the message crate thinks.
async fn answered_as<R, A>(kafka: &mut Kafka, change: impl Fn(R, i16) -> R) -> (i16, usize)
where
    R: Request + Default,
    A: Decodable + HeaderVersion,
{
    let api = shardgate::kafka::supported().find(|api| api.key == R::KEY).expect("the API is served");
    for version in api.served.clone() {
        kafka.send(version, &change(R::default(), version)).await;
        // Decoding checks that the answer has no byte too many or too few.
        kafka.receive_as::<A>(version).await;
    }
    (R::KEY, api.served.count())
}

macro_rules! defaults {
    ($kafka:expr, $($request:ty),* $(,)?) => { vec![$(default_of::<$request>($kafka, |request, _| request).await),*] };
}

#[tokio::test(start_paused = true)]
async fn every_version_of_every_api_answers_an_empty_request() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let _member = Member::alone(&gateway, "g").await;
    let kafka = &mut gateway.kafka();
    let software = |request: wire::ApiVersionsRequest, version| match version {
        3.. => wire::ApiVersionsRequest { client_software_name: text("tests"), client_software_version: text("1"), ..request },
        _ => request,
    };
    // Its default is acks=0, which has no answer.
    let mut answered = vec![default_of(kafka, |request: ProduceRequest, _| request.with_acks(-1)).await];
    answered.push(default_of(kafka, software).await);
    answered.push(
        answered_as::<Unchanged<DescribeLogDirsRequest, 5>, wire::DescribeLogDirsResponse>(kafka, |request, _| request).await,
    );
    answered
        .push(answered_as::<Unchanged<DeleteGroupsRequest, 3>, wire::DeleteGroupsResponse>(kafka, |request, _| request).await);
    let offsets = answered_as::<Unchanged<DescribeShareGroupOffsetsRequest, 1>, wire::DescribeShareGroupOffsetsResponse>;
    answered.push(offsets(kafka, |request, _| request).await);
    answered.extend(defaults!(
        kafka,
        FetchRequest,
        Unchanged<ListOffsetsRequest, 11>,
        MetadataRequest,
        wire::OffsetCommitRequest,
        wire::OffsetFetchRequest,
        FindCoordinatorRequest,
        JoinGroupRequest,
        HeartbeatRequest,
        LeaveGroupRequest,
        SyncGroupRequest,
        DescribeGroupsRequest,
        ListGroupsRequest,
        SaslHandshakeRequest,
        SaslAuthenticateRequest,
        CreateTopicsRequest,
        DeleteTopicsRequest,
        DeleteRecordsRequest,
        InitProducerIdRequest,
        OffsetForLeaderEpochRequest,
        DescribeAclsRequest,
        CreateAclsRequest,
        DeleteAclsRequest,
        CreateDelegationTokenRequest,
        RenewDelegationTokenRequest,
        ExpireDelegationTokenRequest,
        DescribeDelegationTokenRequest,
        DescribeConfigsRequest,
        AlterConfigsRequest,
        CreatePartitionsRequest,
        IncrementalAlterConfigsRequest,
        OffsetDeleteRequest,
        AddPartitionsToTxnRequest,
        AddOffsetsToTxnRequest,
        EndTxnRequest,
        wire::WriteTxnMarkersRequest,
        wire::TxnOffsetCommitRequest,
        DescribeProducersRequest,
        DescribeTransactionsRequest,
        wire::ListTransactionsRequest,
        DescribeUserScramCredentialsRequest,
        AlterUserScramCredentialsRequest,
        DescribeClusterRequest,
        DescribeClientQuotasRequest,
        AlterClientQuotasRequest,
        DescribeQuorumRequest,
        UpdateFeaturesRequest,
        UnregisterBrokerRequest,
        wire::AddRaftVoterRequest,
        RemoveRaftVoterRequest,
        AlterReplicaLogDirsRequest,
        ElectLeadersRequest,
        AlterPartitionReassignmentsRequest,
        ListPartitionReassignmentsRequest,
        ListConfigResourcesRequest,
        DescribeTopicPartitionsRequest,
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupDescribeRequest,
        ShareGroupHeartbeatRequest,
        ShareGroupDescribeRequest,
        wire::ShareFetchRequest,
        wire::ShareAcknowledgeRequest,
        AlterShareGroupOffsetsRequest,
        DeleteShareGroupOffsetsRequest,
        wire::StreamsGroupHeartbeatRequest,
        wire::StreamsGroupDescribeRequest,
        wire::UnregisterControllerRequest,
    ));
    answered.sort_unstable();
    let served: Vec<_> = shardgate::kafka::supported().map(|api| (api.key, api.served.count())).collect();
    assert_eq!(answered, served);
}

/// Traps 2, 5: each line is a client's need (kafka.md, section 2: version floors by client).
#[tokio::test(start_paused = true)]
async fn old_and_new_clients_find_the_versions_they_need() {
    let served = |key: i16| shardgate::kafka::supported().find(|api| api.key == key).map(|api| api.served);
    for (client, needs) in [
        ("kafkajs 2.2", &[(0, 7), (1, 11), (2, 3), (3, 6), (8, 5), (9, 4), (10, 2), (11, 5), (12, 3), (13, 3), (14, 3)][..]),
        (
            "aiokafka 0.14",
            &[(0, 8), (1, 11), (2, 5), (3, 5), (8, 3), (9, 3), (10, 1), (11, 5), (12, 1), (13, 1), (14, 3), (22, 0)],
        ),
        ("librdkafka 2.16", &[(10, 2), (11, 5), (13, 1), (14, 3), (19, 4), (20, 4), (22, 4), (23, 2), (32, 1), (33, 2), (44, 1)]),
        ("platformatic", &[(0, 7), (1, 12), (3, 9), (8, 8), (9, 8), (10, 4), (11, 6), (19, 7)]),
        (
            "Java 4.3",
            &[(0, 13), (1, 18), (2, 10), (3, 13), (8, 9), (9, 9), (10, 6), (11, 9), (12, 4), (13, 5), (14, 5), (22, 5), (60, 2)],
        ),
        ("Java 4.4", &[(2, 11), (8, 10), (9, 10), (18, 5), (35, 5), (42, 3)]),
        (
            "Java 2.1",
            &[(0, 3), (1, 4), (2, 1), (3, 0), (8, 2), (9, 1), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (18, 0), (19, 2)],
        ),
    ] {
        for &(key, version) in needs {
            assert!(served(key).is_some_and(|versions| versions.contains(&version)), "{client} needs {key} in {version}");
        }
    }
}

/// Traps 6, 7: telemetry (71, 72) is not served. It is not advertised, so clients do without or say so; who asks all the
/// same is hung up on, as by Kafka.
#[tokio::test(start_paused = true)]
async fn what_is_not_served_is_not_advertised_and_closes_the_connection() {
    let gateway = Gateway::start();
    let request = ApiVersionsRequest::default().with_client_software_name(text("a")).with_client_software_version(text("1"));
    let response = gateway.kafka().call(4, request).await;
    let features: Vec<_> = response.finalized_features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(features, ["transaction.version", "group.version", "share.version", "streams.version"]);
    for key in [4, 71, 72, 93, 999] {
        assert!(!response.api_keys.iter().any(|api| api.api_key == key), "key {key}");
        let mut kafka = gateway.kafka();
        kafka.send_body(key, 0, 1, &[0; 64]).await;
        assert!(kafka.is_closed().await, "key {key}");
    }
}
