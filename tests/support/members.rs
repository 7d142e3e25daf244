//! Members of consumer groups, and the offsets that groups keep.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{Gateway, Kafka, name, text};

/// What a consumer of `topics` tells its group's leader (`ConsumerProtocolSubscription.json`, version 1).
pub(crate) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    bytes.put_i32(topics.len().try_into().unwrap());
    for topic in topics {
        bytes.put_i16(topic.len().try_into().unwrap());
        bytes.extend_from_slice(topic.as_bytes());
    }
    // Neither user data nor partitions owned.
    bytes.put_i32(-1);
    bytes.put_i32(0);
    bytes.freeze()
}

/// A consumer of `orders` asks to join: session timeout 10 s, rebalance timeout 60 s, protocol `range`.
pub(crate) fn join_request(group: &str, member: &str) -> JoinGroupRequest {
    let range = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription(&["orders"]));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![range])
}

/// A member of a group, with a connection of its own.
pub(crate) struct Member {
    pub(crate) kafka: Kafka,
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
    pub(crate) leads: bool,
}

impl Member {
    /// Somebody with an id of the group, who has not joined yet.
    pub(crate) async fn new(gateway: &Gateway, group: &str) -> Self {
        let mut kafka = gateway.kafka();
        let id = kafka.call(5, join_request(group, "")).await.member_id.to_string();
        Self { kafka, group: group.to_owned(), id, instance: None, generation: -1, leads: false }
    }

    /// The only member of a stable group.
    pub(crate) async fn alone(gateway: &Gateway, group: &str) -> Self {
        let mut member = Self::new(gateway, group).await;
        member.send_join().await;
        assert_eq!(member.joined().await.error_code, 0);
        assert_eq!(member.sync(&[]).await.error_code, 0);
        member
    }

    /// A static member that has joined and synced. Its share, if it leads, is its instance id.
    pub(crate) async fn fixed(gateway: &Gateway, group: &str, instance: &str) -> Self {
        let (kafka, group, id) = (gateway.kafka(), group.to_owned(), String::new());
        let mut member = Self { kafka, group, id, instance: Some(instance.to_owned()), generation: -1, leads: false };
        member.send_join().await;
        assert_eq!(member.joined().await.error_code, 0);
        let id = member.id.clone();
        let shares: &[(&str, &str)] = if member.leads { &[(&id, instance)] } else { &[] };
        assert_eq!(member.sync(shares).await.error_code, 0);
        member
    }

    /// Asks to join, without waiting for the answer.
    pub(crate) async fn send_join(&mut self) {
        let request = join_request(&self.group, &self.id).with_group_instance_id(self.instance.as_deref().map(text));
        self.kafka.send(5, &request).await;
    }

    /// The answer to [`Self::send_join`].
    pub(crate) async fn joined(&mut self) -> JoinGroupResponse {
        let joined = self.kafka.receive::<JoinGroupRequest>(5).await;
        if joined.error_code == 0 {
            (self.id, self.generation) = (joined.member_id.to_string(), joined.generation_id);
            self.leads = joined.leader == joined.member_id;
        }
        joined
    }

    /// Asks for its share, and brings everyone's if it leads, without waiting for the answer.
    pub(crate) async fn send_sync(&mut self, shares: &[(&str, &str)]) {
        let share = |&(member, share): &(&str, &str)| {
            let share = Bytes::copy_from_slice(share.as_bytes());
            SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(share)
        };
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_assignments(shares.iter().map(share).collect());
        self.kafka.send(3, &request).await;
    }

    /// The answer to [`Self::send_sync`].
    pub(crate) async fn synced(&mut self) -> SyncGroupResponse {
        self.kafka.receive::<SyncGroupRequest>(3).await
    }

    /// Gets its share.
    pub(crate) async fn sync(&mut self, shares: &[(&str, &str)]) -> SyncGroupResponse {
        self.send_sync(shares).await;
        self.synced().await
    }

    /// Stays; the error code.
    pub(crate) async fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text));
        self.kafka.call(3, request).await.error_code
    }

    /// Goes; the error code.
    pub(crate) async fn leave(&mut self) -> i16 {
        let request = LeaveGroupRequest::default().with_group_id(GroupId(text(&self.group))).with_member_id(text(&self.id));
        self.kafka.call(1, request).await.error_code
    }

    /// Commits as a member; the error code.
    pub(crate) async fn commit(&mut self, topic: &'static str, offset: i64) -> i16 {
        let request = commit(&self.group, topic, 0, offset)
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text));
        self.kafka.call(7, request).await.topics[0].partitions[0].error_code
    }
}

/// A commit of one offset by nobody in particular.
pub(crate) fn commit(group: &str, topic: &'static str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(StrBytes::from_static_str("as far as here")));
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// The offset that a group keeps of a partition; -1 if it keeps none.
pub(crate) async fn committed(kafka: &mut Kafka, group: &str, topic: &'static str, partition: i32) -> i64 {
    let topic = OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(vec![partition]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let response = kafka.call(5, request).await;
    assert_eq!(response.error_code, 0);
    response.topics[0].partitions[0].committed_offset
}
