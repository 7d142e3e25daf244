//! Which open shard takes what: by hash key, and by lane. Pure.

use crate::model::{HashKey, Lane, Shard, ShardId};

/// Who takes what is written to a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    /// The lane's open shard.
    Open(ShardId),
    /// The lane is sealed: this one, whose open shard has the keys that the lane's last shard began with.
    Forwarded(Lane),
}

/// The open shards of a stream in the order of their hash keys, of which they hold every one.
#[derive(Debug)]
pub(super) struct Routes(Vec<Shard>);

impl Routes {
    /// Of all shards of a stream, by number.
    pub(super) fn of(shards: &[Shard]) -> Self {
        let mut open: Vec<_> = shards.iter().filter(|shard| shard.is_open()).cloned().collect();
        open.sort_by_key(|shard| shard.keys.start);
        Self(open)
    }

    /// The open shards by hash key.
    pub(super) fn open(&self) -> &[Shard] {
        &self.0
    }

    /// The open shard that takes `key`.
    pub(super) fn owner(&self, key: HashKey) -> Option<&Shard> {
        self.0.partition_point(|shard| shard.keys.start <= key).checked_sub(1).and_then(|at| self.0.get(at))
    }

    /// Who takes what is written to each lane of the stream with all these `shards`, by number.
    pub(super) fn takers(&self, shards: &[Shard]) -> Vec<Takes> {
        let mut last: Vec<&Shard> = Vec::new();
        for shard in shards {
            // A lane's first shard is younger than that of the lane before it.
            match last.get_mut(shard.lane.0 as usize) {
                Some(before) => *before = shard,
                None => last.push(shard),
            }
        }
        let taker = |shard: &Shard| match self.owner(shard.keys.start) {
            Some(owner) if !shard.is_open() => Takes::Forwarded(owner.lane),
            _ => Takes::Open(shard.id),
        };
        last.into_iter().map(taker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::reshard::first_shards;
    use crate::model::Timestamp;

    #[test]
    fn a_key_belongs_to_the_shard_whose_range_has_it() {
        let shards = first_shards(3, Timestamp(0));
        let routes = Routes::of(&shards);
        let third = 113_427_455_640_312_821_154_458_202_477_256_070_485;
        for (key, id) in [(0, 0), (third - 1, 0), (third, 1), (2 * third - 1, 1), (2 * third, 2), (u128::MAX, 2)] {
            assert_eq!(routes.owner(HashKey(key)).map(|shard| shard.id), Some(ShardId(id)), "{key}");
        }
    }
}
