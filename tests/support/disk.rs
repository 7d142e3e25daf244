//! A disk that fails on demand.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use parking_lot::Mutex;
use shardgate::store::{Step, Verdict, Watch};

/// A kind of step that can fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Create,
    Read,
    Write,
    Begin,
    Resize,
    Sync,
    Rename,
    SyncDirectory,
}

fn kind(step: &Step<'_>) -> Option<Kind> {
    match step {
        Step::Open { anew, .. } => anew.then_some(Kind::Create),
        Step::Read { .. } => Some(Kind::Read),
        Step::Write { .. } => Some(Kind::Write),
        Step::Begin { .. } => Some(Kind::Begin),
        Step::Resize { .. } => Some(Kind::Resize),
        Step::Sync { .. } => Some(Kind::Sync),
        Step::Rename { .. } => Some(Kind::Rename),
        Step::SyncDirectory { .. } => Some(Kind::SyncDirectory),
        Step::Remove { .. } | Step::MakeDirectory { .. } => None,
    }
}

/// A disk on which what was picked fails.
#[derive(Default)]
pub(crate) struct Sick(Mutex<State>);

#[derive(Default)]
struct State {
    /// How often each kind still fails, and with what.
    picked: HashMap<Kind, (usize, ErrorKind)>,
    /// The next write stops after so many bytes.
    short: Option<usize>,
    /// Files whose sync failed, and those of them that were written to after that.
    given_up: Vec<u64>,
    written_again: Vec<u64>,
}

impl Sick {
    /// The next `times` steps of this kind fail.
    pub(crate) fn fail(&self, kind: Kind, times: usize, error: ErrorKind) {
        self.0.lock().picked.insert(kind, (times, error));
    }

    /// The next write stops after so many bytes.
    pub(crate) fn write_short(&self, bytes: Option<usize>) {
        self.0.lock().short = bytes;
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.0.lock().picked.clear();
    }

    /// Whether no file was written to after a sync of it had failed.
    pub(crate) fn is_careful(&self) -> bool {
        self.0.lock().written_again.is_empty()
    }
}

impl Watch for Sick {
    fn before(&self, step: &Step<'_>) -> io::Result<Verdict> {
        let mut state = self.0.lock();
        if let Step::Write { file, .. } = step {
            if state.given_up.contains(file) {
                state.written_again.push(*file);
            }
            if let Some(bytes) = state.short.take() {
                return Ok(Verdict::Short(bytes));
            }
        }
        let picked = kind(step).and_then(|kind| state.picked.get_mut(&kind));
        if let Some((times, error)) = picked.filter(|(times, _)| *times > 0) {
            *times -= 1;
            let error = *error;
            if let Step::Sync { file } = step {
                state.given_up.push(*file);
            }
            return Err(error.into());
        }
        Ok(Verdict::Take)
    }

    fn stamp(&self, _file: u64) -> Option<u64> {
        None
    }
}
