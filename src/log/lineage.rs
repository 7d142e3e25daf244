//! A stream's shards over time: which came from which, and which are still worth listing. Pure.

use std::time::Duration;

use crate::model::{Shard, ShardId, Timestamp};

/// The shard of that number, of shards by number.
pub(super) fn find(shards: &[Shard], id: ShardId) -> Option<&Shard> {
    shards.binary_search_by_key(&id, |shard| shard.id).ok().and_then(|at| shards.get(at))
}

/// The shards that a shard was split or merged into, by number; none while it is open.
pub(super) fn children(shards: &[Shard], id: ShardId) -> impl Iterator<Item = &Shard> {
    let younger = shards.partition_point(|shard| shard.id <= id);
    shards
        .get(younger..)
        .unwrap_or_default()
        .iter()
        .filter(move |shard| [shard.parent, shard.adjacent_parent].contains(&Some(id)))
}

/// Whether a closed shard and all its records are past the retention: Kinesis calls it EXPIRED and lists it no more.
pub(super) fn is_expired(shard: &Shard, retention: Duration, now: Timestamp) -> bool {
    // The close is known to the second; records arrived until the end of that.
    shard.expired || shard.closed_at.is_some_and(|closed_at| closed_at.plus(SECOND).plus(retention) <= now)
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::reshard::{Reshaping, first_shards};
    use crate::model::{Offset, StreamName};

    #[test]
    fn children_are_those_that_name_the_shard_as_a_parent() {
        let (name, now) = (StreamName::new("s").unwrap(), Timestamp(1_700_000_000_000));
        let shards = Reshaping::of(&name, &first_shards(2, now), now, &|_| Offset(0)).scale(3).unwrap();
        for (id, expected) in [(0, &[2, 3][..]), (1, &[4, 5]), (2, &[]), (3, &[6]), (4, &[6]), (5, &[]), (6, &[])] {
            let found: Vec<_> = children(&shards, ShardId(id)).map(|shard| shard.id.0).collect();
            assert_eq!(found, expected, "{id}");
        }
        assert_eq!(find(&shards, ShardId(6)).map(|shard| shard.id), Some(ShardId(6)));
        assert_eq!(find(&shards, ShardId(7)), None);
    }

    #[test]
    fn a_closed_shard_is_listed_for_a_retention_after_its_last_second() {
        let (closed_at, retention) = (Timestamp(10_000), Duration::from_secs(60));
        let mut shard = first_shards(1, Timestamp(0)).remove(0);
        assert!(!is_expired(&shard, retention, Timestamp(i64::MAX)));
        shard.closed_at = Some(closed_at);
        assert!(!is_expired(&shard, retention, Timestamp(70_999)));
        assert!(is_expired(&shard, retention, Timestamp(71_000)));
        shard.expired = true;
        assert!(is_expired(&shard, retention, Timestamp(0)), "a longer retention brings no shard back");
    }
}
