//! Opening lanes by splitting shards. Pure: what the shards become, not how that is stored.

use crate::model::{HashKeyRange, Lane, Offset, Shard, ShardId, Timestamp};

use super::Error;
use crate::model::limits::SHARDS_MAX;

/// The first shards of a stream with `lanes` lanes, which divide the hash key space evenly.
pub(super) fn first_shards(lanes: u32, now: Timestamp) -> Vec<Shard> {
    let shard = |(number, keys)| Shard {
        id: ShardId(number),
        lane: Lane(number),
        parent: None,
        adjacent_parent: None,
        keys,
        first: Offset(0),
        end: None,
        created_at: whole_second(now),
        closed_at: None,
    };
    (0..).zip(HashKeyRange::divide(lanes)).map(shard).collect()
}

/// Checks a number of lanes.
pub(super) fn check(lanes: u32) -> Result<(), Error> {
    if (1..=SHARDS_MAX).contains(&lanes) {
        Ok(())
    } else {
        Err(Error::Lanes(format!("{lanes} lanes were asked for; a stream can have 1 to {SHARDS_MAX}")))
    }
}

/// Splits the widest open shards until the stream has `lanes` lanes; `next` tells where a lane stands.
///
/// A split closes the shard; its first child continues the lane and its second begins the next new one. Children are
/// created one second after their parent was closed, as on AWS. All shards that changed or are new are returned.
pub(super) fn split_until(
    shards: &[Shard],
    lanes: u32,
    now: Timestamp,
    next: impl Fn(Lane) -> Offset,
) -> Result<Vec<Shard>, Error> {
    check(lanes)?;
    let mut all = shards.to_vec();
    let mut opened = all.iter().map(|shard| shard.lane.0 + 1).max().unwrap_or(0);
    if lanes <= opened {
        return Err(Error::Lanes(format!(
            "the stream has {opened} lanes already; {lanes} were asked for, and lanes never go away"
        )));
    }
    while opened < lanes {
        let widest = all
            .iter()
            .enumerate()
            .filter(|(_, shard)| shard.is_open())
            .max_by_key(|(at, shard)| (shard.keys.width(), std::cmp::Reverse(*at)));
        let Some((at, (low, high))) = widest.and_then(|(at, shard)| Some((at, shard.keys.split()?))) else {
            return Err(Error::Lanes(format!("no open shard is left that could be split; {lanes} lanes were asked for")));
        };
        let new_id = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let Some(parent) = all.get_mut(at) else { break };
        let end = next(parent.lane);
        (parent.end, parent.closed_at) = (Some(end), Some(whole_second(now).max(parent.created_at)));
        let created_at = Timestamp(parent.closed_at.map_or(0, |closed| closed.0) + 1_000);
        let child = |id, lane, keys, first| Shard {
            id: ShardId(id),
            lane,
            parent: Some(parent.id),
            adjacent_parent: None,
            keys,
            first,
            end: None,
            created_at,
            closed_at: None,
        };
        let children = [child(new_id, parent.lane, low, end), child(new_id + 1, Lane(opened), high, Offset(0))];
        all.extend(children);
        opened += 1;
    }
    Ok(all.into_iter().enumerate().filter(|(at, shard)| shards.get(*at) != Some(shard)).map(|(_, shard)| shard).collect())
}

/// Sequence numbers have seconds, so a shard's birth is a whole one.
fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp(now.seconds() * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_900);

    fn after(mut shards: Vec<Shard>, changed: Vec<Shard>) -> Vec<Shard> {
        for shard in changed {
            match shards.iter_mut().find(|old| old.id == shard.id) {
                Some(old) => *old = shard,
                None => shards.push(shard),
            }
        }
        shards
    }

    #[test]
    fn a_split_continues_the_lane_with_its_first_child_and_opens_a_lane_with_its_second() {
        let shards = first_shards(1, NOW);
        let changed = split_until(&shards, 2, NOW, |_| Offset(7)).unwrap();
        let [parent, low, high] = changed.as_slice() else { panic!("{changed:?}") };
        assert_eq!((parent.id, parent.end, parent.closed_at), (ShardId(0), Some(Offset(7)), Some(Timestamp(1_700_000_000_000))));
        assert_eq!((low.id, low.lane, low.first, low.parent), (ShardId(1), Lane(0), Offset(7), Some(ShardId(0))));
        assert_eq!((high.id, high.lane, high.first, high.parent), (ShardId(2), Lane(1), Offset(0), Some(ShardId(0))));
        assert_eq!(low.created_at, Timestamp(1_700_000_001_000));
    }

    #[test]
    fn open_shards_always_cover_the_hash_key_space_and_every_lane_has_one() {
        let mut shards = first_shards(3, NOW);
        for lanes in [4, 5, 11, 64] {
            shards = after(shards.clone(), split_until(&shards, lanes, NOW, |lane| Offset(i64::from(lane.0))).unwrap());
            let mut open: Vec<_> = shards.iter().filter(|shard| shard.is_open()).collect();
            open.sort_by_key(|shard| shard.lane);
            assert_eq!(open.iter().map(|shard| shard.lane.0).collect::<Vec<_>>(), (0..lanes).collect::<Vec<_>>());
            open.sort_by_key(|shard| shard.keys.start);
            assert!(open.windows(2).all(|pair| pair[0].keys.end.0 + 1 == pair[1].keys.start.0));
        }
    }

    #[test]
    fn the_widest_shard_is_split_first() {
        let shards = first_shards(1, NOW);
        let shards = after(shards.clone(), split_until(&shards, 3, NOW, |_| Offset(0)).unwrap());
        let widest = shards.iter().filter(|shard| shard.is_open()).max_by_key(|shard| shard.keys.width()).unwrap().id;
        let changed = split_until(&shards, 4, NOW, |_| Offset(0)).unwrap();
        assert_eq!(changed[0].id, widest);
    }

    #[test]
    fn lanes_never_go_away_and_have_a_limit() {
        let shards = first_shards(2, NOW);
        for lanes in [0, 1, 2, SHARDS_MAX + 1] {
            assert!(matches!(split_until(&shards, lanes, NOW, |_| Offset(0)), Err(Error::Lanes(_))), "{lanes}");
        }
    }
}
