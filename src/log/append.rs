//! admit → judge → pay → number → commit → wake.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::batch::{Batch, Codec, ProducerWindow, Verdict};
use crate::model::{LaneId, Offset, Settings, Timestamp};
use crate::store::{self, Block, Journal};

use super::catalog::Stream;
use super::handle::settled;
use super::tail::{Busy, LaneCell, LaneState, Numbering};
use super::throughput::{Cost, Patience, Writes};
use super::{Error, Log};

/// Decompressed bytes looked at when a stream insists on keys. *Ours*: eight times the default of the largest batch, where
/// producers count a batch's size before they compress it.
const KEY_CHECK_BYTES_MAX: usize = 8 << 20;

/// A batch that is on its way to the disk, or there already.
pub struct Appending {
    cell: Arc<LaneCell>,
    base: Offset,
    arrived_at: Timestamp,
    /// When its shard has paid for it.
    paid_at: Instant,
    /// `None` if it is durable.
    durable: Option<oneshot::Receiver<Result<(), store::Error>>>,
}

impl Appending {
    /// When the batch may be answered so that the shard's throughput is kept.
    pub fn paid_at(&self) -> Instant {
        self.paid_at
    }

    /// Returns when it is durable, however much is owed for it.
    ///
    /// # Errors
    /// [`Error::Store`] if it could not be made durable: it is not there then, and nor is what was begun behind it.
    pub async fn durable(self) -> Result<Appended, Error> {
        if let Some(durable) = self.durable {
            settled(durable).await?;
        }
        let horizon = self.cell.state.lock().horizon;
        Ok(Appended { base: self.base, arrived_at: self.arrived_at, horizon })
    }
}

/// Where a batch went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Offset of its first record; for a repeated batch, the one it got the first time.
    pub base: Offset,
    /// When it arrived; for a repeated batch, now.
    pub arrived_at: Timestamp,
    /// The first offset of the lane that can be read.
    pub horizon: Offset,
}

/// Whether a batch came before.
enum Judged {
    /// It did not; what is known of its producer.
    New(Option<ProducerWindow>),
    /// It did, and has this place; `end` hears when it is durable, and is `None` if it is.
    Repeated { base: Offset, end: Option<oneshot::Receiver<Result<(), store::Error>>> },
}

impl Log {
    /// Begins to append a batch that `Batch::check` found good. Calls are appended in their order.
    ///
    /// An idempotent producer's repeated batch gets its first offset and is not appended again. Where throughput is limited, a
    /// batch that its shard cannot carry yet is treated as `patience` says.
    ///
    /// # Errors
    /// What the log refuses is refused here, and nothing is written then.
    pub fn append(&self, lane: LaneId, batch: &Batch, patience: Patience) -> Result<Appending, Error> {
        let (stream, cell) = self.lane(lane)?;
        let settings = stream.settings();
        self.admit(&settings, batch)?;
        let now = self.inner.env.clock.now();
        let mut numbering = cell.numbering.lock();
        if numbering.sealed {
            return Err(Error::UnknownStream(stream.name().to_string()));
        }
        let mut state = cell.state.lock();
        let (base, arrived_at, paid_at, durable) = match self.judge(&cell, &mut state, batch)? {
            Judged::Repeated { base, end } => {
                drop(state);
                (base, now, Instant::now(), end)
            }
            Judged::New(window) => {
                let paid_at = self.pay(&stream, &mut numbering, batch, patience)?;
                let (block, generation) = number(&mut state, &settings, batch, window, now);
                drop(state);
                let (base, arrived_at) = (block.batch.header().base_offset, block.arrived_at);
                (base, arrived_at, paid_at, Some(self.hand_over(&cell, block, generation)))
            }
        };
        drop(numbering);
        Ok(Appending { cell, base, arrived_at, paid_at, durable })
    }

    /// Whether the stream takes such a batch at all.
    fn admit(&self, settings: &Settings, batch: &Batch) -> Result<(), Error> {
        let bytes = batch.bytes().len();
        if bytes > settings.batch_bytes_max as usize {
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
    fn judge(&self, cell: &LaneCell, state: &mut LaneState, batch: &Batch) -> Result<Judged, Error> {
        let header = batch.header();
        let Some(stamp) = header.producer else { return Ok(Judged::New(None)) };
        let committed = || self.inner.journal.producer(cell.id, stamp.id);
        let window = state.producers.get(&stamp.id).map(|busy| busy.window.clone()).or_else(committed);
        match window.as_ref().map_or(Verdict::New, |window| window.judge(stamp, header.records)) {
            Verdict::New => Ok(Judged::New(window)),
            Verdict::Duplicate { base } => Ok(Judged::Repeated { base, end: state.follow(base) }),
            Verdict::OutOfOrder { expected } => {
                Err(Error::OutOfOrder { producer: stamp.id, expected, found: stamp.first_sequence })
            }
            Verdict::Fenced { current } => Err(Error::Fenced { producer: stamp.id, current, found: stamp.epoch }),
        }
    }

    /// Meters the batch where throughput is limited; when it is paid for.
    fn pay(&self, stream: &Stream, numbering: &mut Numbering, batch: &Batch, patience: Patience) -> Result<Instant, Error> {
        let now = Instant::now();
        let Some(rates) = self.inner.env.limits.get().throughput else {
            numbering.writes = None;
            return Ok(now);
        };
        let shard = numbering.open;
        let records = u64::try_from(batch.header().records).unwrap_or(0);
        let cost = Cost { bytes: batch.bytes().len() as u64, records };
        let writes = numbering.writes.get_or_insert_with(|| Writes::new(shard, now));
        let bytes_max = u64::from(stream.settings().batch_bytes_max);
        let wait = writes.admit(shard, cost, bytes_max, &rates, patience, now);
        let wait = wait.map_err(|wait| Error::WriteThroughput { stream: stream.name().clone(), shard, rates, wait })?;
        Ok(now + wait)
    }

    /// Hands a numbered block to the journal; the receiver hears when readers can see it.
    fn hand_over(&self, cell: &Arc<LaneCell>, block: Block, generation: u64) -> oneshot::Receiver<Result<(), store::Error>> {
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
            self.cell.settle(self.generation, &result, || self.journal.extent(self.cell.id).next);
            let _ = answer.send(result);
        }
    }
}

impl Drop for End {
    /// A store that stops answers nobody; those who wait for this append must not wait for ever.
    fn drop(&mut self) {
        self.settle(Err(store::Error::Failed("the store stopped before the write was durable".to_owned())));
    }
}

/// Whether every record has a key.
fn check_keys(batch: &Batch) -> Result<(), Error> {
    for record in batch.records(KEY_CHECK_BYTES_MAX)? {
        let record = record?;
        if record.key.is_none() {
            return Err(Error::KeyMissing(record.offset_delta));
        }
    }
    Ok(())
}

/// Runs `work`, which may take long, here and now; the other tasks of this thread go on in another one, if the runtime has more.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// Gives the batch its offsets; the generation it belongs to.
fn number(
    state: &mut LaneState,
    settings: &Settings,
    batch: &Batch,
    window: Option<ProducerWindow>,
    now: Timestamp,
) -> (Block, u64) {
    remember(state, batch, window, now);
    let arrived_at = now.max(state.last_arrived);
    let placed = batch.placed_at(state.next);
    let batch = if settings.arrival_stamped { placed.stamped(arrived_at) } else { placed };
    let block = Block { batch, arrived_at };
    (block.clone(), state.start(block))
}

/// Notes a stamped batch that is about to be numbered.
fn remember(state: &mut LaneState, batch: &Batch, window: Option<ProducerWindow>, now: Timestamp) {
    let header = batch.header();
    let Some(stamp) = header.producer else { return };
    let base = state.next;
    let window = match window {
        Some(mut window) => {
            window.record(stamp, header.records, base, now);
            window
        }
        None => ProducerWindow::open(stamp, header.records, base, now),
    };
    let appends = state.producers.get(&stamp.id).map_or(0, |busy| busy.appends) + 1;
    state.producers.insert(stamp.id, Busy { window, appends });
}
