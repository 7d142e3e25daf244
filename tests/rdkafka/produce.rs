//! Writing.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::StrBytes;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::{ClientConfig, Message};
use shardgate::batch::{Codec, Header as BatchHeader};
use tokio::net::TcpStream;

use super::{beginning, gateway, patience, take, values, write};
use crate::support::Kafka;

/// Trap 2: librdkafka finds each codec in what ApiVersions says, and leaves it out without a word if it does not.
#[tokio::test(flavor = "multi_thread")]
async fn every_codec_is_used_and_its_records_come_back() {
    let gateway = gateway().await;
    for (name, codec) in
        [("none", Codec::None), ("gzip", Codec::Gzip), ("snappy", Codec::Snappy), ("lz4", Codec::Lz4), ("zstd", Codec::Zstd)]
    {
        let is_built = ClientConfig::new().set("compression.codec", name).create_native_config().is_ok();
        if !is_built {
            continue;
        }
        gateway.topic(name, 1).await;
        let producer = gateway.producer(&[("compression.codec", name)]);
        // A batch that does not become smaller is sent as it is, so each record alone can.
        let sent: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(500))).collect();
        assert_eq!(write(&producer, name, 0, sent.clone()).await, (0..100).collect::<Vec<_>>());

        let mut kafka = Kafka::over(TcpStream::connect(gateway.kafka_address()).await.unwrap());
        let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(StrBytes::from_static_str(name).into()).with_partitions(vec![partition]);
        let fetched = kafka.call(11, FetchRequest::default().with_topics(vec![topic])).await;
        let batches = fetched.responses[0].partitions[0].records.as_ref().unwrap();
        assert_eq!(BatchHeader::parse(batches).unwrap().codec, codec);

        let consumer = gateway.consumer("codecs", &[]);
        consumer.assign(&beginning(name)).unwrap();
        assert_eq!(values(&take(&consumer, 100)), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_writes_a_thousand_records_once_each_in_order() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    // Small batches, so that many are under way at once.
    let producer = gateway.producer(&[("enable.idempotence", "true"), ("batch.num.messages", "10"), ("linger.ms", "0")]);
    let sent: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(write(&producer, "orders", 0, sent.clone()).await, (0..1_000).collect::<Vec<_>>());
    let consumer = gateway.consumer("g", &[]);
    consumer.assign(&beginning("orders")).unwrap();
    assert_eq!(values(&take(&consumer, 1_000)), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_arrive_whatever_acknowledgement_is_asked_for() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let sent: Vec<String> = ["0", "1", "all"].iter().flat_map(|acks| (0..20).map(move |n| format!("acks={acks} {n}"))).collect();
    let consumer = gateway.consumer("g", &[]);
    consumer.assign(&beginning("orders")).unwrap();
    for (acks, sent) in ["0", "1", "all"].into_iter().zip(sent.chunks(20)) {
        let producer = gateway.producer(&[("acks", acks)]);
        write(&producer, "orders", 0, sent.to_vec()).await;
        assert_eq!(values(&take(&consumer, 20)), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_records_come_back_as_they_were_sent() {
    let gateway = gateway().await;
    gateway.topic("odd", 1).await;
    let producer = gateway.producer(&[]);
    let large = vec![b'x'; 900 << 10];
    let bytes: Vec<u8> = (0..=255).collect();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "same", value: Some("one") })
        .insert(Header { key: "same", value: Some("two") })
        .insert(Header { key: "null", value: None::<&str> })
        .insert(Header { key: "", value: Some("") });
    type Odd<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a OwnedHeaders>);
    let odd: [Odd<'_>; 6] = [
        (None, None, None),
        (Some(b""), Some(b""), None),
        (Some(&bytes), Some(&bytes), None),
        (Some(b"key"), None, Some(&headers)),
        (None, Some(&large), Some(&headers)),
        (Some("schlüssel".as_bytes()), Some("wert ✓".as_bytes()), None),
    ];
    for (created_at, (key, value, headers)) in (1..).zip(odd) {
        let mut record = FutureRecord::<[u8], [u8]>::to("odd").partition(0).timestamp(created_at);
        (record.key, record.payload, record.headers) = (key, value, headers.cloned());
        producer.send(record, patience()).await.unwrap();
    }
    let consumer = gateway.consumer("g", &[]);
    consumer.assign(&beginning("odd")).unwrap();
    for (at, (message, (key, value, headers))) in (1..).zip(take(&consumer, odd.len()).iter().zip(odd)) {
        assert_eq!((message.offset(), message.timestamp().to_millis()), (at - 1, Some(at)));
        assert!(message.key() == key && message.payload() == value, "record {at}");
        let pairs = |headers: &dyn Fn(usize) -> Option<(String, Option<Vec<u8>>)>| (0..).map_while(headers).collect::<Vec<_>>();
        let pair = |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        let sent = headers.map(|headers| pairs(&|index| headers.try_get(index).map(pair))).unwrap_or_default();
        let found = message.headers().map(|headers| pairs(&|index| headers.try_get(index).map(pair))).unwrap_or_default();
        assert_eq!(found, sent, "record {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_is_refused_for_good() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let producer = gateway.producer(&[("message.max.bytes", "5000000")]);
    let large = vec![b'x'; 1_100_000];
    let record = FutureRecord::<(), [u8]>::to("orders").partition(0).payload(&large[..]);
    let (error, _) = producer.send(record, patience()).await.unwrap_err();
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
}

/// Trap 17.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_there_as_soon_as_somebody_writes_to_it() {
    let gateway = gateway().await;
    let producer = gateway.producer(&[]);
    assert_eq!(write(&producer, "new", 0, ["a".to_owned()]).await, [0]);
}
