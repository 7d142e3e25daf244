//! CloudWatch's metrics of Kinesis (namespace `AWS/Kinesis`): each one's name, unit, dimensions and meaning.
//!
//! The source is the Kinesis developer guide, "Monitoring with Amazon CloudWatch", 2026-11. Left out on purpose are the two that
//! it calls deprecated, whose twins are here: `GetRecords.IteratorAge` and `PutRecords.Records`.

/// What CloudWatch measures of a stream, of a shard, or of a consumer of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "each has its meaning in the table below")]
pub enum Measure {
    IncomingBytes,
    IncomingRecords,
    WriteThroughputExceeded,
    ReadThroughputExceeded,
    GetRecordsBytes,
    GetRecordsRecords,
    GetRecordsIteratorAge,
    GetRecordsLatency,
    GetRecordsSuccess,
    PutRecordBytes,
    PutRecordLatency,
    PutRecordSuccess,
    PutRecordsBytes,
    PutRecordsLatency,
    PutRecordsSuccess,
    PutRecordsTotalRecords,
    PutRecordsSuccessfulRecords,
    PutRecordsFailedRecords,
    PutRecordsThrottledRecords,
    OutgoingBytes,
    OutgoingRecords,
    IteratorAge,
    SubscribeToShardSuccess,
    SubscribeToShardRateExceeded,
    EventBytes,
    EventRecords,
    EventMillisBehindLatest,
    EventSuccess,
}

/// What a measure is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// A stream (`StreamName`).
    Stream,
    /// A stream, and each of its shards (`StreamName`, `ShardId`).
    StreamAndShard,
    /// Each shard of a stream.
    Shard,
    /// Each fan-out consumer of a stream (`StreamName`, `ConsumerName`).
    Consumer,
}

/// What there is to know of a measure.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Which one it is.
    pub measure: Measure,
    /// CloudWatch's name of it.
    pub name: &'static str,
    /// CloudWatch's unit.
    pub unit: &'static str,
    /// What it is told of.
    pub scope: Scope,
    /// What one sample is.
    pub sample: &'static str,
    /// What of Kafka's causes it; empty if nothing does.
    pub kafka: &'static str,
}

const BYTES: &str = "Bytes";
const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";
const PAGE: &str = "a partition that Fetch gave records of, or waited for in vain";

impl Measure {
    /// All of them.
    pub const ALL: &'static [About] = {
        use Measure as M;
        use Scope::{Consumer, Shard, Stream, StreamAndShard};
        &[
            about(M::IncomingBytes, "IncomingBytes", BYTES, StreamAndShard, "bytes of a put", "a batch, as sent"),
            about(M::IncomingRecords, "IncomingRecords", COUNT, StreamAndShard, "records of a put", "a batch"),
            about(
                M::WriteThroughputExceeded,
                "WriteProvisionedThroughputExceeded",
                COUNT,
                StreamAndShard,
                "records of a put that were over the shard's throughput; 0 is good",
                "a batch, whose answer was held or which was refused",
            ),
            about(
                M::ReadThroughputExceeded,
                "ReadProvisionedThroughputExceeded",
                COUNT,
                StreamAndShard,
                "1 for a read that was over the shard's throughput, else 0",
                "a partition in Fetch, which had to wait or got nothing",
            ),
            about(M::GetRecordsBytes, "GetRecords.Bytes", BYTES, Stream, "bytes of a read", PAGE),
            about(M::GetRecordsRecords, "GetRecords.Records", COUNT, Stream, "records of a read", PAGE),
            about(
                M::GetRecordsIteratorAge,
                "GetRecords.IteratorAgeMilliseconds",
                MILLISECONDS,
                Stream,
                "time since the last record of a read was written; 0 for a read that found none",
                PAGE,
            ),
            about(M::GetRecordsLatency, "GetRecords.Latency", MILLISECONDS, Stream, "time that GetRecords took", ""),
            about(
                M::GetRecordsSuccess,
                "GetRecords.Success",
                COUNT,
                Stream,
                "1 for a read that was made, 0 for one that was refused or failed",
                "a partition in Fetch",
            ),
            about(M::PutRecordBytes, "PutRecord.Bytes", BYTES, Stream, "bytes of a PutRecord", ""),
            about(M::PutRecordLatency, "PutRecord.Latency", MILLISECONDS, Stream, "time that PutRecord took", ""),
            about(M::PutRecordSuccess, "PutRecord.Success", COUNT, Stream, "1 for a PutRecord that was made, else 0", ""),
            about(M::PutRecordsBytes, "PutRecords.Bytes", BYTES, Stream, "bytes of a PutRecords", ""),
            about(M::PutRecordsLatency, "PutRecords.Latency", MILLISECONDS, Stream, "time that PutRecords took", ""),
            about(
                M::PutRecordsSuccess,
                "PutRecords.Success",
                COUNT,
                Stream,
                "1 for a PutRecords of which at least one record was put, else 0",
                "",
            ),
            about(M::PutRecordsTotalRecords, "PutRecords.TotalRecords", COUNT, Stream, "records of a PutRecords", ""),
            about(
                M::PutRecordsSuccessfulRecords,
                "PutRecords.SuccessfulRecords",
                COUNT,
                Stream,
                "records of a PutRecords that were put",
                "",
            ),
            about(
                M::PutRecordsFailedRecords,
                "PutRecords.FailedRecords",
                COUNT,
                Stream,
                "records of a PutRecords that failed for internal reasons",
                "",
            ),
            about(
                M::PutRecordsThrottledRecords,
                "PutRecords.ThrottledRecords",
                COUNT,
                Stream,
                "records of a PutRecords that were refused for want of throughput",
                "",
            ),
            about(M::OutgoingBytes, "OutgoingBytes", BYTES, Shard, "bytes of a read, fan-out too", PAGE),
            about(M::OutgoingRecords, "OutgoingRecords", COUNT, Shard, "records of a read, fan-out too", PAGE),
            about(
                M::IteratorAge,
                "IteratorAgeMilliseconds",
                MILLISECONDS,
                Shard,
                "as GetRecords.IteratorAgeMilliseconds, of one shard",
                PAGE,
            ),
            about(
                M::SubscribeToShardSuccess,
                "SubscribeToShard.Success",
                COUNT,
                Consumer,
                "1 for a SubscribeToShard that was made, else 0",
                "",
            ),
            about(
                M::SubscribeToShardRateExceeded,
                "SubscribeToShard.RateExceeded",
                COUNT,
                Consumer,
                "1 for a SubscribeToShard that was refused because there was one already or too many were asked for, else 0",
                "",
            ),
            about(M::EventBytes, "SubscribeToShardEvent.Bytes", BYTES, Consumer, "bytes of an event", PAGE),
            about(M::EventRecords, "SubscribeToShardEvent.Records", COUNT, Consumer, "records of an event", PAGE),
            about(
                M::EventMillisBehindLatest,
                "SubscribeToShardEvent.MillisBehindLatest",
                MILLISECONDS,
                Consumer,
                "how far an event is behind the tip of its shard; 0 at the tip",
                PAGE,
            ),
            about(
                M::EventSuccess,
                "SubscribeToShardEvent.Success",
                COUNT,
                Consumer,
                "1 for an event that was sent, 0 for one that failed",
                PAGE,
            ),
        ]
    };

    /// What there is to know of it.
    pub fn about(self) -> &'static About {
        &Self::ALL[self as usize]
    }

    /// The one that CloudWatch calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|about| about.name == name).map(|about| about.measure)
    }
}

const fn about(
    measure: Measure,
    name: &'static str,
    unit: &'static str,
    scope: Scope,
    sample: &'static str,
    kafka: &'static str,
) -> About {
    About { measure, name, unit, scope, sample, kafka }
}

impl About {
    /// The name that exporters of CloudWatch for Prometheus make of it (`toSnakeCase` of prometheus/cloudwatch_exporter, behind the namespace),
    /// to which they add the statistic.
    pub fn prometheus_name(&self) -> String {
        let mut name = "aws_kinesis".to_owned();
        let mut after_small = true;
        for letter in self.name.chars() {
            match letter {
                '.' => after_small = true,
                _ => {
                    if letter.is_ascii_uppercase() && after_small {
                        name.push('_');
                    }
                    after_small = !letter.is_ascii_uppercase();
                    name.push(letter.to_ascii_lowercase());
                }
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_measures() {
        for (at, about) in Measure::ALL.iter().enumerate() {
            assert_eq!(about.measure as usize, at, "{}", about.name);
            assert_eq!(Measure::named(about.name), Some(about.measure));
        }
        assert_eq!(Measure::named("PutRecords.Records"), None);
    }

    #[test]
    fn names_are_those_that_exporters_make() {
        for (measure, name) in [
            (Measure::IncomingBytes, "aws_kinesis_incoming_bytes"),
            (Measure::PutRecordsThrottledRecords, "aws_kinesis_put_records_throttled_records"),
            (Measure::GetRecordsIteratorAge, "aws_kinesis_get_records_iterator_age_milliseconds"),
            (Measure::EventMillisBehindLatest, "aws_kinesis_subscribe_to_shard_event_millis_behind_latest"),
            (Measure::WriteThroughputExceeded, "aws_kinesis_write_provisioned_throughput_exceeded"),
        ] {
            assert_eq!(measure.about().prometheus_name(), name);
        }
    }
}
