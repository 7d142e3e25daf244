//! `shardgate health`: for images without a shell, and for scripts.

use std::process::ExitCode;

use crate::config::Address;

use super::{Failure, ask, block_on, say};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The HTTP listener of the gateway
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SHARDGATE_HTTP_LISTENER",
        hide_env_values = true,
        default_value = "127.0.0.1:8080"
    )]
    http: Address,
}

pub(super) fn health(args: &Args) -> Result<ExitCode, Failure> {
    let answer = block_on(async { ask::get(&args.http, "/health/ready").await.map_err(Failure::new) })?;
    match answer.status {
        200 => {
            say("ready\n");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Failure::new(format!("the gateway at {} is not ready: {}", args.http, answer.error()))),
    }
}
