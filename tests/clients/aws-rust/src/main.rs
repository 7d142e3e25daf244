//! Runs every case over every transport against the gateway that run.sh has started.

mod cases;
mod world;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_kinesis::error::DisplayErrorContext;

use crate::world::{Transport, World};

const CASE_DEADLINE: Duration = Duration::from_secs(90);

/// Why a case does not hold.
type Failed = Box<dyn Error>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Failed::from).and_then(|runtime| runtime.block_on(run())) {
        Ok(code) => code,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [clients, server, results, operations, wanted @ ..] = &arguments[..] else {
        return Err("usage: aws-suite CLIENTS-DIR SERVER-DIR RESULTS-DIR OPERATIONS-DIR [CASE...]".into());
    };
    let signs = world::watch_http2()?;
    let mut worlds = Vec::new();
    for transport in [Transport::Http1, Transport::Http2] {
        worlds.push(World::connect(clients, server, operations, transport)?);
    }
    let mut lines = vec![String::new(); worlds.len()];
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for name in cases::CASES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for (world, lines) in worlds.iter_mut().zip(&mut lines) {
            let before = signs();
            let outcome = tokio::time::timeout(CASE_DEADLINE, cases::run(name, world)).await;
            world.signs_of_http2 += signs() - before;
            let outcome = match outcome {
                Ok(Ok(Some(note))) => {
                    passed += 1;
                    format!("ok {note}")
                }
                Ok(Ok(None)) => {
                    skipped += 1;
                    "none the client of CloudWatch is a crate of its own".to_owned()
                }
                Ok(Err(why)) => {
                    failed += 1;
                    // An SDK's error says in its sources what was wrong.
                    let why = if why.source().is_some() { DisplayErrorContext(&*why).to_string() } else { why.to_string() };
                    format!("fail {}", why.split_whitespace().collect::<Vec<_>>().join(" "))
                }
                Err(_) => {
                    failed += 1;
                    format!("fail not finished after {CASE_DEADLINE:?}")
                }
            };
            let line = format!("CASE {} {} {name} {outcome}", world.name(), aws_sdk_kinesis::meta::PKG_VERSION);
            println!("{}", line.trim_end());
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
    }
    for (world, lines) in worlds.iter().zip(lines) {
        std::fs::write(PathBuf::from(results).join(format!("{}.txt", world.name())), lines)?;
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed > 0 || passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
