//! **The program `shardgate`**: one file per command. Commands talk to the gateway, and never to a door or the log.
//!
//! What goes wrong is told in one sentence on standard error. Exit codes: 0 it is done, 1 it could not be done, 2 it was asked
//! for in a wrong way; `run` has that of its command.

mod ask;
mod health;
mod map;
mod run;
mod serve;
mod settings;
mod signals;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{self, LogFormat, Merged};

use settings::{AllSettings, RunSettings};

/// A command could not be understood (sysexits and clap use the same number).
const WRONG_USE: u8 = 2;

/// A Kafka-protocol gateway over a Kinesis-model log.
#[derive(Parser)]
#[command(name = "shardgate", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command, shardgate serves. A flag goes before its environment variable, that before the config file."
)]
struct Cli {
    #[command(flatten)]
    settings: AllSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C (the default)
    Serve(AllSettings),
    /// Run a command with an ephemeral gateway of its own, and return its exit code
    Run(run::Args),
    /// Show where a record is in both worlds: offset, shard, sequence number
    Map(map::Args),
    /// Say whether a gateway is ready; exit code 0 if it is
    Health(health::Args),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print all settings with their sources, as a config file
    Print(AllSettings),
}

/// Why a command ends with another exit code than 0.
struct Failure {
    code: u8,
    words: String,
}

impl Failure {
    fn new(words: impl Into<String>) -> Self {
        Self { code: 1, words: words.into() }
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self { code: WRONG_USE, words: error.to_string() }
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    // Ends the program itself if there is nothing to do, or nothing that can be done.
    let cli = Cli::parse();
    let result = match cli.command {
        None => serve::serve(&cli.settings.0),
        Some(Command::Serve(settings)) => serve::serve(&settings.0),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Map(args)) => map::map(&args),
        Some(Command::Health(args)) => health::health(&args),
        Some(Command::Config { command: ConfigCommand::Print(settings) }) => print(&settings.0.merge()),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "shardgate", &mut script);
            say(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|failure| {
        complain(&failure.words);
        ExitCode::from(failure.code)
    })
}

fn print(merged: &Result<Merged, config::Error>) -> Result<ExitCode, Failure> {
    let merged = merged.as_ref().map_err(|error| Failure::from(error.clone()))?;
    say(&config::print(merged));
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. Whoever reads it may have gone, which is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn complain(words: &str) {
    let _ = writeln!(std::io::stderr(), "error: {words}");
}

/// Log lines go to standard error, those that `RUST_LOG` asks for, else those of `level` and worse.
fn log_to_stderr(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    // It fails only if somebody else in the process has set one.
    let _ = match format {
        LogFormat::Text => lines.try_init().map_err(drop),
        LogFormat::Json => lines.json().flatten_event(true).try_init().map_err(drop),
    };
}

/// Threads that wait for the disk, beside one for every core, which takes over from a worker that is busy for long. *Ours*: each
/// keeps freed memory to itself, so that with Tokio's 512 an attack took twice as much.
const BLOCKING_THREADS: usize = 8;

/// Runs `work` on a Tokio runtime.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS + cores).build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(work);
    // Whatever still blocks on the disk is not waited for: what has been answered is durable.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
