//! WriteTxnMarkers (key 27).

use kafka_protocol::messages::ProducerId;
use shardgate::kafka::wire::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};

use super::end_txn::read;
use crate::support::{Gateway, Generation, Transactional, name};

#[tokio::test(start_paused = true)]
async fn an_administrator_ends_a_transaction_in_a_partition() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    producer.write(0, &["a"]).await;
    producer.write(1, &["b"]).await;
    let abort = |id, epoch, partition| {
        let topics = vec![WritableTxnMarkerTopic { name: name("orders"), partition_indexes: vec![partition] }];
        let (producer_id, transaction_version) = (ProducerId(id), 2);
        let marker = WritableTxnMarker { producer_id, producer_epoch: epoch, topics, transaction_version, ..Default::default() };
        WriteTxnMarkersRequest { markers: vec![marker] }
    };
    for (id, epoch, partition, code) in [(producer.id, -1, 0, 47), (producer.id, 0, 7, 3), (producer.id, 0, 0, 0)] {
        let response = gateway.kafka().call(2, abort(id, epoch, partition)).await;
        assert_eq!(response.0.markers[0].topics[0].partitions[0].error_code, code, "{id} {epoch} {partition}");
    }
    assert_eq!((read(&gateway, 0).await, read(&gateway, 1).await), ((vec![], 2, 2), (vec![], 0, 1)));
    // The coordinator goes on as it would have.
    assert_eq!(producer.end(true).await, 0);
    assert_eq!((read(&gateway, 0).await.0.len(), read(&gateway, 1).await.0), (0, vec!["b".to_owned()]));
}
