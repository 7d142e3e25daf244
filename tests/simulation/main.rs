//! **Simulations**: a gateway, its clients, its store and what goes wrong with them, all out of one seed and on a clock that only
//! moves when everybody waits; and a checker that says whether a log may do what the clients saw.
//!
//! A run is the same, byte for byte, whenever it has the same seed. `SHARDGATE_SIMULATIONS` says how many there are (200 unless
//! set; 100 that are run twice), `SHARDGATE_SIMULATION_SEED` which is the first (0 unless set). A seed that fails is told with the
//! command that repeats it. The long form is faster optimised:
//!
//! ```text
//! SHARDGATE_SIMULATIONS=100000 cargo test --locked --release --test simulation no_seed -- --nocapture
//! ```
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod chance;
mod checker;
mod clients;
mod history;
mod planted;
mod run;
#[allow(dead_code, unused_imports, reason = "the other tests' needs are more")]
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use checker::{Finding, Kind};
use history::{History, What};
use shardgate::store::{Call, Fault};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Says what is wrong, and how to see it again.
fn tell(seed: u64, found: &[Finding], history: Option<&History>) {
    history.iter().for_each(|history| println!("{history}"));
    found.iter().take(10).for_each(|finding| println!("seed {seed}: {finding}"));
    println!("repeat it: SHARDGATE_SIMULATIONS=1 SHARDGATE_SIMULATION_SEED={seed} cargo test --locked --test simulation no_seed");
}

/// Does it with each of the seeds that are wanted, on all cores; how many those are.
fn with_seeds(unless_set: u64, work: impl Fn(u64) + Sync) -> u64 {
    let (count, first) =
        (number("SHARDGATE_SIMULATIONS").unwrap_or(unless_set), number("SHARDGATE_SIMULATION_SEED").unwrap_or(0));
    let next = AtomicU64::new(first);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            work(seed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    count
}

#[test]
fn no_seed_leads_to_a_history_that_a_log_may_not_have() {
    let (seeds, operations, failed) = (AtomicU64::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let count = with_seeds(200, |seed| {
        let history = run::simulate(seed);
        let found = checker::check(&history, run::RETENTION_MILLIS);
        if !found.is_empty() {
            failed.lock().unwrap().push(seed);
            tell(seed, &found, (number("SHARDGATE_SIMULATIONS") == Some(1)).then_some(&history));
        }
        operations.fetch_add(history.operations.len(), Ordering::SeqCst);
        let seeds = seeds.fetch_add(1, Ordering::SeqCst) + 1;
        if seeds.is_multiple_of(1_000) {
            let (operations, failed) = (operations.load(Ordering::SeqCst), failed.lock().unwrap().len());
            println!("{seeds} seeds, {operations} operations, {failed} failed");
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {count} seeds failed: {failed:?}", failed.len());
}

#[test]
fn the_same_seed_gives_the_same_history() {
    with_seeds(100, |seed| {
        let (one, other) = (run::simulate(seed).to_string(), run::simulate(seed).to_string());
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "seed {seed}: {differs:#?}");
    });
}

/// A disk that says that it has written, and has not: the kinds of fault that clients see then.
#[test]
fn a_store_that_loses_what_it_has_acknowledged_is_found_out() {
    for (call, expected) in [(Call::Append, [Kind::Lost, Kind::Reused]), (Call::Commit, [Kind::CommitLost, Kind::CommitWentBack])]
    {
        let mut seen = BTreeMap::<Kind, usize>::new();
        for seed in 0..10 {
            let history = run::simulate_with(seed, |faults| (10..20).for_each(|nth| faults.pick(call, nth, Fault::Pretend)));
            let found = checker::check(&history, run::RETENTION_MILLIS);
            let kinds: BTreeSet<_> = found.into_iter().map(|finding| finding.kind).collect();
            kinds.into_iter().for_each(|kind| *seen.entry(kind).or_default() += 1);
        }
        println!("{call:?}: {seen:?}");
        assert!(expected.iter().any(|kind| seen.contains_key(kind)), "{call:?}: {seen:?}");
    }
}

/// What a simulation is worth is what happens in it.
#[test]
fn everything_that_can_happen_happens_in_a_few_seeds() {
    let mut seen = BTreeMap::<&str, usize>::new();
    for seed in 0..6 {
        for operation in &run::simulate(seed).operations {
            let kind = match &operation.what {
                What::Write(write) if write.transaction.is_some() => "transactional write",
                What::Write(_) => "write",
                What::Read(_) => "read",
                What::End { committed: true, .. } => "commit of a transaction",
                What::End { .. } => "abort",
                What::Commit { outcome, .. } if outcome.is_acknowledged() => "commit",
                What::Committed { found: Some(_), .. } => "committed",
                What::Assigned { lanes, .. } if !lanes.is_empty() => "assigned",
                What::Surveyed { .. } => "surveyed",
                _ => continue,
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 9, "{seen:?}");
    assert!(seen.values().all(|times| *times >= 6), "{seen:?}");
}
