//! Stream names: the intersection of what Kafka and Kinesis allow.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::STREAM_NAME_CHARS_MAX;

/// The name of a stream, which is also the name of a topic: 1 to 128 characters of `[a-zA-Z0-9_.-]`,
/// and neither `.` nor `..` (Kafka, `Topic.validate`; Kinesis, CreateStream `StreamName`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(Arc<str>);

/// Why a text is not a stream name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidName {
    /// Nothing at all.
    #[error("the stream name is empty; 1 to {STREAM_NAME_CHARS_MAX} characters of a-z, A-Z, 0-9, '.', '_' and '-' are accepted")]
    Empty,
    /// More characters than Kinesis allows.
    #[error("the stream name has {0} characters; at most {STREAM_NAME_CHARS_MAX} are accepted")]
    TooLong(usize),
    /// A character outside the alphabet.
    #[error("the stream name has the character {0:?} at position {1}; a-z, A-Z, 0-9, '.', '_' and '-' are accepted")]
    Character(char, usize),
    /// `.` or `..`, which Kafka keeps for the file system.
    #[error("the stream name cannot be '.' or '..'")]
    Dots,
}

impl StreamName {
    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if let Some((at, wrong)) =
            text.chars().enumerate().find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(InvalidName::Character(wrong, at));
        }
        if text.len() > STREAM_NAME_CHARS_MAX {
            return Err(InvalidName::TooLong(text.len()));
        }
        if matches!(text, "." | "..") {
            return Err(InvalidName::Dots);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StreamName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for StreamName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
