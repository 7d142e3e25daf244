//! Shard iterators: sealed tokens of (stream incarnation, shard, offset, birth). They live five minutes and can be used again;
//! none is ever given twice.

use crate::aws::Refusal;
use crate::model::{Offset, ShardId, StreamId, Timestamp};

use super::context::Context;
use super::refusal::argument;
use super::seal::Kind;

/// How long an iterator can be used, in milliseconds (Kinesis API reference, GetRecords, 2026-11).
const LIFE_MILLIS: i64 = 300_000;

/// Where somebody reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ShardIterator {
    /// The incarnation of the stream.
    pub(super) stream: StreamId,
    /// Its name, for those who come when it is gone.
    pub(super) name: String,
    /// The shard.
    pub(super) shard: ShardId,
    /// The first offset that was not read yet.
    pub(super) offset: Offset,
}

impl ShardIterator {
    /// The iterator as a client gets it, born now.
    pub(super) fn close(&self, cx: &Context) -> String {
        let mut content = Vec::with_capacity(52 + self.name.len());
        content.extend(cx.now().0.to_be_bytes());
        // Two answers in one millisecond differ in this alone: AWS's iterators are new ones in every answer.
        content.extend(cx.log.env().entropy.uuid().as_bytes());
        content.extend(self.stream.0.as_bytes());
        content.extend(self.shard.0.to_be_bytes());
        content.extend(self.offset.0.to_be_bytes());
        content.extend(self.name.as_bytes());
        cx.shared.seal.close(Kind::Iterator, &content)
    }

    /// The iterator that a client sent, in quotes or without.
    ///
    /// # Errors
    /// InvalidArgumentException if it is none; ExpiredIteratorException if it is too old.
    pub(super) fn open(cx: &Context, token: &str) -> Result<Self, Refusal> {
        let invalid = || argument("Invalid ShardIterator.");
        let content = cx.shared.seal.open(Kind::Iterator, token.trim_matches('"')).ok_or_else(invalid)?;
        let (born_at, iterator) = read(&content).ok_or_else(invalid)?;
        let now = cx.now();
        if now.0.saturating_sub(born_at.0) > LIFE_MILLIS {
            return Err(Refusal::new(
                "ExpiredIteratorException",
                format!(
                    "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future \
                     than the tolerated delay of {LIFE_MILLIS} milliseconds.",
                    date(born_at),
                    date(now)
                ),
            ));
        }
        Ok(iterator)
    }
}

fn read(content: &[u8]) -> Option<(Timestamp, ShardIterator)> {
    let (born_at, rest) = content.split_first_chunk()?;
    let (_, rest) = rest.split_first_chunk::<16>()?;
    let (stream, rest) = rest.split_first_chunk()?;
    let (shard, rest) = rest.split_first_chunk()?;
    let (offset, name) = rest.split_first_chunk()?;
    let iterator = ShardIterator {
        stream: StreamId(uuid::Uuid::from_bytes(*stream)),
        name: String::from_utf8(name.to_vec()).ok()?,
        shard: ShardId(u32::from_be_bytes(*shard)),
        offset: Offset(i64::from_be_bytes(*offset)),
    };
    Some((Timestamp(i64::from_be_bytes(*born_at)), iterator))
}

/// A time as Java's `Date` prints it: `Thu Jan 22 01:22:02 UTC 2015`.
fn date(at: Timestamp) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (at.seconds().div_euclid(86_400), at.seconds().rem_euclid(86_400));
    // Days since 0000-03-01, in years that begin with March: the leap day is the last one (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let since = days + 719_468;
    let (era, day_of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let name = |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or("");
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        name(&WEEKDAYS, days.rem_euclid(7)),
        name(&MONTHS, month),
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_java() {
        for (seconds, text) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (1_421_889_722, "Thu Jan 22 01:22:02 UTC 2015"),
            (1_709_164_799, "Wed Feb 28 23:59:59 UTC 2024"),
            (1_709_164_800, "Thu Feb 29 00:00:00 UTC 2024"),
            (1_735_689_599, "Tue Dec 31 23:59:59 UTC 2024"),
            (1_700_000_000, "Tue Nov 14 22:13:20 UTC 2023"),
        ] {
            assert_eq!(date(Timestamp(seconds * 1_000)), text);
        }
    }
}
