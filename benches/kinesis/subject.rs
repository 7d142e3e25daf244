//! The servers, each on a port of its own, all running all the time; only one of them has work.

use std::path::Path;
use std::process::{Command, Stdio};

use super::nothing;
use super::support::{Child, Kind, OURS, Outcome, Plan, Server, Subject, free_port};

/// What takes no time: beside it the load generator is alone.
const NOTHING: &str = "nothing";
/// ferrokinesis as the only one of them that can have what it acknowledges on disk: it syncs a log for each request that writes. It reads
/// from memory all the same.
const ON_DISK: &str = "ferrokinesis, on disk";

impl Subject {
    /// Whether its reading is measured.
    pub(crate) fn is_read(&self) -> bool {
        self.name != ON_DISK
    }

    /// Whether its SubscribeToShard is measured; kinesalite has none.
    pub(crate) fn has_fan_out(&self) -> bool {
        self.is_read() && !["kinesalite", NOTHING].contains(&self.name)
    }
}

/// Starts ours, and the others unless only ours is wanted.
pub(crate) fn start(only_ours: bool) -> Outcome<Vec<Subject>> {
    let server = Server::start(Kind::Shardgate)?;
    let mut subjects = vec![Subject::new(OURS, server.kinesis()?, server.process.clone(), server)];
    // Threads of this process.
    subjects.push(Subject::new(NOTHING, nothing::start()?, "none".to_owned(), ()));
    if only_ours {
        println!("the others are left out: a smoke run only shows that the benchmark works");
        return Ok(subjects);
    }
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/peers/run.sh");
    if !Command::new(suite).arg("--install-peers").stdin(Stdio::null()).status()?.success() {
        return Err(
            "the others cannot be installed: tests/clients/peers/run.sh --install-peers says why; --smoke does without them"
                .into(),
        );
    }
    for name in ["kinesis-mock", "kinesalite", "ferrokinesis", ON_DISK] {
        subjects.push(peer(name)?);
    }
    Ok(subjects)
}

/// Each without delays, without limits and, but for one, in memory; Node with room for what it is given.
fn peer(name: &'static str) -> Outcome<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/peers");
    let (port, spare) = (free_port()?, free_port()?);
    let directory = Plan::scratch()?;
    let node = |script: &str| {
        let mut command = Command::new("node");
        command.arg("--max-old-space-size=4096").arg(root.join("node/node_modules").join(script));
        command
    };
    let mut command = match name {
        "kinesis-mock" => {
            let mut command = node("kinesis-local/main.js");
            let certificate = root.join("node/node_modules/kinesis-local/server.json");
            command.env("KINESIS_MOCK_PLAIN_PORT", port.to_string()).env("KINESIS_MOCK_TLS_PORT", spare.to_string());
            command.env("KINESIS_MOCK_CERT_PATH", certificate).env("SHARD_LIMIT", "5000").env("LOG_LEVEL", "ERROR");
            for delay in ["CREATE_STREAM", "DELETE_STREAM", "REGISTER_STREAM_CONSUMER", "DEREGISTER_STREAM_CONSUMER"] {
                command.env(format!("{delay}_DURATION"), "0ms");
            }
            command
        }
        "kinesalite" => {
            let mut command = node("kinesalite/cli.js");
            command.args(["--createStreamMs", "0", "--deleteStreamMs", "0", "--shardLimit", "5000", "--port", &port.to_string()]);
            command
        }
        _ => {
            let mut command = Command::new(root.join("bin/ferrokinesis"));
            command.args([
                "--create-stream-ms",
                "0",
                "--delete-stream-ms",
                "0",
                "--update-stream-ms",
                "0",
                "--shard-limit",
                "5000",
            ]);
            command.args(["--log-level", "error", "--port", &port.to_string()]);
            if name == ON_DISK {
                command.arg("--state-dir").arg(directory.path());
            }
            command
        }
    };
    let address = format!("127.0.0.1:{port}");
    let child = Child::start(name, &mut command, &address)?;
    Ok(Subject::new(name, address, child.process(), (child, directory)))
}
