//! What a stream is ready for: its mode, and what goes with it. CreateStream and the operations that change it share this.

use crate::aws::{Refusal, Structure};
use crate::model::{Mode, Settings};

use super::refusal::argument;

/// The mode that `StreamModeDetails` asks for; provisioned if it is not there, as by AWS.
pub(super) fn mode(input: &Structure) -> Mode {
    let details = input.structure("StreamModeDetails").and_then(|details| details.text("StreamMode"));
    details.and_then(|mode| mode.parse().ok()).unwrap_or_default()
}

/// The largest record that `MaxRecordSizeInKiB` asks for.
pub(super) fn record_kib(input: &Structure) -> Option<u32> {
    input.integer("MaxRecordSizeInKiB").and_then(|kib| u32::try_from(kib).ok())
}

/// Takes over what `WarmThroughputMiBps` asks for.
///
/// # Errors
/// ValidationException for a provisioned stream.
pub(super) fn set_warm_throughput(settings: &mut Settings, input: &Structure) -> Result<(), Refusal> {
    let Some(mib) = input.integer("WarmThroughputMiBps") else { return Ok(()) };
    if settings.mode != Mode::OnDemand {
        return Err(Refusal::validation("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode."));
    }
    settings.warm_mib = u32::try_from(mib).ok();
    Ok(())
}

/// Takes over what `RecordDistributionStrategy` asks for.
///
/// # Errors
/// InvalidArgumentException if a provisioned stream is to spread its records.
pub(super) fn set_distribution(settings: &mut Settings, input: &Structure) -> Result<(), Refusal> {
    let Some(strategy) = input.text("RecordDistributionStrategy") else { return Ok(()) };
    settings.spread = strategy == "AUTO";
    if settings.spread && settings.mode != Mode::OnDemand {
        return Err(argument("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode."));
    }
    Ok(())
}
