//! Runs every case with krafka against the server that run.sh has started.

mod admin;
mod groups;
mod records;
mod share;
mod transactions;
mod world;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::world::World;

const CASE_DEADLINE: Duration = Duration::from_secs(90);

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
    let [subject, server, results, wanted @ ..] = &arguments[..] else {
        return Err("usage: krafka-suite SUBJECT-SCRIPT SERVER-DIR RESULTS-DIR [CASE...]".into());
    };
    let mut lines = String::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for name in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        // Connections of its own, so that nothing of a case that has failed is in the way of the next.
        let world = World::connect(subject, server).await?;
        let outcome = match tokio::time::timeout(CASE_DEADLINE, case(name, &world)).await {
            Ok(Ok(outcome)) => {
                if outcome.starts_with("none") {
                    skipped += 1
                } else {
                    passed += 1
                }
                outcome
            }
            Ok(Err(why)) => {
                failed += 1;
                format!("fail {}", why.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Err(_) => {
                failed += 1;
                format!("fail not finished after {CASE_DEADLINE:?}")
            }
        };
        let line = format!("CASE krafka {} {name} {outcome}", version());
        println!("{line}");
        lines.push_str(&line);
        lines.push('\n');
    }
    std::fs::write(Path::new(results).join("krafka.txt"), lines)?;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed > 0 || passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
