//! How long records are kept, as it is asked for.

use crate::aws::{Input, Refusal};
use crate::model::limits::{RETENTION_HOURS_MAX, RETENTION_HOURS_MIN};

use super::refusal::argument;

/// The hours that `RetentionPeriodHours` says.
///
/// # Errors
/// InvalidArgumentException outside what streams can have.
pub(super) fn hours(input: &Input) -> Result<u32, Refusal> {
    let hours = input.integer("RetentionPeriodHours").unwrap_or_default();
    if hours < RETENTION_HOURS_MIN.into() {
        return Err(argument(format!(
            "Minimum allowed retention period is {RETENTION_HOURS_MIN} hours. Requested retention period ({hours} hours) is too short."
        )));
    }
    if hours > RETENTION_HOURS_MAX.into() {
        return Err(argument(format!(
            "Maximum allowed retention period is {RETENTION_HOURS_MAX} hours. Requested retention period ({hours} hours) is too long."
        )));
    }
    Ok(u32::try_from(hours).unwrap_or(RETENTION_HOURS_MAX))
}
