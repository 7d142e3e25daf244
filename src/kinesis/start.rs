//! Where a reader begins, as GetShardIterator and SubscribeToShard are told.

use crate::aws::{Refusal, Structure};
use crate::log::{Place, ShardReader};
use crate::model::Offset;

use super::context::Context;
use super::refusal::argument;

/// What a request says of where to begin.
pub(super) struct Start<'a> {
    /// The kind of position.
    pub(super) kind: &'a str,
    /// The sequence number, if it names one.
    pub(super) number: Option<&'a str>,
    /// The structure that has the time.
    pub(super) input: &'a Structure,
}

impl Start<'_> {
    /// The offset where to begin.
    ///
    /// # Errors
    /// InvalidArgumentException if it does not say that.
    pub(super) async fn find(&self, cx: &Context, reader: &mut ShardReader<'_>) -> Result<Offset, Refusal> {
        let refuse = |what: &str| {
            Err(argument(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {what} StartingSequenceNumber.",
                self.kind
            )))
        };
        let place = match (self.kind, self.number) {
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", Some(number)) => {
                let (stream, is_behind) = (reader.stream().clone(), self.kind == "AFTER_SEQUENCE_NUMBER");
                let offset = cx.position(number, stream.name().as_str(), reader.shard(), is_behind)?;
                let tip = reader.find(Place::Tip).await.map_err(|error| cx.refused(&error))?;
                return Ok(offset.min(tip));
            }
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None) => return refuse("no"),
            (_, Some(_)) => return refuse("also a"),
            ("TRIM_HORIZON", None) => Place::Horizon,
            ("LATEST", None) => Place::Tip,
            (kind, None) => {
                let Some(time) = self.input.timestamp("Timestamp") else {
                    return Err(argument(format!(
                        "Must specify timestampInMillis parameter for iterator of type {kind}. Current request has no timestamp \
                         parameter."
                    )));
                };
                let now = cx.now();
                if time > now {
                    return Err(argument(format!(
                        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: \
                         {}, currentTimestampInMillis: {}",
                        time.0, now.0
                    )));
                }
                Place::ArrivedFrom(time)
            }
        };
        reader.find(place).await.map_err(|error| cx.refused(&error))
    }
}
