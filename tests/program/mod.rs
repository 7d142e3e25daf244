//! The program itself, as a process: what it prints, writes and answers, and how it ends.

mod command_line;
mod run;
mod serve;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, away from whatever the environment of the tests says.
pub(crate) fn shardgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SHARDGATE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

/// What `shardgate` with these arguments prints and returns.
pub(crate) fn output(arguments: &[&str]) -> Output {
    shardgate().args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A serving program; killed when the test is over.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) printed: String,
    pub(crate) kafka: SocketAddr,
    pub(crate) http: SocketAddr,
    stderr: Option<ChildStderr>,
}

impl Serving {
    /// `shardgate serve` with these arguments, on free ports, when it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = directory.path().join("ports.json");
        let mut command = shardgate();
        command.args(["serve", "--ports-file"]).arg(&ports);
        for listener in
            ["--kafka-listener", "--kinesis-listener", "--http-listener"].iter().filter(|listener| !arguments.contains(listener))
        {
            command.args([listener, "127.0.0.1:0"]);
        }
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !printed.ends_with("Ready.\n") {
            let read = lines.read_line(&mut printed).unwrap();
            assert!(read > 0, "it ended before it was ready: {printed}");
        }
        let stderr = child.stderr.take();
        let (kafka, http) = addresses(&ports);
        Self { child, printed, kafka, http, stderr }
    }

    /// Sends a signal, and says how and after how long it ended.
    pub(crate) fn end(&mut self, signal: &str) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        kill(&self.child, signal);
        (self.child.wait().unwrap(), begun.elapsed())
    }

    /// What it has written to standard error, when it has ended.
    pub(crate) fn complaints(&mut self) -> String {
        let mut text = String::new();
        self.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// The status and the body of what its HTTP listener has at `path`.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head["HTTP/1.1 ".len()..][..3].parse().unwrap(), body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn kill(child: &Child, signal: &str) {
    let done = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(done.success());
}

fn addresses(ports: &Path) -> (SocketAddr, SocketAddr) {
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(ports).unwrap()).unwrap();
    let address = |name: &str| ports[name].as_str().unwrap().parse().unwrap();
    (address("kafka"), address("http"))
}
