//! **StartStreamEncryption**: says that a stream is encrypted with a key. Kept and shown: the log encrypts nothing.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule};

/// StartStreamEncryption.
pub(super) struct StartStreamEncryption;

impl Operation<Context> for StartStreamEncryption {
    const NAME: &'static str = "StartStreamEncryption";
    const RULES: &'static [Rule] = &[rule::ENCRYPTION, rule::KEY_ID, rule::STREAM_NAME, rule::STREAM_ARN, rule::STREAM_ID];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let stream = cx.stream(&input)?;
        if input.text("EncryptionType") != Some("KMS") {
            return Err(refusal::argument("EncryptionType NONE is no way to encrypt a stream; KMS is."));
        }
        cx.change(&stream, |settings| {
            settings.encryption_key = Some(input.required_text("KeyId").to_owned());
            Ok(())
        })
        .await
    }
}
