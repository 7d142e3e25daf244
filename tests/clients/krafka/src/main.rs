//! Runs every case with krafka against the server that run.sh has started.

mod admin;
mod groups;
mod records;
mod share;
#[path = "../../suite.rs"]
mod suite;
mod transactions;
mod world;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use crate::suite::Tally;
use crate::world::World;

const CASES: [&str; 12] = [
    "admin",
    "produce",
    "idempotence",
    "group",
    "restart",
    "seek",
    "edges",
    "transactions",
    "consumer",
    "share",
    "share-renew",
    "share-restart",
];

/// Why a case does not hold.
type Failed = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    suite::program(run())
}

async fn run() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, server, results, wanted @ ..] = &arguments[..] else {
        return Err("usage: krafka-suite SUBJECT-SCRIPT SERVER-DIR RESULTS-DIR [CASE...]".into());
    };
    let (mut lines, mut tally) = (String::new(), Tally::default());
    for name in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        // Connections of its own, so that nothing of a case that has failed is in the way of the next.
        let world = World::connect(subject, server).await?;
        let outcome = tally.case(async { case(name, &world).await.map_err(|why| why.to_string()) }).await;
        let line = format!("CASE krafka {} {name} {outcome}", version());
        println!("{line}");
        lines.push_str(&line);
        lines.push('\n');
    }
    std::fs::write(Path::new(results).join("krafka.txt"), lines)?;
    Ok(tally.close())
}

/// `ok` with a note or `none` with a reason, or why the case does not hold. Topics, groups and transactional ids are named after the case.
async fn case(name: &str, world: &World) -> Result<String, Failed> {
    let topic = format!("krafka-{name}");
    match name {
        "produce" => return records::produce(world, &topic).await,
        "admin" => admin::run(world, &topic).await,
        "idempotence" => records::idempotence(world, &topic).await,
        "group" => groups::group(world, &topic, Default::default()).await,
        "restart" => groups::restart(world, &topic).await,
        "seek" => records::seek(world, &topic).await,
        "edges" => records::edges(world, &topic).await,
        "transactions" => transactions::run(world, &topic).await,
        "consumer" => groups::group(world, &topic, krafka::consumer::GroupProtocol::Consumer).await,
        "share-renew" => return share::share_renew(world, &topic).await,
        "share" => share::share(world, &topic).await,
        "share-restart" => share::share_restart(world, &topic).await,
        _ => Err(format!("no case {name}").into()),
    }?;
    Ok("ok".to_owned())
}

/// The client's version, which is in this crate's lock file and nowhere in the client.
fn version() -> &'static str {
    let locked = include_str!("../Cargo.lock").split_once("name = \"krafka\"\nversion = \"").map(|(_, rest)| rest);
    locked.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}
