//! What settings are made of: addresses, topics, listeners, users, keys.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;
use serde::Deserialize;

use super::{number, path};
use crate::model::{StreamName, limits};

/// A host name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The address of `port` at `host`.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip().to_string(), address.port())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = || "HOST:PORT is accepted, such as 127.0.0.1:9092, localhost:9092 or [::1]:9092".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(accepted)?;
        let port = port.parse().map_err(|_| format!("the port has to be 0 to 65535; {}", accepted()))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(accepted)?,
            None if host.contains(':') => return Err(accepted()),
            None => host,
        };
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | '@' | '[' | ']');
        if host.is_empty() || !host.chars().all(plain) { Err(accepted()) } else { Ok(Self::new(host, port)) }
    }
}

/// Where the public keys are that tokens are signed with: a JWKS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At an address: `http` or `https`, with a host, and without a name and a password.
    Url(Uri),
}

impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl FromStr for Jwks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return path(text).map(Self::File);
        }
        let accepted = "a file is accepted, or an address such as https://HOST[:PORT]/PATH without a name and a password";
        let is_whole = |url: &Uri| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.authority().is_some_and(|at| !at.host().is_empty() && !at.as_str().contains('@'))
        };
        text.parse().ok().filter(is_whole).map(Self::Url).ok_or_else(|| accepted.to_owned())
    }
}

/// A topic that is there when the gateway is ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its name.
    pub name: StreamName,
    /// Its partitions; `None`: the default number.
    pub partitions: Option<u32>,
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, partitions) = match text.rsplit_once(':') {
            Some((name, partitions)) => (name, Some(number(partitions, 1, limits::SHARDS_MAX)?)),
            None => (text, None),
        };
        let name = StreamName::new(name).map_err(|error| format!("NAME or NAME:PARTITIONS is accepted, but {error}"))?;
        Ok(Self { name, partitions })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partitions {
            Some(partitions) => write!(f, "{}:{partitions}", self.name),
            None => self.name.fmt(f),
        }
    }
}

/// A place where Kafka clients connect, and what they have to show there.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KafkaListener {
    /// What it is called in log lines and in the ports file.
    pub name: String,
    /// Where it is; port 0 is a free one.
    pub address: Address,
    /// What clients are told to connect to; `None`: the address at which their connection arrived.
    pub advertised: Option<Address>,
    /// A PEM file with its certificate; `None`: nothing is encrypted.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the key of the certificate.
    pub key: Option<PathBuf>,
    /// A PEM file with those whose signatures on clients' certificates are trusted; `None`: clients are asked for none.
    pub client_ca: Option<PathBuf>,
    /// Whether clients may do without, where they are asked for one.
    #[serde(default)]
    pub client_certificate: ClientCertificate,
    /// The SASL mechanisms with which clients may log in; if there are none, nobody has to.
    #[serde(default)]
    pub login: Vec<String>,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Nobody without one is served.
    #[default]
    Required,
    /// Who has none is anonymous.
    Requested,
}

impl KafkaListener {
    pub(super) fn check(self) -> Result<Self, &'static str> {
        match &self {
            Self { name, .. } if name.is_empty() => Err("the name is empty"),
            Self { advertised: Some(Address { port: 0, .. }), .. } => Err("clients cannot connect to port 0"),
            Self { certificate: Some(_), key: None, .. } => Err("a certificate needs its key"),
            Self { certificate: None, key: Some(_), .. } => Err("a key needs its certificate"),
            Self { certificate: None, client_ca: Some(_), .. } => Err("client-ca needs a certificate and a key"),
            _ => Ok(self),
        }
    }
}

/// Somebody who may log in with a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Who it is.
    pub name: String,
    /// What only they know.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An access key of AWS clients, and its secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Credential {
    /// What clients show.
    pub access_key: String,
    /// What they sign with.
    pub secret_key: String,
}

/// Without the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
