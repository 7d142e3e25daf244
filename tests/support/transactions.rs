//! Producers that write in transactions.

use std::collections::HashMap;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest, InitProducerIdResponse,
    ProducerId, TransactionalId,
};
use shardgate::batch::{Builder, ProducerStamp};
use shardgate::kafka::wire::{TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};

use super::{Gateway, Kafka, build, name, produce, text};

/// The versions of requests that a client of one generation uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Generation {
    /// It names partitions and groups before it writes.
    First,
    /// KIP-890.
    Second,
}

/// A producer of `orders` with a transactional id.
pub(crate) struct Transactional {
    pub(crate) kafka: Kafka,
    pub(crate) name: &'static str,
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    generation: Generation,
    /// The next one of each partition.
    sequences: HashMap<i32, i32>,
}

/// Asks for a producer's id and epoch: the timeout is a minute.
pub(crate) fn init_request(name: &'static str) -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text(name)))).with_transaction_timeout_ms(60_000)
}

impl Transactional {
    /// One that has begun.
    pub(crate) async fn begin(gateway: &Gateway, name: &'static str, generation: Generation) -> Self {
        let mut kafka = gateway.kafka();
        let InitProducerIdResponse { error_code, producer_id, producer_epoch, .. } = kafka.call(5, init_request(name)).await;
        assert_eq!(error_code, 0);
        Self { kafka, name, id: *producer_id, epoch: producer_epoch, generation, sequences: HashMap::new() }
    }

    /// Names a partition; the error code.
    pub(crate) async fn add(&mut self, partition: i32) -> i16 {
        let topic = AddPartitionsToTxnTopic::default().with_name(name("orders")).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text(self.name)))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response = self.kafka.call(3, request).await;
        response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    }

    /// Writes to a partition, in the version of its generation; the error code.
    pub(crate) async fn send(&mut self, partition: i32, values: &[&str]) -> i16 {
        let version = if self.generation == Generation::Second { 12 } else { 11 };
        self.send_in(version, partition, values).await
    }

    /// The same in this version of Produce.
    pub(crate) async fn send_in(&mut self, version: i16, partition: i32, values: &[&str]) -> i16 {
        let next = self.sequences.entry(partition).or_default();
        let stamp = ProducerStamp { id: self.id, epoch: self.epoch, first_sequence: *next };
        let records = build(Builder::default().producer(stamp).transactional(), values);
        let request = produce("orders", partition, Some(records)).with_transactional_id(Some(TransactionalId(text(self.name))));
        let code = self.kafka.call(version, request).await.responses[0].partition_responses[0].error_code;
        if code == 0 {
            *next += i32::try_from(values.len()).unwrap();
        }
        code
    }

    /// Writes to a partition, which is named before if its generation has to.
    pub(crate) async fn write(&mut self, partition: i32, values: &[&str]) {
        if self.generation == Generation::First {
            assert_eq!(self.add(partition).await, 0);
        }
        assert_eq!(self.send(partition, values).await, 0);
    }

    /// Ends its transaction; the error code.
    pub(crate) async fn end(&mut self, committed: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(self.name)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(committed);
        let version = if self.generation == Generation::Second { 5 } else { 4 };
        let response = self.kafka.call(version, request).await;
        if version == 5 && response.error_code == 0 {
            if (*response.producer_id, response.producer_epoch) != (self.id, self.epoch) {
                self.sequences.clear();
            }
            (self.id, self.epoch) = (*response.producer_id, response.producer_epoch);
        }
        response.error_code
    }

    /// Names a group; the error code.
    pub(crate) async fn add_group(&mut self, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text(self.name)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(group)));
        self.kafka.call(4, request).await.error_code
    }

    /// Commits an offset of partition 0 for a group without members; the error code.
    pub(crate) async fn commit_offset(&mut self, group: &str, offset: i64) -> i16 {
        let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = TxnOffsetCommitRequestTopic { name: name("orders"), partitions: vec![partition], ..Default::default() };
        let request = TxnOffsetCommitRequest {
            transactional_id: TransactionalId(text(self.name)),
            group_id: GroupId(text(group)),
            producer_id: ProducerId(self.id),
            producer_epoch: self.epoch,
            topics: vec![topic],
            ..Default::default()
        };
        let version = if self.generation == Generation::Second { 5 } else { 4 };
        self.kafka.call(version, request).await.topics[0].partitions[0].error_code
    }
}
