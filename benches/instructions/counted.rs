//! The program below callgrind, which counts its instructions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::kafka::greet;
use super::support::wire::Connection;
use super::support::{Gateway, Outcome, Plan, Spread, binary};

/// The function before which callgrind writes down what it has counted since the last time: whoever connects makes the program call
/// it, so nothing has to reach into the process.
const MARK: &str = "accept4";
/// How often nothing at all is counted, to know what a mark itself takes.
const MARKS: usize = 9;

/// A running gateway whose instructions are counted.
pub(crate) struct Counted {
    gateway: Gateway,
    /// Callgrind's files: this with a number behind it, which begins with 1.
    files: PathBuf,
    /// How many of them were read.
    read: usize,
    /// What a mark itself takes.
    mark: u64,
}

impl Counted {
    /// Starts it with the data below `directory` and waits until it serves.
    pub(crate) fn start(directory: &Path) -> Outcome<Self> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", &format!("--dump-before={MARK}")]);
        command.arg(format!("--callgrind-out-file={}/%p", directory.display())).arg(binary());
        // One worker: which one of several looks for work how often is chance. And no `rep movsb`, of which callgrind counts each byte
        // as an instruction.
        command.env("TOKIO_WORKER_THREADS", "1").env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");
        let gateway = Gateway::start_by(command, directory)
            .map_err(|error| format!("valgrind, which has to be installed, does not run the gateway: {error}"))?;
        let files = directory.join(&gateway.process);
        let mut counted = Self { gateway, files, read: 0, mark: 0 };
        // What the start took.
        counted.since_mark()?;
        let marks = (0..MARKS).map(|_| Ok(counted.since_mark()?.0 as f64)).collect::<Outcome<Vec<_>>>()?;
        counted.mark = Spread::of(&marks).median as u64;
        Ok(counted)
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The instructions that the work makes the program execute. In which functions they are stays in a file below
    /// `target/bench/instructions`, for `callgrind_annotate`.
    pub(crate) fn count(&mut self, name: &str, work: impl FnOnce() -> Outcome<()>) -> Outcome<u64> {
        self.since_mark()?;
        work()?;
        let (instructions, largest) = self.since_mark()?;
        let kept = Plan::directory()?.join("instructions");
        std::fs::create_dir_all(&kept)?;
        std::fs::copy(largest, kept.join(name.replace(' ', "-")))?;
        Ok(instructions.saturating_sub(self.mark))
    }

    /// Ends the gateway.
    pub(crate) fn stop(self) -> Outcome<()> {
        self.gateway.stop()
    }

    /// The instructions since the last call, and the file that has most of them.
    fn since_mark(&mut self) -> Outcome<(u64, PathBuf)> {
        // The one worker has accepted before it answers.
        greet(&mut Connection::open(&self.gateway.address)?)?;
        let (mut all, mut most, mut largest) = (0, 0, None);
        loop {
            let file = self.files.with_added_extension((self.read + 1).to_string());
            let Ok(text) = std::fs::read_to_string(&file) else { break };
            self.read += 1;
            let counted = text.lines().find_map(|line| line.strip_prefix("summary: "));
            let counted: u64 = counted.ok_or("callgrind does not say how many instructions there were")?.trim().parse()?;
            all += counted;
            if counted >= most {
                (most, largest) = (counted, Some(file));
            }
        }
        Ok((all, largest.ok_or("callgrind has written nothing")?))
    }
}
