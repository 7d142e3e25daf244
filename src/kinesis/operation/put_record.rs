//! **PutRecord**: one record to the shard that its key belongs to.
//!
//! How we differ from AWS: a record's size counts its key for the limit of the stream, as the API reference says, also where AWS
//! was seen to look at the data alone.
//!
//! Beyond AWS: a stream may open the aggregates of the Kinesis Producer Library (`kinesis.deaggregate`). Such a record is answered with
//! the number of its first user record.

use tokio::time::Instant;

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::write::{check_size, place};
use crate::kinesis::{records, refusal, rule};

/// PutRecord.
pub(super) struct PutRecord;

impl Operation<Context> for PutRecord {
    const NAME: &'static str = "PutRecord";
    const RULES: &'static [Rule] = &[
        rule::SEQUENCE_NUMBER.named("SequenceNumberForOrdering"),
        rule::PARTITION_KEY,
        rule::HASH_KEY,
        rule::DATA,
        rule::STREAM_NAME,
        rule::STREAM_ARN,
        rule::STREAM_ID,
        rule::DRY_RUN,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream_to_write(&input)?;
        let settings = stream.settings();
        let entry = place(cx, &input, &settings, &|| "partitionKey".to_owned())?;
        check_size(&entry, &settings, &|| "data".to_owned())?;
        if let Some(number) = input.text("SequenceNumberForOrdering") {
            cx.check_ordering(number, stream.name().as_str())?;
        }
        if input.is_set("DryRun") {
            return Err(refusal::dry_run());
        }
        let begun = Instant::now();
        let results = cx.write(&stream, std::slice::from_ref(&entry)).await;
        let written = results.into_iter().next().unwrap_or_else(|| Err(refusal::internal_failure()));
        cx.measure_put_record(&stream, &entry, &written, begun);
        let written = written?;
        Ok(Output::with_capacity(3)
            .with("ShardId", written.number.shard.to_string())
            .with("SequenceNumber", written.number.to_string())
            .with("EncryptionType", records::encryption(&settings)))
    }
}
