//! Whatever is sent, every operation answers as AWS would: with an output or with a refusal, never with a fault of its own.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use shardgate::kinesis::operations;

use super::arn;
use crate::support::{Gateway, Kinesis};

/// Every member of every input.
const MEMBERS: &[&str] = &[
    "StreamName",
    "StreamARN",
    "StreamId",
    "ShardId",
    "ShardToSplit",
    "ShardToMerge",
    "AdjacentShardToMerge",
    "NewStartingHashKey",
    "ShardIterator",
    "ShardIteratorType",
    "StartingSequenceNumber",
    "Timestamp",
    "Limit",
    "MaxResults",
    "NextToken",
    "ExclusiveStartShardId",
    "ExclusiveStartStreamName",
    "ExclusiveStartTagKey",
    "StreamCreationTimestamp",
    "ShardFilter",
    "Records",
    "Data",
    "PartitionKey",
    "ExplicitHashKey",
    "SequenceNumberForOrdering",
    "DryRun",
    "ShardCount",
    "StreamModeDetails",
    "Tags",
    "TagKeys",
    "TargetShardCount",
    "ScalingType",
    "RetentionPeriodHours",
    "ConsumerName",
    "ConsumerARN",
    "ResourceARN",
    "Policy",
    "EncryptionType",
    "KeyId",
    "ShardLevelMetrics",
    "WarmThroughputMiBps",
    "MaxRecordSizeInKiB",
    "RecordDistributionStrategy",
    "StartingPosition",
    "MinimumThroughputBillingCommitment",
    "EnforceConsumerDeletion",
];

fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9=/+:.-]{0,40}".prop_map(Value::from),
        prop::sample::select(vec![
            "orders",
            "shardId-000000000000",
            "0",
            "LATEST",
            "TRIM_HORIZON",
            "AT_SEQUENCE_NUMBER",
            "AT_TIMESTAMP",
            "UNIFORM_SCALING",
            "KMS",
            "ALL",
            "AUTO",
            "QUJD",
            "AAAAAAAAAAE=",
            "170141183460469231731687303715884105728",
            "49646437577108476416916876405825929425585429676275269634",
        ])
        .prop_map(Value::from),
        Just(arn("orders").into()),
        Just(format!("{}/consumer/efo:1700000000", arn("orders")).into()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let member = prop_oneof![prop::sample::select(MEMBERS).prop_map(str::to_owned), Just("Type".to_owned()), "[a-z]{1,3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((member, inner), 0..4).prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

async fn ask(kinesis: &Kinesis, operation: &str, input: Value) {
    let answered = kinesis.ask(operation, input.clone()).await;
    let is_zero = input["StartingSequenceNumber"] == "0" || input["StartingPosition"]["SequenceNumber"] == "0";
    assert!(matches!(answered.status, 200 | 400) || is_zero, "{operation} {input}: {answered:?}");
    if answered.status == 400 {
        assert!(answered.json()["__type"].as_str().is_some_and(|name| name.ends_with("Exception")), "{operation}: {answered:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn no_input_makes_an_operation_fail(
        members in prop::collection::vec((prop::sample::select(MEMBERS), odd()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let gateway = Gateway::start();
            let kinesis = gateway.kinesis();
            let input: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into();
            for operation in operations() {
                if gateway.log.stream("orders").is_none() {
                    gateway.stream("orders", 2).await;
                }
                ask(&kinesis, operation, input.clone()).await;
                // And where it is known at least whom it is about.
                let mut named = input.clone();
                named["StreamName"] = "orders".into();
                named["StreamARN"] = arn("orders").into();
                ask(&kinesis, operation, named).await;
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn queues_and_channels_are_not_served() {
    let kinesis = Gateway::start().kinesis();
    for operation in ["CreateQueue", "ReceiveQueueRecords", "CreateChannel", "ListChannels", "Anything"] {
        assert_eq!(kinesis.refusal(operation, json!({})).await.0, "UnknownOperationException");
    }
}
