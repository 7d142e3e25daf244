//! **The settings of a gateway**: one struct, one table of everything that can be set.
//!
//! A value comes from a flag, else from the environment, else from the file, else it is the default. [`SETTINGS`] is the only
//! list: flags, variables, file keys, `config print` and the README's table are read from it. An unknown key in the file is an
//! error that names the nearest known one. An unknown `SHARDGATE_…` variable is not: Kubernetes sets such variables by itself
//! for a service of that name.
//!
//! Imports `model` only.

mod source;
mod value;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::model::{Limits, limits};

pub use source::{Error, Given, Merged, Source, merge, print, read_file};
pub use value::{Address, ClientCertificate, Credential, Jwks, KafkaListener, LogFormat, Topic, User};

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
    /// How long an empty group of the classic protocol waits for more members before its first generation.
    pub initial_rebalance_delay: Duration,
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
            initial_rebalance_delay: Duration::ZERO,
            offsets_retention: Duration::from_secs(10_080 * 60),
            state_change_delay: Duration::ZERO,
            shard_quota: limits::SHARD_QUOTA,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            frame_bytes_max: 104_857_600,
            connections_max: 10_000,
            frames_in_flight_bytes_max: 40 << 20,
            tail_bytes_max: 24 << 20,
            log_format: LogFormat::Text,
            ports_file: None,
        }
    }
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
        key: "initial-rebalance-delay",
        env: "SHARDGATE_INITIAL_REBALANCE_DELAY",
        value_name: "MILLISECONDS",
        help: "How long an empty group of the classic protocol waits for more members before it hands out partitions; Apache Kafka's default is 3000",
        kind: Kind::Number,
        set: |config, text| {
            number(text, 0, i32::MAX.unsigned_abs())
                .map(|millis| config.initial_rebalance_delay = Duration::from_millis(millis.into()))
        },
        show: |config| vec![config.initial_rebalance_delay.as_millis().to_string()],
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

const CREDENTIALS: &str = "tables [[credentials]] with the texts access-key and secret-key, without spaces, are accepted";
const USERS: &str = "tables [[users]] with the texts name and password are accepted";
const KAFKA_LISTENERS: &str = "tables [[kafka-listeners]] with the texts name and address are accepted, and if they are needed \
     advertised, certificate, key, client-ca, client-certificate (required or requested) and login, an array of SASL mechanisms";

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
mod tests;
