//! admit → judge → pay → number → commit → wake.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::batch::{Batch, Codec, ProducerWindow, Verdict};
use crate::model::{Lane, LaneId, Offset, Shard, ShardId, StreamId, Timestamp};
use crate::store::{self, Block, Journal};

use super::catalog::Stream;
use super::handle::settled;
use super::route::Takes;
use super::tail::{self, Busy, LaneCell, LaneState, Numbering};
use super::throughput::{Cost, Patience, Writes};
use super::{Error, Log};

/// Decompressed bytes looked at when a stream insists on keys. *Ours*: eight times the default of the largest batch, where
/// producers count a batch's size before they compress it.
const KEY_CHECK_BYTES_MAX: usize = 8 << 20;
/// Records without a key that a refusal names. *Ours*: there may be thousands of batches in a request, and a million records in
/// each.
const KEYS_MISSING_MAX: usize = 50;

/// A batch that is on its way to the disk, or there already.
pub struct Appending(Progress);

enum Progress {
    Placed(Placed),
    /// It waits for its place until the shards have been changed.
    Parked(oneshot::Receiver<Result<Placed, Error>>),
}

/// A batch that has its place.
struct Placed {
    cell: Arc<LaneCell>,
    base: Option<Offset>,
    arrived_at: Timestamp,
    /// When its shard has paid for it.
    paid_at: Instant,
    /// Where it went, and whether its answer is held until that is paid for; `None` for a repeated one.
    charge: Option<Charge>,
    /// `None` if it is durable.
    durable: Option<tail::End>,
}

/// A batch that waits until its lane's shards have been changed.
pub(super) struct Parked {
    target: Target,
    batch: Batch,
    patience: Patience,
    answer: oneshot::Sender<Result<Placed, Error>>,
}

/// What somebody wants to write.
struct Write<'a> {
    stream: &'a Stream,
    target: Target,
    batch: &'a Batch,
    patience: Patience,
}

/// Where somebody wants to write.
#[derive(Clone, Copy)]
enum Target {
    /// To this lane, or to the one that took over.
    Lane(Lane),
    /// To this shard, or not at all.
    Shard(Lane, ShardId),
}

impl Target {
    /// The lane that the writer named: its producers' sequences belong there.
    fn lane(self) -> Lane {
        match self {
            Self::Lane(lane) | Self::Shard(lane, _) => lane,
        }
    }
}

impl Appending {
    /// When the batch may be answered so that the throughput of its shard is kept, and that shard's lane; `None` if now. While the
    /// shards are being changed, nothing is owed yet; what comes next pays for it.
    pub fn owed(&self) -> Option<(LaneId, Instant)> {
        match &self.0 {
            Progress::Placed(placed) if placed.paid_at > Instant::now() => Some((placed.cell.id, placed.paid_at)),
            Progress::Placed(_) | Progress::Parked(_) => None,
        }
    }

    /// Returns when it is durable, however much is owed for it.
    ///
    /// # Errors
    /// [`Error::Store`] if it could not be made durable: it is not there then, and nor is what was begun behind it. While the
    /// shards were being changed, also everything that [`Log::append`] refuses.
    pub async fn durable(self) -> Result<Appended, Error> {
        let placed = match self.0 {
            Progress::Placed(placed) => placed,
            Progress::Parked(place) => place.await.unwrap_or_else(|_| Err(stopped().into()))?,
        };
        if let Some(durable) = placed.durable {
            settled(durable).await?;
        }
        let horizon = placed.cell.state.lock().horizon;
        Ok(Appended { base: placed.base, arrived_at: placed.arrived_at, horizon, charge: placed.charge })
    }
}

/// Where a batch went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Offset of its first record; for a repeated batch, the one it got the first time. `None` if it lies in another lane than
    /// the one that was written to.
    pub base: Option<Offset>,
    /// When it arrived; for a repeated batch, now.
    pub arrived_at: Timestamp,
    /// The first offset of the lane that can be read.
    pub horizon: Offset,
    /// Who was charged for it; `None` for a repeated batch, which is not charged again.
    pub charge: Option<Charge>,
}

/// What a batch cost a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charge {
    /// The shard.
    pub shard: ShardId,
    /// Whether the batch was more than the shard could carry at once.
    pub is_over: bool,
}

/// Whether a batch came before.
enum Judged {
    /// It did not; what is known of its producer.
    New(Option<ProducerWindow>),
    /// It did, and has this place; `end` hears when it is durable, and is `None` if it is.
    Repeated { base: Option<Offset>, end: Option<tail::End> },
}

impl Log {
    /// Begins to append a batch that `Batch::check` found good. Calls are appended in their order.
    ///
    /// What is written to a sealed lane goes to the one whose open shard has its keys now, and has no offset for the writer. An
    /// idempotent producer's repeated batch gets its first offset and is not appended again. Where throughput is limited, a
    /// batch that its shard cannot carry yet is treated as `patience` says.
    ///
    /// # Errors
    /// What the log refuses is refused here, and nothing is written then.
    pub fn append(&self, lane: LaneId, batch: &Batch, patience: Patience) -> Result<Appending, Error> {
        let (stream, cell) = self.lane(lane)?;
        self.begin(&cell, &Write { stream: &stream, target: Target::Lane(lane.lane), batch, patience })
    }

    /// The same for a shard, and for nothing else: who was told which shard a hash key belongs to writes to that one. Here the
    /// limit is one of records, which the caller checks: the batch may be of any size.
    ///
    /// # Errors
    /// [`Error::UnknownShard`]; [`Error::ShardClosed`] if it was split or merged meanwhile, so that the keys are to be routed anew.
    pub fn append_to_shard(
        &self,
        stream: StreamId,
        shard: ShardId,
        batch: &Batch,
        patience: Patience,
    ) -> Result<Appending, Error> {
        let (stream, cell, Shard { lane, .. }) = self.shard_cell(stream, shard)?;
        self.begin(&cell, &Write { stream: &stream, target: Target::Shard(lane, shard), batch, patience })
    }

    /// The lane that what is written to `lane` lies in now: another one, if its shard was merged into one there.
    pub fn taker(&self, lane: LaneId) -> LaneId {
        let Ok((_, cell)) = self.lane(lane) else { return lane };
        match cell.numbering.lock().takes {
            Takes::Open(_) => lane,
            Takes::Forwarded(other) => LaneId { lane: other, ..lane },
        }
    }

    /// Meters records of `bytes` bytes each, with their keys, that somebody wants to write to a shard: whether it carries each of
    /// them now, in their order. Those it carries are to be appended at [`Patience::Paid`]; the others are not.
    ///
    /// # Errors
    /// [`Error::UnknownShard`], [`Error::ShardClosed`], as [`append_to_shard`](Self::append_to_shard).
    pub fn afford(&self, stream: StreamId, shard: ShardId, bytes: &[u64]) -> Result<Vec<bool>, Error> {
        let (stream, cell, _) = self.shard_cell(stream, shard)?;
        let mut numbering = cell.numbering.lock();
        // While the shard is being closed nothing is owed: who writes to it is told to route again.
        let Some(rates) = self.inner.env.limits.get().throughput.filter(|_| numbering.parked.is_none()) else {
            return Ok(vec![true; bytes.len()]);
        };
        match numbering.takes {
            Takes::Open(open) if open == shard => {}
            _ => return Err(closed(&stream, shard)),
        }
        let (now, bytes_max) = (Instant::now(), u64::from(stream.settings().batch_bytes_max));
        let writes = numbering.writes.get_or_insert_with(|| Writes::new(shard, now));
        let mut carries =
            |bytes| writes.admit(shard, Cost { bytes, records: 1 }, bytes_max, &rates, Patience::Refuse, now).is_ok();
        Ok(bytes.iter().map(|bytes| carries(*bytes)).collect())
    }

    /// A shard with its stream and its lane.
    pub(super) fn shard_cell(&self, stream: StreamId, shard: ShardId) -> Result<(Arc<Stream>, Arc<LaneCell>, Shard), Error> {
        let stream = self.stream_by_id(stream).ok_or_else(|| Error::UnknownStream(stream.to_string()))?;
        let found = stream.shard(shard).and_then(|shard| Some((stream.cell(shard.lane.0)?, shard)));
        let (cell, shard) = found.ok_or_else(|| Error::UnknownShard { stream: stream.name().clone(), shard })?;
        Ok((stream, cell, shard))
    }

    fn begin(&self, cell: &Arc<LaneCell>, write: &Write<'_>) -> Result<Appending, Error> {
        self.admit(write)?;
        self.place(cell, &mut cell.numbering.lock(), write).map(Appending)
    }

    /// Gives a batch its place in the lane whose `numbering` is held, or in the one that took over, or a turn to get one.
    ///
    /// A sealed lane's lock is held while that of the lane that took over is taken. That one is open, and takes no further lock.
    fn place(&self, cell: &Arc<LaneCell>, numbering: &mut Numbering, write: &Write<'_>) -> Result<Progress, Error> {
        let Write { stream, target, batch, patience } = *write;
        if numbering.sealed {
            return Err(Error::UnknownStream(stream.name().to_string()));
        }
        if let Some(parked) = &mut numbering.parked {
            let (answer, place) = oneshot::channel();
            parked.push_back(Parked { target, batch: batch.clone(), patience, answer });
            return Ok(Progress::Parked(place));
        }
        match (numbering.takes, target) {
            (Takes::Open(open), Target::Shard(_, shard)) if open != shard => Err(closed(stream, shard)),
            (Takes::Forwarded(_), Target::Shard(_, shard)) => Err(closed(stream, shard)),
            (Takes::Open(open), _) => self.place_in(cell, numbering, open, write).map(Progress::Placed),
            (Takes::Forwarded(lane), Target::Lane(_)) => {
                let next = stream.cell(lane.0).ok_or_else(|| unknown_lane(stream, lane))?;
                let mut numbering = next.numbering.lock();
                self.place(&next, &mut numbering, write)
            }
        }
    }

    /// Gives a batch its place in `cell`, whose open shard is `open`.
    fn place_in(
        &self,
        cell: &Arc<LaneCell>,
        numbering: &mut Numbering,
        open: ShardId,
        write: &Write<'_>,
    ) -> Result<Placed, Error> {
        let now = self.inner.env.clock.now();
        let origin = Some(write.target.lane()).filter(|origin| *origin != cell.id.lane);
        let mut state = cell.state.lock();
        match self.judge(cell, &mut state, origin, write.batch)? {
            Judged::Repeated { base, end } => {
                Ok(Placed { cell: cell.clone(), base, arrived_at: now, paid_at: Instant::now(), charge: None, durable: end })
            }
            Judged::New(window) => {
                let (begun, wait) = self.pay(write, numbering, open)?;
                let (block, generation) = number(&mut state, cell.id, write, origin, window, now);
                drop(state);
                let (base, arrived_at) = (block.batch.header().base_offset, block.arrived_at);
                let base = Some(base).filter(|_| origin.is_none());
                let charge = Some(Charge { shard: open, is_over: !wait.is_zero() });
                let durable = Some(self.hand_over(cell, block, generation));
                Ok(Placed { cell: cell.clone(), base, arrived_at, paid_at: begun + wait, charge, durable })
            }
        }
    }

    /// Has a lane go on that was paused, beginning with what was parked. A lane that forwards goes on after the one that it
    /// forwards to.
    pub(super) fn unpark(&self, stream: &Stream, cell: &Arc<LaneCell>) {
        let mut numbering = cell.numbering.lock();
        for Parked { target, batch, patience, answer } in numbering.parked.take().unwrap_or_default() {
            let placed = match self.place(cell, &mut numbering, &Write { stream, target, batch: &batch, patience }) {
                Ok(Progress::Placed(placed)) => Ok(placed),
                Ok(Progress::Parked(_)) => {
                    Err(store::Error::Failed("the lane that took over is being changed".to_owned()).into())
                }
                Err(error) => Err(error),
            };
            // Who hung up meanwhile does not want to know.
            let _ = answer.send(placed);
        }
    }

    /// Whether the stream takes such a batch at all.
    fn admit(&self, write: &Write<'_>) -> Result<(), Error> {
        let (settings, batch) = (write.stream.settings(), write.batch);
        let bytes = batch.bytes().len();
        if matches!(write.target, Target::Lane(_)) && bytes > settings.batch_bytes_max as usize {
            return Err(Error::BatchTooLarge { bytes, max: settings.batch_bytes_max });
        }
        if settings.keys_required {
            if batch.header().codec == Codec::None {
                check_keys(batch)?;
            } else {
                aside(|| {
                    let _turn = self.inner.opening.lock();
                    check_keys(batch)
                })?;
            }
        }
        Ok(())
    }

    /// Whether the batch's producer has sent it before, or may not send it now.
    fn judge(&self, cell: &LaneCell, state: &mut LaneState, origin: Option<Lane>, batch: &Batch) -> Result<Judged, Error> {
        let header = batch.header();
        let Some(stamp) = header.producer else { return Ok(Judged::New(None)) };
        if header.transactional {
            self.check_transactions()?;
        } else if state.unstable.is_some() && self.is_open(cell.id, stamp.id) {
            return Err(Error::InTransaction { producer: stamp.id });
        }
        let written_to = LaneId { lane: origin.unwrap_or(cell.id.lane), ..cell.id };
        let committed = || self.inner.journal.producer(written_to, stamp.id);
        let window = state.producers.get(&(written_to.lane, stamp.id)).map(|busy| busy.window.clone()).or_else(committed);
        match window.as_ref().map_or(Verdict::New, |window| window.judge(stamp, header.records)) {
            Verdict::New => Ok(Judged::New(window)),
            Verdict::Duplicate { base } => Ok(Judged::Repeated { base, end: state.follow(origin, stamp) }),
            Verdict::OutOfOrder { expected } => {
                Err(Error::OutOfOrder { producer: stamp.id, expected, found: stamp.first_sequence })
            }
            Verdict::Fenced { current } => Err(Error::Fenced { producer: stamp.id, current, found: stamp.epoch }),
        }
    }

    /// Meters the batch where throughput is limited: now, and how long it takes from now until `shard` has paid for it.
    fn pay(&self, write: &Write<'_>, numbering: &mut Numbering, shard: ShardId) -> Result<(Instant, Duration), Error> {
        let Write { stream, batch, patience, .. } = *write;
        let now = Instant::now();
        let Some(rates) = self.inner.env.limits.get().throughput else {
            numbering.writes = None;
            return Ok((now, Duration::ZERO));
        };
        let records = u64::try_from(batch.header().records).unwrap_or(0);
        let cost = Cost { bytes: batch.bytes().len() as u64, records };
        let writes = numbering.writes.get_or_insert_with(|| Writes::new(shard, now));
        let bytes_max = u64::from(stream.settings().batch_bytes_max);
        let wait = writes.admit(shard, cost, bytes_max, &rates, patience, now);
        let wait = wait.map_err(|wait| Error::WriteThroughput { stream: stream.name().clone(), shard, rates, wait })?;
        Ok((now, wait))
    }

    /// Hands a numbered block to the journal; the receiver hears when readers can see it.
    pub(super) fn hand_over(
        &self,
        cell: &Arc<LaneCell>,
        block: Block,
        generation: u64,
    ) -> oneshot::Receiver<Result<(), store::Error>> {
        let (answer, durable) = oneshot::channel();
        let end = End { cell: cell.clone(), journal: self.inner.journal.clone(), generation, answer: Some(answer) };
        self.inner.journal.append(cell.id, block, Box::new(move |result| end.hear(result)));
        durable
    }
}

/// The end of an append, whichever it is. The lane moves on even if nobody waits for the answer any more.
struct End {
    cell: Arc<LaneCell>,
    journal: Arc<dyn Journal>,
    generation: u64,
    /// `None` once it is given.
    answer: Option<oneshot::Sender<Result<(), store::Error>>>,
}

impl End {
    fn hear(mut self, result: Result<(), store::Error>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), store::Error>) {
        if let Some(answer) = self.answer.take() {
            self.cell.settle(self.generation, &result, self.journal.as_ref());
            let _ = answer.send(result);
        }
    }
}

impl Drop for End {
    /// A store that stops answers nobody; those who wait for this append must not wait for ever.
    fn drop(&mut self) {
        self.settle(Err(stopped()));
    }
}

fn closed(stream: &Stream, shard: ShardId) -> Error {
    Error::ShardClosed { stream: stream.name().clone(), shard }
}

fn unknown_lane(stream: &Stream, lane: Lane) -> Error {
    Error::UnknownLane { stream: stream.name().clone(), lane: lane.0 }
}

/// Whether every record has a key.
fn check_keys(batch: &Batch) -> Result<(), Error> {
    let mut missing = Vec::new();
    for (number, record) in (0..).zip(batch.records(KEY_CHECK_BYTES_MAX)?) {
        if record?.key.is_none() && missing.len() < KEYS_MISSING_MAX {
            missing.push(number);
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::KeysMissing(missing)) }
}

/// Runs `work`, which may take long, here and now; the other tasks of this thread go on in another one, if the runtime has more.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// Gives the batch its offsets in `lane`; the generation it belongs to.
fn number(
    state: &mut LaneState,
    lane: LaneId,
    write: &Write<'_>,
    origin: Option<Lane>,
    window: Option<ProducerWindow>,
    now: Timestamp,
) -> (Block, u64) {
    let arrived_at = now.max(state.last_arrived);
    let placed = write.batch.placed_at(state.next);
    let batch = if write.stream.settings().arrival_stamped { placed.stamped(arrived_at) } else { placed };
    let block = Block { batch, arrived_at, origin };
    remember(state, lane, &block, window);
    (block.clone(), state.start(block))
}

/// Notes a stamped batch that was numbered.
fn remember(state: &mut LaneState, cell: LaneId, block: &Block, window: Option<ProducerWindow>) {
    let header = block.batch.header();
    let Some(stamp) = header.producer else { return };
    let (base, at) = (Some(header.base_offset).filter(|_| block.origin.is_none()), block.arrived_at);
    let window = match window {
        Some(mut window) => {
            window.record(stamp, header.records, base, at);
            window
        }
        None => ProducerWindow::open(stamp, header.records, base, at),
    };
    let producer = (block.origin_in(cell).lane, stamp.id);
    let appends = state.producers.get(&producer).map_or(0, |busy| busy.appends) + 1;
    state.producers.insert(producer, Busy { window, appends });
}

fn stopped() -> store::Error {
    store::Error::Failed("the store stopped before the write was durable".to_owned())
}
