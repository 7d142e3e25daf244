//! **CreateStream**: a stream of so many shards, or one whose traffic decides how many.
//!
//! How we differ from AWS: the stream is ACTIVE at once unless `--state-change-delay` says otherwise.

use crate::aws::{Input, Operation, Output, Refusal, Rule};
use crate::kinesis::context::Context;
use crate::kinesis::{capacity, refusal, rule, tags};
use crate::model::{Mode, Settings, Status, StreamName, limits};

/// Streams that are being created at once (Kinesis API reference, CreateStream, 2026-11).
const CREATING_MAX: usize = 5;

/// CreateStream.
pub(super) struct CreateStream;

impl Operation<Context> for CreateStream {
    const NAME: &'static str = "CreateStream";
    const RULES: &'static [Rule] = &[
        Rule::integer("ShardCount").range(1, i32::MAX as i64),
        rule::STREAM_NAME.required(),
        rule::STREAM_MODE_DETAILS,
        rule::TAGS,
        rule::WARM_THROUGHPUT,
        rule::RECORD_SIZE,
        rule::DISTRIBUTION,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let mode = capacity::mode(&input);
        let shards = match (mode, input.integer("ShardCount")) {
            (_, Some(shards)) => u32::try_from(shards).unwrap_or(u32::MAX),
            (Mode::OnDemand, None) => limits::ON_DEMAND_SHARDS,
            (Mode::Provisioned, None) => {
                return Err(Refusal::validation("ShardCount has to be specified for streams in PROVISIONED mode."));
            }
        };
        let name = StreamName::new(input.required_text("StreamName")).map_err(|wrong| refusal::argument(wrong.to_string()))?;
        let mut settings = Settings { mode, ..Settings::default() };
        if let Some(given) = input.structure("Tags") {
            tags::add(&mut settings.tags, given, |why| format!("Failed to create stream {name} because {why}"))?;
        }
        if let Some(kib) = capacity::record_kib(&input) {
            settings.set_record_kib_max(kib);
        }
        capacity::set_warm_throughput(&mut settings, &input)?;
        capacity::set_distribution(&mut settings, &input)?;
        let streams = || cx.log.streams_in(&cx.realm);
        let creating = || streams().iter().filter(|stream| stream.status(cx.now()) == Status::Creating).count();
        if cx.is_limited() && creating() >= CREATING_MAX {
            return Err(refusal::limit(format!(
                "Limit of {CREATING_MAX} streams that can simultaneously be in CREATING or DELETING state is reached for the account \
                 {}.",
                cx.account
            )));
        }
        let created = cx.log.create_stream_in(cx.realm.clone(), name, shards, settings).await;
        let stream = created.map_err(|error| cx.refused(&error))?;
        if !cx.realm.is_home() {
            // Who expects a topic finds here why there is none.
            tracing::info!(stream = %stream.name(), realm = %cx.realm, "a stream was created that is no topic: only those of the default region and account are");
        }
        Ok(Output::default())
    }
}
