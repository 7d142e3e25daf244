//! `expected.txt`: what a request of each kind takes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::support::{Outcome, binary};

/// How far a figure may be from the table's.
const TOLERANCE: f64 = 0.10;
/// What the compiler writes into its programs, before its version.
const COMPILER: &[u8] = b"rustc version ";

pub(crate) struct Table {
    /// The compiler that made the program.
    compiler: String,
    /// Kinds and instructions.
    rows: Vec<(String, u64)>,
}

impl Table {
    /// One for the program that is measured, without rows.
    pub(crate) fn new() -> Outcome<Self> {
        let program = std::fs::read(binary())?;
        let at = program.windows(COMPILER.len()).position(|window| window == COMPILER).ok_or("the program names no compiler")?;
        let compiler = program[at..].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self { compiler: String::from_utf8(compiler.to_vec())?, rows: Vec::new() })
    }

    pub(crate) fn compiler(&self) -> &str {
        &self.compiler
    }

    pub(crate) fn add(&mut self, kind: &str, instructions: u64) {
        self.rows.push((kind.to_owned(), instructions));
    }

    /// Makes it the one that others are compared with.
    pub(crate) fn write(&self) -> Outcome<()> {
        let mut text = format!("{}\n", self.compiler);
        for (kind, instructions) in &self.rows {
            writeln!(text, "{instructions:>10} {kind}")?;
        }
        Ok(std::fs::write(path(), text)?)
    }

    /// The one that was written.
    fn expected() -> Outcome<Self> {
        let text = std::fs::read_to_string(path())?;
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        let rows = lines.map(|line| {
            let (instructions, kind) = line.trim_start().split_once(' ').ok_or("a line of the table has no kind")?;
            Ok((kind.to_owned(), instructions.parse()?))
        });
        Ok(Self { compiler, rows: rows.collect::<Outcome<_>>()? })
    }

    /// Fails if a kind takes clearly more than was expected, or clearly less: then the table is no longer true.
    pub(crate) fn compare(&self) -> Outcome<()> {
        let expected = Self::expected()?;
        let differences = self.differences(&expected);
        if differences.is_empty() {
            return Ok(());
        }
        let mut text = differences.join("\n");
        if self.compiler != expected.compiler {
            write!(text, "\nthe table is of {}, this program of {}", expected.compiler, self.compiler)?;
        }
        Err(format!("{text}\nif that is meant: cargo bench --bench instructions -- --write").into())
    }

    fn differences(&self, expected: &Self) -> Vec<String> {
        let figure = |table: &Self, kind: &str| table.rows.iter().find(|(other, _)| other == kind).map(|(_, figure)| *figure);
        let gone = expected.rows.iter().filter(|(kind, _)| figure(self, kind).is_none());
        let changed = self.rows.iter().filter_map(|(kind, is)| {
            let Some(was) = figure(expected, kind) else { return Some(format!("{kind}: not in the table")) };
            let change = *is as f64 / was as f64 - 1.0;
            (change.abs() > TOLERANCE).then(|| format!("{kind}: {is} instead of {was} instructions ({:+.1} %)", change * 100.0))
        });
        gone.map(|(kind, _)| format!("{kind}: in the table, but not counted")).chain(changed).collect()
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/expected.txt")
}
