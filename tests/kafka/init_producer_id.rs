//! InitProducerId (key 22).

use std::collections::HashSet;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use crate::support::Gateway;

/// A request without a transactional id, which the codec's default has.
fn request() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None)
}

/// Trap 9: Java asks for it by default since 3.0.
#[tokio::test(start_paused = true)]
async fn every_producer_gets_an_id_of_its_own() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let mut seen = HashSet::new();
    for version in (0..=5).chain(0..=5) {
        let response = kafka.call(version, request()).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(*response.producer_id >= 0 && seen.insert(*response.producer_id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_has_an_id_gets_another() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let first = kafka.call(4, request()).await.producer_id;
    for (id, epoch, code) in [(*first, 0, 0), (*first, i16::MAX, 0), (*first, -1, 42), (-1, 3, 42)] {
        let request = request().with_producer_id(ProducerId(id)).with_producer_epoch(epoch);
        let response = kafka.call(4, request).await;
        assert_eq!(response.error_code, code, "id {id}, epoch {epoch}");
        assert!(response.producer_id != first);
    }
}

/// Trap 8.
#[tokio::test(start_paused = true)]
async fn transactions_are_refused_for_good() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=5 {
        let id = TransactionalId(StrBytes::from_static_str("t"));
        let response = kafka.call(version, request().with_transactional_id(Some(id))).await;
        assert_eq!((response.error_code, *response.producer_id, response.producer_epoch), (53, -1, -1));
    }
}
