//! What every operation implements, and the table that a service has of them.

use std::future::Future;
use std::pin::Pin;

use super::event_stream::Events;
use super::query::Dialect;
use super::refusal::Refusal;
use super::rules::Rule;
use super::value::{Input, Structure};

/// One operation of a service; `Cx` is what its operations can see besides their inputs.
pub trait Operation<Cx>: Send + Sync + 'static {
    /// Its name in the API.
    const NAME: &'static str;
    /// What it takes, in the order in which AWS checks it.
    const RULES: &'static [Rule];
    /// Memory that its answer may take, if that is much; what there is for it is told with the caller.
    const ANSWER_BYTES: usize = 0;

    /// Does it. The input keeps the rules.
    fn perform(cx: &Cx, input: Input) -> impl Future<Output = Result<Output, Refusal>> + Send;
}

/// What comes back from an operation that was done.
pub type Output = Structure;

/// An operation whose answer goes on as events.
pub trait Subscription<Cx>: Send + Sync + 'static {
    /// Its name in the API.
    const NAME: &'static str;
    /// What it takes, in the order in which AWS checks it.
    const RULES: &'static [Rule];

    /// Begins it. What is refused here is answered as by any operation.
    fn begin(cx: &Cx, input: Input) -> impl Future<Output = Result<Events, Refusal>> + Send;
}

/// What an operation gives back.
pub enum Outcome {
    /// All at once.
    Whole(Output),
    /// As it happens.
    Events(Events),
}

/// An operation at work.
pub type Performing = Pin<Box<dyn Future<Output = Result<Outcome, Refusal>> + Send>>;

/// One line of a service's table.
pub struct Entry<Cx> {
    /// [`Operation::NAME`].
    pub name: &'static str,
    /// [`Operation::RULES`].
    pub rules: &'static [Rule],
    /// [`Operation::ANSWER_BYTES`].
    pub answer_bytes: usize,
    /// [`Operation::perform`] or [`Subscription::begin`].
    pub perform: fn(Cx, Input) -> Performing,
}

/// The line of `O`.
pub const fn entry<O: Operation<Cx>, Cx: Send + Sync + 'static>() -> Entry<Cx> {
    Entry {
        name: O::NAME,
        rules: O::RULES,
        answer_bytes: O::ANSWER_BYTES,
        perform: |cx, input| Box::pin(async move { O::perform(&cx, input).await.map(Outcome::Whole) }),
    }
}

/// The line of `S`.
pub const fn subscription<S: Subscription<Cx>, Cx: Send + Sync + 'static>() -> Entry<Cx> {
    Entry {
        name: S::NAME,
        rules: S::RULES,
        answer_bytes: 0,
        perform: |cx, input| Box::pin(async move { S::begin(&cx, input).await.map(Outcome::Events) }),
    }
}

/// Operations behind an endpoint, found by what `X-Amz-Target` says.
pub trait Service: Send + Sync + 'static {
    /// What its targets begin with, such as `Kinesis_20131202.`.
    fn target(&self) -> &'static str;

    /// The content types that its requests may have.
    fn content_types(&self) -> &'static [&'static str];

    /// The operation of that target, such as `Kinesis_20131202.ListStreams`.
    ///
    /// # Errors
    /// UnknownOperationException if it is not served.
    fn find(&self, target: &str) -> Result<Found, Refusal>;

    /// How it is spoken to in AWS Query, if it is.
    fn dialect(&self) -> Option<Dialect> {
        None
    }
}

/// An operation that was asked for.
pub struct Found {
    /// What it takes.
    pub rules: &'static [Rule],
    /// Memory that its answer may take, if that is much.
    pub answer_bytes: usize,
    /// Does it for that caller.
    pub perform: Box<dyn FnOnce(Caller, Input) -> Performing + Send>,
}

/// Who asks, as the signature says (nothing of it is verified unless credentials are configured), and what for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Caller {
    /// The account: an access key of 12 digits is one.
    pub account: Option<String>,
    /// The region of the signature's scope.
    pub region: Option<String>,
    /// Memory that the answer may take, where that may be much.
    pub answer_bytes_max: usize,
}
