//! The program, started by this process itself: where the time until it serves is a figure, or something runs it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Outcome, binary};

/// It ends when it is dropped.
pub(crate) struct Gateway {
    child: Child,
    /// `host:port`, for Kafka.
    pub(crate) address: String,
    /// `host:port`, for Kinesis.
    pub(crate) kinesis: String,
    /// Its process number.
    pub(crate) process: String,
    /// From its start to its `Ready.`.
    pub(crate) start: Duration,
    /// Open as long as it runs, lest it write to nobody.
    _output: BufReader<ChildStdout>,
}

impl Gateway {
    /// Starts it with the data below `directory` and waits until it serves. What the machine does is measured, not what a shard may
    /// carry: there are no limits. All else is as by default.
    pub(crate) fn start(directory: &Path) -> Outcome<Self> {
        Self::start_by(Command::new(binary()), directory)
    }

    /// The same by a command that runs the program with the arguments that are added to it.
    pub(crate) fn start_by(mut command: Command, directory: &Path) -> Outcome<Self> {
        let (ports, log) = (directory.join("ports.json"), directory.join("log"));
        command.args(["serve", "--limits", "off"]);
        for listener in ["--kafka-listener", "--kinesis-listener", "--http-listener"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        command.arg("--data-dir").arg(directory.join("data")).arg("--ports-file").arg(&ports);
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        while line.trim_end() != "Ready." {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                return Err(format!("the gateway ended at its start: {}", std::fs::read_to_string(log)?).into());
            }
        }
        let start = begun.elapsed();
        let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(ports)?)?;
        let door =
            |name: &str| Outcome::Ok(ports[name].as_str().ok_or(format!("the gateway does not say where {name} is"))?.to_owned());
        let (address, kinesis) = (door("kafka")?, door("kinesis")?);
        Ok(Self { process: child.id().to_string(), child, address, kinesis, start, _output: output })
    }

    /// Ends it with SIGTERM.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let process = Pid::from_raw(i32::try_from(self.child.id())?).ok_or("it has no number")?;
        kill_process(process, Signal::TERM)?;
        match self.child.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("the gateway ended with {status} after SIGTERM").into()),
        }
    }
}

impl Drop for Gateway {
    /// With SIGKILL.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
