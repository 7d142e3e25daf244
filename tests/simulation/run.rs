//! One run: everything that happens in it comes from its seed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shardgate::model::limits::RETENTION_HOURS_MIN;
use shardgate::store::{Call, Fault, Faults};
use tokio::time::sleep;

use super::chance::Chance;
use super::clients::{self, LASTING};
use super::history::{History, What};
use super::world::{Caller, Line, World};

/// How long streams keep their records here.
pub(crate) const RETENTION_MILLIS: i64 = RETENTION_HOURS_MIN as i64 * 3_600_000;
/// How many faults a run has.
const FAULTS: u64 = 7;
/// Beyond this many open shards the stream is only merged.
const OPEN_MAX: u32 = 6;
/// Longer than records are kept.
const RETENTION_OVER: Duration = Duration::from_secs(25 * 3_600);
/// Longer than a transaction that nobody ends stays open.
const TRANSACTIONS_OVER: Duration = Duration::from_secs(75);

/// What happens to a gateway and its clients under this seed.
pub(crate) fn simulate(seed: u64) -> History {
    simulate_with(seed, |_| {})
}

/// The same with something more done to the first gateway's store.
pub(crate) fn simulate_with(seed: u64, plant: impl FnOnce(&Faults)) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (world, chance) = (World::new(seed), Chance::new(seed));
        world.open();
        world.gateway().unwrap().stream(LASTING.0, 2).await;
        clients::found_group(Line::new(&world, chance.fork())).await;
        world.faults(plant);
        let mut tasks = clients::all(&world, &chance);
        for _ in 0..FAULTS {
            sleep(Duration::from_millis(chance.below(1_000))).await;
            strike(&world, &chance).await;
        }
        world.end();
        world.faults(Faults::release);
        restart(&world, &chance).await;
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        sleep(TRANSACTIONS_OVER).await;
        world.enter(world.moment(), What::Settled);
        let (mut line, caller) = (Line::new(&world, chance.fork()), Caller::new(&world, chance.fork()));
        clients::survey(&mut line, &caller, LASTING).await;
        clients::survey_commits(&mut line).await;
        world.kill();
        world.open();
        clients::survey(&mut line, &caller, LASTING).await;
        clients::survey_commits(&mut line).await;
        world.kill();
        world.history()
    })
}

/// Lets something go wrong, or something be done that clients have to bear.
async fn strike(world: &Arc<World>, chance: &Chance) {
    match chance.below(14) {
        0..3 => {
            let (call, nth) = (chance.of(&[Call::Append, Call::Append, Call::Commit, Call::Remove]), 1 + chance.below(4));
            world.fault(format!("{call:?} {nth} stalls"));
            world.faults(|faults| faults.pick(call, nth, Fault::Stall));
            sleep(Duration::from_millis(chance.below(4_000))).await;
            if chance.one_in(3) {
                world.event("what is held is lost with the gateway");
                restart(world, chance).await;
            } else {
                world.event("what is held goes on");
                world.faults(Faults::release);
            }
        }
        3..7 => {
            let calls = [Call::Append, Call::Append, Call::Append, Call::Commit, Call::Remove, Call::Read, Call::Find, Call::Get];
            let (call, nth) = (chance.of(&calls), 1 + chance.below(4));
            let fault = chance.of(&[Fault::Fail, Fault::Refuse]);
            world.fault(format!("{call:?} {nth}: {fault:?}"));
            world.faults(|faults| faults.pick(call, nth, fault));
        }
        7..9 => restart(world, chance).await,
        9..12 => reshard(world, chance).await,
        12 => {
            let span = if chance.one_in(4) { RETENTION_OVER } else { Duration::from_secs(chance.below(40)) };
            world.event(format!("the clock jumps by {span:?}"));
            world.jump(span).await;
        }
        _ => {
            if let Some(gateway) = world.gateway() {
                world.event("a sweep");
                gateway.log.sweep().await;
            }
        }
    }
}

/// Ends the gateway, and opens another over what is kept.
async fn restart(world: &World, chance: &Chance) {
    if chance.one_in(3) {
        world.event("the gateway stops");
        world.stop().await;
    } else {
        world.event("the gateway is killed");
        world.kill();
    }
    sleep(Duration::from_millis(chance.below(1_500))).await;
    world.open();
    world.event("the gateway is back");
}

/// Splits or merges a shard. Nobody waits for it: it may be what is stalled.
async fn reshard(world: &Arc<World>, chance: &Chance) {
    let Some(stream) = world.gateway().and_then(|gateway| gateway.log.stream(LASTING.0)) else { return };
    let mut open: Vec<_> = stream.shards().iter().filter(|shard| shard.is_open()).cloned().collect();
    open.sort_by_key(|shard| shard.keys.start);
    let place = chance.below(open.len() as u64) as usize;
    let (operation, input) = match open.get(place + 1) {
        Some(next) if chance.one_in(2) || stream.open_shards() >= OPEN_MAX => {
            ("MergeShards", json!({"ShardToMerge": open[place].id.to_string(), "AdjacentShardToMerge": next.id.to_string()}))
        }
        _ => {
            let keys = open[place].keys;
            let middle = keys.start.0 + (keys.end.0 - keys.start.0) / 2;
            ("SplitShard", json!({"ShardToSplit": open[place].id.to_string(), "NewStartingHashKey": middle.to_string()}))
        }
    };
    world.event(format!("{operation} {input}"));
    let mut input = input;
    input["StreamName"] = LASTING.0.into();
    let caller = Caller::new(world, chance.fork());
    tokio::spawn(async move { caller.call(operation, input).await });
}
