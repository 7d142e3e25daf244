//! admit → number → commit → wake.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

use crate::batch::{Batch, Codec, ProducerWindow, Verdict};
use crate::model::{LaneId, Offset, Settings, Timestamp};
use crate::store::{self, Block, Journal};

use super::handle::settled;
use super::tail::{Busy, LaneCell, LaneState};
use super::{Error, Log};

/// Decompressed bytes looked at when a stream insists on keys. *Ours*: eight times the default of the largest batch, where
/// producers count a batch's size before they compress it.
const KEY_CHECK_BYTES_MAX: usize = 8 << 20;

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

/// What becomes of a batch that was admitted.
enum Numbered {
    New { block: Block, generation: u64 },
    Repeated { base: Offset, end: Option<oneshot::Receiver<Result<(), store::Error>>> },
}

impl Log {
    /// Appends a batch that `Batch::check` found good, and returns when it is durable.
    ///
    /// Up to its first await it numbers the batch and hands it to the journal: calls first polled in one order are appended
    /// in that order. An idempotent producer's repeated batch is answered with its first offset and not appended again.
    pub async fn append(&self, lane: LaneId, batch: &Batch) -> Result<Appended, Error> {
        let (stream, cell) = self.lane(lane)?;
        let settings = stream.settings();
        self.admit(&settings, batch)?;
        let arrived_at = self.inner.env.clock.now();
        let (base, arrived_at, durable) = {
            let numbering = cell.numbering.lock();
            if numbering.sealed {
                return Err(Error::UnknownStream(stream.name().to_string()));
            }
            match self.number(&cell, &settings, batch, arrived_at)? {
                Numbered::Repeated { base, end } => (base, arrived_at, end),
                Numbered::New { block, generation } => {
                    let (base, arrived_at) = (block.batch.header().base_offset, block.arrived_at);
                    (base, arrived_at, Some(self.hand_over(&cell, block, generation)))
                }
            }
        };
        if let Some(durable) = durable {
            settled(durable).await?;
        }
        let horizon = cell.state.lock().horizon;
        Ok(Appended { base, arrived_at, horizon })
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

    /// Gives the batch its offsets, unless it has them already.
    fn number(&self, cell: &LaneCell, settings: &Settings, batch: &Batch, now: Timestamp) -> Result<Numbered, Error> {
        let header = batch.header();
        let mut state = cell.state.lock();
        if let Some(stamp) = header.producer {
            let committed = || self.inner.journal.producer(cell.id, stamp.id);
            let window = state.producers.get(&stamp.id).map(|busy| busy.window.clone()).or_else(committed);
            match window.as_ref().map_or(Verdict::New, |window| window.judge(stamp, header.records)) {
                Verdict::New => {}
                Verdict::Duplicate { base } => return Ok(Numbered::Repeated { base, end: state.follow(base) }),
                Verdict::OutOfOrder { expected } => {
                    return Err(Error::OutOfOrder { producer: stamp.id, expected, found: stamp.first_sequence });
                }
                Verdict::Fenced { current } => return Err(Error::Fenced { producer: stamp.id, current, found: stamp.epoch }),
            }
            remember(&mut state, batch, window, now);
        }
        let arrived_at = now.max(state.last_arrived);
        let placed = batch.placed_at(state.next);
        let batch = if settings.arrival_stamped { placed.stamped(arrived_at) } else { placed };
        let block = Block { batch, arrived_at };
        Ok(Numbered::New { generation: state.start(block.clone()), block })
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
