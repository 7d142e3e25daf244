//! What AWS clients ask of CloudWatch, in JSON 1.0, in Smithy RPC v2 CBOR, and in AWS Query.

mod query;

use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use serde_json::{Value, json};
use shardgate::metrics::{Got, Put};
use shardgate::model::ShardId;

use crate::support::{AUTHORIZATION, Answered, Gateway, START};

const MINUTE: Duration = Duration::from_secs(60);

/// A gateway with a stream of two shards, on which something was measured in the minute that is over.
async fn measured() -> Gateway {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 2).await;
    for (shard, bytes) in [(0, 100), (0, 50), (1, 7)] {
        stream.meter().put(&[(ShardId(shard), Put { bytes, records: 1, throttled: 0 })], START);
    }
    let got = Got { bytes: 150, records: 2, age: Duration::from_millis(5), throttled: false };
    stream.meter().delivered(ShardId(0), "reader", got, START);
    tokio::time::advance(MINUTE).await;
    gateway
}

async fn ask(gateway: &Gateway, operation: &str, input: Value) -> Answered {
    let request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"))
        .header("x-amz-date", "20231114T221320Z")
        .header("authorization", AUTHORIZATION);
    gateway.kinesis().send(request.body(Bytes::from(input.to_string())).unwrap()).await
}

async fn call(gateway: &Gateway, operation: &str, input: Value) -> Value {
    let answered = ask(gateway, operation, input).await;
    assert_eq!((answered.status, answered.header("content-type")), (200, "application/x-amz-json-1.0"), "{answered:?}");
    answered.json()
}

/// The minute in which everything was measured begins here.
const FROM: i64 = START.0 / 60_000 * 60;

fn statistics(metric: &str, dimensions: &[(&str, &str)]) -> Value {
    let dimensions: Vec<Value> = dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    json!({
        "Namespace": "AWS/Kinesis", "MetricName": metric, "Dimensions": dimensions, "StartTime": FROM, "EndTime": FROM + 3_600,
        "Period": 60, "Statistics": ["Sum", "SampleCount", "Average", "Minimum", "Maximum"],
    })
}

#[tokio::test(start_paused = true)]
async fn statistics_are_those_of_the_meters() {
    let gateway = measured().await;
    let found = call(&gateway, "GetMetricStatistics", statistics("IncomingBytes", &[("StreamName", "orders")])).await;
    let point = json!({
        "Timestamp": FROM as f64, "Unit": "Bytes", "SampleCount": 3, "Sum": 157, "Minimum": 7, "Maximum": 100,
        "Average": 157.0 / 3.0,
    });
    assert_eq!(found, json!({"Label": "IncomingBytes", "Datapoints": [point]}));
    // Dimensions are exactly those of the metric, in any order.
    for (dimensions, sum) in [
        (vec![("ShardId", "shardId-000000000000"), ("StreamName", "orders")], Some(150)),
        (vec![("StreamName", "orders"), ("ShardId", "shardId-000000000001")], Some(7)),
        (vec![("StreamName", "orders"), ("ShardId", "shardId-000000000002")], None),
        (vec![("StreamName", "orders"), ("ConsumerName", "reader")], None),
        (vec![("StreamName", "nothing")], None),
        (vec![("ShardId", "shardId-000000000000")], None),
        (vec![], None),
    ] {
        let found = call(&gateway, "GetMetricStatistics", statistics("IncomingBytes", &dimensions)).await;
        assert_eq!(found["Datapoints"][0].get("Sum").cloned(), sum.map(|sum| json!(sum)), "{dimensions:?}");
    }
    let consumer = statistics("SubscribeToShardEvent.Bytes", &[("StreamName", "orders"), ("ConsumerName", "reader")]);
    assert_eq!(call(&gateway, "GetMetricStatistics", consumer).await["Datapoints"][0]["Sum"], 150);
}

#[tokio::test(start_paused = true)]
async fn data_of_several_metrics_come_in_one_answer() {
    let gateway = measured().await;
    let stream = gateway.log.stream("orders").unwrap();
    let now = gateway.log.env().clock.now();
    stream.meter().put(&[(ShardId(0), Put { bytes: 1, records: 1, throttled: 0 })], now);
    tokio::time::advance(MINUTE).await;
    let query = |id: &str, metric: &str, stat: &str| {
        let dimensions = json!([{"Name": "StreamName", "Value": "orders"}]);
        let metric = json!({"Namespace": "AWS/Kinesis", "MetricName": metric, "Dimensions": dimensions});
        json!({"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}})
    };
    let input = |scan: &str| {
        json!({
            "MetricDataQueries": [query("a", "IncomingBytes", "Sum"), query("b", "Unknown", "Maximum")],
            "StartTime": FROM, "EndTime": FROM + 3_600, "ScanBy": scan,
        })
    };
    let found = call(&gateway, "GetMetricData", input("TimestampDescending")).await;
    let times = [FROM as f64 + 60.0, FROM as f64];
    assert_eq!(
        found,
        json!({"Messages": [], "MetricDataResults": [
            {"Id": "a", "Label": "IncomingBytes", "Timestamps": times, "Values": [1, 157], "StatusCode": "Complete"},
            {"Id": "b", "Label": "Unknown", "Timestamps": [], "Values": [], "StatusCode": "Complete"},
        ]})
    );
    let found = call(&gateway, "GetMetricData", input("TimestampAscending")).await;
    assert_eq!(found["MetricDataResults"][0]["Values"], json!([157, 1]));
    let mut wrong = input("TimestampAscending");
    wrong["MetricDataQueries"][0] = json!({"Id": "a", "Expression": "SUM(METRICS())"});
    assert_eq!(ask(&gateway, "GetMetricData", wrong).await.json()["__type"], "InvalidParameterValueException");
}

#[tokio::test(start_paused = true)]
async fn percentiles_are_answered_where_they_are_known() {
    let gateway = measured().await;
    let stream = gateway.log.stream("orders").unwrap();
    let now = gateway.log.env().clock.now();
    stream.meter().put(&[(ShardId(0), Put { bytes: 9, records: 1, throttled: 0 })], now);
    tokio::time::advance(MINUTE).await;
    let mut input = statistics("IncomingBytes", &[("StreamName", "orders")]);
    input.as_object_mut().unwrap().remove("Statistics");
    input["ExtendedStatistics"] = json!(["p99", "p100"]);
    // In the first minute samples were different, in the second there was one.
    assert_eq!(ask(&gateway, "GetMetricStatistics", input.clone()).await.json()["__type"], "InvalidParameterValueException");
    input["StartTime"] = json!(FROM + 60);
    let found = call(&gateway, "GetMetricStatistics", input.clone()).await;
    let point = json!({"Timestamp": FROM as f64 + 60.0, "Unit": "Bytes", "ExtendedStatistics": {"p99": 9, "p100": 9}});
    assert_eq!(found["Datapoints"], json!([point]));
    input["Statistics"] = json!(["Sum"]);
    let refused = ask(&gateway, "GetMetricStatistics", input).await;
    assert_eq!(refused.json()["__type"], "InvalidParameterCombinationException");
    let dimensions = json!([{"Name": "StreamName", "Value": "orders"}]);
    let metric = json!({"Namespace": "AWS/Kinesis", "MetricName": "IncomingBytes", "Dimensions": dimensions});
    let query = |stat: &str| {
        let query = json!({"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}});
        json!({"MetricDataQueries": [query], "StartTime": FROM, "EndTime": FROM + 3_600})
    };
    let found = call(&gateway, "GetMetricData", query("p50")).await["MetricDataResults"][0].clone();
    assert_eq!((&found["Values"], &found["StatusCode"]), (&json!([9]), &json!("PartialData")));
    assert_eq!(found["Messages"][0]["Code"], "UnknownPercentile");
    let found = call(&gateway, "GetMetricData", query("p100")).await["MetricDataResults"][0].clone();
    assert_eq!((&found["Values"], &found["StatusCode"]), (&json!([9, 100]), &json!("Complete")));
    assert_eq!(ask(&gateway, "GetMetricData", query("tm90")).await.json()["__type"], "InvalidParameterValueException");
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_codes_of_query_is_told_them() {
    let gateway = Gateway::start();
    let asked = |mode: bool| {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "GraniteServiceVersion20100801.PutMetricData")
            .header("x-amz-date", "20231114T221320Z")
            .header("authorization", AUTHORIZATION);
        let request = if mode { request.header("x-amzn-query-mode", "true") } else { request };
        request.body(Bytes::from_static(b"{}")).unwrap()
    };
    let (with, without) = (gateway.kinesis().send(asked(true)).await, gateway.kinesis().send(asked(false)).await);
    assert_eq!((with.header("x-amzn-query-error"), without.header("x-amzn-query-error")), ("ValidationError;Sender", ""));
}

#[tokio::test(start_paused = true)]
async fn metrics_are_listed_with_their_dimensions() {
    let gateway = measured().await;
    let input = json!({"Namespace": "AWS/Kinesis", "MetricName": "IncomingBytes"});
    let found = call(&gateway, "ListMetrics", input).await;
    let shards: Vec<_> = found["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Dimensions"][1]["Value"]).collect();
    assert_eq!(shards, [&json!(null), &json!("shardId-000000000000"), &json!("shardId-000000000001")]);
    let input = json!({"Dimensions": [{"Name": "ConsumerName"}]});
    let found = call(&gateway, "ListMetrics", input).await;
    assert_eq!(found["Metrics"].as_array().unwrap().len(), 4);
    assert_eq!(found["Metrics"][0]["Dimensions"][1], json!({"Name": "ConsumerName", "Value": "reader"}));
    assert_eq!(call(&gateway, "ListMetrics", json!({"Namespace": "KCL"})).await["Metrics"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_of_their_own_streams() {
    let gateway = measured().await;
    let abroad = gateway.kinesis().signing("123456789012", "eu-west-1");
    abroad.call("CreateStream", json!({"StreamName": "orders", "ShardCount": 1})).await;
    crate::kinesis::put(&abroad, "orders", "a", "four").await;
    tokio::time::advance(MINUTE).await;
    let authorization = AUTHORIZATION.replace("local", "123456789012").replace("us-east-1", "eu-west-1");
    let input = statistics("IncomingBytes", &[("StreamName", "orders")]);
    let mut sums = Vec::new();
    for authorization in [AUTHORIZATION, &authorization] {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "GraniteServiceVersion20100801.GetMetricStatistics")
            .header("x-amz-date", "20231114T221320Z")
            .header("authorization", authorization);
        let answered = gateway.kinesis().send(request.body(Bytes::from(input.to_string())).unwrap()).await;
        let points = answered.json()["Datapoints"].as_array().unwrap().iter().map(|point| point["Sum"].clone()).collect();
        sums.push(Value::Array(points));
    }
    assert_eq!(sums, [json!([157]), json!([5])]);
}

#[tokio::test(start_paused = true)]
async fn what_clients_measure_is_accepted() {
    let gateway = Gateway::start();
    let input = json!({"Namespace": "KCL", "MetricData": [{"MetricName": "a", "Value": 1.5, "Timestamp": FROM}]});
    assert_eq!(ask(&gateway, "PutMetricData", input).await.status, 200);
    assert_eq!(ask(&gateway, "PutMetricData", json!({})).await.json()["__type"], "ValidationException");
    assert_eq!(ask(&gateway, "PutDashboard", json!({})).await.json()["__type"], "UnknownOperationException");
}

#[tokio::test(start_paused = true)]
async fn smithys_cbor_is_understood() {
    let gateway = measured().await;
    let ask = async |operation: &str, body: &'static [u8]| {
        let request = Request::post(format!("/service/GraniteServiceVersion20100801/operation/{operation}"))
            .header("content-type", "application/cbor")
            .header("smithy-protocol", "rpc-v2-cbor")
            .header("x-amz-date", "20231114T221320Z")
            .header("authorization", AUTHORIZATION);
        gateway.kinesis().send(request.body(Bytes::from_static(body)).unwrap()).await
    };
    let answered = ask("PutMetricData", b"\xbf\x69Namespace\x63KCL\xff").await;
    assert_eq!((answered.status, answered.body.len(), answered.header("smithy-protocol")), (200, 0, "rpc-v2-cbor"));
    // {MetricName: IncomingBytes, Period: 60, Statistics: [Sum], StartTime: 1(0), EndTime: 1(2e9), …}: seconds in, seconds out.
    let answered = ask(
        "GetMetricStatistics",
        b"\xa7\x69Namespace\x6bAWS/Kinesis\x6aMetricName\x6dIncomingBytes\x66Period\x18\x3c\x6aStatistics\x81\x63Sum\
          \x69StartTime\xc1\x00\x67EndTime\xc1\x1a\x77\x35\x94\x00\
          \x6aDimensions\x81\xa2\x64Name\x6aStreamName\x65Value\x66orders",
    )
    .await;
    let at = [b"\x69Timestamp\xc1\xfb".as_slice(), &(FROM as f64).to_be_bytes()].concat();
    assert_eq!((answered.status, answered.header("content-type")), (200, "application/cbor"), "{answered:?}");
    assert!(answered.body.windows(at.len()).any(|bytes| bytes == at), "{:?}", answered.body);
}
