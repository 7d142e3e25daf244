//! InitProducerId (key 22).

use std::collections::HashSet;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};

use crate::support::{Gateway, init_request};

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

#[tokio::test(start_paused = true)]
async fn a_transactional_producer_keeps_its_id_and_has_a_new_epoch_each_time() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let mut first = None;
    for (version, epoch) in (0..=5).zip(0..) {
        let response = kafka.call(version, init_request("t")).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, epoch));
        assert_eq!(response.producer_id, *first.get_or_insert(response.producer_id));
    }
    let gateway = gateway.restarted();
    let response = gateway.kafka().call(5, init_request("t")).await;
    assert_eq!((Some(response.producer_id), response.producer_epoch), (first, 6));
    assert!(gateway.kafka().call(5, init_request("u")).await.producer_id != response.producer_id);
}

/// KIP-360: who says which incarnation it was is fenced if another one came after it, and told the same when it asks again.
#[tokio::test(start_paused = true)]
async fn a_transactional_producer_says_who_it_was() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    let id = kafka.call(5, init_request("t")).await.producer_id;
    for (version, producer, epoch, code, given) in [
        (3, *id, 0, 0, 1),
        (4, *id, 0, 0, 1),
        (4, *id, 1, 0, 2),
        (4, *id, 0, 90, -1),
        (3, *id, 0, 47, -1),
        (4, *id + 1, 2, 90, -1),
        (4, *id, -1, 42, -1),
    ] {
        let request = init_request("t").with_producer_id(ProducerId(producer)).with_producer_epoch(epoch);
        let response = kafka.call(version, request).await;
        assert_eq!((response.error_code, response.producer_epoch), (code, given), "{version} {producer} {epoch}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_id_or_a_timeout_out_of_range_is_refused() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for (name, millis, code) in [("", 1_000, 42), ("t", 0, 50), ("t", -1, 50), ("t", 900_001, 50), ("t", 900_000, 0)] {
        let response = kafka.call(5, init_request(name).with_transaction_timeout_ms(millis)).await;
        assert_eq!(response.error_code, code, "{name} {millis}");
    }
}
