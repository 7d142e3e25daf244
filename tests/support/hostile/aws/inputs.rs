//! A good input for every operation, with names that exist, names that do not, and numbers from both ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::requests::EDGES;
use super::{AwsTargets, Dice};

/// The members of each operation's input.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("AddTagsToStream", &["StreamName", "Tags"]),
    ("CreateStream", &["NewStreamName", "ShardCount", "StreamModeDetails", "Tags", "WarmThroughputMiBps", "MaxRecordSizeInKiB"]),
    ("DecreaseStreamRetentionPeriod", &["StreamName", "RetentionPeriodHours"]),
    ("DeleteResourcePolicy", &["ResourceARN"]),
    ("DeleteStream", &["StreamName", "EnforceConsumerDeletion"]),
    ("DeregisterStreamConsumer", &["StreamARN", "ConsumerName"]),
    ("DescribeAccountSettings", &[]),
    ("DescribeLimits", &[]),
    ("DescribeStream", &["StreamName", "Limit", "ExclusiveStartShardId"]),
    ("DescribeStreamConsumer", &["ConsumerARN"]),
    ("DescribeStreamSummary", &["StreamARN"]),
    ("DisableEnhancedMonitoring", &["StreamName", "ShardLevelMetrics"]),
    ("EnableEnhancedMonitoring", &["StreamName", "ShardLevelMetrics"]),
    ("GetRecords", &["ShardIterator", "Limit", "StreamARN"]),
    ("GetResourcePolicy", &["ResourceARN"]),
    ("GetShardIterator", &["StreamName", "ShardId", "ShardIteratorType", "StartingSequenceNumber", "Timestamp"]),
    ("IncreaseStreamRetentionPeriod", &["StreamName", "RetentionPeriodHours"]),
    ("ListShards", &["StreamName", "MaxResults", "ShardFilter", "NextToken"]),
    ("ListStreamConsumers", &["StreamARN", "MaxResults", "NextToken"]),
    ("ListStreams", &["Limit", "ExclusiveStartStreamName"]),
    ("ListTagsForResource", &["ResourceARN"]),
    ("ListTagsForStream", &["StreamName", "Limit", "ExclusiveStartTagKey"]),
    ("MergeShards", &["StreamName", "ShardToMerge", "AdjacentShardToMerge"]),
    ("PutRecord", &["StreamName", "Data", "PartitionKey", "ExplicitHashKey", "SequenceNumberForOrdering"]),
    ("PutRecords", &["StreamName", "Records"]),
    ("PutResourcePolicy", &["ResourceARN", "Policy"]),
    ("RegisterStreamConsumer", &["StreamARN", "ConsumerName", "Tags"]),
    ("RemoveTagsFromStream", &["StreamName", "TagKeys"]),
    ("SplitShard", &["StreamName", "ShardToSplit", "NewStartingHashKey"]),
    ("StartStreamEncryption", &["StreamName", "EncryptionType", "KeyId"]),
    ("StopStreamEncryption", &["StreamName", "EncryptionType", "KeyId"]),
    ("SubscribeToShard", &["ConsumerARN", "ShardId", "StartingPosition"]),
    ("TagResource", &["ResourceARN", "Tags"]),
    ("UntagResource", &["ResourceARN", "TagKeys"]),
    ("UpdateAccountSettings", &["MinimumThroughputBillingCommitment"]),
    ("UpdateMaxRecordSize", &["StreamARN", "MaxRecordSizeInKiB"]),
    ("UpdateShardCount", &["StreamName", "TargetShardCount", "ScalingType"]),
    ("UpdateStreamMode", &["StreamARN", "StreamModeDetails"]),
    ("UpdateStreamRecordDistributionStrategy", &["StreamARN", "RecordDistributionStrategy"]),
    ("UpdateStreamWarmThroughput", &["StreamARN", "WarmThroughputMiBps"]),
];

/// Whether there is a good input for that operation.
pub(crate) fn knows(operation: &str) -> bool {
    OPERATIONS.iter().any(|(name, _)| *name == operation)
}

/// An operation, the data plane more often than the others, and what it is asked.
pub(super) fn any(dice: &mut Dice, targets: &AwsTargets) -> (&'static str, Value) {
    let often = ["PutRecord", "PutRecords", "GetRecords", "GetShardIterator", "SubscribeToShard", "ListShards"];
    let (name, members) = if dice.one_in(3) {
        let wanted = *dice.pick(&often);
        OPERATIONS.iter().find(|(name, _)| *name == wanted).unwrap()
    } else {
        dice.pick(OPERATIONS)
    };
    (name, input(dice, targets, members))
}

/// What that operation is asked.
pub(crate) fn asked(dice: &mut Dice, targets: &AwsTargets, operation: &str) -> Value {
    let members = OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, members)| *members);
    input(dice, targets, members.unwrap_or_default())
}

fn input(dice: &mut Dice, targets: &AwsTargets, members: &[&str]) -> Value {
    let mut input = Map::new();
    for member in members {
        if !dice.one_in(12) {
            input.insert(
                member.trim_start_matches("New").replace("StartingHashKey", "NewStartingHashKey"),
                value(dice, targets, member),
            );
        }
    }
    input.into()
}

fn value(dice: &mut Dice, targets: &AwsTargets, member: &str) -> Value {
    let stream = dice.pick(&targets.streams).clone();
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
    match member {
        "StreamName" => stream.into(),
        "NewStreamName" if dice.one_in(3) => stream.into(),
        "NewStreamName" | "ExclusiveStartStreamName" => format!("flood-{}", dice.below(200)).into(),
        "StreamARN" | "ResourceARN" => arn.into(),
        "ConsumerARN" => dice.pick(&targets.consumers).clone().into(),
        "ConsumerName" => format!("consumer-{}", dice.below(30)).into(),
        "ShardId" | "ShardToSplit" | "ShardToMerge" | "AdjacentShardToMerge" | "ExclusiveStartShardId" => {
            let number = dice.below(8);
            (*dice.pick(&[format!("shardId-{number:012}"), format!("{number}"), format!("x-{number}"), "shardId--1".to_owned()]))
                .clone()
                .into()
        }
        "ShardCount" | "TargetShardCount" => (*dice.pick(&[1, 2, 4, 8, 200, 10_000, 100_000])).into(),
        "StreamModeDetails" => json!({"StreamMode": dice.pick(&["PROVISIONED", "ON_DEMAND"])}),
        "Tags" => (0..dice.below(60))
            .map(|at| (format!("key-{at}"), Value::from("v".repeat(dice.below(260)))))
            .collect::<Map<_, _>>()
            .into(),
        "TagKeys" => (0..dice.below(60)).map(|at| format!("key-{at}")).collect(),
        "Limit" | "MaxResults" => (*dice.pick(&[1, 2, 100, 1_000, 10_000, 10_001])).into(),
        "RetentionPeriodHours" => (*dice.pick(&[24, 25, 8_760])).into(),
        "MaxRecordSizeInKiB" => (*dice.pick(&[1_024, 4_096, 10_240])).into(),
        "WarmThroughputMiBps" => (*dice.pick(&[0, 1, 100])).into(),
        "EnforceConsumerDeletion" => dice.one_in(2).into(),
        "ShardLevelMetrics" => json!(["ALL"]),
        "ShardIterator" | "NextToken" => {
            let token = targets.iterator(dice);
            if dice.one_in(2) { token.into() } else { forged(dice, &token).into() }
        }
        "ShardIteratorType" => {
            let kinds = ["TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"];
            (*dice.pick(&kinds)).into()
        }
        // AWS's own answer to the number 0 is a fault of its own.
        "StartingSequenceNumber" | "SequenceNumberForOrdering" => (*dice.pick(&[
            "49646437577108476416916876405825929425585429676275269634",
            "5",
            "99999999999999999999999999999999999999999999999999999999999999999999999999",
            "49646437577108476416916876405825929425585429676275269635",
        ]))
        .into(),
        "Timestamp" => (*dice.pick(&[json!(0), json!(1.7e9), json!(1e18), json!(-1), json!(1e308)])).clone(),
        "ShardFilter" => {
            let kinds = ["AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"];
            json!({"Type": dice.pick(&kinds), "ShardId": "shardId-000000000000", "Timestamp": 1.7e9})
        }
        "StartingPosition" => json!({"Type": dice.pick(&["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]), "Timestamp": 1.7e9}),
        "Data" => data(dice),
        "PartitionKey" => key(dice),
        "Records" => {
            (0..dice.below(20) + 1).map(|_| json!({"Data": data(dice), "PartitionKey": key(dice)})).collect::<Vec<_>>().into()
        }
        "ExplicitHashKey" | "NewStartingHashKey" => {
            (*dice.pick(&["0", "1", "170141183460469231731687303715884105728", "340282366920938463463374607431768211455", "9"]))
                .into()
        }
        "Policy" => "{}".repeat(dice.below(10_000)).into(),
        "EncryptionType" => "KMS".into(),
        "KeyId" => "alias/aws/kinesis".into(),
        "ScalingType" => "UNIFORM_SCALING".into(),
        "RecordDistributionStrategy" => (*dice.pick(&["AUTO", "USER_PARTITION_KEY"])).into(),
        "MinimumThroughputBillingCommitment" => json!({"Status": dice.pick(&["ENABLED", "DISABLED"])}),
        "ExclusiveStartTagKey" => "key-1".into(),
        other => panic!("the member {other} is not known"),
    }
}

fn data(dice: &mut Dice) -> Value {
    let bytes = if dice.one_in(20) { 200_000 } else { dice.below(300) };
    STANDARD.encode((0..bytes).map(|_| dice.next() as u8).collect::<Vec<_>>()).into()
}

fn key(dice: &mut Dice) -> Value {
    (*dice.pick(&["k", "user1", "ä", "\u{10ffff}", "a much longer partition key than most"])).into()
}

/// A token that somebody has changed.
fn forged(dice: &mut Dice, token: &str) -> String {
    let mut bytes = STANDARD.decode(token).unwrap_or_default();
    let at = dice.below(bytes.len());
    match dice.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_within(at..),
        2 => bytes = (0..dice.below(200)).map(|_| dice.next() as u8).collect(),
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
    }
    STANDARD.encode(bytes)
}

/// Puts something else in one place.
pub(super) fn spoil(dice: &mut Dice, value: &mut Value) {
    let inner = match value {
        Value::Object(members) if !members.is_empty() && !dice.one_in(10) => {
            let at = dice.below(members.len());
            members.values_mut().nth(at)
        }
        Value::Array(values) if !values.is_empty() && !dice.one_in(4) => {
            let at = dice.below(values.len());
            values.get_mut(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) => spoil(dice, inner),
        None => *value = odd(dice, value),
    }
}

fn odd(dice: &mut Dice, value: &Value) -> Value {
    match dice.below(14) {
        0 => Value::Null,
        1 => true.into(),
        2 => (*dice.pick(&EDGES)).into(),
        3 => u64::MAX.into(),
        4 => (*dice.pick(&[1e308, -1e308, 0.5, 1e-300])).into(),
        5 => "".into(),
        6 => "x".repeat(1 << dice.below(18)).into(),
        7 => "\0\u{fffd}\u{10ffff}\n\"\\".into(),
        8 => json!([]),
        9 => json!({}),
        10 => (0..40 << dice.below(6)).fold(value.clone(), |inner, _| json!([inner])),
        11 => (0..40 << dice.below(6)).fold(value.clone(), |inner, _| json!({ "a": inner })),
        12 => Value::Array(vec![value.clone(); if value.to_string().len() < 1_000 { 1_000 } else { 2 }]),
        _ => (0..1_000).map(|at| (format!("member-{at}"), Value::from(at))).collect::<Map<_, _>>().into(),
    }
}
