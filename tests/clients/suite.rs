//! What the suites in Rust have in common. Each is a crate apart, and has this file as its module.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

const CASE_DEADLINE: Duration = Duration::from_secs(90);

/// Runs a suite's program on this thread, and tells why it could not.
pub(crate) fn program<E: Display + From<std::io::Error>>(run: impl Future<Output = Result<ExitCode, E>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(E::from).and_then(|runtime| runtime.block_on(run)) {
        Ok(code) => code,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

/// How many cases ended in which way.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// Waits for a case, as long as one may take. It comes to `ok` with a note, `none` with a reason, or to why it does not hold.
    /// Returns that in one line, as it stands behind the case's name.
    pub(crate) async fn case(&mut self, case: impl Future<Output = Result<String, String>>) -> String {
        let outcome = match tokio::time::timeout(CASE_DEADLINE, case).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("not finished after {CASE_DEADLINE:?}")),
        };
        let text = match outcome {
            Ok(text) if text.starts_with("none") => {
                self.skipped += 1;
                text
            }
            Ok(text) => {
                self.passed += 1;
                text
            }
            Err(why) => {
                self.failed += 1;
                format!("fail {why}")
            }
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Prints the closing line. The code is a failure if a case has failed, or if none has passed.
    pub(crate) fn close(&self) -> ExitCode {
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.failed > 0 || self.passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
