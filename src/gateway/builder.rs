//! How a gateway is to be.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Gateway, StartError, start};
use crate::config::{Address, Config, Topic};
use crate::env::Env;
use crate::model::{Limits, StreamName};

/// How a gateway is to be: in memory, on free ports of loopback, unless told otherwise.
#[derive(Clone)]
pub struct Builder {
    config: Config,
    topics: Vec<(String, u32)>,
    /// `None`: the machine's.
    env: Option<Env>,
}

impl Builder {
    /// Creates a topic of `partitions` partitions if it is not there.
    #[must_use]
    pub fn topic(mut self, name: impl Into<String>, partitions: u32) -> Self {
        self.topics.push((name.into(), partitions));
        self
    }

    /// Partitions of a topic created without a number, 1 to [`SHARDS_MAX`](crate::model::limits::SHARDS_MAX); 1 by default.
    #[must_use]
    pub fn default_partitions(mut self, partitions: u32) -> Self {
        self.config.default_partitions = partitions;
        self
    }

    /// Whether a topic that a client asks for is created if it is not there; `true` by default.
    #[must_use]
    pub fn auto_create_topics(mut self, on: bool) -> Self {
        self.config.auto_create_topics = on;
        self
    }

    /// What streams may carry when the gateway starts; [`Limits::off`] by default.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Keeps everything in this directory, which is made if it is not there, instead of in memory.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        (self.config.ephemeral, self.config.data_dir) = (false, path.into());
        self
    }

    /// Where Kafka clients connect, instead of a free port of loopback.
    #[must_use]
    pub fn kafka_listener(mut self, address: SocketAddr) -> Self {
        self.config.kafka_listener = address.into();
        self
    }

    /// Whether Kafka clients on other machines may connect, who need no login; `false` by default.
    #[must_use]
    pub fn insecure_listener(mut self, on: bool) -> Self {
        self.config.insecure_listener = on;
        self
    }

    /// Where AWS clients connect, instead of a free port of loopback.
    #[must_use]
    pub fn kinesis_listener(mut self, address: SocketAddr) -> Self {
        self.config.kinesis_listener = address.into();
        self
    }

    /// Serves health and metrics there; port 0 is a free one.
    #[must_use]
    pub fn http_listener(mut self, address: SocketAddr) -> Self {
        self.config.http_listener = Some(address.into());
        self
    }

    /// Where time, chance and limits come from, instead of the machine and [`limits`](Self::limits).
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// Starts it, inside a Tokio runtime. When this returns, clients can connect and the topics are there.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind then.
    pub async fn start(mut self) -> Result<Gateway, StartError> {
        for (name, partitions) in self.topics {
            let name = StreamName::new(&name).map_err(|error| StartError::TopicName { name, error })?;
            self.config.topics.push(Topic { name, partitions: Some(partitions) });
        }
        let env = self.env.unwrap_or_else(|| Env::system(self.config.limits));
        start(self.config, env).await
    }
}

impl Gateway {
    /// A gateway in memory, on free ports of loopback, unless the builder is told otherwise.
    pub fn builder() -> Builder {
        let any_port = Address::new("127.0.0.1", 0);
        let config = Config {
            ephemeral: true,
            kafka_listener: any_port.clone(),
            kinesis_listener: any_port,
            http_listener: None,
            limits: Limits::off(),
            ..Config::default()
        };
        Builder { config, topics: Vec::new(), env: None }
    }
}
