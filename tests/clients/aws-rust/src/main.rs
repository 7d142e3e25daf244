//! Runs every case over every transport against the gateway that run.sh has started.

mod cases;
#[path = "../../suite.rs"]
mod suite;
mod world;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use aws_sdk_kinesis::error::DisplayErrorContext;

use crate::suite::Tally;
use crate::world::{Transport, World};

/// Why a case does not hold.
type Failed = Box<dyn Error>;

fn main() -> ExitCode {
    suite::program(run())
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
    let (mut lines, mut tally) = (vec![String::new(); worlds.len()], Tally::default());
    for name in cases::CASES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for (world, lines) in worlds.iter_mut().zip(&mut lines) {
            let before = signs();
            let outcome = tally.case(case(name, world)).await;
            world.signs_of_http2 += signs() - before;
            let line = format!("CASE {} {} {name} {outcome}", world.name(), aws_sdk_kinesis::meta::PKG_VERSION);
            println!("{line}");
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    for (world, lines) in worlds.iter().zip(lines) {
        std::fs::write(PathBuf::from(results).join(format!("{}.txt", world.name())), lines)?;
    }
    Ok(tally.close())
}

async fn case(name: &str, world: &mut World) -> Result<String, String> {
    match cases::run(name, world).await {
        Ok(Some(note)) => Ok(format!("ok {note}")),
        Ok(None) => Ok("none the client of CloudWatch is a crate of its own".to_owned()),
        // An SDK's error says in its sources what was wrong.
        Err(why) if why.source().is_some() => Err(DisplayErrorContext(&*why).to_string()),
        Err(why) => Err(why.to_string()),
    }
}
