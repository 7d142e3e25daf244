//! What Prometheus reads of a real client's traffic, on a clock that the test sets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rdkafka::consumer::CommitMode;
use shardgate::env::{Clock, Env};
use shardgate::model::{Limits, Timestamp};

use super::*;

/// A clock that stands until it is set. Starts with a minute.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Hand {
    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

pub(super) fn metrics(gateway: &Gateway) -> String {
    let mut stream = TcpStream::connect(gateway.0.http_address().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Commits an offset of partition 1.
fn commit(consumer: &BaseConsumer, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("orders", 1, rdkafka::Offset::Offset(offset)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_last_whole_minute_and_the_age_of_what_a_group_has_not_committed() {
    let hand = Arc::new(Hand(AtomicI64::new(60_000 * 28_000_000)));
    let env = Env { clock: hand.clone(), ..Env::system(Limits::off()) };
    let started = shardgate::Gateway::builder().env(env).http_listener(ANYWHERE).topic("orders", 2).start().await;
    let gateway = Gateway(started.unwrap());
    let producer = gateway.producer(&[]);
    for value in ["a", "b", "c"] {
        // One at a time, so that each is a batch.
        write(&producer, "orders", 1, [value.to_owned()]).await;
        hand.advance(100);
    }
    let consumer = gateway.consumer("billing", &[]);
    consumer.subscribe(&["orders"]).unwrap();
    let taken = take(&consumer, 3);
    commit(&consumer, taken[0].offset() + 1);

    let early = metrics(&gateway);
    assert!(!early.contains("aws_kinesis_"), "the minute is not over:\n{early}");
    let age = "kafka_consumergroup_iterator_age_milliseconds{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"}";
    has(&early, &format!("{age} 200"));
    hand.advance(60_000);
    let text = metrics(&gateway);
    for line in [
        "aws_kinesis_incoming_records_sum{stream_name=\"orders\"} 3",
        "aws_kinesis_incoming_records_sample_count{stream_name=\"orders\",shard_id=\"shardId-000000000001\"} 3",
        "aws_kinesis_incoming_records_minimum{stream_name=\"orders\"} 1",
        "aws_kinesis_incoming_records_average{stream_name=\"orders\"} 1",
        "aws_kinesis_write_provisioned_throughput_exceeded_sum{stream_name=\"orders\"} 0",
        "aws_kinesis_read_provisioned_throughput_exceeded_maximum{stream_name=\"orders\"} 0",
        "aws_kinesis_get_records_records_sum{stream_name=\"orders\"} 3",
        "aws_kinesis_outgoing_records_sum{stream_name=\"orders\",shard_id=\"shardId-000000000001\"} 3",
        // The third of them was 100 ms old; the reads in vain before and after are of age 0.
        "aws_kinesis_get_records_iterator_age_milliseconds_maximum{stream_name=\"orders\"} 100",
        "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"1\"} 2",
        "shardgate_metrics_series_left_out 0",
    ] {
        has(&text, line);
    }
    has(&text, &format!("{age} 60200"));
    assert!(!text.contains("incoming_records_sum{stream_name=\"orders\",shard_id=\"shardId-000000000000\"}"), "{text}");

    // Everything is read now, and two minutes later nothing was measured.
    commit(&consumer, taken[2].offset() + 1);
    drop(consumer);
    hand.advance(120_000);
    let late = metrics(&gateway);
    has(&late, &format!("{age} 0"));
    assert!(!late.contains("aws_kinesis_incoming_records"), "{late}");
    gateway.shutdown().await;
}
