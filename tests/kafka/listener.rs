//! The door over real sockets, and in real time.

use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, MetadataRequest};
use tokio::net::TcpStream;

use crate::support::{Gateway, Kafka, batch, name};

#[tokio::test]
async fn a_client_is_told_the_address_it_came_to() {
    let gateway = Gateway::start();
    let (address, _) = gateway.listen().await;
    let mut kafka = Kafka::over(TcpStream::connect(address).await.unwrap());
    let broker = kafka.call(9, MetadataRequest::default()).await.brokers.remove(0);
    assert_eq!((broker.host.as_str(), broker.port), ("127.0.0.1", i32::from(address.port())));
}

#[tokio::test]
async fn large_batches_pass() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (address, _) = gateway.listen().await;
    let mut kafka = Kafka::over(TcpStream::connect(address).await.unwrap());
    let large = "x".repeat(1_000_000);
    for offset in 0..20 {
        assert_eq!(kafka.produce("orders", 0, batch(&[&large])).await.base_offset, offset);
    }
    let partition = FetchPartition::default().with_partition_max_bytes(i32::MAX);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    let response = kafka.call(11, FetchRequest::default().with_topics(vec![topic])).await;
    // As many as there is memory for answers; the client asks for the rest.
    assert!(response.responses[0].partitions[0].records.as_ref().is_some_and(|records| records.len() > 2_000_000));
}

#[tokio::test]
async fn stopping_closes_all_connections_in_less_than_a_second() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let (address, ended) = gateway.listen().await;
    let mut idle = Kafka::over(TcpStream::connect(address).await.unwrap());
    let mut waiting = Kafka::over(TcpStream::connect(address).await.unwrap());
    let partition = FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    let request = FetchRequest::default().with_max_wait_ms(60_000).with_min_bytes(1).with_topics(vec![topic]);
    waiting.send(11, &request).await;
    idle.call(1, MetadataRequest::default()).await;
    let begun = Instant::now();
    gateway.stop();
    ended.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(idle.is_closed().await && waiting.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}
