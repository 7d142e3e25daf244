//! **The transactions of one lane**: which are open, and which of those that ended were aborted.
//!
//! Worked out from the headers of transactional batches and from markers, in the order of the lane. The rules are those of
//! Kafka's `ProducerStateManager` (open ones, the first unstable offset) and `TransactionIndex` (aborted ones). Unlike Kafka,
//! which keeps aborted ones in files beside the segments, all are in memory: the log bounds their number.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::{Buf, BufMut};

use crate::batch::{Header, Outcome};
use crate::model::Offset;

/// An aborted transaction, as far as it lies in one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aborted {
    /// Its producer.
    pub producer: i64,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of its marker.
    pub last: Offset,
}

impl Aborted {
    /// Whether a batch of the lane is one of its own: records of its, or its marker.
    pub fn has(&self, header: &Header) -> bool {
        let is_its = header.producer.is_some_and(|stamp| stamp.id == self.producer);
        header.transactional && is_its && (self.first..=self.last).contains(&header.base_offset)
    }
}

/// The state of a lane's transactions behind the last block applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transactions {
    /// The offset of the first record of each producer's open transaction.
    open: HashMap<i64, Offset>,
    /// The same offsets in order.
    firsts: BTreeSet<Offset>,
    /// In the order of their markers.
    aborted: VecDeque<Ended>,
}

/// An aborted transaction, and what was stable when its marker was there: all that end later begin there or later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    what: Aborted,
    stable: Offset,
}

impl Transactions {
    /// The first offset of the oldest open transaction; `None` if none is open.
    pub fn first_unstable(&self) -> Option<Offset> {
        self.firsts.first().copied()
    }

    /// Where the open transaction of `producer` begins; `None` if it has none.
    pub fn open_since(&self, producer: i64) -> Option<Offset> {
        self.open.get(&producer).copied()
    }

    /// The producers with an open transaction.
    pub fn open(&self) -> impl Iterator<Item = (i64, Offset)> + '_ {
        self.open.iter().map(|(producer, first)| (*producer, *first))
    }

    /// The aborted transactions that may have records from `from` to before `end`, in the order of their markers.
    pub fn aborted(&self, from: Offset, end: Offset) -> Vec<Aborted> {
        let start = self.aborted.partition_point(|ended| ended.what.last < from);
        let (mut found, mut stable) = (Vec::new(), Offset(i64::MIN));
        for ended in self.aborted.range(start..) {
            if stable >= end {
                break;
            }
            stable = ended.stable;
            if ended.what.first < end {
                found.push(ended.what);
            }
        }
        found
    }

    /// How many aborted ones are remembered.
    pub fn aborted_count(&self) -> usize {
        self.aborted.len()
    }

    /// Takes in a transactional batch of `producer` at `base`.
    pub(super) fn begin(&mut self, producer: i64, base: Offset) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.open.entry(producer) {
            entry.insert(base);
            self.firsts.insert(base);
        }
    }

    /// Takes in the marker of `producer` at `last`. Nothing changes if it has no open transaction here.
    pub(super) fn end(&mut self, producer: i64, outcome: Outcome, last: Offset) {
        let Some(first) = self.open.remove(&producer) else { return };
        self.firsts.remove(&first);
        if outcome == Outcome::Aborted {
            let stable = self.first_unstable().unwrap_or(Offset(last.0.saturating_add(1)));
            self.aborted.push_back(Ended { what: Aborted { producer, first, last }, stable });
        }
    }

    /// Forgets aborted ones of which nothing lies at `horizon` or behind it.
    pub(super) fn trim(&mut self, horizon: Offset) {
        while self.aborted.front().is_some_and(|ended| ended.what.last < horizon) {
            self.aborted.pop_front();
        }
    }

    /// Writes them behind `out`: the number of open ones, then producer and first offset of each, in order of these; the number
    /// of aborted ones, then producer, first and last offset and what was stable; big-endian.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut open: Vec<_> = self.open().collect();
        open.sort_unstable_by_key(|(_, first)| *first);
        out.put_u32(u32::try_from(open.len()).unwrap_or(u32::MAX));
        for (producer, first) in open {
            out.put_i64(producer);
            out.put_i64(first.0);
        }
        out.put_u32(u32::try_from(self.aborted.len()).unwrap_or(u32::MAX));
        for Ended { what, stable } in &self.aborted {
            [what.producer, what.first.0, what.last.0, stable.0].into_iter().for_each(|number| out.put_i64(number));
        }
    }

    /// Reads what `encode` wrote and moves `bytes` behind it; `None` if it is anything else.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut found = Self::default();
        for _ in 0..bytes.try_get_u32().ok()? {
            let (producer, first) = (bytes.try_get_i64().ok()?, Offset(bytes.try_get_i64().ok()?));
            if found.firsts.last().is_some_and(|last| *last >= first) || found.open.insert(producer, first).is_some() {
                return None;
            }
            found.firsts.insert(first);
        }
        for _ in 0..bytes.try_get_u32().ok()? {
            let producer = bytes.try_get_i64().ok()?;
            let mut offset = || bytes.try_get_i64().ok().map(Offset);
            let what = Aborted { producer, first: offset()?, last: offset()? };
            let stable = offset()?;
            if what.last < what.first || found.aborted.back().is_some_and(|before| before.what.last >= what.last) {
                return None;
            }
            found.aborted.push_back(Ended { what, stable });
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Write(i64),
        End(i64, bool),
        Trim(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_i64).prop_map(Step::Write),
            2 => (0..4_i64, any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
            1 => (0..100_i64).prop_map(Step::Trim),
        ]
    }

    /// One entry of a lane, one offset each.
    #[derive(Clone, Copy, PartialEq)]
    enum Entry {
        Written(i64),
        Ended(i64, bool),
    }

    /// The lane as a list, from which everything is worked out anew.
    #[derive(Default)]
    struct Plain(Vec<Entry>);

    impl Plain {
        /// How the transaction ended that the record at `at` belongs to, and where; `None` if it is open.
        fn end_of(&self, at: usize) -> Option<(bool, usize)> {
            let Entry::Written(producer) = self.0[at] else { panic!("not a record") };
            self.0.iter().enumerate().skip(at).find_map(|(end, entry)| match entry {
                Entry::Ended(of, commit) if *of == producer => Some((*commit, end)),
                _ => None,
            })
        }

        fn records(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
            self.0.iter().enumerate().filter_map(|(at, entry)| match entry {
                Entry::Written(producer) => Some((at, *producer)),
                Entry::Ended(..) => None,
            })
        }

        fn first_unstable(&self) -> Option<Offset> {
            self.records().find(|(at, _)| self.end_of(*at).is_none()).map(|(at, _)| Offset(at as i64))
        }
    }

    fn offset(at: usize) -> Offset {
        Offset(at as i64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_stable_and_what_was_aborted_is_what_the_lane_says(
            steps in prop::collection::vec(step(), 0..80),
            from in 0..80_usize,
            length in 0..80_usize,
        ) {
            let (mut found, mut plain, mut horizon) = (Transactions::default(), Plain::default(), 0);
            for step in steps {
                let at = offset(plain.0.len());
                match step {
                    Step::Write(producer) => {
                        found.begin(producer, at);
                        plain.0.push(Entry::Written(producer));
                    }
                    Step::End(producer, commit) => {
                        found.end(producer, if commit { Outcome::Committed } else { Outcome::Aborted }, at);
                        plain.0.push(Entry::Ended(producer, commit));
                    }
                    Step::Trim(percent) => {
                        horizon = horizon.max(plain.0.len() * percent as usize / 100);
                        found.trim(offset(horizon));
                    }
                }
                prop_assert_eq!(found.first_unstable(), plain.first_unstable());
            }
            // A reader up to what is stable knows of every record whether it counts.
            let stable = plain.first_unstable().map_or(plain.0.len(), |first| first.0 as usize);
            let (from, end) = (from.max(horizon), (from + length).min(stable));
            let aborted = found.aborted(offset(from), offset(end));
            for (at, producer) in plain.records().filter(|(at, _)| (from..end).contains(at)) {
                let listed = aborted.iter().any(|one| one.producer == producer && (one.first..=one.last).contains(&offset(at)));
                prop_assert_eq!(listed, plain.end_of(at).is_some_and(|(commit, _)| !commit), "{}", at);
            }
            // And of nothing else.
            for one in &aborted {
                prop_assert!(one.first < offset(end) && one.last >= offset(from));
            }
            let mut bytes = Vec::new();
            found.encode(&mut bytes);
            bytes.push(7);
            let mut left = bytes.as_slice();
            prop_assert_eq!(Transactions::decode(&mut left), Some(found));
            prop_assert_eq!(left, [7]);
            prop_assert_eq!(Transactions::decode(&mut &bytes[..bytes.len() - 2]), None);
        }

        #[test]
        fn any_bytes_are_transactions_or_none(bytes in any::<Vec<u8>>()) {
            let _ = Transactions::decode(&mut bytes.as_slice());
        }
    }
}
