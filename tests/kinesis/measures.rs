//! What CloudWatch would show of what is done at this door.

use std::time::Duration;

use serde_json::json;
use shardgate::log::Stream;
use shardgate::metrics::{Dimension, Measure};
use shardgate::model::{Limits, ShardId};
use tokio::time::advance;

use super::{SECOND, arn, encoded, iterator, put};
use crate::support::{Gateway, START};

/// Samples and their sum, of all that was measured since the start.
fn measured(gateway: &Gateway, stream: &Stream, measure: Measure, dimension: &Dimension) -> (u64, f64) {
    let now = gateway.log.env().clock.now();
    let found = stream.meter().datapoints(measure, dimension, (START, now), Duration::from_secs(86_400), now);
    found.first().map_or((0, 0.0), |point| (point.statistic.samples, point.statistic.sum))
}

#[tokio::test(start_paused = true)]
async fn puts_are_measured_for_the_stream_and_for_each_shard() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    let kinesis = gateway.kinesis();
    gateway.log.env().limits.set(Limits::kinesis());
    put(&kinesis, "orders", "a", "12345").await;
    let large = "x".repeat(900 << 10);
    let entry = |key: &str, data: &str| json!({"PartitionKey": key, "Data": encoded(data)});
    let records = [entry("a", "123"), entry("1", &large), entry("1", &large)];
    kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": records})).await;
    advance(120 * SECOND).await;
    let of = |measure| measured(&gateway, &stream, measure, &Dimension::Stream);
    let bytes = (900 << 10) as f64;
    for (measure, expected) in [
        (Measure::IncomingRecords, (2, 3.0)),
        (Measure::IncomingBytes, (2, 6.0 + 4.0 + bytes + 1.0)),
        (Measure::WriteThroughputExceeded, (2, 1.0)),
        (Measure::PutRecordSuccess, (1, 1.0)),
        (Measure::PutRecordBytes, (1, 6.0)),
        (Measure::PutRecordsSuccess, (1, 1.0)),
        (Measure::PutRecordsTotalRecords, (1, 3.0)),
        (Measure::PutRecordsSuccessfulRecords, (1, 2.0)),
        (Measure::PutRecordsThrottledRecords, (1, 1.0)),
        (Measure::PutRecordsFailedRecords, (1, 0.0)),
    ] {
        assert_eq!(of(measure), expected, "{measure:?}");
    }
    let on = |shard, measure| measured(&gateway, &stream, measure, &Dimension::Shard(ShardId(shard)));
    assert_eq!((on(0, Measure::IncomingRecords), on(1, Measure::IncomingRecords)), ((2, 2.0), (1, 1.0)));
    assert_eq!((on(0, Measure::WriteThroughputExceeded).1, on(1, Measure::WriteThroughputExceeded).1), (0.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn reads_are_measured_with_their_age_and_so_are_those_that_are_refused() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    put(&kinesis, "orders", "a", "12345").await;
    advance(3 * SECOND).await;
    let token = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    gateway.log.env().limits.set(Limits::kinesis());
    for _ in 0..5 {
        kinesis.call("GetRecords", json!({"ShardIterator": token})).await;
    }
    kinesis.refusal("GetRecords", json!({"ShardIterator": token})).await;
    advance(120 * SECOND).await;
    let of = |measure| measured(&gateway, &stream, measure, &Dimension::Stream);
    for (measure, expected) in [
        (Measure::GetRecordsRecords, (5, 5.0)),
        (Measure::GetRecordsBytes, (5, 30.0)),
        (Measure::GetRecordsIteratorAge, (5, 15_000.0)),
        (Measure::GetRecordsSuccess, (6, 5.0)),
        (Measure::ReadThroughputExceeded, (6, 1.0)),
    ] {
        assert_eq!(of(measure), expected, "{measure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_measured_for_their_consumer() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let input = json!({"StreamARN": arn("orders"), "ConsumerName": "efo"});
    let consumer = kinesis.call("RegisterStreamConsumer", input).await["Consumer"]["ConsumerARN"].clone();
    put(&kinesis, "orders", "a", "12345").await;
    let input = json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let mut events = kinesis.subscribe(input.clone()).await;
    for _ in 0..3 {
        events.next().await.unwrap();
    }
    kinesis.call("DescribeStreamSummary", json!({"StreamName": "orders"})).await;
    let mut second = kinesis.subscribe(input.clone()).await;
    second.next().await.unwrap();
    kinesis.refusal("SubscribeToShard", input).await;
    drop((events, second));
    advance(120 * SECOND).await;
    let of = |measure| measured(&gateway, &stream, measure, &Dimension::Consumer("efo".into()));
    for (measure, expected) in [
        (Measure::SubscribeToShardSuccess, (3, 2.0)),
        (Measure::SubscribeToShardRateExceeded, (3, 1.0)),
        (Measure::EventRecords, (2, 1.0)),
        (Measure::EventBytes, (2, 6.0)),
        (Measure::EventMillisBehindLatest, (2, 0.0)),
    ] {
        assert_eq!(of(measure), expected, "{measure:?}");
    }
}
