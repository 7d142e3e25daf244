//! Who somebody is, in Kafka's form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The type of all principals here (Kafka, `KafkaPrincipal.USER_TYPE`).
const USER: &str = "User:";

/// Who somebody is: a user, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The user of this name.
    pub fn user(name: &str) -> Self {
        Self(name.into())
    }

    /// Whoever has not said who they are (Kafka, `KafkaPrincipal.ANONYMOUS`).
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// The name alone.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{USER}{}", self.0)
    }
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(USER) {
            Some(name) if !name.is_empty() => Ok(Self::user(name)),
            _ => Err("User:NAME is accepted".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_read_as_they_are_written() {
        for text in ["User:alice", "User:CN=client,O=example", "User:*", "User:a:b"] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
        for wrong in ["", "alice", "User:", "Group:a", "user:a"] {
            assert!(wrong.parse::<Principal>().is_err(), "{wrong}");
        }
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
    }
}
