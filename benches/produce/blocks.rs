//! Those who wait for the acknowledgement of what they have appended.

use std::thread::scope;

use super::IN_FLIGHT;
use super::support::{Outcome, Window};

/// Lets 32 threads append one block of `bytes` after the other, each waiting for the acknowledgement, until the window is over.
pub(crate) fn append_all(window: &Window, bytes: usize, append: impl Fn(usize) -> Outcome<()> + Sync) -> Outcome<()> {
    let appender = |number| {
        while !window.is_over() {
            append(number)?;
            window.count(bytes);
        }
        Ok(())
    };
    scope(|threads| {
        let appenders: Vec<_> = (0..IN_FLIGHT).map(|number| threads.spawn(move || appender(number))).collect();
        appenders.into_iter().try_for_each(|appender| appender.join().map_err(|_| "an appender panicked")?)
    })
}
