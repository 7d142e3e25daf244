//! The members that many operations take, with their constraints (botocore 1.44.5, service model of Kinesis).

use crate::aws::{Pattern, Rule};
use crate::model::limits::STREAM_NAME_CHARS_MAX;

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

/// A stream by name.
pub(super) const STREAM_NAME: Rule = Rule::text("StreamName").pattern(NAME).length(1, STREAM_NAME_CHARS_MAX);
/// A stream by ARN.
pub(super) const STREAM_ARN: Rule = Rule::text("StreamARN").pattern(ARN_OF_STREAM).length(1, ARN_CHARS_MAX);
/// A stream by an id that AWS keeps for itself; it is checked and then ignored.
pub(super) const STREAM_ID: Rule = Rule::text("StreamId").pattern(ID_OF_STREAM).length(1, 24);
/// What continues a list.
pub(super) const NEXT_TOKEN: Rule = Rule::text("NextToken").length(1, 1_048_576);
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
    fn stream_ids_are_those_of_the_pattern() {
        assert!((ID_OF_STREAM.accepts)("abcdefghij0123456789-abc"));
        assert!(!(ID_OF_STREAM.accepts)("abcdefghij0123456789-ABC") && !(ID_OF_STREAM.accepts)("a-b"));
    }
}
