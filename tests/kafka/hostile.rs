//! Connections that a well-meaning client would not open, and what every connection has a right to.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, MetadataRequest};
use shardgate::model::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, timeout};

use crate::support::hostile::{Attacker, Targets, Then};
use crate::support::{Gateway, batch, name, produce};

#[tokio::test(start_paused = true)]
async fn whatever_is_not_kafka_closes_only_its_own_connection() {
    let gateway = Gateway::start();
    let mut good = gateway.kafka();
    let frames: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x07",
        // An unknown key, a key that is never served, and a version that is not.
        b"\x00\x00\x00\x08\x03\xe7\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x08\x00\x04\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x08\x00\x03\x00\x63\x00\x00\x00\x01",
        // A header that ends too early, and one with a client id of -2 bytes.
        b"\x00\x00\x00\x08\x00\x03\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x0a\x00\x03\x00\x00\x00\x00\x00\x01\xff\xfe",
        // A Metadata request that is too large.
        b"\x00\x80\x00\x00\x00\x03\x00\x00\x00\x00\x00\x01",
    ];
    for frame in frames {
        let mut pipe = gateway.pipe();
        pipe.write_all(frame).await.unwrap();
        assert_eq!(pipe.read(&mut [0; 64]).await.unwrap(), 0, "{frame:?}");
        assert_eq!(good.call(1, MetadataRequest::default()).await.brokers.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_noise_close_the_connection_or_are_answered() {
    let gateway = Gateway::start();
    let mut noise = 1_u64;
    for api in shardgate::kafka::supported() {
        for version in api.served.clone() {
            for length in [0, 1, 3, 8, 40] {
                let mut kafka = gateway.kafka();
                let bytes = std::iter::repeat_with(|| {
                    noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // The upper bits are the random ones; every second byte is small, as counts and lengths are.
                    if noise >> 63 == 0 { (noise >> 40) as u8 } else { (noise >> 60) as u8 }
                });
                let body: Vec<u8> = bytes.take(length).collect();
                kafka.send_body(api.key, version, i16::from(version > 8) + 1, &body).await;
                kafka.pipe.shutdown().await.unwrap();
                let mut answer = Vec::new();
                timeout(Duration::from_secs(60), kafka.pipe.read_to_end(&mut answer)).await.unwrap().unwrap();
            }
        }
    }
    assert_eq!(gateway.kafka().call(1, MetadataRequest::default()).await.brokers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_count_of_billions_closes_the_connection() {
    let gateway = Gateway::start();
    for (key, version, header_version, body) in [
        (3, 0, 1, &[0x7f, 0xff, 0xff, 0xff][..]),
        (3, 9, 2, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        (1, 4, 1, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
        (0, 3, 1, &[0xff, 0xff, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
    ] {
        let mut kafka = gateway.kafka();
        kafka.send_body(key, version, header_version, body).await;
        assert!(kafka.is_closed().await, "key {key}");
    }
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_the_newest_connection_is_closed() {
    let gateway = Gateway::with(|config| config.connections_max = 2);
    let (mut first, mut second) = (gateway.kafka(), gateway.kafka());
    first.call(1, MetadataRequest::default()).await;
    second.call(1, MetadataRequest::default()).await;
    assert!(gateway.kafka().is_closed().await);
    drop(first);
    tokio::time::sleep(Duration::from_millis(1)).await;
    gateway.kafka().call(1, MetadataRequest::default()).await;
    second.call(1, MetadataRequest::default()).await;
}

#[tokio::test(start_paused = true)]
async fn produce_requests_of_one_connection_keep_their_order() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    for value in ["a", "b", "c", "d"] {
        kafka.send(9, &produce("orders", 0, Some(batch(&[value])))).await;
    }
    for offset in 0..4 {
        let response = kafka.receive::<kafka_protocol::messages::ProduceRequest>(9).await;
        assert_eq!(response.responses[0].partition_responses[0].base_offset, offset);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_a_long_poll_at_once() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut kafka = gateway.kafka();
    let partition = FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![partition]);
    kafka.send(12, &FetchRequest::default().with_max_wait_ms(60_000).with_min_bytes(1).with_topics(vec![topic])).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begun = Instant::now();
    gateway.stop();
    assert!(kafka.is_closed().await);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// Attacks between two questions of an honest client.
const CHUNK: usize = 100;

#[tokio::test(start_paused = true)]
async fn an_honest_client_is_served_whatever_others_send() {
    let gateway = Gateway::start();
    gateway.stream("honest", 1).await;
    let keyed = Settings { keys_required: true, ..Settings::default() };
    let topics = [gateway.stream("open", 4).await, gateway.stream_with("keyed", 4, keyed).await];
    let topics = topics.iter().map(|stream| (stream.name().as_str().to_owned(), stream.id().0)).collect();
    // Always the same seed: what fails here fails again.
    let mut attacker = Attacker::new(1, Targets { topics, groups: vec!["readers".to_owned()] }, 16 << 10);
    let mut honest = gateway.kafka();
    for chunk in 0..20 {
        for _ in 0..CHUNK {
            let attack = attacker.next();
            let mut pipe = gateway.pipe();
            // The gateway may close while we write, whatever this was.
            let _ = timeout(Duration::from_secs(1), pipe.write_all(&attack.bytes)).await;
            if attack.then == Then::Listen {
                let _ = timeout(Duration::from_secs(1), pipe.read(&mut [0; 1_000])).await;
            }
        }
        assert_eq!(honest.produce("honest", 0, batch(&["still here"])).await.base_offset, chunk);
    }
}

#[test]
fn an_attacker_repeats_itself_for_the_same_seed() {
    let targets = Targets { topics: vec![("open".to_owned(), uuid::Uuid::nil())], groups: vec!["readers".to_owned()] };
    let mut attackers = [1, 1, 2].map(|seed| Attacker::new(seed, targets.clone(), 1_000));
    let [one, same, other] = attackers.each_mut().map(|attacker| (0..100).map(|_| attacker.next().bytes).collect::<Vec<_>>());
    assert!(one == same && one != other);
}

#[test]
fn an_attacker_knows_a_good_request_for_every_served_version() {
    let targets = Targets { topics: vec![("open".to_owned(), uuid::Uuid::nil())], groups: vec!["readers".to_owned()] };
    let mut attacker = Attacker::new(1, targets, 1_000);
    for api in shardgate::kafka::supported() {
        for version in api.served.clone() {
            // A header alone has 10 bytes.
            let longest = (0..20).map(|_| attacker.good(api.key, version).len()).max();
            assert!(longest > Some(10), "{} version {version}", api.name);
        }
    }
}
