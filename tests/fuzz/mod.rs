//! **What the fuzzer runs**, run once on what it has found before and on a few changes of that.
//!
//! `tests/fuzz/run.sh` runs the same bodies under libFuzzer for as long as it is told to. The corpus is small: what
//! `write_the_corpus` makes, one file for each kind of thing, and every input that has ever found a fault.

mod bodies;
mod corpus;

use std::cell::Cell;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::support::hostile::Dice;

/// Changed inputs for each file of a corpus.
const CHANGES: usize = 3;

/// The files of a target's corpus.
fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

thread_local! {
    /// Panics of this thread, those of its tasks too, which Tokio keeps from it.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

/// Gives the target each file of its corpus, and what comes of a few changes.
fn replay(target: &str) {
    count_panics();
    let mut files: Vec<_> = std::fs::read_dir(folder(target)).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.sort();
    // Always the same: what fails here fails again.
    let mut dice = Dice::new(1);
    for file in files {
        let mut bytes = std::fs::read(&file).unwrap();
        for change in 0..=CHANGES {
            bodies::body(target)(&bytes);
            let shown = bytes.escape_ascii();
            assert_eq!(PANICS.get(), 0, "{} after {change} changes, which is b\"{shown}\"", file.display());
            change_one(&mut dice, &mut bytes);
        }
    }
}

fn change_one(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len());
    match dice.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
        2 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
        3 => bytes.insert(at, b'0'),
        _ => {
            let end = (at + dice.below(32)).min(bytes.len());
            bytes.extend_from_within(at..end);
        }
    }
}

/// One test for each target, so that they run side by side.
macro_rules! replayed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = bodies::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

replayed! {
    aggregates
    aws_bodies
    aws_http
    aws_operations
    aws_signatures
    batches
    config_file
    event_streams
    kafka_frames
    kafka_logins
    kafka_requests
    segments
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/libfuzzer/Cargo.toml")).unwrap();
    for (target, _) in bodies::TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"targets/{target}.rs\"")), "{target}");
    }
}
