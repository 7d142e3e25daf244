//! The members that many operations take, with their constraints (botocore 1.44.5, service model of Kinesis).

use crate::aws::{Pattern, Rule};
use crate::model::limits::{RECORD_KIB_MAX, RECORD_KIB_MIN, STREAM_NAME_CHARS_MAX};

/// Characters in an ARN.
const ARN_CHARS_MAX: usize = 2_048;

const NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_.-]+",
    accepts: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')),
};

/// `arn:aws.*:kinesis:.*:\d{12}:` and what `rest` accepts behind it, wherever that may begin.
fn is_arn(text: &str, rest: impl Fn(&str) -> bool) -> bool {
    let Some((_, behind)) = text.strip_prefix("arn:aws").and_then(|text| text.split_once(":kinesis:")) else { return false };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    // Twelve digits between colons, with anything before them.
    behind.match_indices(':').any(|(at, _)| {
        let account = behind.get(at + 1..at + 13).is_some_and(is_account);
        account && behind.get(at + 13..).and_then(|text| text.strip_prefix(':')).is_some_and(&rest)
    })
}

/// Not empty, and no white space: `\S+`.
fn is_solid(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

const ARN_OF_STREAM: Pattern = Pattern {
    text: "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
    accepts: |text| is_arn(text, |rest| rest.strip_prefix("stream/").is_some_and(is_solid)),
};

const ID_OF_STREAM: Pattern = Pattern {
    text: "[a-z0-9]{20}-[a-z0-9]{3}",
    accepts: |text| {
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        text.split_once('-').is_some_and(|(id, end)| id.len() == 20 && end.len() == 3 && is_plain(id) && is_plain(end))
    },
};

const ARN_OF_CONSUMER: Pattern = Pattern {
    text: "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+",
    accepts: |text| {
        is_arn(text, |rest| {
            let parts = rest.split_once("stream/").and_then(|(_, rest)| rest.split_once("/consumer/"));
            parts.and_then(|(stream, rest)| Some((stream, rest.split_once(':')?))).is_some_and(|(stream, (consumer, at))| {
                let is_number = !at.is_empty() && at.bytes().all(|b| b.is_ascii_digit());
                (NAME.accepts)(stream) && (NAME.accepts)(consumer) && is_number
            })
        })
    },
};

const ARN_OF_RESOURCE: Pattern = Pattern {
    text: "arn:aws.*:kinesis:.*:\\d{12}:.*(stream|channel|queue)/\\S+",
    accepts: |text| {
        is_arn(text, |rest| {
            let kinds = ["stream/", "channel/", "queue/"];
            kinds.iter().any(|kind| rest.split_once(kind).is_some_and(|(_, name)| is_solid(name)))
        })
    },
};

/// 0, or as many as `more` digits behind one that is not 0.
fn is_number(text: &str, more: usize) -> bool {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text == "0" || (is_digits && !text.starts_with('0') && text.len() <= more + 1)
}

const DIGITS_OF_HASH_KEY: Pattern = Pattern { text: "0|([1-9]\\d{0,38})", accepts: |text| is_number(text, 38) };
const DIGITS_OF_SEQUENCE: Pattern = Pattern { text: "0|([1-9]\\d{0,128})", accepts: |text| is_number(text, 128) };

/// A stream by name.
pub(super) const STREAM_NAME: Rule = Rule::text("StreamName").pattern(NAME).length(1, STREAM_NAME_CHARS_MAX);
/// A stream by ARN.
pub(super) const STREAM_ARN: Rule = Rule::text("StreamARN").pattern(ARN_OF_STREAM).length(1, ARN_CHARS_MAX);
/// A stream by an id that AWS keeps for itself; it is checked and then ignored.
pub(super) const STREAM_ID: Rule = Rule::text("StreamId").pattern(ID_OF_STREAM).length(1, 24);
/// What continues a list.
pub(super) const NEXT_TOKEN: Rule = Rule::text("NextToken").length(1, 1_048_576);
/// What a stream's tags are.
pub(super) const TAGS: Rule =
    Rule::map("Tags", &Rule::text("key").length(1, 128), &Rule::text("value").length(0, 256)).length(1, 200);
/// Tags to be taken away.
pub(super) const TAG_KEYS: Rule = Rule::list("TagKeys", &Rule::text("member").length(1, 128)).required().length(1, 50);
/// A shard, by its whole id or the end of it.
pub(super) const SHARD_ID: Rule = Rule::text("ShardId").pattern(NAME).length(1, 128);
/// A point of the hash key space.
pub(super) const HASH_KEY: Rule = Rule::text("ExplicitHashKey").pattern(DIGITS_OF_HASH_KEY);
/// A sequence number.
pub(super) const SEQUENCE_NUMBER: Rule = Rule::text("SequenceNumber").pattern(DIGITS_OF_SEQUENCE);
/// What a record's place is made of.
pub(super) const PARTITION_KEY: Rule = Rule::text("PartitionKey").length(1, 256);
/// A record's bytes.
pub(super) const DATA: Rule = Rule::blob("Data").required().length(0, RECORD_KIB_MAX as usize * 1_024);
/// Where somebody begins to read.
pub(super) const ITERATOR_TYPE: Rule = Rule::text("ShardIteratorType").required().one_of(&[
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
]);
/// Whether everything is checked and nothing done.
pub(super) const DRY_RUN: Rule = Rule::boolean("DryRun");
/// How long records are kept.
pub(super) const RETENTION: Rule = Rule::integer("RetentionPeriodHours").required();
/// A fan-out consumer by name.
pub(super) const CONSUMER_NAME: Rule = Rule::text("ConsumerName").pattern(NAME).length(1, 128);
/// A fan-out consumer by ARN.
pub(super) const CONSUMER_ARN: Rule = Rule::text("ConsumerARN").pattern(ARN_OF_CONSUMER).length(1, ARN_CHARS_MAX);
/// Anything that has an ARN.
pub(super) const RESOURCE_ARN: Rule = Rule::text("ResourceARN").required().pattern(ARN_OF_RESOURCE).length(1, ARN_CHARS_MAX);
/// Metrics of shards.
pub(super) const METRICS: Rule =
    Rule::list("ShardLevelMetrics", &Rule::text("member").one_of(SHARD_METRICS)).required().length(1, 7);
/// MiB a second to be ready for.
pub(super) const WARM_THROUGHPUT: Rule = Rule::integer("WarmThroughputMiBps").range(0, i32::MAX as i64);
/// A stream's largest record.
pub(super) const RECORD_SIZE: Rule = Rule::integer("MaxRecordSizeInKiB").range(RECORD_KIB_MIN as i64, RECORD_KIB_MAX as i64);
/// Whether records are placed by their keys.
pub(super) const DISTRIBUTION: Rule = Rule::text("RecordDistributionStrategy").one_of(&["AUTO", "USER_PARTITION_KEY"]);
/// How a stream is encrypted.
pub(super) const ENCRYPTION: Rule = Rule::text("EncryptionType").required().one_of(&["NONE", "KMS"]);
/// The key that it is encrypted with.
pub(super) const KEY_ID: Rule = Rule::text("KeyId").required().length(1, 2_048);

/// The metrics that a stream has for each shard, and what stands for all of them.
pub(super) const SHARD_METRICS: &[&str] = &[
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
    "ALL",
];

/// Who decides how many shards a stream has.
pub(super) const STREAM_MODE_DETAILS: Rule =
    Rule::structure("StreamModeDetails", &[Rule::text("StreamMode").required().one_of(&["PROVISIONED", "ON_DEMAND"])]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_those_of_the_pattern() {
        let accepts = ARN_OF_STREAM.accepts;
        for right in [
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
            "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a/consumer/b:1",
            "arn:aws:kinesis::x::123456789012:stream/a",
        ] {
            assert!(accepts(right), "{right}");
        }
        for wrong in [
            "",
            "orders",
            "arn:aws:s3:us-east-1:000000000000:stream/orders",
            "arn:aws:kinesis:us-east-1:00000000000:stream/orders",
            "arn:aws:kinesis:us-east-1:000000000000:stream/",
            "arn:aws:kinesis:us-east-1:000000000000:stream/a b",
            "arn:aws:kinesis:us-east-1:000000000000:queue/a",
        ] {
            assert!(!accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn consumers_and_other_resources_have_arns_of_their_own() {
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
        let consumer = format!("{stream}/consumer/c:1700000000");
        assert!((ARN_OF_CONSUMER.accepts)(&consumer) && (ARN_OF_RESOURCE.accepts)(&consumer));
        assert!(!(ARN_OF_CONSUMER.accepts)(stream) && (ARN_OF_RESOURCE.accepts)(stream));
        assert!(!(ARN_OF_CONSUMER.accepts)(&format!("{stream}/consumer/c:x")));
        assert!(!(ARN_OF_RESOURCE.accepts)("arn:aws:kinesis:us-east-1:000000000000:topic/orders"));
    }

    #[test]
    fn numbers_begin_with_no_zero_and_have_so_many_digits() {
        for right in ["0", "1", "10", &"9".repeat(39)] {
            assert!((DIGITS_OF_HASH_KEY.accepts)(right), "{right}");
        }
        for wrong in ["", "01", "-1", "1x", &"9".repeat(40)] {
            assert!(!(DIGITS_OF_HASH_KEY.accepts)(wrong), "{wrong}");
        }
    }

    #[test]
    fn stream_ids_are_those_of_the_pattern() {
        assert!((ID_OF_STREAM.accepts)("abcdefghij0123456789-abc"));
        assert!(!(ID_OF_STREAM.accepts)("abcdefghij0123456789-ABC") && !(ID_OF_STREAM.accepts)("a-b"));
    }
}
