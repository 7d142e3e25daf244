//! What ShareFetch and ShareAcknowledge have in common: who asks, its session, and its verdicts.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::api::contract::Context;
use super::auth::{Kind, Operation};
use super::code;
use super::partition::Topic;
use super::share::{Acknowledgement, Durable, Place, Reader, Refusal, Verdict};
use super::wire::ShareAcknowledgementBatch;

/// Epochs of the first and of the last request of a session (Kafka: `ShareRequestMetadata`).
pub(crate) const INITIAL: i32 = 0;
pub(crate) const FINAL: i32 = -1;

/// The longest id of a member, in UTF-16's units as Kafka counts them (`KafkaApis.isMemberIdValid`).
const MEMBER_UNITS_MAX: usize = 36;

/// Why verdicts are not taken: the code, and the coordinator's words if it was asked.
#[derive(Debug)]
pub(crate) struct NotTaken(ResponseError, Option<String>);

impl From<ResponseError> for NotTaken {
    fn from(error: ResponseError) -> Self {
        Self(error, None)
    }
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        Self(code::of_share(refusal), Some(refusal.to_string()))
    }
}

/// Whether a member may have this id, which it has chosen itself.
pub(crate) fn is_member_id(id: &str) -> bool {
    !id.is_empty() && id.encode_utf16().count() <= MEMBER_UNITS_MAX
}

/// The group and the member that ask, if they may.
pub(crate) fn reader<'a>(
    cx: &Context,
    group: Option<&'a str>,
    member: Option<&'a str>,
) -> Result<(&'a str, &'a str), ResponseError> {
    let group = group.unwrap_or_default();
    let member = member.unwrap_or_default();
    if group.is_empty() || !is_member_id(member) {
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

/// How long records are locked, in milliseconds, for an answer.
pub(crate) fn lock_millis(reader: &Reader) -> i32 {
    i32::try_from(reader.lock_duration().as_millis()).unwrap_or(i32::MAX)
}

/// Takes a partition's verdicts, of which renewals only if the request `may_renew`; they are durable when the future ends.
pub(crate) fn acknowledge(
    cx: &Context,
    reader: &Reader,
    topic: Uuid,
    partition: i32,
    said: &[ShareAcknowledgementBatch],
    may_renew: bool,
) -> Result<Durable, NotTaken> {
    let stream = cx.topic(Topic::Identified(topic), Operation::Read)?;
    super::partition::lane(&stream, partition)?;
    let verdicts = verdicts(said, may_renew)?;
    Ok(reader.acknowledge(Place { topic, partition }, &verdicts)?)
}

/// The error code of verdicts and its words, when they are durable.
pub(crate) async fn taken(begun: Result<Durable, NotTaken>) -> (i16, Option<StrBytes>) {
    let taken = match begun {
        Ok(durable) => durable.await.map_err(NotTaken::from),
        Err(not_taken) => Err(not_taken),
    };
    taken.map_or_else(|NotTaken(error, words)| (error.code(), words.map(StrBytes::from_string)), |()| (0, None))
}

/// The verdicts in order, neighbours that say the same together. INVALID_REQUEST for what makes no sense: batches that go back, more
/// or fewer verdicts than offsets, numbers that are none (Kafka, `KafkaApis.validateAcknowledgementBatches`). An offset that ends one
/// batch and begins the next is for the coordinator to refuse.
fn verdicts(said: &[ShareAcknowledgementBatch], may_renew: bool) -> Result<Vec<Acknowledgement>, ResponseError> {
    let (mut verdicts, mut before): (Vec<Acknowledgement>, i64) = (Vec::new(), -1);
    for ShareAcknowledgementBatch { first_offset: first, last_offset: last, acknowledge_types: kinds } in said {
        let (first, last) = (*first, *last);
        let is_ordered = before <= first && first <= last && last < i64::MAX;
        let is_each = || i64::try_from(kinds.len()).is_ok_and(|kinds| kinds == last - first + 1);
        if !is_ordered || kinds.is_empty() || kinds.len() > 1 && !is_each() {
            return Err(ResponseError::InvalidRequest);
        }
        before = last;
        let each = if kinds.len() == 1 { last - first + 1 } else { 1 };
        for (kind, at) in kinds.iter().zip(0..) {
            let verdict = verdict(*kind).filter(|verdict| may_renew || *verdict != Verdict::Renew);
            let verdict = verdict.ok_or(ResponseError::InvalidRequest)?;
            let (first, last) = (first + at, first + at + each - 1);
            match verdicts.last_mut() {
                Some(before) if before.verdict == verdict && before.last + 1 == first => before.last = last,
                _ => verdicts.push(Acknowledgement { first, last, verdict }),
            }
        }
    }
    Ok(verdicts)
}

/// The verdict of Kafka's number for it.
fn verdict(kind: i8) -> Option<Verdict> {
    match kind {
        0 => Some(Verdict::Gap),
        1 => Some(Verdict::Accept),
        2 => Some(Verdict::Release),
        3 => Some(Verdict::Reject),
        4 => Some(Verdict::Renew),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &[(i64, i64, &[i8])]) -> Result<Vec<(i64, i64, Verdict)>, ResponseError> {
        let batch = |&(first_offset, last_offset, kinds): &(i64, i64, &[i8])| ShareAcknowledgementBatch {
            first_offset,
            last_offset,
            acknowledge_types: kinds.to_vec(),
        };
        let said: Vec<_> = said.iter().map(batch).collect();
        verdicts(&said, false).map(|all| all.into_iter().map(|one| (one.first, one.last, one.verdict)).collect())
    }

    #[test]
    fn verdicts_are_for_a_range_or_for_each_offset() {
        use Verdict::{Accept, Gap, Release};
        assert_eq!(of(&[(3, 7, &[1])]), Ok(vec![(3, 7, Accept)]));
        assert_eq!(of(&[(3, 5, &[1]), (5, 6, &[1])]), Ok(vec![(3, 5, Accept), (5, 6, Accept)]));
        assert_eq!(of(&[(3, 5, &[1, 1, 2]), (6, 6, &[2]), (9, 9, &[0])]), Ok(vec![(3, 4, Accept), (5, 6, Release), (9, 9, Gap)]));
        for wrong in [
            &[(3, 2, &[1][..])][..],
            &[(3, 5, &[])],
            &[(3, 5, &[1, 1])],
            &[(3, 3, &[4])],
            &[(-2, 3, &[1])],
            &[(3, 5, &[1]), (4, 6, &[1])],
            &[(0, i64::MAX, &[1])],
        ] {
            assert_eq!(of(wrong), Err(ResponseError::InvalidRequest), "{wrong:?}");
        }
    }
}
