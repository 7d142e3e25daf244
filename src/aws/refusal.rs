//! An operation that is refused: an exception's name, its words, and its status.

use std::borrow::Cow;

use super::value::Structure;

/// What a client is told when an operation was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The exception's name, as SDKs know it.
    name: &'static str,
    /// What went wrong.
    message: Option<Cow<'static, str>>,
    /// The status of the answer.
    status: u16,
    /// The member that has the message.
    member: &'static str,
}

impl Refusal {
    /// A fault of the client (status 400).
    pub fn new(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { name, message: Some(message.into()), status: 400, member: "message" }
    }

    /// A fault of the client that says no more than its name.
    pub(crate) fn bare(name: &'static str) -> Self {
        Self { name, message: None, status: 400, member: "message" }
    }

    /// The request does not say what its operation takes. AWS writes this one's `Message` with a capital.
    pub(crate) fn serialization(message: impl Into<Cow<'static, str>>) -> Self {
        Self { member: "Message", ..Self::new("SerializationException", message) }
    }

    /// There is no such operation.
    pub fn unknown_operation() -> Self {
        Self::bare("UnknownOperationException")
    }

    /// A constraint of the input is broken.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A fault of ours (status 500).
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 500, ..Self::new("InternalFailure", message) }
    }

    /// There is no room for the request now (status 503): SDKs send it again.
    pub(crate) fn busy() -> Self {
        Self { status: 503, ..Self::new("ServiceUnavailable", "There is no memory left for the answer. Please try again.") }
    }

    /// The exception's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What went wrong; nothing where AWS says nothing.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Structure {
        let message = self.message.as_ref().map(|message| message.clone().into_owned());
        Structure::with_capacity(2).with("__type", self.name).with(self.member, message)
    }
}
