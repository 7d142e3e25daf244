//! Sequence numbers that clients send, in every layout that AWS still takes.

use crate::aws::Refusal;
use crate::model::{Offset, SequenceNumber, Shard, ShardId};

use super::context::Context;
use super::refusal::{argument, internal_failure};

/// A number as far as it can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// One of this layout.
    Now(SequenceNumber),
    /// One of an older layout, which no stream here has ever given out.
    Before { shard: u32, shown: Option<u128> },
}

/// What the oldest layout starts with, and what it is written without.
const OLDEST: u128 = 1 << 124;
/// The first second that is not believed as a shard's creation in the oldest layout.
const OLDEST_SECONDS_END: u128 = 16_025_175_000;

fn tell(text: &str) -> Option<Told> {
    if let Ok(number) = text.parse() {
        return Some(Told::Now(number));
    }
    let number: u128 = text.parse().ok()?;
    let number = if number < OLDEST { number + OLDEST } else { number };
    // From the top: 1, 36 bits of seconds, 8 unknown, 64 of chance, 16 of the shard.
    let seconds = (number >> 88) & ((1 << 36) - 1);
    let shard = u32::try_from(number & 0xffff).unwrap_or(0);
    (seconds < OLDEST_SECONDS_END).then_some(Told::Before { shard, shown: Some(number) })
}

impl Context {
    /// The offset that somebody names by a number in `shard`, before or behind the record that has it. A number that no record
    /// has is as good as any: it is between two.
    ///
    /// # Errors
    /// InvalidArgumentException if it is none of this shard's numbers.
    pub(super) fn position(&self, text: &str, stream: &str, shard: &Shard, is_behind: bool) -> Result<Offset, Refusal> {
        let (account, id) = (&self.account, shard.id);
        let used = |text: &str| {
            format!(
                "StartingSequenceNumber {text} used in GetShardIterator on shard {id} in stream {stream} under account {account} is invalid"
            )
        };
        if text == "0" {
            // As AWS does.
            return Err(internal_failure());
        }
        let told = tell(text).ok_or_else(|| argument(format!("{}.", used(text))))?;
        let encoded = match told {
            Told::Now(number) => number.shard,
            Told::Before { shard, .. } => ShardId(shard),
        };
        if encoded != id {
            return Err(argument(format!(
                "Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to a shard with {id}"
            )));
        }
        match told {
            Told::Now(number) if number.shard_created == shard.start().shard_created => {
                let offset = number.offset().map_or(shard.first, |offset| Offset(offset.0.saturating_add(i64::from(is_behind))));
                Ok(offset.max(shard.first))
            }
            _ => {
                let shown = match told {
                    Told::Before { shown: Some(number), .. } => number.to_string(),
                    _ => text.to_owned(),
                };
                Err(argument(format!("{} because it did not come from this stream.", used(&shown))))
            }
        }
    }

    /// Whether a new record of the stream can be required to follow that number.
    ///
    /// # Errors
    /// InvalidArgumentException if it is no number that was given out until now.
    pub(super) fn check_ordering(&self, text: &str, stream: &str) -> Result<(), Refusal> {
        let now = u64::try_from(self.now().seconds()).unwrap_or(0);
        match tell(text) {
            Some(Told::Now(number)) if number.arrived <= now => Ok(()),
            Some(Told::Before { .. }) => Ok(()),
            _ => Err(argument(format!(
                "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {stream} under account {} is invalid.",
                self.account
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn numbers_of_all_layouts_tell_their_shard() {
        let number = SequenceNumber::of(ShardId(3), Timestamp(5_000), Offset(9), Timestamp(6_000));
        assert_eq!(tell(&number.to_string()), Some(Told::Now(number)));
        assert_eq!(tell("5"), Some(Told::Before { shard: 5, shown: Some(OLDEST + 5) }));
        assert_eq!(tell(&"9".repeat(57)), None);
        assert_eq!(tell(&(OLDEST + (OLDEST_SECONDS_END << 88)).to_string()), None);
    }
}
