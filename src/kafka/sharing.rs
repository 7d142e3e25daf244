//! What ShareFetch and ShareAcknowledge have in common: who asks, its session, and its verdicts.

use kafka_protocol::ResponseError;
use uuid::Uuid;

use super::api::contract::Context;
use super::auth::{Kind, Operation};
use super::code;
use super::partition::Topic;
use super::share::{Acknowledgement, Durable, Place, Reader, Verdict};

/// Epochs of the first and of the last request of a session (Kafka: `ShareRequestMetadata`).
pub(crate) const INITIAL: i32 = 0;
pub(crate) const FINAL: i32 = -1;

/// One batch of verdicts: one for all its offsets, or one for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    /// The first offset.
    pub(crate) first: i64,
    /// The last one.
    pub(crate) last: i64,
    /// Kafka's numbers of the verdicts.
    pub(crate) kinds: &'a [i8],
}

/// The group and the member that ask, if they may.
pub(crate) fn reader<'a>(
    cx: &Context,
    group: Option<&'a kafka_protocol::messages::GroupId>,
    member: Option<&'a str>,
) -> Result<(&'a str, &'a str), ResponseError> {
    let group = group.map(|group| group.as_str()).unwrap_or_default();
    let member = member.unwrap_or_default();
    if group.is_empty() || member.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    if !cx.allows(Operation::Read, Kind::Group, group) {
        return Err(Kind::Group.denied());
    }
    Ok((group, member))
}

/// Goes on with a session; what it fetches now.
pub(crate) fn session(
    cx: &Context,
    (group, member): (&str, &str),
    epoch: i32,
    more: &[Place],
    fewer: &[Place],
) -> Result<(Reader, Vec<Place>), ResponseError> {
    cx.door.shares.session(group, member, epoch, more, fewer).map_err(code::of_share)
}

/// Takes a partition's verdicts; they are durable when the future ends.
pub(crate) fn acknowledge<'a>(
    cx: &Context,
    reader: &Reader,
    topic: Uuid,
    partition: i32,
    said: impl Iterator<Item = Said<'a>>,
) -> Result<Durable, ResponseError> {
    let stream = cx.topic(Topic::Identified(topic), Operation::Read)?;
    super::partition::lane(&stream, partition)?;
    let verdicts = verdicts(said)?;
    reader.acknowledge(Place { topic, partition }, &verdicts).map_err(code::of_share)
}

/// The error code of verdicts, when they are durable.
pub(crate) async fn taken(begun: Result<Durable, ResponseError>) -> i16 {
    match begun {
        Ok(durable) => durable.await.map_or_else(|refusal| code::of_share(refusal).code(), |()| 0),
        Err(error) => error.code(),
    }
}

/// The verdicts in order, neighbours that say the same together. INVALID_REQUEST for what makes no sense: batches that overlap or
/// go back, more or fewer verdicts than offsets, numbers that are none (Kafka, `KafkaApis.validateAcknowledgementBatches`).
fn verdicts<'a>(said: impl Iterator<Item = Said<'a>>) -> Result<Vec<Acknowledgement>, ResponseError> {
    let (mut verdicts, mut before): (Vec<Acknowledgement>, i64) = (Vec::new(), -1);
    for Said { first, last, kinds } in said {
        let is_ordered = before < first && first <= last && last < i64::MAX;
        let is_each = || i64::try_from(kinds.len()).is_ok_and(|kinds| kinds == last - first + 1);
        if !is_ordered || kinds.is_empty() || kinds.len() > 1 && !is_each() {
            return Err(ResponseError::InvalidRequest);
        }
        before = last;
        let each = if kinds.len() == 1 { last - first + 1 } else { 1 };
        for (kind, at) in kinds.iter().zip(0..) {
            let verdict = verdict(*kind)?;
            let (first, last) = (first + at, first + at + each - 1);
            match verdicts.last_mut() {
                Some(before) if before.verdict == verdict && before.last + 1 == first => before.last = last,
                _ => verdicts.push(Acknowledgement { first, last, verdict }),
            }
        }
    }
    Ok(verdicts)
}

fn verdict(kind: i8) -> Result<Verdict, ResponseError> {
    match kind {
        0 => Ok(Verdict::Gap),
        1 => Ok(Verdict::Accept),
        2 => Ok(Verdict::Release),
        3 => Ok(Verdict::Reject),
        _ => Err(ResponseError::InvalidRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &[(i64, i64, &[i8])]) -> Result<Vec<(i64, i64, Verdict)>, ResponseError> {
        let said = said.iter().map(|&(first, last, kinds)| Said { first, last, kinds });
        verdicts(said).map(|all| all.into_iter().map(|one| (one.first, one.last, one.verdict)).collect())
    }

    #[test]
    fn verdicts_are_for_a_range_or_for_each_offset() {
        use Verdict::{Accept, Gap, Release};
        assert_eq!(of(&[(3, 7, &[1])]), Ok(vec![(3, 7, Accept)]));
        assert_eq!(of(&[(3, 5, &[1, 1, 2]), (6, 6, &[2]), (9, 9, &[0])]), Ok(vec![(3, 4, Accept), (5, 6, Release), (9, 9, Gap)]));
        for wrong in [
            &[(3, 2, &[1][..])][..],
            &[(3, 5, &[])],
            &[(3, 5, &[1, 1])],
            &[(3, 3, &[4])],
            &[(-1, 3, &[1])],
            &[(3, 5, &[1]), (5, 6, &[1])],
            &[(0, i64::MAX, &[1])],
        ] {
            assert_eq!(of(wrong), Err(ResponseError::InvalidRequest), "{wrong:?}");
        }
    }
}
