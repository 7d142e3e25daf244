//! Splitting and merging shards. Pure: what the shards become, not how that is stored.
//!
//! A split closes its shard; the first child continues the lane, the second begins the next new one. A merge closes both its
//! shards; the child continues the first one's lane, and the second one's lane is sealed: it has no open shard any more, and what
//! is written to it goes where its keys went (`route`). Children are created one second after their parents were closed, as on
//! AWS, so that in whole seconds no two shards of one line are open at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::limits::SHARDS_MAX;
use crate::model::{HashKey, HashKeyRange, Lane, Offset, Shard, ShardId, StreamName, Timestamp};

use super::Error;

/// The first shards of a stream with `lanes` lanes, which divide the hash key space evenly.
pub(super) fn first_shards(lanes: u32, now: Timestamp) -> Vec<Shard> {
    let shard = |(number, keys)| Shard { id: ShardId(number), lane: Lane(number), ..born(keys, whole_second(now)) };
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

/// The shards of a stream while they are changed; every change gives all of them back, by number.
pub(super) struct Reshaping<'a> {
    stream: &'a StreamName,
    shards: Vec<Shard>,
    now: Timestamp,
    /// Where each lane stands; 0 for one that does not exist yet.
    next: &'a dyn Fn(Lane) -> Offset,
    lanes: u32,
}

impl<'a> Reshaping<'a> {
    /// Begins with what there is, by number.
    pub(super) fn of(stream: &'a StreamName, shards: &[Shard], now: Timestamp, next: &'a dyn Fn(Lane) -> Offset) -> Self {
        let lanes = shards.iter().map(|shard| shard.lane.0 + 1).max().unwrap_or(0);
        Self { stream, shards: shards.to_vec(), now, next, lanes }
    }

    /// Splits a shard so that its second child begins at `key` (SplitShard).
    ///
    /// # Errors
    /// The shard is unknown or closed; `key` is not greater than one plus the shard's first key and less than its last one
    /// (Kinesis API reference, SplitShard, `NewStartingHashKey`, 2026-11); there would be too many lanes.
    pub(super) fn split(mut self, id: ShardId, key: HashKey) -> Result<Vec<Shard>, Error> {
        let keys = self.open(id)?.keys;
        if key.0 <= keys.start.0.saturating_add(1) || key >= keys.end {
            return Err(Error::SplitKey { stream: self.stream.clone(), shard: id, key, keys });
        }
        self.split_at(id, key)?;
        Ok(self.shards)
    }

    /// Merges two shards of which the second follows the first in the hash key space (MergeShards).
    ///
    /// # Errors
    /// A shard is unknown or closed; they are not such a pair.
    pub(super) fn merge(mut self, first: ShardId, second: ShardId) -> Result<Vec<Shard>, Error> {
        let (one, other) = (self.open(first)?.keys, self.open(second)?.keys);
        if one.end.0.checked_add(1) != Some(other.start.0) {
            return Err(Error::NotAdjacent { stream: self.stream.clone(), first, second });
        }
        self.merge_pair(first, second)?;
        Ok(self.shards)
    }

    /// Changes the open shards to `target` ones of even ranges: splits where one of these begins, then merges within each
    /// (UpdateShardCount, UNIFORM_SCALING).
    ///
    /// # Errors
    /// There would be too many lanes.
    pub(super) fn scale(mut self, target: u32) -> Result<Vec<Shard>, Error> {
        check(target)?;
        let ranges = HashKeyRange::divide(target);
        let mut starts = ranges.iter().map(|range| range.start).peekable();
        for (keys, mut id) in self.open_by_key() {
            while let Some(start) = starts.next_if(|start| *start <= keys.end) {
                if start > keys.start {
                    id = self.split_at(id, start)?;
                }
            }
        }
        let mut open = self.open_by_key().into_iter().peekable();
        for range in ranges {
            let Some((_, mut merged)) = open.next() else { break };
            while let Some((_, next)) = open.next_if(|(keys, _)| keys.end <= range.end) {
                merged = self.merge_pair(merged, next)?;
            }
        }
        Ok(self.shards)
    }

    /// Splits the widest open shards until there are `lanes` lanes (CreatePartitions).
    ///
    /// # Errors
    /// There are as many already, or there cannot be as many.
    pub(super) fn open_lanes(mut self, lanes: u32) -> Result<Vec<Shard>, Error> {
        check(lanes)?;
        if lanes <= self.lanes {
            return Err(Error::Lanes(format!(
                "the stream has {} lanes already; {lanes} were asked for, and lanes never go away",
                self.lanes
            )));
        }
        self.split_widest(lanes - self.lanes)?;
        if self.lanes < lanes {
            return Err(Error::Lanes(format!("no open shard is left that could be split; {lanes} lanes were asked for")));
        }
        Ok(self.shards)
    }

    /// Splits each of `hot` in its middle, and then the widest open shards until `open` are open (on-demand mode); as far as
    /// shards can be split and there can be as many lanes.
    ///
    /// # Errors
    /// One of `hot` is unknown or closed.
    pub(super) fn follow(mut self, hot: &[ShardId], open: u32) -> Result<Vec<Shard>, Error> {
        for id in hot {
            if let Some((_, high)) = self.open(*id)?.keys.split().filter(|_| self.lanes < SHARDS_MAX) {
                self.split_at(*id, high.start)?;
            }
        }
        let count = u32::try_from(self.open_by_key().len()).unwrap_or(u32::MAX);
        self.split_widest(open.saturating_sub(count).min(SHARDS_MAX - self.lanes))?;
        Ok(self.shards)
    }

    /// Splits the widest open shard `times` times, or until none can be split.
    fn split_widest(&mut self, times: u32) -> Result<(), Error> {
        let open = self.shards.iter().filter(|shard| shard.is_open());
        let mut widest: BinaryHeap<_> =
            open.map(|shard| (shard.keys.width(), Reverse(shard.id), shard.keys)).map(Wide::of).collect();
        for _ in 0..times {
            let Some((Wide { id: Reverse(id), .. }, (low, high))) =
                widest.pop().and_then(|wide| Some((wide, wide.keys.split()?)))
            else {
                break;
            };
            let second = self.split_at(id, high.start)?;
            let first = ShardId(second.0 - 1);
            widest.extend([(low.width(), Reverse(first), low), (high.width(), Reverse(second), high)].map(Wide::of));
        }
        Ok(())
    }

    /// Splits an open shard; the number of the second child.
    fn split_at(&mut self, id: ShardId, key: HashKey) -> Result<ShardId, Error> {
        check(self.lanes + 1)?;
        let (keys, lane) = (self.open(id)?.keys, self.open(id)?.lane);
        let (end, created_at) = self.close(&[id])?;
        let low = HashKeyRange { start: keys.start, end: HashKey(key.0 - 1) };
        let high = HashKeyRange { start: key, end: keys.end };
        let new_lane = Lane(self.lanes);
        self.lanes += 1;
        self.add(Shard { lane, parent: Some(id), first: end, ..born(low, created_at) });
        Ok(self.add(Shard { lane: new_lane, parent: Some(id), first: (self.next)(new_lane), ..born(high, created_at) }))
    }

    /// Merges two open neighbours; the number of the child.
    fn merge_pair(&mut self, first: ShardId, second: ShardId) -> Result<ShardId, Error> {
        let (lane, start, end) = (self.open(first)?.lane, self.open(first)?.keys.start, self.open(second)?.keys.end);
        let (next, created_at) = self.close(&[first, second])?;
        let child = born(HashKeyRange { start, end }, created_at);
        Ok(self.add(Shard { lane, parent: Some(first), adjacent_parent: Some(second), first: next, ..child }))
    }

    /// Closes shards at the same time: where the first one's lane goes on, and when their children are created.
    fn close(&mut self, ids: &[ShardId]) -> Result<(Offset, Timestamp), Error> {
        let (mut closed_at, mut next) = (whole_second(self.now), None);
        for id in ids {
            closed_at = closed_at.max(self.open(*id)?.created_at);
        }
        for id in ids {
            let at = self.position(*id)?;
            if let Some(shard) = self.shards.get_mut(at) {
                // A shard that was opened by the same change begins where its lane stands, and ends there.
                let end = (self.next)(shard.lane).max(shard.first);
                (shard.end, shard.closed_at) = (Some(end), Some(closed_at));
                next = next.or(Some(end));
            }
        }
        Ok((next.unwrap_or_default(), Timestamp(closed_at.0 + 1_000)))
    }

    fn add(&mut self, shard: Shard) -> ShardId {
        let id = ShardId(self.shards.last().map_or(0, |last| last.id.0 + 1));
        self.shards.push(Shard { id, ..shard });
        id
    }

    fn position(&self, id: ShardId) -> Result<usize, Error> {
        let unknown = |_| Error::UnknownShard { stream: self.stream.clone(), shard: id };
        self.shards.binary_search_by_key(&id, |shard| shard.id).map_err(unknown)
    }

    fn open(&self, id: ShardId) -> Result<&Shard, Error> {
        match self.shards.get(self.position(id)?) {
            Some(shard) if shard.is_open() => Ok(shard),
            _ => Err(Error::ShardClosed { stream: self.stream.clone(), shard: id }),
        }
    }

    /// The open shards in the order of their keys.
    fn open_by_key(&self) -> Vec<(HashKeyRange, ShardId)> {
        let open = self.shards.iter().filter(|shard| shard.is_open());
        let mut open: Vec<_> = open.map(|shard| (shard.keys, shard.id)).collect();
        open.sort_by_key(|(keys, _)| keys.start);
        open
    }
}

/// An open shard, compared by its width; of equals the one with the lowest number is the greatest.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wide {
    width: u128,
    id: Reverse<ShardId>,
    keys: HashKeyRange,
}

impl Wide {
    fn of((width, id, keys): (u128, Reverse<ShardId>, HashKeyRange)) -> Self {
        Self { width, id, keys }
    }
}

impl Ord for Wide {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.width, self.id).cmp(&(other.width, other.id))
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A shard with these keys; its number and its place are still to be told.
fn born(keys: HashKeyRange, created_at: Timestamp) -> Shard {
    Shard {
        id: ShardId(0),
        lane: Lane(0),
        parent: None,
        adjacent_parent: None,
        keys,
        first: Offset(0),
        end: None,
        created_at,
        closed_at: None,
        expired: false,
    }
}

/// Sequence numbers have seconds, so a shard's birth is a whole one.
fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp(now.seconds() * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::route::{Routes, Takes};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_900);

    fn name() -> StreamName {
        StreamName::new("s").unwrap()
    }

    fn reshaped(
        shards: &[Shard],
        now: Timestamp,
        next: impl Fn(Lane) -> Offset,
        change: impl FnOnce(Reshaping<'_>) -> Result<Vec<Shard>, Error>,
    ) -> Result<Vec<Shard>, Error> {
        change(Reshaping::of(&name(), shards, now, &next))
    }

    fn open(shards: &[Shard]) -> Vec<&Shard> {
        let mut open: Vec<_> = shards.iter().filter(|shard| shard.is_open()).collect();
        open.sort_by_key(|shard| shard.keys.start);
        open
    }

    fn takers(shards: &[Shard]) -> Vec<Takes> {
        Routes::of(shards).takers(shards)
    }

    /// What is true of every stream, however its shards were changed.
    fn check_all(shards: &[Shard]) {
        let open = open(shards);
        assert_eq!((open[0].keys.start, open[open.len() - 1].keys.end), (HashKey(0), HashKey(u128::MAX)));
        assert!(open.windows(2).all(|pair| pair[0].keys.end.0 + 1 == pair[1].keys.start.0), "open shards tile the key space");
        assert!(shards.iter().zip(0..).all(|(shard, id)| shard.id == ShardId(id)), "numbers are dense");
        for shard in shards {
            let parents: Vec<_> =
                [shard.parent, shard.adjacent_parent].into_iter().flatten().map(|id| &shards[id.0 as usize]).collect();
            assert!(parents.iter().all(|parent| parent.id < shard.id));
            assert!(parents.iter().all(|parent| parent.closed_at.unwrap().0 + 1_000 == shard.created_at.0));
            assert!(
                shard.closed_at.is_none_or(|closed| closed >= shard.created_at) && shard.end.is_none_or(|end| end >= shard.first)
            );
        }
        let lanes = shards.iter().map(|shard| shard.lane.0).max().unwrap();
        for lane in 0..=lanes {
            let line: Vec<_> = shards.iter().filter(|shard| shard.lane == Lane(lane)).collect();
            assert_eq!(line[0].first, Offset(0), "no lane number is left out");
            assert!(line.windows(2).all(|pair| pair[0].end == Some(pair[1].first) && pair[1].parent == Some(pair[0].id)));
        }
        assert_eq!(takers(shards).len() as u32, lanes + 1);
        for takes in takers(shards) {
            match takes {
                Takes::Open(id) => assert!(shards[id.0 as usize].is_open()),
                Takes::Forwarded(lane) => assert!(open.iter().any(|shard| shard.lane == lane)),
            }
        }
    }

    #[test]
    fn a_split_continues_the_lane_with_its_first_child_and_opens_a_lane_with_its_second() {
        let shards = first_shards(1, NOW);
        let middle = HashKey(1 << 127);
        let at = |lane| if lane == Lane(0) { Offset(7) } else { Offset(0) };
        let changed = reshaped(&shards, NOW, at, |reshaping| reshaping.split(ShardId(0), middle)).unwrap();
        let [parent, low, high] = changed.as_slice() else { panic!("{changed:?}") };
        assert_eq!((parent.id, parent.end, parent.closed_at), (ShardId(0), Some(Offset(7)), Some(Timestamp(1_700_000_000_000))));
        assert_eq!((low.id, low.lane, low.first, low.parent), (ShardId(1), Lane(0), Offset(7), Some(ShardId(0))));
        assert_eq!((high.id, high.lane, high.first, high.parent), (ShardId(2), Lane(1), Offset(0), Some(ShardId(0))));
        assert_eq!((low.created_at, low.keys.end.0 + 1, high.keys.start), (Timestamp(1_700_000_001_000), middle.0, middle));
    }

    #[test]
    fn a_merge_continues_the_first_lane_and_seals_the_second() {
        let shards = first_shards(2, NOW);
        let at = |lane: Lane| Offset(i64::from(lane.0) + 5);
        let changed = reshaped(&shards, NOW, at, |reshaping| reshaping.merge(ShardId(0), ShardId(1))).unwrap();
        let [one, other, child] = changed.as_slice() else { panic!("{changed:?}") };
        assert_eq!((one.end, other.end), (Some(Offset(5)), Some(Offset(6))));
        assert_eq!((child.lane, child.first, child.keys), (Lane(0), Offset(5), HashKeyRange::divide(1)[0]));
        assert_eq!((child.parent, child.adjacent_parent), (Some(ShardId(0)), Some(ShardId(1))));
        assert_eq!(takers(&changed), [Takes::Open(ShardId(2)), Takes::Forwarded(Lane(0))]);
    }

    #[test]
    fn what_cannot_be_split_or_merged_says_why() {
        let shards = first_shards(3, NOW);
        let keys = shards[1].keys;
        for key in [0, keys.start.0, keys.start.0 + 1, keys.end.0, u128::MAX] {
            let refused = reshaped(&shards, NOW, |_| Offset(0), |reshaping| reshaping.split(ShardId(1), HashKey(key)));
            assert!(matches!(refused, Err(Error::SplitKey { shard: ShardId(1), .. })), "{key}");
        }
        assert!(reshaped(&shards, NOW, |_| Offset(0), |it| it.split(ShardId(1), HashKey(keys.start.0 + 2))).is_ok());
        for (first, second) in [(0, 2), (1, 0), (1, 1), (2, 0)] {
            let refused = reshaped(&shards, NOW, |_| Offset(0), |it| it.merge(ShardId(first), ShardId(second)));
            assert!(matches!(refused, Err(Error::NotAdjacent { .. })), "{first} {second}");
        }
        let refused = reshaped(&shards, NOW, |_| Offset(0), |it| it.merge(ShardId(2), ShardId(3)));
        assert!(matches!(refused, Err(Error::UnknownShard { shard: ShardId(3), .. })));
        let merged = reshaped(&shards, NOW, |_| Offset(0), |it| it.merge(ShardId(0), ShardId(1))).unwrap();
        let refused = reshaped(&merged, NOW, |_| Offset(0), |it| it.split(ShardId(0), HashKey(9)));
        assert!(matches!(refused, Err(Error::ShardClosed { shard: ShardId(0), .. })));
    }

    #[test]
    fn scaling_ends_in_even_ranges_and_leaves_closed_shards() {
        for (from, to, in_all) in [(1, 2, 3), (2, 4, 6), (4, 2, 6), (3, 4, 3 + 6 + 2), (3, 3, 3), (5, 1, 9), (1, 7, 13)] {
            let shards = reshaped(&first_shards(from, NOW), NOW, |_| Offset(0), |it| it.scale(to)).unwrap();
            check_all(&shards);
            let ranges: Vec<_> = open(&shards).iter().map(|shard| shard.keys).collect();
            assert_eq!(ranges, HashKeyRange::divide(to), "{from} to {to}");
            assert_eq!(shards.len(), in_all, "{from} to {to}");
        }
    }

    #[test]
    fn lanes_are_opened_by_splitting_the_widest_shard_first() {
        let mut shards = first_shards(3, NOW);
        for lanes in [4, 5, 11, 64] {
            let widest = open(&shards).iter().map(|shard| shard.keys.width()).max().unwrap();
            shards = reshaped(&shards, NOW, |_| Offset(0), |it| it.open_lanes(lanes)).unwrap();
            check_all(&shards);
            let mut lanes_open: Vec<_> = open(&shards).iter().map(|shard| shard.lane.0).collect();
            lanes_open.sort_unstable();
            assert_eq!(lanes_open, (0..lanes).collect::<Vec<_>>());
            let first = shards.iter().find(|shard| shard.closed_at.is_some() && shard.keys.width() == widest);
            assert!(first.is_some());
        }
    }

    #[test]
    fn lanes_never_go_away_and_have_a_limit() {
        let shards = first_shards(2, NOW);
        for lanes in [0, 1, 2, SHARDS_MAX + 1] {
            let refused = reshaped(&shards, NOW, |_| Offset(0), |it| it.open_lanes(lanes));
            assert!(matches!(refused, Err(Error::Lanes(_))), "{lanes}");
        }
        let most = reshaped(&shards, NOW, |_| Offset(0), |it| it.open_lanes(SHARDS_MAX)).unwrap();
        check_all(&most);
        let (full, key) = (open(&most)[0].id, HashKey(open(&most)[0].keys.start.0 + 2));
        assert!(matches!(reshaped(&most, NOW, |_| Offset(0), |it| it.split(full, key)), Err(Error::Lanes(_))));
    }

    #[test]
    fn following_the_traffic_splits_hot_shards_in_their_middle_and_then_the_widest() {
        for (hot, open_after, lanes) in [(&[][..], 4, 4), (&[2], 4, 5), (&[2], 5, 5), (&[1, 3], 8, 8), (&[], 9, 9)] {
            let hot: Vec<_> = hot.iter().copied().map(ShardId).collect();
            let next = |lane: Lane| Offset(if lane.0 < 4 { 3 } else { 0 });
            let shards = reshaped(&first_shards(4, NOW), NOW, next, |it| it.follow(&hot, open_after)).unwrap();
            check_all(&shards);
            assert_eq!(open(&shards).len(), lanes, "{hot:?}");
            for id in hot {
                let halves: Vec<_> = shards.iter().filter(|shard| shard.parent == Some(id)).map(|shard| shard.keys).collect();
                let (low, high) = shards[id.0 as usize].keys.split().unwrap();
                assert_eq!(halves, [low, high]);
            }
        }
        let refused = reshaped(&first_shards(1, NOW), NOW, |_| Offset(0), |it| it.follow(&[ShardId(9)], 1));
        assert!(matches!(refused, Err(Error::UnknownShard { .. })));
        let all: Vec<_> = (0..SHARDS_MAX - 1).map(ShardId).collect();
        let most = reshaped(&first_shards(SHARDS_MAX - 1, NOW), NOW, |_| Offset(0), |it| it.follow(&all, u32::MAX)).unwrap();
        assert_eq!(open(&most).len(), SHARDS_MAX as usize, "no more than there can be");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Split(usize, u8),
        Merge(usize),
        Scale(u32),
        Open(u32),
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn shards_are_sound_after_any_changes(
            first in 1..5_u32,
            steps in prop::collection::vec((prop_oneof![
                (0..9_usize, any::<u8>()).prop_map(|(at, part)| Step::Split(at, part)),
                (0..9_usize).prop_map(Step::Merge),
                (1..9_u32).prop_map(Step::Scale),
                (1..4_u32).prop_map(Step::Open),
            ], 0..3_000_i64, 0..9_i64), 0..25),
        ) {
            let (mut shards, mut now, mut next) = (first_shards(first, NOW), NOW, std::collections::HashMap::new());
            for (step, later, appended) in steps {
                now = Timestamp(now.0 + later);
                for shard in open(&shards) {
                    *next.entry(shard.lane).or_insert(0) += appended + i64::from(shard.lane.0 % 2);
                }
                let at = |lane| Offset(next.get(&lane).copied().unwrap_or(0));
                let before = open(&shards);
                let changed = match step {
                    Step::Split(at_open, part) => {
                        let shard = before[at_open % before.len()];
                        let key = HashKey(shard.keys.start.0 + (shard.keys.width() >> 8) * u128::from(part));
                        reshaped(&shards, now, at, |it| it.split(shard.id, key))
                    }
                    Step::Merge(at_open) if before.len() > 1 => {
                        let first = at_open % (before.len() - 1);
                        let (one, other) = (before[first].id, before[first + 1].id);
                        reshaped(&shards, now, at, |it| it.merge(one, other))
                    }
                    Step::Merge(_) => continue,
                    Step::Scale(target) => reshaped(&shards, now, at, |it| it.scale(target)),
                    Step::Open(more) => {
                        let lanes = shards.iter().map(|shard| shard.lane.0 + 1).max().unwrap() + more;
                        reshaped(&shards, now, at, |it| it.open_lanes(lanes))
                    }
                };
                let refused = matches!(&changed, Err(Error::SplitKey { .. }));
                prop_assert!(changed.is_ok() || refused, "{changed:?}");
                shards = changed.unwrap_or(shards);
                check_all(&shards);
            }
        }
    }
}
