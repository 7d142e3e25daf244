//! What a process has used of the processors and of memory, as Linux counts it.

use std::time::Duration;

/// Ticks per second in `/proc` (USER_HZ, 100 on every Linux).
const TICKS: f64 = 100.0;

/// Processor seconds of a process so far, with all its threads and those of its children whose end it has seen; `process` is its number
/// or `self`. `None` where there is no `/proc`.
pub(crate) fn cpu_seconds(process: &str) -> Option<f64> {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, and field 3 follows it. User and system time are fields 14 and 15, the children's 16
    // and 17.
    let times = line.rsplit_once(") ")?.1.split(' ').skip(11).take(4);
    let ticks = times.map(|ticks| ticks.parse::<f64>().ok()).sum::<Option<f64>>()?;
    Some(ticks / TICKS)
}

/// How many cores were busy on average between two counts.
pub(crate) fn cores_used(before: Option<f64>, after: Option<f64>, time: Duration) -> Option<f64> {
    Some((after? - before?) / time.as_secs_f64())
}

/// Bytes of a process that are in memory (RSS), its program's among them. `None` where there is no `/proc`.
pub(crate) fn memory_bytes(process: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
}
