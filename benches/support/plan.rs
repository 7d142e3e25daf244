//! How long, how often, where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;

use super::Outcome;

/// Measures in rounds; in each round every subject has its turn.
#[derive(Parser, Clone, Debug)]
pub(crate) struct Plan {
    /// Tiny rounds that only show that everything works.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Rounds that count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds measured in one turn.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Plan {
    pub(crate) fn rounds(&self) -> usize {
        if self.smoke { 1 } else { self.rounds.max(1) }
    }

    /// The time measured in a turn.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_secs_f64(if self.smoke { 0.2 } else { self.seconds })
    }

    /// The time before it, in which queues fill.
    pub(crate) fn warm_up(&self) -> Duration {
        self.turn() / 4
    }

    /// The subjects of one round in their order, which turns with the rounds.
    pub(crate) fn order<T: Copy>(round: usize, subjects: &[T]) -> impl Iterator<Item = T> {
        let first = round % subjects.len().max(1);
        subjects.iter().cycle().skip(first).take(subjects.len()).copied()
    }

    /// `target/bench`, where reports stay.
    pub(crate) fn directory() -> Outcome<PathBuf> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// A directory for data below it, so that all subjects write to one disk; it goes when it is dropped.
    pub(crate) fn scratch() -> Outcome<TempDir> {
        Ok(tempfile::tempdir_in(Self::directory()?)?)
    }
}
