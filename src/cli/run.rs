//! `shardgate run -- CMD`: an ephemeral gateway for as long as one command runs.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::config::{Address, Config};
use crate::gateway::Gateway;

use super::signals::Signals;
use super::{Failure, RunSettings, block_on, log_to_stderr};

/// The exit codes with which a shell says that a command could not be started, or was not there.
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: RunSettings,
    /// The command and its arguments; it finds the gateway in KAFKA_BOOTSTRAP_SERVERS and AWS_ENDPOINT_URL_KINESIS
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let config = args.settings.0.merge()?.config;
    // What the command prints should not be lost among our lines.
    log_to_stderr(config.log_format, "warn");
    let any_port = Address::new("127.0.0.1", 0);
    let config =
        Config { ephemeral: true, kafka_listener: any_port.clone(), kinesis_listener: any_port, http_listener: None, ..config };
    block_on(around(config, args.command))
}

async fn around(config: Config, command: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let region = config.region.clone();
    let gateway = Gateway::start(config).await.map_err(|error| Failure::new(error.to_string()))?;
    let mut child = start(&command, &gateway, &region)?;
    let mut interrupted = false;
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            signal = signals.next() => {
                pass_on(&mut child, signal, interrupted);
                interrupted = true;
            }
        }
    };
    let status = status.map_err(|error| Failure::new(format!("cannot learn how the command ended: {error}")))?;
    gateway.shutdown().await;
    Ok(ExitCode::from(code(status)))
}

fn start(command: &[OsString], gateway: &Gateway, region: &str) -> Result<Child, Failure> {
    let Some((program, arguments)) = command.split_first() else { return Err(Failure::new("there is no command to run")) };
    let mut command = Command::new(program);
    command.args(arguments).env("KAFKA_BOOTSTRAP_SERVERS", gateway.bootstrap_servers()).kill_on_drop(true);
    command.env("AWS_ENDPOINT_URL_KINESIS", gateway.kinesis_endpoint());
    command.env("AWS_ENDPOINT_URL_CLOUDWATCH", gateway.kinesis_endpoint());
    // What AWS clients do not start without. Nothing here goes to AWS, so nobody's own credentials belong there.
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local").env_remove("AWS_SESSION_TOKEN");
    command.env("AWS_REGION", region).env("AWS_DEFAULT_REGION", region);
    command.spawn().map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED };
        Failure { code, words: format!("cannot start {}: {error}", program.display()) }
    })
}

/// Tells the command what we were told; the second time it is not asked any more.
fn pass_on(child: &mut Child, signal: Signal, again: bool) {
    if again {
        // It may just have ended.
        let _ = child.start_kill();
        return;
    }
    // Ctrl-C in a terminal goes to both of us.
    if signal == Signal::INT && std::io::stdin().is_terminal() {
        return;
    }
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The code with which a shell would end after the command.
fn code(status: ExitStatus) -> u8 {
    let by_signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_a_signal_ended_has_a_shells_code_for_it() {
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(15)), 143);
    }
}
