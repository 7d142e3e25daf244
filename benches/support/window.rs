//! The stretch of time in which acknowledgements count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::process::{cores_used, cpu_seconds};
use super::{Outcome, Plan};

/// Counts what arrives between its beginning and its end: bytes, or records.
pub(crate) struct Window {
    begin: Instant,
    end: Instant,
    counted: AtomicU64,
}

/// One turn's figures.
pub(crate) struct Sample {
    /// What was counted, per second.
    pub(crate) rate: f64,
    /// Cores that this process and the programs that it ran kept busy; for subjects inside it, the subject is in it.
    pub(crate) client_cores: Option<f64>,
    /// Cores that the server kept busy.
    pub(crate) server_cores: Option<f64>,
}

impl Window {
    /// Whether what happens now counts.
    pub(crate) fn is_open(&self) -> bool {
        (self.begin..self.end).contains(&Instant::now())
    }

    /// Whether it is time to stop.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Counts what has just arrived.
    pub(crate) fn count(&self, amount: usize) {
        if self.is_open() {
            self.counted.fetch_add(amount as u64, Ordering::Relaxed);
        }
    }
}

/// Runs `load` until the window is over, which begins after the warm-up; `server` is a process number.
pub(crate) fn measure(
    plan: &Plan,
    server: Option<&str>,
    load: impl FnOnce(&Arc<Window>) -> Outcome<()> + Send,
) -> Outcome<Sample> {
    let begin = Instant::now() + plan.warm_up();
    let window = Arc::new(Window { begin, end: begin + plan.turn(), counted: AtomicU64::new(0) });
    let cpu = || (cpu_seconds("self"), server.and_then(cpu_seconds));
    let (before, after) = scope(|threads| {
        let load = threads.spawn(|| load(&window));
        sleep_until(window.begin);
        let before = cpu();
        sleep_until(window.end);
        let after = cpu();
        load.join().map_err(|_| "the load panicked")??;
        Outcome::Ok((before, after))
    })?;
    let counted = window.counted.load(Ordering::Relaxed);
    if counted == 0 {
        return Err("nothing was acknowledged in a whole turn".into());
    }
    Ok(Sample {
        rate: counted as f64 / plan.turn().as_secs_f64(),
        client_cores: cores_used(before.0, after.0, plan.turn()),
        server_cores: cores_used(before.1, after.1, plan.turn()),
    })
}

/// Runs `load` to its end: it begins nothing new after the moment that it is given, and gives back what was acknowledged. For
/// servers of which some take longer for one request than a turn lasts.
pub(crate) fn measure_whole(plan: &Plan, server: &str, load: impl FnOnce(Instant) -> Outcome<usize>) -> Outcome<Sample> {
    let begin = Instant::now();
    measure_work(server, || Ok(load(begin + plan.turn())? as f64 / begin.elapsed().as_secs_f64()))
}

/// Does `work`, which tells its rate itself.
pub(crate) fn measure_work(server: &str, work: impl FnOnce() -> Outcome<f64>) -> Outcome<Sample> {
    let cpu = || (cpu_seconds("self"), cpu_seconds(server));
    let (begin, before) = (Instant::now(), cpu());
    let rate = work()?;
    let (after, took) = (cpu(), begin.elapsed());
    Ok(Sample { rate, client_cores: cores_used(before.0, after.0, took), server_cores: cores_used(before.1, after.1, took) })
}

fn sleep_until(time: Instant) {
    sleep(time.checked_duration_since(Instant::now()).unwrap_or(Duration::ZERO));
}
