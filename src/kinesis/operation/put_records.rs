//! **PutRecords**: up to 500 records, each to the shard that its key belongs to.
//!
//! A record that breaks a rule has the whole request refused; a record that its shard cannot carry is refused on its own. The records
//! of one shard are one batch in the log.
//!
//! Beyond AWS: a stream may open the aggregates of the Kinesis Producer Library (`kinesis.deaggregate`). Such a record is answered with
//! the number of its first user record.

use tokio::time::Instant;

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::kinesis::context::Context;
use crate::kinesis::write::{check_size, place};
use crate::kinesis::{records, refusal, rule};

/// Bytes of data and keys in one request (Kinesis API reference, PutRecords: 10 MiB, 2026-11).
const REQUEST_BYTES_MAX: usize = 10 << 20;

/// PutRecords.
pub(super) struct PutRecords;

impl Operation<Context> for PutRecords {
    const NAME: &'static str = "PutRecords";
    const RULES: &'static [Rule] = &[
        Rule::list(
            "Records",
            &Rule::structure("member", &[rule::PARTITION_KEY, rule::DATA, rule::HASH_KEY])
                .shown("com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry"),
        )
        .required()
        .length(1, 500),
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
        rule::DRY_RUN,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream_to_write(&input)?;
        let settings = stream.settings();
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for (number, record) in (1..).zip(input.structures("Records")) {
            let entry = place(cx, record, &settings, &|| format!("records.{number}.member.partitionKey"))?;
            check_size(&entry, &settings, &|| format!("records.{number}.member.data"))?;
            bytes += entry.data.len() + entry.key.map_or(0, str::len);
            entries.push(entry);
        }
        if bytes > REQUEST_BYTES_MAX {
            return Err(refusal::argument("Records size exceeds 10 MB limit"));
        }
        if input.is_set("DryRun") {
            return Err(refusal::dry_run());
        }
        let begun = Instant::now();
        let results = cx.write(&stream, &entries).await;
        cx.measure_put_records(&stream, &entries, &results, begun);
        let failed = results.iter().filter(|result| result.is_err()).count();
        let results = results.into_iter().map(|result| match result {
            Ok(written) => Structure::with_capacity(2)
                .with("SequenceNumber", written.number.to_string())
                .with("ShardId", written.number.shard.to_string()),
            Err(refusal) => {
                Structure::with_capacity(2).with("ErrorCode", refusal.name()).with("ErrorMessage", refusal.message().to_owned())
            }
        });
        Ok(Output::with_capacity(3)
            .with("FailedRecordCount", i64::try_from(failed).unwrap_or(i64::MAX))
            .with("Records", results.collect::<Value>())
            .with("EncryptionType", records::encryption(&settings)))
    }
}
