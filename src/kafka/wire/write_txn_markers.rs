//! WriteTxnMarkers (27), whose version 2 tells the generation of the transaction (KIP-1228). The crate has its answer.

use kafka_protocol::messages::{ApiKey, ProducerId, TopicName, WriteTxnMarkersResponse};
use kafka_protocol::protocol::Request;

use super::message::message;
use super::unchanged::Unchanged;

message! {
    /// Asks for markers of transactions that end.
    struct WriteTxnMarkersRequest versions 1 to 2, flexible from 1, header 1 {
        markers: Vec<WritableTxnMarker>,
    }

    /// A transaction of [`WriteTxnMarkersRequest`].
    struct WritableTxnMarker {
        producer_id: ProducerId,
        producer_epoch: i16,
        transaction_result: bool,
        topics: Vec<WritableTxnMarkerTopic>,
        coordinator_epoch: i32,
        transaction_version: i8 [2..],
    }

    /// A topic of [`WritableTxnMarker`].
    struct WritableTxnMarkerTopic {
        name: TopicName,
        partition_indexes: Vec<i32>,
    }
}

impl Request for WriteTxnMarkersRequest {
    const KEY: i16 = ApiKey::WriteTxnMarkers as i16;
    type Response = Unchanged<WriteTxnMarkersResponse, 2>;
}
