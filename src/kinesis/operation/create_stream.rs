//! **CreateStream**: a stream of so many shards, or one whose traffic decides how many.
//!
//! How we differ from AWS: the stream is ACTIVE at once unless `--state-change-delay` says otherwise.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{refusal, rule};
use crate::model::{Mode, Settings, StreamName, limits};

/// CreateStream.
pub(super) struct CreateStream;

impl Operation<Context> for CreateStream {
    const NAME: &'static str = "CreateStream";
    const RULES: &'static [Rule] =
        &[Rule::integer("ShardCount").range(1, i32::MAX as i64), rule::STREAM_NAME.required(), rule::STREAM_MODE_DETAILS];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let details = input.structure("StreamModeDetails").and_then(|details| details.text("StreamMode"));
        let mode = if details == Some("ON_DEMAND") { Mode::OnDemand } else { Mode::Provisioned };
        let shards = match (mode, input.integer("ShardCount")) {
            (_, Some(shards)) => u32::try_from(shards).unwrap_or(u32::MAX),
            (Mode::OnDemand, None) => limits::ON_DEMAND_SHARDS,
            (Mode::Provisioned, None) => {
                return Err(Refusal::validation("ShardCount has to be specified for streams in PROVISIONED mode."));
            }
        };
        let name = StreamName::new(input.required_text("StreamName")).map_err(|wrong| refusal::argument(wrong.to_string()))?;
        let settings = Settings { mode, ..Settings::default() };
        cx.log.create_stream(name, shards, settings).await.map_err(|error| cx.refused(&error))?;
        Ok(Output::default())
    }
}
