//! **StopStreamEncryption**: says that a stream is not encrypted any more.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule};

/// StopStreamEncryption.
pub(super) struct StopStreamEncryption;

impl Operation<Context> for StopStreamEncryption {
    const NAME: &'static str = "StopStreamEncryption";
    const RULES: &'static [Rule] = &[rule::ENCRYPTION, rule::KEY_ID, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        if input.text("EncryptionType") != Some("KMS") {
            return Err(refusal::argument("EncryptionType NONE is no way to encrypt a stream; KMS is."));
        }
        cx.change(&stream, |settings| {
            settings.encryption_key = None;
            Ok(())
        })
        .await
    }
}
