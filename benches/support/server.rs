//! Servers to measure, started and stopped by `tests/clients/subject` like those of the conformance suites.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::{Outcome, Plan};

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Shardgate,
    /// With its defaults: it acknowledges what the page cache has.
    Kafka,
    /// It acknowledges after fsync, as the gateway does.
    KafkaThatSyncs,
}

/// The options of Kafka's own start script (`kafka-server-start.sh`, `kafka-run-class.sh`). The conformance suites start it
/// with less memory and half a compiler, to start fast; measured like that it would be slower than it is. This variable is
/// read after the command line.
const JVM_OPTIONS: &str = "-Xmx1G -Xms1G -XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
     -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent";

/// Servers that run, so that an interrupt can end them: they have sessions of their own.
static RUNNING: Mutex<Vec<(Kind, PathBuf)>> = Mutex::new(Vec::new());

/// A running server with a data directory of its own; both go when it is dropped.
pub(crate) struct Server {
    kind: Kind,
    /// `host:port`, for Kafka.
    pub(crate) bootstrap: String,
    /// Its process number.
    pub(crate) process: String,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it serves.
    pub(crate) fn start(kind: Kind) -> Outcome<Self> {
        let directory = Plan::scratch()?;
        running().push((kind, directory.path().to_owned()));
        let started = subject(kind, "start", directory.path()).and_then(|bootstrap| {
            let process = std::fs::read_to_string(directory.path().join("pid"))?.trim().to_owned();
            Ok((bootstrap, process))
        });
        let (bootstrap, process) = started.inspect_err(|_| forget(directory.path()))?;
        Ok(Self { kind, bootstrap, process, directory })
    }

    /// Where the gateway serves the Kinesis API: `host:port`.
    pub(crate) fn kinesis(&self) -> Outcome<String> {
        let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(self.directory.path().join("ports.json"))?)?;
        Ok(ports["kinesis"].as_str().ok_or("the gateway does not say where it serves Kinesis")?.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = subject(self.kind, "kill", self.directory.path()) {
            eprintln!("{error}");
        }
        forget(self.directory.path());
    }
}

fn running() -> std::sync::MutexGuard<'static, Vec<(Kind, PathBuf)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(directory: &Path) {
    running().retain(|(_, running)| running != directory);
}

/// The program to measure.
pub(crate) fn binary() -> OsString {
    std::env::var_os("SHARDGATE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_shardgate").into())
}

/// Lets an interrupt remove a directory of a server that ends by itself then.
pub(crate) fn remove_on_interrupt(directory: &Path) {
    running().push((Kind::Shardgate, directory.to_owned()));
}

/// Calls `tests/clients/subject`; what it prints.
fn subject(kind: Kind, call: &str, directory: &Path) -> Outcome<String> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/subject"));
    command.arg(call).arg(directory).stdin(Stdio::null());
    match kind {
        Kind::Shardgate => {
            // What the machine does is measured, not what a shard may carry.
            command.env("SUBJECT", "shardgate").env("SHARDGATE_BIN", binary()).env("SHARDGATE_LIMITS", "off")
        }
        Kind::Kafka | Kind::KafkaThatSyncs => {
            let properties = if kind == Kind::KafkaThatSyncs { "log.flush.interval.messages=1" } else { "" };
            command.env("SUBJECT", "kafka").env("_JAVA_OPTIONS", JVM_OPTIONS).env("KAFKA_PROPERTIES", properties)
        }
    };
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// From now on Ctrl-C ends the servers too.
pub(crate) fn stop_servers_on_interrupt() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            for (kind, directory) in running().drain(..) {
                let _ = subject(kind, "kill", &directory);
                let _ = std::fs::remove_dir_all(&directory);
            }
            std::process::exit(130);
        }
    });
    Ok(())
}
