//! What a case gets: a client that speaks over one transport, and what was seen of it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_kinesis::error::{BoxError, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ConsumerStatus, Record, ShardIteratorType, StreamDescription, StreamDescriptionSummary};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use tracing::{Event, Level, Subscriber, span};

use crate::Failed;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// HTTP/1.1 in cleartext.
    Http1,
    /// HTTP/2, chosen in the handshake of TLS.
    Http2,
}

pub struct World {
    clients: PathBuf,
    server: String,
    /// A folder with one file for each operation that the SDK knows.
    pub operations: PathBuf,
    pub transport: Transport,
    pub kinesis: Client,
    /// The names of the operations that were called.
    pub called: Arc<Mutex<BTreeSet<String>>>,
    /// How often HTTP/2 had something to say while its cases ran.
    pub signs_of_http2: usize,
}

impl World {
    pub fn connect(clients: &str, server: &str, operations: &str, transport: Transport) -> Result<Self, Failed> {
        let (clients, called) = (PathBuf::from(clients), Arc::default());
        let kinesis = client(&clients, server, transport, &called)?;
        Ok(Self {
            clients,
            server: server.to_owned(),
            operations: operations.into(),
            transport,
            kinesis,
            called,
            signs_of_http2: 0,
        })
    }

    pub fn reconnect(&mut self) -> Result<(), Failed> {
        self.kinesis = client(&self.clients, &self.server, self.transport, &self.called)?;
        Ok(())
    }

    pub fn name(&self) -> &'static str {
        match self.transport {
            Transport::Http1 => "aws-rust-http1",
            Transport::Http2 => "aws-rust-h2",
        }
    }

    pub fn call_server(&self, verb: &str) -> Result<(), Failed> {
        let done = Command::new(self.clients.join("subject")).args([verb, &self.server]).output()?;
        check(done.status.success(), || format!("subject {verb}: {}", String::from_utf8_lossy(&done.stderr)))
    }

    pub async fn stream(&self, shards: i32) -> Result<String, Failed> {
        let name = unique();
        self.kinesis.create_stream().stream_name(&name).shard_count(shards).send().await?;
        self.exists(&name).await?;
        Ok(name)
    }

    pub async fn exists(&self, stream: &str) -> Result<(), Failed> {
        use aws_sdk_kinesis::client::Waiters;
        self.kinesis.wait_until_stream_exists().stream_name(stream).wait(Duration::from_secs(60)).await?;
        Ok(())
    }

    pub async fn describe(&self, stream: &str) -> Result<StreamDescription, Failed> {
        let described = self.kinesis.describe_stream().stream_name(stream).send().await?.stream_description;
        Ok(described.ok_or("no description")?)
    }

    pub async fn summary(&self, stream: &str) -> Result<StreamDescriptionSummary, Failed> {
        let described = self.kinesis.describe_stream_summary().stream_name(stream).send().await?;
        Ok(described.stream_description_summary.ok_or("no summary")?)
    }

    pub async fn arn(&self, stream: &str) -> Result<String, Failed> {
        Ok(self.summary(stream).await?.stream_arn)
    }

    pub async fn iterator(&self, stream: &str, shard: &str) -> Result<String, Failed> {
        let asked = self.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
        Ok(asked.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?.shard_iterator.ok_or("no iterator")?)
    }

    pub async fn get(&self, iterator: &str) -> Result<GetRecordsOutput, Failed> {
        Ok(self.kinesis.get_records().shard_iterator(iterator).send().await?)
    }

    /// Puts each value as a record of its own; their sequence numbers.
    pub async fn put(&self, stream: &str, values: &[&str]) -> Result<Vec<String>, Failed> {
        let mut numbers = Vec::new();
        for value in values {
            let put = self.kinesis.put_record().stream_name(stream).partition_key("a").data(Blob::new(*value));
            numbers.push(put.send().await?.sequence_number);
        }
        Ok(numbers)
    }

    /// The ARN of a new consumer that may subscribe.
    pub async fn registered(&self, stream: &str, name: &str) -> Result<String, Failed> {
        let asked = self.kinesis.register_stream_consumer().stream_arn(self.arn(stream).await?).consumer_name(name);
        let arn = asked.send().await?.consumer.ok_or("no consumer")?.consumer_arn;
        loop {
            let described = self.kinesis.describe_stream_consumer().consumer_arn(&arn).send().await?;
            if described.consumer_description.is_some_and(|found| found.consumer_status == ConsumerStatus::Active) {
                return Ok(arn);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A client for where the server is now, which trusts its certificate and no other.
fn client(
    clients: &PathBuf,
    server: &str,
    transport: Transport,
    called: &Arc<Mutex<BTreeSet<String>>>,
) -> Result<Client, Failed> {
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(PathBuf::from(server).join("ports.json"))?)?;
    let address = ports["kinesis"].as_str().ok_or("no port of Kinesis")?;
    let (scheme, http) = match transport {
        Transport::Http1 => ("http", Builder::new().build_http()),
        Transport::Http2 => {
            let shown = Command::new(clients.join("certificate")).arg(address).output()?.stdout;
            let trusted = TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(shown)).build()?;
            ("https", Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trusted).build_https())
        }
    };
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(format!("{scheme}://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "suite"))
        .retry_config(RetryConfig::disabled())
        .interceptor(Count(called.clone()))
        .http_client(http);
    Ok(Client::from_conf(config.build()))
}

/// Notes which operations are called.
#[derive(Debug)]
struct Count(Arc<Mutex<BTreeSet<String>>>);

impl Intercept for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn read_after_serialization(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map(|metadata| metadata.name().to_owned());
        self.0.lock().map_err(|_| "poisoned")?.extend(name);
        Ok(())
    }
}

static SIGNS_OF_HTTP2: AtomicUsize = AtomicUsize::new(0);

/// Watches for connections over HTTP/2, of which the SDK itself says nothing; what is given tells how much was seen.
pub fn watch_http2() -> Result<impl Fn() -> usize, Failed> {
    tracing::subscriber::set_global_default(Watch)?;
    Ok(|| SIGNS_OF_HTTP2.load(Ordering::Relaxed))
}

struct Watch;

impl Subscriber for Watch {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // Said when a connection is opened, and never else.
        metadata.target() == "h2::client" && *metadata.level() == Level::DEBUG && metadata.is_event()
    }

    fn event(&self, _: &Event<'_>) {
        SIGNS_OF_HTTP2.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

pub fn unique() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("s-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.data.as_ref()).into_owned()).collect()
}

pub fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}

pub fn equal<T: PartialEq<U> + Debug, U: Debug>(actual: T, expected: U, what: &str) -> Result<(), Failed> {
    check(actual == expected, || format!("{what}: {:.200}, expected {:.200}", format!("{actual:?}"), format!("{expected:?}")))
}

/// Checks that the operation is refused with the error of the SDK's own that `is` knows; the error.
pub fn refused<T, E, R>(answer: Result<T, SdkError<E, R>>, is: fn(&E) -> bool) -> Result<E, Failed>
where
    E: std::error::Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Err(format!("not refused with {}", std::any::type_name::<E>()).into()),
        Err(SdkError::ServiceError(error)) if is(error.err()) => Ok(error.into_err()),
        Err(other) => Err(other.into()),
    }
}
