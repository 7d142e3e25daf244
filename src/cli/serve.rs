//! `shardgate serve`, which is also what `shardgate` alone does.
//!
//! Standard output has the addresses with lines to copy, and `Ready.` as the last one; log lines go to standard error.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Source};
use crate::gateway::{Gateway, reachable};

use super::settings::Settings;
use super::signals::Signals;
use super::{Failure, block_on, complain, log_to_stderr, say};

pub(super) fn serve(settings: &Settings) -> Result<ExitCode, Failure> {
    let merged = settings.merge()?;
    log_to_stderr(merged.config.log_format, "info");
    if let Some(file) = settings.file().filter(|_| merged.sources.iter().any(|source| matches!(source, Source::File(_)))) {
        tracing::info!(file = %file.display(), "settings are taken from a file");
    }
    block_on(run(merged.config))
}

async fn run(config: Config) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let started = tokio::select! {
        started = Gateway::start(config.clone()) => started,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let gateway = started.map_err(|error| Failure::new(error.to_string()))?;
    if let Some(path) = &config.ports_file {
        write_ports(path, &gateway)?;
    }
    say(&greeting(&config, &gateway));
    signals.next().await;
    tracing::info!("stopping");
    tokio::select! {
        () = gateway.shutdown() => Ok(ExitCode::SUCCESS),
        _ = signals.next() => {
            complain("stopped by a second signal before everything was answered");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a person needs to use it, and the line that a script waits for.
fn greeting(config: &Config, gateway: &Gateway) -> String {
    let place = if config.ephemeral { "in memory".to_owned() } else { format!("in {}", config.data_dir.display()) };
    let servers = gateway.bootstrap_servers();
    let http =
        gateway.http_address().map(|address| format!("HTTP     http://{}/health/ready and /metrics\n", reachable(address)));
    format!(
        "shardgate {version}, data {place}\n\n\
         Kafka    {kafka}\nKinesis  {kinesis}\n{http}\n\
         kcat     echo hello | kcat -b {servers} -t demo -P\n         \
         kcat -b {servers} -t demo -C -e\n\
         aws      aws kinesis list-streams --region {region} --endpoint-url {kinesis}\n\
         Rust     let producer: FutureProducer = ClientConfig::new().set(\"bootstrap.servers\", \"{servers}\").create()?;\n\n\
         Ready.\n",
        version = env!("CARGO_PKG_VERSION"),
        region = config.region,
        kafka = gateway.kafka_address(),
        kinesis = gateway.kinesis_endpoint(),
        http = http.unwrap_or_default(),
    )
}

/// Writes the addresses where scripts look for them; the file is there whole or not at all.
fn write_ports(path: &Path, gateway: &Gateway) -> Result<(), Failure> {
    let http = gateway.http_address().map(|address| reachable(address).to_string());
    let kinesis = reachable(gateway.kinesis_address()).to_string();
    let listeners =
        gateway.kafka_listeners().iter().map(|(name, address)| (name.clone(), reachable(*address).to_string().into()));
    let listeners: serde_json::Map<String, serde_json::Value> = listeners.collect();
    let mut ports = serde_json::json!({ "kafka": gateway.bootstrap_servers(), "kinesis": kinesis, "http": http });
    if listeners.len() > 1 {
        ports["kafka-listeners"] = listeners.into();
    }
    let failed = |error| {
        Failure::new(format!("cannot write the ports file {}: {error}; choose another with --ports-file", path.display()))
    };
    // In the same directory, so that renaming it is one step.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = std::fs::File::create(&new).and_then(|mut file| file.write_all(format!("{ports}\n").as_bytes()));
    written.and_then(|()| std::fs::rename(&new, path)).map_err(|error| {
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_ports_file_is_one_json_object_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ports.json");
        std::fs::write(&path, "something old").unwrap();
        let gateway = Gateway::builder().http_listener("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
        assert!(write_ports(&path, &gateway).is_ok());
        let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(ports["kafka"], gateway.bootstrap_servers());
        assert_eq!(format!("http://{}", ports["kinesis"].as_str().unwrap()), gateway.kinesis_endpoint());
        assert_eq!(ports["http"], gateway.http_address().unwrap().to_string());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_ports_file_that_cannot_be_written_is_named() {
        let gateway = Gateway::builder().start().await.unwrap();
        let failure = write_ports(Path::new("/nonexistent/ports.json"), &gateway).err().unwrap();
        assert!(failure.words.contains("/nonexistent/ports.json") && failure.words.contains("--ports-file"), "{}", failure.words);
    }

    #[tokio::test]
    async fn the_greeting_ends_with_the_line_that_scripts_wait_for() {
        let gateway = Gateway::builder().start().await.unwrap();
        let text = greeting(&Config::default(), &gateway);
        assert!(text.ends_with("\nReady.\n") && text.contains(&format!("kcat -b {}", gateway.bootstrap_servers())), "{text}");
    }
}
