//! The ways to log in, by their names of SASL.

use std::fmt;
use std::str::FromStr;

use crate::model::Timestamp;

use super::Principal;

/// A SASL mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// A name and a password as they are (RFC 4616).
    Plain,
    /// A proof that one knows a password (RFC 7677).
    ScramSha256,
    /// The same with a longer hash.
    ScramSha512,
    /// A token that somebody trusted has signed (RFC 7628).
    OauthBearer,
    /// A signature with an access key of AWS.
    AwsMskIam,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer, Self::AwsMskIam];

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
            Self::AwsMskIam => "AWS_MSK_IAM",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mechanism| mechanism.name() == text);
        found.ok_or_else(|| format!("{} are accepted", Self::ALL.map(Self::name).join(", ")))
    }
}

/// How far a login is after one more message of the client.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The client has to say more, knowing this.
    Challenge(Vec<u8>),
    /// It is done.
    Done {
        /// Who it is.
        principal: Principal,
        /// The last message to the client; often empty.
        message: Vec<u8>,
        /// Until when what was shown is good, if it says so.
        until: Option<Timestamp>,
    },
}

/// Why a login failed, for the log of the gateway: without names and secrets. The client is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed(pub(crate) &'static str);
