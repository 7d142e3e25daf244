//! The plainest log there could be: a stream as lists, searched from one end. What the log and both doors are held against.

use shardgate::model::{Limits, Shard, Throughput};

use super::START;

/// Lanes that a stream begins with.
pub(crate) const LANES: u32 = 2;

/// Writes are metered as on Kinesis; reads are not, because they are what the comparison is made of.
pub(crate) const LIMITS: Limits = Limits {
    throughput: Some(Throughput {
        write_bytes: 1 << 20,
        write_records: 1_000,
        read_bytes: 1 << 50,
        reads: 1 << 30,
        fan_out_bytes: 1 << 50,
    }),
    ..Limits::kinesis()
};

/// A stream as lists.
pub(crate) struct Plain {
    /// Milliseconds, as all times here.
    pub(crate) now: i64,
    pub(crate) retention: i64,
    pub(crate) shards: Vec<Plot>,
    pub(crate) lanes: Vec<Row>,
    /// How many there were.
    pub(crate) values: u64,
}

/// A shard.
pub(crate) struct Plot {
    pub(crate) lane: usize,
    pub(crate) parents: Vec<usize>,
    pub(crate) keys: (u128, u128),
    pub(crate) first: i64,
    pub(crate) end: Option<i64>,
    pub(crate) created: i64,
    pub(crate) closed: Option<i64>,
    /// Whether it was over when the retention was raised.
    pub(crate) over: bool,
    /// Used bytes and records, in thousandths, and when.
    pub(crate) used: (u64, u64, i64),
}

/// A lane.
#[derive(Default)]
pub(crate) struct Row {
    /// When each arrived, and what it is.
    pub(crate) records: Vec<(i64, String)>,
    /// Offsets below were gone when the retention was raised.
    pub(crate) gone: usize,
}

impl Plain {
    pub(crate) fn new() -> Self {
        let half = u128::MAX / 2;
        let plot = |lane, keys| Plot { created: START.0, used: (0, 0, START.0), ..Plot::over(lane, keys) };
        let shards = vec![plot(0, (0, half)), plot(1, (half + 1, u128::MAX))];
        Self { now: START.0, retention: 24 * 3_600_000, shards, lanes: (0..LANES).map(|_| Row::default()).collect(), values: 0 }
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (usize, &Plot)> {
        self.shards.iter().enumerate().filter(|(_, plot)| plot.end.is_none())
    }

    pub(crate) fn owner(&self, key: u128) -> usize {
        self.open().find(|(_, plot)| plot.keys.0 <= key && key <= plot.keys.1).unwrap().0
    }

    /// The shard that takes what is written to a lane.
    pub(crate) fn taker(&self, lane: usize) -> usize {
        let last = self.shards.iter().rposition(|plot| plot.lane == lane).unwrap();
        self.owner(self.shards[last].keys.0)
    }

    pub(crate) fn horizon(&self, lane: usize) -> i64 {
        let row = &self.lanes[lane];
        let over = row.records.iter().take_while(|(arrived_at, _)| arrived_at + self.retention <= self.now).count();
        i64::try_from(over.max(row.gone)).unwrap()
    }

    pub(crate) fn tip(&self, lane: usize) -> i64 {
        i64::try_from(self.lanes[lane].records.len()).unwrap()
    }

    /// Whether the shard is not listed any more: what it had is past its retention, to the end of its last second.
    pub(crate) fn is_over(&self, shard: usize) -> bool {
        let plot = &self.shards[shard];
        plot.over || plot.closed.is_some_and(|closed| closed + 1_000 + self.retention <= self.now)
    }

    /// What is over stays over.
    pub(crate) fn retain(&mut self, hours: u32) {
        for lane in 0..self.lanes.len() {
            self.lanes[lane].gone = usize::try_from(self.horizon(lane)).unwrap();
        }
        for shard in 0..self.shards.len() {
            self.shards[shard].over = self.is_over(shard);
        }
        self.retention = i64::from(hours) * 3_600_000;
    }

    /// What a shard has carried is forgotten.
    pub(crate) fn forget(&mut self, shard: usize) {
        self.shards[shard].used = (0, 0, self.now);
    }

    /// Whether the shard carries so much more.
    pub(crate) fn admit(&mut self, shard: usize, bytes: u64, records: u64) -> bool {
        let (used_bytes, used_records, then) = self.shards[shard].used;
        let passed = u64::try_from(self.now - then).unwrap();
        let bytes = used_bytes.saturating_sub(passed * (1 << 20)) + bytes * 1_000;
        let records = used_records.saturating_sub(passed * 1_000) + records * 1_000;
        // Streams take batches of 12 bytes more than a record may have.
        let is_carried = bytes <= ((1 << 20) + 12) * 1_000 && records <= 1_000_000;
        if is_carried {
            self.shards[shard].used = (bytes, records, self.now);
        }
        is_carried
    }

    /// Values that nobody wrote before.
    pub(crate) fn fresh(&mut self, records: usize, bytes: usize) -> Vec<String> {
        let mut value = || {
            self.values += 1;
            format!("{}{}", self.values, ".".repeat(bytes))
        };
        (0..records).map(|_| value()).collect()
    }

    pub(crate) fn write(&mut self, lane: usize, values: &[String]) -> i64 {
        let base = self.tip(lane);
        let now = self.now;
        self.lanes[lane].records.extend(values.iter().map(|value| (now, value.clone())));
        base
    }

    pub(crate) fn close(&mut self, shards: &[usize]) -> i64 {
        let second = self.now / 1_000 * 1_000;
        let closed = shards.iter().map(|shard| self.shards[*shard].created).chain([second]).max().unwrap();
        for shard in shards {
            let end = self.tip(self.shards[*shard].lane);
            (self.shards[*shard].end, self.shards[*shard].closed) = (Some(end), Some(closed));
        }
        closed + 1_000
    }

    pub(crate) fn bear(&mut self, lane: usize, parents: Vec<usize>, keys: (u128, u128), created: i64) {
        if lane == self.lanes.len() {
            self.lanes.push(Row::default());
        }
        let (first, used) = (self.tip(lane), (0, 0, self.now));
        self.shards.push(Plot { parents, first, created, used, ..Plot::over(lane, keys) });
    }

    /// `false`: it cannot be done.
    pub(crate) fn split(&mut self, shard: usize, key: u128) -> bool {
        let Some(Plot { lane, keys, end: None, .. }) = self.shards.get(shard) else { return false };
        let (lane, keys) = (*lane, *keys);
        if key <= keys.0.saturating_add(1) || key >= keys.1 {
            return false;
        }
        let created = self.close(&[shard]);
        self.bear(lane, vec![shard], (keys.0, key - 1), created);
        self.bear(self.lanes.len(), vec![shard], (key, keys.1), created);
        true
    }

    pub(crate) fn merge(&mut self, first: usize, second: usize) -> bool {
        let (Some(one), Some(other)) = (self.shards.get(first), self.shards.get(second)) else { return false };
        if one.end.is_some() || other.end.is_some() || one.keys.1.checked_add(1) != Some(other.keys.0) {
            return false;
        }
        let (lane, keys) = (one.lane, (one.keys.0, other.keys.1));
        let created = self.close(&[first, second]);
        self.bear(lane, vec![first, second], keys, created);
        true
    }

    /// Takes over what the log made of its shards where it could choose.
    pub(crate) fn adopt(&mut self, shards: &[Shard]) {
        for (at, shard) in shards.iter().enumerate() {
            if at == self.shards.len() {
                let parents = [shard.parent, shard.adjacent_parent].into_iter().flatten().map(|id| id.0 as usize).collect();
                self.bear(shard.lane.0 as usize, parents, (shard.keys.start.0, shard.keys.end.0), shard.created_at.0);
            }
            // A shard may be closed again by the change that opened it.
            let plot = &mut self.shards[at];
            (plot.end, plot.closed) = (shard.end.map(|end| end.0), shard.closed_at.map(|closed_at| closed_at.0));
        }
    }
}

impl Plot {
    pub(crate) fn over(lane: usize, keys: (u128, u128)) -> Self {
        Self { lane, parents: Vec::new(), keys, first: 0, end: None, created: 0, closed: None, over: false, used: (0, 0, 0) }
    }
}
