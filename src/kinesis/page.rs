//! Lists in pages: tokens that carry the stream and what is left, for five minutes.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::aws::{Input, Refusal};
use crate::log::Stream;
use crate::model::{StreamId, Timestamp};

use super::context::Context;
use super::refusal::argument;
use super::seal::Kind;

/// How long a token can be used, in milliseconds (Kinesis API reference, ListShards, `NextToken`, 2026-11).
const LIFE_MILLIS: i64 = 300_000;

/// What continues a list.
#[derive(Serialize, Deserialize)]
pub(super) struct Token<R> {
    /// The incarnation of the stream.
    pub(super) stream: StreamId,
    /// When the token was made.
    pub(super) born_at: Timestamp,
    /// What is left.
    pub(super) rest: R,
}

/// The token as a client gets it.
pub(super) fn close<R: Serialize>(cx: &Context, kind: Kind, token: &Token<R>) -> String {
    // Numbers and ids always serialize; an empty token would be refused.
    cx.shared.seal.close(kind, &serde_json::to_vec(token).unwrap_or_default())
}

/// The stream and what is left, of the token that a client sent.
///
/// # Errors
/// InvalidArgumentException if it is none; ExpiredNextTokenException if it is too old; ResourceNotFoundException if the stream is gone.
pub(super) fn open<R: DeserializeOwned>(cx: &Context, kind: Kind, token: &str) -> Result<(Arc<Stream>, R), Refusal> {
    let content = cx.shared.seal.open(kind, token);
    let token = content.and_then(|content| serde_json::from_slice::<Token<R>>(&content).ok());
    let token = token.ok_or_else(|| argument("NextToken is invalid."))?;
    if cx.now().0.saturating_sub(token.born_at.0) > LIFE_MILLIS {
        return Err(Refusal::new(
            "ExpiredNextTokenException",
            format!("NextToken expired: it is older than the tolerated {LIFE_MILLIS} milliseconds."),
        ));
    }
    let stream = cx.log.stream_by_id(token.stream).ok_or_else(|| cx.no_stream(token.stream))?;
    Ok((stream, token.rest))
}

/// Whether `NextToken` stands without what it carries already.
///
/// # Errors
/// InvalidArgumentException if one of `others` is there too.
pub(super) fn check_alone(input: &Input, others: &[&str]) -> Result<(), Refusal> {
    match others.iter().find(|other| input.get(other).is_some()) {
        Some(other) => Err(argument(format!("NextToken and {other} cannot be provided together."))),
        None => Ok(()),
    }
}

/// The stream that a request begins with; the incarnation of `StreamCreationTimestamp`, if that is there.
///
/// # Errors
/// ResourceNotFoundException, also if the stream was created at another time.
pub(super) fn stream(cx: &Context, input: &Input) -> Result<Arc<Stream>, Refusal> {
    let stream = cx.stream(input)?;
    match input.timestamp("StreamCreationTimestamp") {
        // Clients without fractions have the second.
        Some(at) if at.seconds() != stream.created_at().seconds() => Err(cx.no_stream(stream.name())),
        _ => Ok(stream),
    }
}

/// How many of them an answer has: what `MaxResults` says, but no more than `most`.
pub(super) fn limit(input: &Input, most: usize) -> usize {
    input.integer("MaxResults").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(most).min(most)
}
