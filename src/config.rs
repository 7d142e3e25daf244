//! **The settings of a gateway**: one struct, one table of everything that can be set.
//!
//! A value comes from a flag, else from the environment, else from the file, else it is the default. [`SETTINGS`] is the only
//! list: flags, variables, file keys, `config print` and the README's table are read from it. An unknown key in the file is an
//! error that names the nearest known one. An unknown `SHARDGATE_…` variable is not: Kubernetes sets such variables by itself
//! for a service of that name.
//!
//! Imports `model` only.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper::Uri;
use serde::Deserialize;

use crate::model::{Limits, StreamName, limits};

/// How a gateway is set up. The default is that of the program: see [`SETTINGS`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where data is kept, unless the gateway is ephemeral.
    pub data_dir: PathBuf,
    /// Whether everything is kept in memory and gone with the gateway.
    pub ephemeral: bool,
    /// Whether damaged parts of the data are given up instead of stopping the start.
    pub repair: bool,
    /// Where Kafka clients connect, in plain text and without a login; port 0 is a free one. Not used if there are
    /// `kafka_listeners`.
    pub kafka_listener: Address,
    /// Where Kafka clients connect, each with security of its own.
    pub kafka_listeners: Vec<KafkaListener>,
    /// Whether a Kafka listener that other machines can reach may serve whoever connects.
    pub insecure_listener: bool,
    /// Who may log in with a password at the Kafka listeners that ask for one.
    pub users: Vec<User>,
    /// Where the keys of tokens for OAUTHBEARER are; `None`: no token is good.
    pub oauth_jwks: Option<Jwks>,
    /// Who has to have made them (`iss`); `None`: anybody.
    pub oauth_issuer: Option<String>,
    /// Whom they have to be for (`aud`); `None`: anybody.
    pub oauth_audience: Option<String>,
    /// Whether Kafka clients may do only what access rules allow.
    pub authorizer: bool,
    /// Who may do everything, as `User:NAME`.
    pub super_users: Vec<String>,
    /// How long such a login holds; `None`: as long as its connection.
    pub login_lifetime: Option<Duration>,
    /// Where AWS clients connect; port 0 is a free one.
    pub kinesis_listener: Address,
    /// Whether AWS clients may also speak TLS, with a certificate that nobody has signed.
    pub tls_self_signed: bool,
    /// Which AWS clients are served; if there are none, all are.
    pub credentials: Vec<Credential>,
    /// Where health and metrics are served; `None`: nowhere.
    pub http_listener: Option<Address>,
    /// What Kafka clients are told to connect to; `None`: the address at which their connection arrived.
    pub advertised_listener: Option<Address>,
    /// The id of this broker, 0 or more.
    pub node_id: i32,
    /// Topics that are created if they are not there.
    pub topics: Vec<Topic>,
    /// Partitions of a topic created without a number: 1 to [`limits::SHARDS_MAX`].
    pub default_partitions: u32,
    /// Whether a topic that a client asks for is created if it is not there.
    pub auto_create_topics: bool,
    /// What streams may carry when the gateway starts.
    pub limits: Limits,
    /// How long a consumer group without members keeps its offsets.
    pub offsets_retention: Duration,
    /// How long a stream is CREATING, UPDATING or DELETING after such a change.
    pub state_change_delay: Duration,
    /// Open shards of all provisioned streams together, where limits are in force.
    pub shard_quota: u32,
    /// The region in the names of streams.
    pub region: String,
    /// The account in the names of streams: 12 digits.
    pub account_id: String,
    /// Largest request in bytes.
    pub frame_bytes_max: usize,
    /// Kafka connections at once.
    pub connections_max: usize,
    /// Bytes of requests in memory at once, all connections together.
    pub frames_in_flight_bytes_max: usize,
    /// Bytes of the newest records kept in memory, all topics together.
    pub tail_bytes_max: usize,
    /// How the program's log lines look.
    pub log_format: LogFormat,
    /// The file that gets the addresses when the gateway is ready.
    pub ports_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            ephemeral: false,
            repair: false,
            kafka_listener: Address::new("127.0.0.1", 9092),
            kafka_listeners: Vec::new(),
            insecure_listener: false,
            users: Vec::new(),
            oauth_jwks: None,
            oauth_issuer: None,
            oauth_audience: None,
            authorizer: false,
            super_users: Vec::new(),
            login_lifetime: None,
            kinesis_listener: Address::new("127.0.0.1", 4567),
            tls_self_signed: false,
            credentials: Vec::new(),
            http_listener: Some(Address::new("127.0.0.1", 8080)),
            advertised_listener: None,
            node_id: 0,
            topics: Vec::new(),
            default_partitions: 1,
            auto_create_topics: true,
            limits: Limits::kinesis(),
            offsets_retention: Duration::from_secs(10_080 * 60),
            state_change_delay: Duration::ZERO,
            shard_quota: limits::SHARD_QUOTA,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            frame_bytes_max: 104_857_600,
            connections_max: 10_000,
            frames_in_flight_bytes_max: 48 << 20,
            tail_bytes_max: 24 << 20,
            log_format: LogFormat::Text,
            ports_file: None,
        }
    }
}

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
    fn check(self) -> Result<Self, &'static str> {
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

/// One thing that can be set.
pub struct Setting {
    /// The flag without its dashes, and the key in the file.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// How many values it takes, and of what kind they are in a file.
    pub kind: Kind,
    set: fn(&mut Config, &str) -> Result<(), String>,
    show: fn(&Config) -> Vec<String>,
}

/// What a setting's values are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One text.
    Text,
    /// One whole number.
    Number,
    /// `true` or `false`; the flag alone means `true`.
    Switch,
    /// Any number of texts: the flag repeated, an array in the file, commas in the environment.
    List,
    /// Tables in the file, and nowhere else: several texts belong together, and everybody could see secrets in flags and variables.
    Tables,
}

impl Setting {
    /// Its values in `config`, as they can be given to a flag; none if it is not set.
    pub fn values(&self, config: &Config) -> Vec<String> {
        (self.show)(config)
    }
}

/// Everything that can be set, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "data-dir",
        env: "SHARDGATE_DATA_DIR",
        value_name: "DIR",
        help: "Where data is kept; made if it is not there",
        kind: Kind::Text,
        set: |config, text| path(text).map(|path| config.data_dir = path),
        show: |config| vec![config.data_dir.display().to_string()],
    },
    Setting {
        key: "ephemeral",
        env: "SHARDGATE_EPHEMERAL",
        value_name: "BOOL",
        help: "Keep everything in memory; the data directory is not used",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.ephemeral = on),
        show: |config| vec![config.ephemeral.to_string()],
    },
    Setting {
        key: "kafka-listener",
        env: "SHARDGATE_KAFKA_LISTENER",
        value_name: "HOST:PORT",
        help: "Where Kafka clients connect; port 0 picks a free one",
        kind: Kind::Text,
        set: |config, text| text.parse().map(|address| config.kafka_listener = address),
        show: |config| vec![config.kafka_listener.to_string()],
    },
    Setting {
        key: "kafka-listeners",
        env: "",
        value_name: "",
        help: "Where Kafka clients connect instead of --kafka-listener, each with its own certificate and logins",
        kind: Kind::Tables,
        set: |config, text| {
            let listener = toml::from_str(text).map_err(|error| error.message().to_owned());
            let listener = listener.and_then(|listener: KafkaListener| listener.check().map_err(str::to_owned));
            let listener = listener.map_err(|wrong| format!("{wrong}; {KAFKA_LISTENERS}"))?;
            if config.kafka_listeners.iter().any(|other| other.name == listener.name) {
                return Err(format!("the name {:?} is there twice; each listener needs one of its own", listener.name));
            }
            config.kafka_listeners.push(listener);
            Ok(())
        },
        show: |config| config.kafka_listeners.iter().map(|listener| listener.name.clone()).collect(),
    },
    Setting {
        key: "insecure-listener",
        env: "SHARDGATE_INSECURE_LISTENER",
        value_name: "BOOL",
        help: "Start although other machines can reach a Kafka listener that serves whoever connects",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.insecure_listener = on),
        show: |config| vec![config.insecure_listener.to_string()],
    },
    Setting {
        key: "users",
        env: "",
        value_name: "",
        help: "Names and passwords for logins with PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512",
        kind: Kind::Tables,
        set: |config, text| {
            let is_whole = |user: &User| !user.name.is_empty() && !user.password.is_empty();
            let user = toml::from_str(text).ok().filter(is_whole).ok_or(USERS)?;
            if config.users.iter().any(|other| other.name == user.name) {
                return Err(format!("the user {:?} is there twice; each name is accepted once", user.name));
            }
            config.users.push(user);
            Ok(())
        },
        show: |config| config.users.iter().map(|user| user.name.clone()).collect(),
    },
    Setting {
        key: "oauth-jwks",
        env: "SHARDGATE_OAUTH_JWKS",
        value_name: "FILE_OR_URL",
        help: "A JWKS (a file, http:// or https://) with the keys (RSA, P-256) of tokens for OAUTHBEARER; looked at again and again",
        kind: Kind::Text,
        set: |config, text| text.parse().map(|jwks| config.oauth_jwks = Some(jwks)),
        show: |config| config.oauth_jwks.iter().map(Jwks::to_string).collect(),
    },
    Setting {
        key: "oauth-issuer",
        env: "SHARDGATE_OAUTH_ISSUER",
        value_name: "TEXT",
        help: "What such a token has to say of who made it (iss)",
        kind: Kind::Text,
        set: |config, text| {
            config.oauth_issuer = Some(text.to_owned());
            Ok(())
        },
        show: |config| config.oauth_issuer.iter().cloned().collect(),
    },
    Setting {
        key: "oauth-audience",
        env: "SHARDGATE_OAUTH_AUDIENCE",
        value_name: "TEXT",
        help: "Whom such a token has to be for (aud)",
        kind: Kind::Text,
        set: |config, text| {
            config.oauth_audience = Some(text.to_owned());
            Ok(())
        },
        show: |config| config.oauth_audience.iter().cloned().collect(),
    },
    Setting {
        key: "authorizer",
        env: "SHARDGATE_AUTHORIZER",
        value_name: "BOOL",
        help: "Let Kafka clients do only what access rules (ACLs) allow, and super users everything",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.authorizer = on),
        show: |config| vec![config.authorizer.to_string()],
    },
    Setting {
        key: "super-user",
        env: "SHARDGATE_SUPER_USER",
        value_name: "User:NAME",
        help: "Who may do everything; may be repeated (a name with commas can only be given in the file)",
        kind: Kind::List,
        set: |config, text| match text.strip_prefix("User:") {
            Some(name) if !name.is_empty() => {
                config.super_users.push(text.to_owned());
                Ok(())
            }
            _ => Err("User:NAME is accepted, such as User:admin".to_owned()),
        },
        show: |config| config.super_users.clone(),
    },
    Setting {
        key: "login-lifetime",
        env: "SHARDGATE_LOGIN_LIFETIME",
        value_name: "MILLISECONDS",
        help: "How long a login of a Kafka client holds before it has to log in again; 0: as long as its connection",
        kind: Kind::Number,
        set: |config, text| {
            let millis = number(text, 0, i32::MAX.unsigned_abs())?;
            config.login_lifetime = (millis > 0).then(|| Duration::from_millis(millis.into()));
            Ok(())
        },
        show: |config| vec![config.login_lifetime.unwrap_or_default().as_millis().to_string()],
    },
    Setting {
        key: "kinesis-listener",
        env: "SHARDGATE_KINESIS_LISTENER",
        value_name: "HOST:PORT",
        help: "Where AWS clients connect; port 0 picks a free one",
        kind: Kind::Text,
        set: |config, text| text.parse().map(|address| config.kinesis_listener = address),
        show: |config| vec![config.kinesis_listener.to_string()],
    },
    Setting {
        key: "tls-self-signed",
        env: "SHARDGATE_TLS_SELF_SIGNED",
        value_name: "BOOL",
        help: "Let AWS clients speak TLS on the same port, with a certificate that nobody has signed",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.tls_self_signed = on),
        show: |config| vec![config.tls_self_signed.to_string()],
    },
    Setting {
        key: "credentials",
        env: "",
        value_name: "",
        help: "AWS clients have to sign with one of these keys, and Kafka clients for AWS_MSK_IAM; without any, signatures of AWS clients are read and not verified",
        kind: Kind::Tables,
        set: |config, text| {
            let credential = toml::from_str(text).ok().filter(|Credential { access_key, secret_key }| {
                [access_key, secret_key].into_iter().all(|text| !text.is_empty() && !text.contains(' '))
            });
            config.credentials.push(credential.ok_or(CREDENTIALS)?);
            Ok(())
        },
        show: |config| config.credentials.iter().map(|credential| credential.access_key.clone()).collect(),
    },
    Setting {
        key: "http-listener",
        env: "SHARDGATE_HTTP_LISTENER",
        value_name: "HOST:PORT",
        help: "Where health and metrics are served; port 0 picks a free one",
        kind: Kind::Text,
        set: |config, text| text.parse().map(|address| config.http_listener = Some(address)),
        show: |config| config.http_listener.iter().map(Address::to_string).collect(),
    },
    Setting {
        key: "advertised-listener",
        env: "SHARDGATE_ADVERTISED_LISTENER",
        value_name: "HOST:PORT",
        help: "What Kafka clients are told to connect to, instead of the address at which their connection arrived",
        kind: Kind::Text,
        set: |config, text| {
            let address: Address = text.parse()?;
            match address.port {
                0 => Err("clients cannot connect to port 0; 1 to 65535 are accepted".to_owned()),
                _ => {
                    config.advertised_listener = Some(address);
                    Ok(())
                }
            }
        },
        show: |config| config.advertised_listener.iter().map(Address::to_string).collect(),
    },
    Setting {
        key: "node-id",
        env: "SHARDGATE_NODE_ID",
        value_name: "ID",
        help: "The id of this broker",
        kind: Kind::Number,
        set: |config, text| number(text, 0, i32::MAX).map(|id| config.node_id = id),
        show: |config| vec![config.node_id.to_string()],
    },
    Setting {
        key: "topic",
        env: "SHARDGATE_TOPIC",
        value_name: "NAME[:PARTITIONS]",
        help: "A topic to create if it is not there; may be repeated",
        kind: Kind::List,
        set: |config, text| text.parse().map(|topic| config.topics.push(topic)),
        show: |config| config.topics.iter().map(Topic::to_string).collect(),
    },
    Setting {
        key: "default-partitions",
        env: "SHARDGATE_DEFAULT_PARTITIONS",
        value_name: "NUMBER",
        help: "Partitions of a topic created without a number",
        kind: Kind::Number,
        set: |config, text| number(text, 1, limits::SHARDS_MAX).map(|partitions| config.default_partitions = partitions),
        show: |config| vec![config.default_partitions.to_string()],
    },
    Setting {
        key: "auto-create-topics",
        env: "SHARDGATE_AUTO_CREATE_TOPICS",
        value_name: "BOOL",
        help: "Create a topic when a client asks for one that is not there",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.auto_create_topics = on),
        show: |config| vec![config.auto_create_topics.to_string()],
    },
    Setting {
        key: "limits",
        env: "SHARDGATE_LIMITS",
        value_name: "PROFILE",
        help: "kinesis: each shard carries 1 MiB and 1,000 records a second in, 2 MiB out; kinesis:50%: half of that (1% to 10000%); off: what the machine does",
        kind: Kind::Text,
        set: |config, text| text.parse().map(|limits| config.limits = limits),
        show: |config| vec![config.limits.to_string()],
    },
    Setting {
        key: "offsets-retention-minutes",
        env: "SHARDGATE_OFFSETS_RETENTION_MINUTES",
        value_name: "MINUTES",
        help: "How long a consumer group without members keeps its offsets",
        kind: Kind::Number,
        // Kafka's bound: a whole number of minutes in an i32.
        set: |config, text| {
            number(text, 1, i32::MAX.unsigned_abs())
                .map(|minutes| config.offsets_retention = Duration::from_secs(u64::from(minutes) * 60))
        },
        show: |config| vec![(config.offsets_retention.as_secs() / 60).to_string()],
    },
    Setting {
        key: "state-change-delay",
        env: "SHARDGATE_STATE_CHANGE_DELAY",
        value_name: "MILLISECONDS",
        help: "How long a stream is CREATING, UPDATING or DELETING after such a change",
        kind: Kind::Number,
        set: |config, text| number(text, 0, 3_600_000).map(|millis| config.state_change_delay = Duration::from_millis(millis)),
        show: |config| vec![config.state_change_delay.as_millis().to_string()],
    },
    Setting {
        key: "shard-quota",
        env: "SHARDGATE_SHARD_QUOTA",
        value_name: "NUMBER",
        help: "Open shards (partitions) of all streams in mode PROVISIONED of an account in a region together; not counted with --limits off",
        kind: Kind::Number,
        set: |config, text| number(text, 1, u32::MAX).map(|shards| config.shard_quota = shards),
        show: |config| vec![config.shard_quota.to_string()],
    },
    Setting {
        key: "region",
        env: "SHARDGATE_REGION",
        value_name: "NAME",
        help: "The AWS region of topics, and of Kinesis callers whose signatures name none",
        kind: Kind::Text,
        set: |config, text| region(text).map(|region| config.region = region),
        show: |config| vec![config.region.clone()],
    },
    Setting {
        key: "account-id",
        env: "SHARDGATE_ACCOUNT_ID",
        value_name: "DIGITS",
        help: "The AWS account of topics, and of Kinesis callers whose access keys are none",
        kind: Kind::Text,
        set: |config, text| account(text).map(|account| config.account_id = account),
        show: |config| vec![config.account_id.clone()],
    },
    Setting {
        key: "max-frame-bytes",
        env: "SHARDGATE_MAX_FRAME_BYTES",
        value_name: "BYTES",
        help: "Largest request; a connection that sends a larger one is closed",
        kind: Kind::Number,
        set: |config, text| number(text, 1 << 10, i32::MAX as usize).map(|bytes| config.frame_bytes_max = bytes),
        show: |config| vec![config.frame_bytes_max.to_string()],
    },
    Setting {
        key: "max-connections",
        env: "SHARDGATE_MAX_CONNECTIONS",
        value_name: "NUMBER",
        help: "Kafka connections at once; further ones are closed",
        kind: Kind::Number,
        set: |config, text| number(text, 1, 1_000_000).map(|connections| config.connections_max = connections),
        show: |config| vec![config.connections_max.to_string()],
    },
    Setting {
        key: "memory-in-flight-bytes",
        env: "SHARDGATE_MEMORY_IN_FLIGHT_BYTES",
        value_name: "BYTES",
        help: "Requests in memory at once, all connections together; further ones wait in their sockets",
        kind: Kind::Number,
        set: |config, text| number(text, 1 << 20, u32::MAX as usize).map(|bytes| config.frames_in_flight_bytes_max = bytes),
        show: |config| vec![config.frames_in_flight_bytes_max.to_string()],
    },
    Setting {
        key: "tail-cache-bytes",
        env: "SHARDGATE_TAIL_CACHE_BYTES",
        value_name: "BYTES",
        help: "Newest records kept in memory for readers, all topics together",
        kind: Kind::Number,
        set: |config, text| number(text, 0, usize::MAX).map(|bytes| config.tail_bytes_max = bytes),
        show: |config| vec![config.tail_bytes_max.to_string()],
    },
    Setting {
        key: "log-format",
        env: "SHARDGATE_LOG_FORMAT",
        value_name: "FORMAT",
        help: "How log lines on standard error look: text or json (RUST_LOG filters them)",
        kind: Kind::Text,
        set: |config, text| {
            config.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err("text and json are accepted".to_owned()),
            };
            Ok(())
        },
        show: |config| vec![if config.log_format == LogFormat::Json { "json" } else { "text" }.to_owned()],
    },
    Setting {
        key: "ports-file",
        env: "SHARDGATE_PORTS_FILE",
        value_name: "FILE",
        help: "A file that gets one JSON object with the addresses when the gateway is ready",
        kind: Kind::Text,
        set: |config, text| path(text).map(|path| config.ports_file = Some(path)),
        show: |config| config.ports_file.iter().map(|path| path.display().to_string()).collect(),
    },
    Setting {
        key: "repair",
        env: "SHARDGATE_REPAIR",
        value_name: "BOOL",
        help: "Give up damaged parts of the data instead of refusing to start",
        kind: Kind::Switch,
        set: |config, text| switch(text).map(|on| config.repair = on),
        show: |config| vec![config.repair.to_string()],
    },
];

/// Where a value comes from; a later one goes before an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Nobody has set it.
    Default,
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

/// Values given for a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Which setting.
    pub key: &'static str,
    /// By whom.
    pub source: Source,
    /// The values: one, but for a list.
    pub values: Vec<String>,
}

/// Why there is no configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the config file {path} cannot be read: {error}; give --config a TOML file")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        error: String,
    },
    /// The file is not TOML.
    #[error("the config file {path} is not TOML: {error}")]
    NotToml {
        /// The file.
        path: String,
        /// The parser's words, with the line.
        error: String,
    },
    /// The file has a key that is not known.
    #[error("the config file {path} has the unknown key {key:?}; {}", meant(nearest))]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The known key that is most like it, if one is.
        nearest: Option<&'static str>,
    },
    /// A value is not accepted.
    #[error("{place} has the value {value:?}: {accepted}")]
    Value {
        /// Which flag, variable or key.
        place: String,
        /// The value.
        value: String,
        /// What is accepted.
        accepted: String,
    },
}

fn meant(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(key) => format!("did you mean {key:?}?"),
        None => format!("known are {}", SETTINGS.iter().map(|setting| setting.key).collect::<Vec<_>>().join(", ")),
    }
}

/// A configuration, and where each of its settings comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merged {
    /// What holds.
    pub config: Config,
    /// One source per line of [`SETTINGS`].
    pub sources: Vec<Source>,
}

/// The strongest value given for each setting, over the defaults.
///
/// # Errors
/// The first value that is not accepted. Values that a stronger source hides are not looked at.
pub fn merge(given: &[Given]) -> Result<Merged, Error> {
    let mut config = Config::default();
    let sources = SETTINGS.iter().map(|setting| {
        let strongest = given.iter().filter(|given| given.key == setting.key).max_by(|a, b| a.source.cmp(&b.source));
        let Some(Given { source, values, .. }) = strongest else { return Ok(Source::Default) };
        for value in values {
            let value = value.as_str();
            let shown = if setting.kind == Kind::Tables { NOT_SHOWN } else { value };
            let wrong = |accepted| Error::Value { place: place(setting, source), value: shown.to_owned(), accepted };
            (setting.set)(&mut config, value).map_err(wrong)?;
        }
        Ok(source.clone())
    });
    let sources = sources.collect::<Result<_, _>>()?;
    Ok(Merged { config, sources })
}

fn place(setting: &Setting, source: &Source) -> String {
    match source {
        Source::Default => setting.key.to_owned(),
        Source::File(path) => format!("{:?} in the config file {}", setting.key, path.display()),
        Source::Environment => format!("the environment variable {}", setting.env),
        Source::Flag => format!("the flag --{}", setting.key),
    }
}

/// What the TOML file at `path` gives.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::NotToml`], [`Error::UnknownKey`], and [`Error::Value`] for a value of the wrong type.
pub fn read_file(path: &Path) -> Result<Vec<Given>, Error> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error::Unreadable { path: shown(), error: error.to_string() })?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| Error::NotToml { path: shown(), error: error.to_string() })?;
    let given = table.into_iter().map(|(key, value)| {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let setting = setting.ok_or_else(|| Error::UnknownKey { path: shown(), nearest: nearest(&key), key })?;
        let source = Source::File(path.to_owned());
        let values = values(setting.kind, &value).map_err(|accepted| Error::Value {
            place: place(setting, &source),
            value: if setting.kind == Kind::Tables { NOT_SHOWN.to_owned() } else { value.to_string() },
            accepted: accepted.to_owned(),
        })?;
        Ok(Given { key: setting.key, source, values })
    });
    given.collect()
}

/// The values in a file as the texts that a flag would have.
fn values(kind: Kind, value: &toml::Value) -> Result<Vec<String>, &'static str> {
    match (kind, value) {
        (Kind::Text, toml::Value::String(text)) => Ok(vec![text.clone()]),
        (Kind::Number, toml::Value::Integer(number)) => Ok(vec![number.to_string()]),
        (Kind::Switch, toml::Value::Boolean(on)) => Ok(vec![on.to_string()]),
        (Kind::List, toml::Value::Array(values)) => {
            let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or("an array of strings is accepted");
            values.iter().map(text).collect()
        }
        (Kind::Tables, toml::Value::Array(tables)) => {
            let text = |table: &toml::Value| table.as_table().map(toml::Table::to_string).ok_or(TABLES);
            tables.iter().map(text).collect()
        }
        (Kind::Tables, _) => Err(TABLES),
        (Kind::Text, _) => Err("a string is accepted"),
        (Kind::Number, _) => Err("a whole number is accepted"),
        (Kind::Switch, _) => Err("true and false are accepted"),
        (Kind::List, _) => Err("an array of strings is accepted"),
    }
}

const TABLES: &str = "tables are accepted, each under its key in double brackets";
const CREDENTIALS: &str = "tables [[credentials]] with the texts access-key and secret-key, without spaces, are accepted";
const USERS: &str = "tables [[users]] with the texts name and password are accepted";
const KAFKA_LISTENERS: &str = "tables [[kafka-listeners]] with the texts name and address are accepted, and if they are needed \
     advertised, certificate, key, client-ca, client-certificate (required or requested) and login, an array of SASL mechanisms";
/// What stands for a table in messages: it may have secrets.
const NOT_SHOWN: &str = "(not shown)";

/// The known key that `key` was most likely meant to be.
fn nearest(key: &str) -> Option<&'static str> {
    // Keys may be long, so what is alike is measured as a share; a transposed or missing letter still leaves more than this.
    const ALIKE: f64 = 0.6;
    let plain = key.to_lowercase().replace('_', "-");
    let likeness = |setting: &Setting| strsim::normalized_damerau_levenshtein(&plain, setting.key);
    let best = SETTINGS.iter().map(|setting| (likeness(setting), setting.key)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, key)| key)
}

/// `merged` as a file that [`read_file`] accepts, each line with its source.
pub fn print(merged: &Merged) -> String {
    let line = |(setting, source): (&Setting, &Source)| {
        let source = match source {
            Source::Default => "default".to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Environment => setting.env.to_owned(),
            Source::Flag => format!("--{}", setting.key),
        };
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let values = setting.values(&merged.config);
        let value = match (setting.kind, values.first()) {
            (Kind::List, _) => format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            (Kind::Tables, Some(_)) => {
                let (key, names) = (setting.key, values.join(", "));
                return format!("# {key} {names} are set; what is in their tables is not shown # {source}\n");
            }
            (_, None) => return format!("# {} is not set\n", setting.key),
            (Kind::Text, Some(value)) => quoted(value),
            (Kind::Number | Kind::Switch, Some(value)) => value.clone(),
        };
        format!("{} = {value} # {source}\n", setting.key)
    };
    SETTINGS.iter().zip(&merged.sources).map(line).collect()
}

fn number<N: FromStr + PartialOrd + fmt::Display>(text: &str, min: N, max: N) -> Result<N, String> {
    match text.parse() {
        Ok(number) if number >= min && number <= max => Ok(number),
        _ => Err(format!("a whole number from {min} to {max} is accepted")),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true and false are accepted".to_owned())
}

/// What AWS's own regions are made of.
fn region(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() <= 32 && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("1 to 32 lower-case letters, digits and dashes are accepted, such as us-east-1".to_owned())
    }
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("12 digits are accepted".to_owned())
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path is accepted".to_owned()) } else { Ok(PathBuf::from(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(key: &'static str, source: Source, values: &[&str]) -> Given {
        Given { key, source, values: values.iter().map(|&value| value.to_owned()).collect() }
    }

    fn file(text: &str) -> Result<Vec<Given>, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shardgate.toml");
        std::fs::write(&path, text).unwrap();
        read_file(&path)
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let all = [
            given("node-id", Source::Flag, &["3"]),
            given("node-id", Source::File("f".into()), &["1"]),
            given("node-id", Source::Environment, &["2"]),
        ];
        for (from, id) in [(0, 3), (1, 2)] {
            assert_eq!(merge(&all[from..]).unwrap().config.node_id, id);
        }
        assert_eq!(merge(&all[1..2]).unwrap().config.node_id, 1);
        assert_eq!(merge(&[]).unwrap().config, Config::default());
    }

    #[test]
    fn a_list_is_taken_whole_from_its_strongest_source() {
        let all =
            [given("topic", Source::File("f".into()), &["a:1", "b:2"]), given("topic", Source::Flag, &["orders:3", "clicks"])];
        let topics = merge(&all).unwrap().config.topics;
        assert_eq!(topics.iter().map(Topic::to_string).collect::<Vec<_>>(), ["orders:3", "clicks"]);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one_and_the_file() {
        for (key, nearest) in
            [("data_dir", "data-dir"), ("kafka-listner", "kafka-listener"), ("Topics", "topic"), ("node-di", "node-id")]
        {
            let error = file(&format!("{key} = 1")).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean {nearest:?}?")) && error.contains("shardgate.toml"), "{error}");
        }
        let error = file("zzz = 1").unwrap_err().to_string();
        assert!(error.contains("known are data-dir, ephemeral"), "{error}");
    }

    #[test]
    fn a_bad_value_names_its_place_and_what_is_accepted() {
        for (key, value, accepted) in [
            ("node-id", "-1", "0 to 2147483647"),
            ("default-partitions", "0", "1 to 10000"),
            ("ephemeral", "yes", "true and false are accepted"),
            ("log-format", "xml", "text and json are accepted"),
            ("kafka-listener", "9092", "HOST:PORT"),
            ("kafka-listener", "::1:9092", "HOST:PORT"),
            ("kafka-listener", "localhost:99999", "0 to 65535"),
            ("advertised-listener", "localhost:0", "port 0"),
            ("topic", "orders:x", "1 to 10000"),
            ("topic", "a b", "the character ' '"),
            ("data-dir", "", "a path"),
        ] {
            let error = merge(&[given(key, Source::Flag, &[value])]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the flag --{key} has the value {value:?}")) && error.contains(accepted),
                "{error}"
            );
        }
        let error = merge(&[given("node-id", Source::Environment, &["x"])]).unwrap_err().to_string();
        assert!(error.starts_with("the environment variable SHARDGATE_NODE_ID has"), "{error}");
        let error = file("node-id = \"x\"").unwrap_err().to_string();
        assert!(error.contains("\"node-id\" in the config file") && error.ends_with("a whole number is accepted"), "{error}");
    }

    #[test]
    fn addresses_read_as_they_are_written() {
        for text in ["127.0.0.1:9092", "[::1]:0", "gateway:9092"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_printed_can_be_read_and_says_the_same() {
        let all = [
            given("topic", Source::Flag, &["orders:3", "clicks"]),
            given("data-dir", Source::Environment, &["/a \"quoted\" place"]),
            given("ports-file", Source::File("f".into()), &["/tmp/ports"]),
        ];
        let merged = merge(&all).unwrap();
        let text = print(&merged);
        assert!(text.contains("topic = [\"orders:3\", \"clicks\"] # --topic\n"), "{text}");
        assert!(text.contains("# SHARDGATE_DATA_DIR\n") && text.contains("ports-file = \"/tmp/ports\" # f\n"), "{text}");
        assert!(text.contains("# advertised-listener is not set\n"), "{text}");
        assert_eq!(merge(&file(&text).unwrap()).unwrap().config, merged.config);
    }

    #[test]
    fn credentials_are_tables_of_the_file_and_their_secrets_are_never_shown() {
        let given = file("[[credentials]]\naccess-key = \"AKID\"\nsecret-key = \"hidden\"").unwrap();
        let merged = merge(&given).unwrap();
        let expected = Credential { access_key: "AKID".to_owned(), secret_key: "hidden".to_owned() };
        assert_eq!(merged.config.credentials, [expected]);
        let shown = format!("{}{:?}", print(&merged), merged.config);
        assert!(shown.contains("# credentials AKID are set") && !shown.contains("hidden"), "{shown}");
        for wrong in [
            "credentials = \"hidden\"",
            "credentials = [\"hidden\"]",
            "[[credentials]]\naccess-key = \"hidden\"",
            "[[credentials]]\naccess-key = \"a b\"\nsecret-key = \"hidden\"",
            "[[credentials]]\naccess-key = \"a\"\nsecret-key = \"hidden\"\nmore = 1",
        ] {
            let error = file(wrong).and_then(|given| merge(&given)).unwrap_err().to_string();
            assert!(error.contains("credentials") && error.contains("accepted") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn users_are_tables_of_the_file_and_their_passwords_are_never_shown() {
        let given = file("[[users]]\nname = \"a b\"\npassword = \"hid den\"").unwrap();
        let merged = merge(&given).unwrap();
        assert_eq!(merged.config.users, [User { name: "a b".to_owned(), password: "hid den".to_owned() }]);
        let shown = format!("{}{:?}", print(&merged), merged.config);
        assert!(shown.contains("# users a b are set") && !shown.contains("hid den"), "{shown}");
        for wrong in [
            "users = \"hidden\"",
            "[[users]]\nname = \"hidden\"",
            "[[users]]\nname = \"\"\npassword = \"hidden\"",
            "[[users]]\nname = \"a\"\npassword = 7\nhidden = 1",
            "[[users]]\nname = \"a\"\npassword = \"hidden\"\n[[users]]\nname = \"a\"\npassword = \"b\"",
        ] {
            let error = file(wrong).and_then(|given| merge(&given)).unwrap_err().to_string();
            assert!(error.contains("users") && error.contains("accepted") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn listeners_are_tables_of_the_file_and_say_what_is_wrong_with_them() {
        let text = "[[kafka-listeners]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n\
                    [[kafka-listeners]]\nname = \"out\"\naddress = \"0.0.0.0:9093\"\nadvertised = \"example.org:9093\"\n\
                    certificate = \"c.pem\"\nkey = \"k.pem\"\nclient-ca = \"ca.pem\"\nclient-certificate = \"requested\"\n\
                    login = [\"PLAIN\", \"SCRAM-SHA-512\"]\n";
        let listeners = merge(&file(text).unwrap()).unwrap().config.kafka_listeners;
        let [inner, outer] = listeners.as_slice() else { panic!("{listeners:?}") };
        assert_eq!((inner.name.as_str(), inner.certificate.clone(), inner.login.len()), ("in", None, 0));
        assert_eq!(outer.advertised, Some(Address::new("example.org", 9093)));
        assert_eq!((outer.client_certificate, outer.login.len()), (ClientCertificate::Requested, 2));
        for (rest, wrong) in [
            ("address = \"9092\"", "HOST:PORT"),
            ("adress = \"127.0.0.1:0\"", "unknown field `adress`"),
            ("address = \"127.0.0.1:0\"\ncertificate = \"c\"", "a certificate needs its key"),
            ("address = \"127.0.0.1:0\"\nclient-ca = \"c\"", "client-ca needs a certificate"),
            ("address = \"127.0.0.1:0\"\nadvertised = \"a:0\"", "port 0"),
            ("address = \"127.0.0.1:0\"\n[[kafka-listeners]]\nname = \"in\"\naddress = \"127.0.0.1:0\"", "is there twice"),
        ] {
            let text = format!("[[kafka-listeners]]\nname = \"in\"\n{rest}");
            let error = file(&text).and_then(|given| merge(&given)).unwrap_err().to_string();
            assert!(error.contains("\"kafka-listeners\" in the config file") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn keys_of_tokens_are_in_a_file_or_at_an_address() {
        let set = |text: &str| merge(&[given("oauth-jwks", Source::Flag, &[text])]).map(|merged| merged.config.oauth_jwks);
        assert_eq!(set("keys/jwks.json").unwrap(), Some(Jwks::File(PathBuf::from("keys/jwks.json"))));
        for url in ["http://localhost:8080/", "https://example.org/realms/one/certs?a=b", "https://[::1]:8443/jwks"] {
            let jwks = set(url).unwrap().unwrap();
            assert_eq!((matches!(jwks, Jwks::Url(_)), jwks.to_string()), (true, url.to_owned()));
        }
        for wrong in ["", "ftp://localhost/", "https://", "https:///keys", "https://me:word@example.org/", "https://a b/"] {
            let error = set(wrong).unwrap_err().to_string();
            assert!(error.contains("oauth-jwks") && error.contains("is accepted"), "{error}");
        }
    }

    #[test]
    fn every_setting_has_its_variable_and_a_default_that_it_accepts() {
        for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Tables) {
            assert_eq!(setting.env, format!("SHARDGATE_{}", setting.key.to_uppercase().replace('-', "_")));
            let values = setting.values(&Config::default());
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            assert_eq!(merge(&[given(setting.key, Source::Flag, &values)]).unwrap().config, Config::default());
        }
    }
}
