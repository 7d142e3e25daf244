//! Changing the shards of a live stream.
//!
//! While a change is on its way to the disk, the lanes that it concerns are paused: what is written to them is parked, in order,
//! until the change is durable or has failed. So a shard's end is exact, nobody sees a change that a crash could undo, and the
//! batches of one producer never overtake each other on their way from one lane to another. That takes one commit; nobody is
//! refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::model::{HashKey, Lane, Mode, Offset, Shard, ShardId, Status, StreamId, limits};

use super::catalog::{Stream, put, shard_key};
use super::demand::{Demand, Peaks, Watch};
use super::reshard::Reshaping;
use super::route::Takes;
use super::tail::LaneCell;
use super::throughput::Writes;
use super::{Error, Log};

/// Who wants shards changed.
#[derive(Clone, Copy)]
enum Why<'a> {
    /// Somebody, these very shards.
    Asked,
    /// Somebody, to so many.
    Scaled(u32),
    /// The stream's traffic, which had these peaks.
    Demanded(&'a Peaks),
}

impl Log {
    /// Splits an open shard in two, of which the second begins at `key`. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::UnknownShard`], [`Error::ShardClosed`], [`Error::SplitKey`], and what [`Log::open_lanes`] refuses.
    pub async fn split_shard(&self, id: StreamId, shard: ShardId, key: HashKey) -> Result<(), Error> {
        self.reshape(id, Why::Asked, |reshaping| reshaping.split(shard, key)).await
    }

    /// Merges two open shards, of which the second one's keys follow the first one's. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::UnknownShard`], [`Error::ShardClosed`], [`Error::NotAdjacent`], [`Error::NotActive`], [`Error::WrongMode`].
    pub async fn merge_shards(&self, id: StreamId, first: ShardId, second: ShardId) -> Result<(), Error> {
        self.reshape(id, Why::Asked, |reshaping| reshaping.merge(first, second)).await
    }

    /// Changes the open shards of a stream to `target` ones of even ranges. Durable when it returns.
    ///
    /// # Errors
    /// What [`Log::open_lanes`] refuses; where limits are in force, [`Error::ScaleTarget`] and [`Error::ScalingRate`].
    pub async fn scale(&self, id: StreamId, target: u32) -> Result<(), Error> {
        self.reshape(id, Why::Scaled(target), |reshaping| reshaping.scale(target)).await
    }

    /// Splits the widest open shards until the stream has `lanes` lanes, sealed ones counted. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Lanes`] if there are as many already, or there cannot be as many; [`Error::NotActive`]; [`Error::WrongMode`];
    /// where limits are in force, [`Error::ShardQuota`].
    pub async fn open_lanes(&self, id: StreamId, lanes: u32) -> Result<(), Error> {
        self.reshape(id, Why::Asked, |reshaping| reshaping.open_lanes(lanes)).await
    }

    /// Whether [`open_lanes`](Self::open_lanes) would be carried out now.
    ///
    /// # Errors
    /// What it refuses.
    pub fn check_open_lanes(&self, id: StreamId, lanes: u32) -> Result<(), Error> {
        let stream = self.stream_by_id(id).ok_or_else(|| Error::UnknownStream(id.to_string()))?;
        self.check_reason(&stream, Why::Asked)?;
        let draft =
            Reshaping::of(stream.name(), &stream.shards(), self.inner.env.clock.now(), &|_| Offset(0)).open_lanes(lanes)?;
        self.check_growth(&stream, &draft)
    }

    /// Has streams in on-demand mode follow their traffic: to be called every minute or so.
    ///
    /// Where limits are in force, every 15 minutes a stream gets as many open shards as carry twice its highest throughput of the
    /// last 30 days, and its hot shards are split.
    pub async fn follow_demand(&self) {
        for stream in self.all_streams() {
            match self.follow(&stream).await {
                // It is tried again, a minute later.
                Ok(()) | Err(Error::NotActive { .. } | Error::WrongMode { .. }) => {}
                Err(error) => tracing::warn!(%error, stream = %stream.name(), "shards could not follow their traffic"),
            }
        }
    }

    async fn follow(&self, stream: &Stream) -> Result<(), Error> {
        let now = Instant::now();
        let Some(Demand { peaks, hot, open }) = self.demand(stream, now) else { return Ok(()) };
        if hot.is_empty() && open <= stream.open_shards() {
            self.note_peaks(stream, peaks).await?;
        } else {
            self.reshape(stream.id(), Why::Demanded(&peaks), |reshaping| reshaping.follow(&hot, open)).await?;
            tracing::info!(stream = %stream.name(), open = stream.open_shards(), "shards followed their traffic");
        }
        *stream.watch().lock() = Some(Watch::new(now));
        Ok(())
    }

    /// Looks at a stream's traffic; what is to become of the stream, if that is to be decided now.
    fn demand(&self, stream: &Stream, now: Instant) -> Option<Demand> {
        let rates = self.inner.env.limits.get().throughput.filter(|_| stream.settings().mode == Mode::OnDemand);
        let mut watch = stream.watch().lock();
        let Some(rates) = rates else {
            *watch = None;
            return None;
        };
        if watch.as_ref().is_some_and(|watch| !watch.is_due(now)) {
            return None;
        }
        let take = |cell: Arc<LaneCell>| cell.numbering.lock().writes.as_mut().map(Writes::take_given);
        let given: Vec<_> = stream.cells().into_iter().filter_map(take).collect();
        let watch = match &mut *watch {
            Some(watch) => watch,
            nobody => {
                // What was written before anybody watched took nobody knows how long.
                *nobody = Some(Watch::new(now));
                return None;
            }
        };
        watch.see(&given, now);
        let open: Vec<_> = stream.shards().iter().filter(|shard| shard.is_open()).map(|shard| shard.id).collect();
        watch.decide(&stream.history().peaks, &open, &rates, (now, self.inner.env.clock.now()))
    }

    /// Has the ledger remember the peaks of a stream whose shards stay as they are.
    async fn note_peaks(&self, stream: &Stream, peaks: Peaks) -> Result<(), Error> {
        if stream.history().peaks == peaks {
            return Ok(());
        }
        let changing = self.inner.changing.clone().lock_owned().await;
        let stream = self.stream_by_id(stream.id()).ok_or_else(|| Error::UnknownStream(stream.id().to_string()))?;
        let mut history = stream.history().as_ref().clone();
        history.peaks = peaks;
        let writes = vec![stream.stored(stream.settings().as_ref().clone(), history.clone())?];
        self.change(changing, writes, move || stream.set_history(history)).await
    }

    async fn reshape(
        &self,
        id: StreamId,
        why: Why<'_>,
        change: impl Fn(Reshaping<'_>) -> Result<Vec<Shard>, Error> + Send + Sync,
    ) -> Result<(), Error> {
        let changing = self.inner.changing.clone().lock_owned().await;
        let stream = self.stream_by_id(id).ok_or_else(|| Error::UnknownStream(id.to_string()))?;
        self.check_reason(&stream, why)?;
        let (before, now) = (stream.shards(), self.inner.env.clock.now());
        let planned = |next: &dyn Fn(Lane) -> Offset| change(Reshaping::of(stream.name(), &before, now, next));
        let draft = planned(&|_| Offset(0))?;
        self.check_growth(&stream, &draft)?;
        let closed = before.iter().zip(&draft).filter(|(old, new)| old.is_open() && !new.is_open());
        let pause = self.pause(&stream, closed.map(|(old, _)| old.lane).collect()).await;
        let shards = planned(&|lane| stream.cell(lane.0).map_or(Offset(0), |cell| cell.state.lock().next))?;
        let mut history = stream.history().changing(Status::Updating, now, self.inner.options.state_change_delay);
        match why {
            Why::Asked => {}
            Why::Scaled(_) => history.scaled.note(now),
            Why::Demanded(peaks) => history.peaks = peaks.clone(),
        }
        let mut writes = vec![stream.stored(stream.settings().as_ref().clone(), history.clone())?];
        for shard in changed(&before, &shards) {
            writes.push(put(shard_key(id, shard), shard)?);
        }
        let log = self.clone();
        let apply = move || {
            pause.stream.set_shards(shards, log.inner.journal.as_ref(), &log.inner.tails);
            pause.stream.set_history(history);
            drop(pause);
        };
        self.change(changing, writes, apply).await
    }

    /// Whether the stream may have so many open shards, and so many lanes.
    fn check_growth(&self, stream: &Stream, after: &[Shard]) -> Result<(), Error> {
        let open = u32::try_from(after.iter().filter(|shard| shard.is_open()).count()).unwrap_or(u32::MAX);
        match open.saturating_sub(stream.open_shards()) {
            0 => {}
            more => self.check_quota(stream.realm(), stream.settings().mode, more)?,
        }
        let lanes = after.iter().map(|shard| shard.lane.0 + 1).max().unwrap_or(0);
        match lanes.saturating_sub(stream.lanes()) {
            0 => Ok(()),
            more => self.check_lanes(more.into()),
        }
    }

    /// Whether the stream may be changed now, for this reason.
    fn check_reason(&self, stream: &Stream, why: Why<'_>) -> Result<(), Error> {
        self.check_active(stream)?;
        let (name, mode, open) = (|| stream.name().clone(), stream.settings().mode, stream.open_shards());
        match why {
            Why::Asked | Why::Scaled(_) if mode == Mode::OnDemand => Err(Error::WrongMode { stream: name(), mode }),
            // It was switched just now.
            Why::Demanded(_) if mode == Mode::Provisioned => Err(Error::WrongMode { stream: name(), mode }),
            Why::Scaled(target) if self.is_limited() => {
                if target > open.saturating_mul(2) || target.saturating_mul(2) < open {
                    return Err(Error::ScaleTarget { stream: name(), open, target });
                }
                let max = limits::SCALINGS_PER_DAY;
                match stream.history().scaled.within_a_day(self.inner.env.clock.now()) {
                    times if times >= max => Err(Error::ScalingRate { stream: name(), max }),
                    _ => Ok(()),
                }
            }
            Why::Asked | Why::Scaled(_) | Why::Demanded(_) => Ok(()),
        }
    }

    /// Parks what is written to `lanes` and to the sealed lanes that they take over, and returns when nothing is under way there.
    async fn pause(&self, stream: &Arc<Stream>, lanes: BTreeSet<Lane>) -> Pause {
        let (mut open, mut forwarding) = (Vec::new(), Vec::new());
        for cell in stream.cells() {
            let takes = cell.numbering.lock().takes;
            match takes {
                Takes::Open(_) if lanes.contains(&cell.id.lane) => open.push(cell),
                Takes::Forwarded(lane) if lanes.contains(&lane) => forwarding.push(cell),
                _ => {}
            }
        }
        // Sealed lanes first: what they still forward finds its lane as it was.
        for cell in forwarding.iter().chain(&open) {
            cell.numbering.lock().parked.get_or_insert_default();
        }
        let cells = open.iter().chain(&forwarding).cloned().collect();
        let pause = Pause { log: self.clone(), stream: stream.clone(), cells };
        for cell in &open {
            while let Some(end) = { cell.state.lock().follow_last() } {
                // How it ended does not matter here: it is not under way any more.
                let _ = end.await;
            }
        }
        pause
    }
}

/// The shards of `after` that `before` lacks or has otherwise; both by number.
fn changed<'a>(before: &'a [Shard], after: &'a [Shard]) -> impl Iterator<Item = &'a Shard> {
    after.iter().enumerate().filter(|(at, shard)| before.get(*at) != Some(shard)).map(|(_, shard)| shard)
}

/// Lanes that are paused; they go on when this is dropped.
struct Pause {
    log: Log,
    stream: Arc<Stream>,
    cells: Vec<Arc<LaneCell>>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        let is_open = |cell: &&Arc<LaneCell>| matches!(cell.numbering.lock().takes, Takes::Open(_));
        let (open, sealed): (Vec<_>, Vec<_>) = self.cells.iter().partition(is_open);
        open.into_iter().chain(sealed).for_each(|cell| self.log.unpark(&self.stream, cell));
    }
}
