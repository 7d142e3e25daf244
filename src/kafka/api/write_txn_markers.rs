//! WriteTxnMarkers (key 27): writes the ends of transactions, whatever the coordinator says of them.
//!
//! Served: 1 and 2. Version 2 says of which generation the transaction is (KIP-1228), which changes nothing here. Kafka's brokers use it among each other; a client's `Admin.abortTransaction` does for a transaction that hangs.
//!
//! Differs from Kafka: in a topic whose shards were split or merged, the end reaches every partition in which the transaction is open,
//! since what was written to one may lie in another.

use std::ops::RangeInclusive;

use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{TopicName, WriteTxnMarkersResponse};

use super::contract::{Api, Context, Reply};
use crate::batch::{Marker, Outcome};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::partition::{Topic, lane};
use crate::kafka::wire::{Unchanged, WritableTxnMarker, WriteTxnMarkersRequest};

pub(crate) struct WriteTxnMarkers;

impl Api for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;
    type Response = Unchanged<WriteTxnMarkersResponse, 2>;

    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(cx: &Context, request: WriteTxnMarkersRequest) -> Reply<Self::Response> {
        let mut results = Vec::with_capacity(request.markers.len());
        for wanted in request.markers {
            results.push(write(cx, wanted).await);
        }
        Reply::Send(WriteTxnMarkersResponse::default().with_markers(results).into())
    }
}

async fn write(cx: &Context, wanted: WritableTxnMarker) -> WritableTxnMarkerResult {
    let marker = Marker {
        producer: *wanted.producer_id,
        epoch: wanted.producer_epoch,
        outcome: if wanted.transaction_result { Outcome::Committed } else { Outcome::Aborted },
        coordinator_epoch: wanted.coordinator_epoch,
    };
    let mut topics = Vec::with_capacity(wanted.topics.len());
    for topic in wanted.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let code = write_one(cx, &topic.name, index, marker).await;
            partitions.push(WritableTxnMarkerPartitionResult::default().with_partition_index(index).with_error_code(code));
        }
        topics.push(WritableTxnMarkerTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    WritableTxnMarkerResult::default().with_producer_id(wanted.producer_id).with_topics(topics)
}

async fn write_one(cx: &Context, topic: &TopicName, index: i32, marker: Marker) -> i16 {
    if !cx.allows_cluster(Operation::Alter) && !cx.allows_cluster(Operation::ClusterAction) {
        return Kind::Cluster.denied().code();
    }
    let lane = Topic::Named(topic).stream(&cx.door.log).and_then(|stream| lane(&stream, index));
    let lane = match lane {
        Ok(lane) => lane,
        Err(error) => return error.code(),
    };
    match cx.door.log.end_transaction(lane.stream, &[lane.lane], marker).await {
        Ok(()) => 0,
        Err(error) => code::of(&error).code(),
    }
}
