//! What a reader will want next of a lane that it reads from the disk one piece after the other: it is read while the reader has its
//! hands full with the piece before, so that the disk and the client work at the same time.
//!
//! Nothing here can be out of date: what was written stays as it is, and who asks is told the horizon first.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::model::{LaneId, Offset};
use crate::store::{Block, Portion};

use super::tail::LaneCell;
use super::{Error, Log, Want};

/// Bytes that all pieces may take. *Ours*: what one Fetch of librdkafka's takes of 8 partitions.
const BYTES_MAX: usize = 8 << 20;
/// Pieces are not planned while there is no room, so many times; then the oldest one goes, which perhaps nobody wants any more.
/// If it went at once, a reader of more lanes in turn than there is room for would find every piece gone. *Ours*: at the most one
/// piece of sixteen is read in vain.
const PATIENCE: u32 = 16;
/// Pieces with fewer bytes are not worth the thread that reads them. *Ours*.
const PIECE_BYTES_MIN: usize = 64 << 10;

/// The pieces that are read ahead.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Pieces>);

#[derive(Default)]
struct Pieces {
    /// The one that was planned first in front.
    all: VecDeque<Piece>,
    /// Their bytes, those that are not here yet among them.
    bytes: usize,
    /// Whether a thread reads them, or will.
    is_served: bool,
}

struct Piece {
    lane: LaneId,
    from: Offset,
    bytes_max: usize,
    state: State,
    /// How many found no room while this one was the oldest.
    kept_out: u32,
}

enum State {
    Due,
    /// It is being read, or was.
    Coming(oneshot::Receiver<Vec<Block>>),
}

/// A piece that is to be read.
struct Due {
    lane: LaneId,
    from: Offset,
    bytes_max: usize,
    ready: oneshot::Sender<Vec<Block>>,
}

impl Ahead {
    /// Has up to `bytes_max` bytes from `from` on read, when [`Log::read_ahead`] is called.
    pub(super) fn plan(&self, lane: LaneId, from: Offset, bytes_max: usize) {
        if (PIECE_BYTES_MIN..=BYTES_MAX).contains(&bytes_max) {
            self.0.lock().add(Piece { lane, from, bytes_max, state: State::Due, kept_out: 0 });
        }
    }

    /// The blocks from `from` on that were read ahead, as many as belong to `portion`: the others stay. `None` if there are none.
    pub(super) async fn take(&self, lane: LaneId, from: Offset, portion: Portion) -> Option<Vec<Block>> {
        let piece = self.0.lock().remove(lane, from)?;
        // What is only due is read sooner by whoever wants it.
        let State::Coming(ready) = piece.state else { return None };
        let mut blocks = ready.await.ok().filter(|blocks| !blocks.is_empty())?;
        let taken = portion.count(&blocks);
        if taken < blocks.len() {
            let rest = blocks.split_off(taken);
            // They share the memory of the rest, which is not the reader's to hold.
            for block in &mut blocks {
                block.batch = block.batch.placed_at(block.batch.header().base_offset);
            }
            let (ready, state) = oneshot::channel();
            let from = blocks.last().map_or(from, |block| block.batch.header().next_offset());
            // The receiver is here.
            let _ = ready.send(rest);
            self.0.lock().add(Piece { from, state: State::Coming(state), kept_out: 0, ..piece });
        }
        Some(blocks)
    }

    /// Whether a thread is needed, which is the caller's to provide.
    fn wants_a_thread(&self) -> bool {
        let mut pieces = self.0.lock();
        let wants = !pieces.is_served && pieces.all.iter().any(|piece| matches!(piece.state, State::Due));
        pieces.is_served |= wants;
        wants
    }

    /// What is to be read next; the thread's work is done when there is nothing.
    fn next(&self) -> Option<Due> {
        let mut pieces = self.0.lock();
        let next = pieces.all.iter_mut().find(|piece| matches!(piece.state, State::Due)).map(|piece| {
            let (ready, coming) = oneshot::channel();
            piece.state = State::Coming(coming);
            Due { lane: piece.lane, from: piece.from, bytes_max: piece.bytes_max, ready }
        });
        pieces.is_served = next.is_some();
        next
    }
}

impl Pieces {
    fn add(&mut self, piece: Piece) {
        if self.all.iter().any(|other| (other.lane, other.from) == (piece.lane, piece.from)) {
            return;
        }
        if let Some(oldest) = self.all.front_mut().filter(|_| self.bytes + piece.bytes_max > BYTES_MAX) {
            oldest.kept_out += 1;
            if oldest.kept_out < PATIENCE {
                return;
            }
        }
        self.bytes += piece.bytes_max;
        self.all.push_back(piece);
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.all.pop_front()
        {
            self.bytes -= oldest.bytes_max;
        }
    }

    fn remove(&mut self, lane: LaneId, from: Offset) -> Option<Piece> {
        let at = self.all.iter().position(|piece| (piece.lane, piece.from) == (lane, from))?;
        let piece = self.all.remove(at)?;
        self.bytes -= piece.bytes_max;
        Some(piece)
    }
}

impl Log {
    /// Blocks from the disk, for a reader that goes on behind them: so what follows is read ahead, if that is where they come from.
    pub(super) async fn read_on(&self, cell: &LaneCell, want: &Want, portion: Portion) -> Result<Vec<Block>, Error> {
        let Want { lane, from, bytes_max, .. } = *want;
        let ahead = &self.inner.ahead;
        let taken = ahead.take(lane, from, portion).await;
        let was_ahead = taken.is_some();
        let blocks = match taken {
            Some(blocks) => blocks,
            None => self.on_disk(move |journal| journal.read(lane, from, portion)).await?,
        };
        if let Some(last) = blocks.last().filter(|_| self.inner.journal.waits()) {
            let next = last.batch.header().next_offset();
            let mut state = cell.state.lock();
            let goes_on = std::mem::replace(&mut state.read_to, next) == from || was_ahead;
            if goes_on && next < state.tip && state.newest_from(next, Portion::Fitting(0)).is_none() {
                drop(state);
                ahead.plan(lane, next, bytes_max);
            }
        }
        Ok(blocks)
    }

    /// Reads what is planned, if nobody does it already. Returns at once.
    pub(super) fn read_ahead(&self) {
        if !self.inner.ahead.wants_a_thread() {
            return;
        }
        let log = self.clone();
        tokio::spawn(async move {
            let inner = log.inner.clone();
            let reading = log.on_disk(move |journal| {
                while let Some(due) = inner.ahead.next() {
                    // An error is for the one who asks, who reads again.
                    let blocks = journal.read(due.lane, due.from, Portion::Fitting(due.bytes_max)).unwrap_or_default();
                    // Who does not want it any more has left the receiver to its fate.
                    let _ = due.ready.send(blocks);
                }
                Ok(())
            });
            if let Err(error) = reading.await {
                tracing::debug!(%error, "nothing is read ahead");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use uuid::Uuid;

    use super::*;
    use crate::batch::{Builder, Draft};
    use crate::model::{Lane, StreamId, Timestamp};

    const LANE: LaneId = LaneId { stream: StreamId(Uuid::nil()), lane: Lane(0) };

    /// One batch of one record at each of these offsets.
    fn blocks(bases: std::ops::Range<i64>) -> Vec<Block> {
        let block = |base| {
            let draft = Draft { value: Some(&[7; 20_000]), ..Draft::default() };
            let batch = Builder::default().record(draft).build().unwrap().placed_at(Offset(base));
            Block { batch, arrived_at: Timestamp::default(), origin: None }
        };
        bases.map(block).collect()
    }

    fn bases(blocks: &[Block]) -> Vec<i64> {
        blocks.iter().map(|block| block.batch.header().base_offset.0).collect()
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_given_once_and_what_does_not_fit_stays() {
        let ahead = Ahead::default();
        assert!(!ahead.wants_a_thread());
        ahead.plan(LANE, Offset(4), 100_000);
        ahead.plan(LANE, Offset(4), 100_000);
        assert!(ahead.wants_a_thread() && !ahead.wants_a_thread(), "one is enough");
        let due = ahead.next().unwrap();
        assert!(due.ready.send(blocks(4..8)).is_ok() && ahead.next().is_none());
        assert!(!ahead.wants_a_thread(), "nothing is due");

        assert!(
            ahead.take(LANE, Offset(5), Portion::AtLeastOne(100_000)).await.is_none(),
            "nobody is given what he did not ask for"
        );
        let piece = ahead.take(LANE, Offset(4), Portion::AtLeastOne(50_000)).await.unwrap();
        assert_eq!(bases(&piece), [4, 5]);
        for _ in 0..2 {
            assert!(ahead.take(LANE, Offset(6), Portion::Fitting(1)).await.unwrap().is_empty(), "there is no room");
        }
        let rest = ahead.take(LANE, Offset(6), Portion::AtLeastOne(1)).await.unwrap();
        assert_eq!(bases(&rest), [6], "a reader always gets on");
        assert_eq!(bases(&ahead.take(LANE, Offset(7), Portion::AtLeastOne(100_000)).await.unwrap()), [7]);
        assert!(ahead.take(LANE, Offset(7), Portion::AtLeastOne(100_000)).await.is_none());
        assert_eq!(ahead.0.lock().bytes, 0);
    }

    #[tokio::test]
    async fn what_is_only_due_or_could_not_be_read_is_left_to_the_reader() {
        let ahead = Ahead::default();
        ahead.plan(LANE, Offset(0), 100_000);
        assert!(ahead.take(LANE, Offset(0), Portion::AtLeastOne(100_000)).await.is_none());
        assert!(!ahead.wants_a_thread(), "it was given up");
        ahead.plan(LANE, Offset(0), 100_000);
        drop(ahead.next());
        assert!(ahead.take(LANE, Offset(0), Portion::AtLeastOne(100_000)).await.is_none());
        ahead.plan(LANE, Offset(0), 100_000);
        let due = ahead.next().unwrap();
        let mut reader = pin!(ahead.take(LANE, Offset(0), Portion::AtLeastOne(100_000)));
        assert!(reader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it is on its way");
        assert!(due.ready.send(blocks(0..2)).is_ok());
        assert_eq!(bases(&reader.await.unwrap()), [0, 1]);
    }

    #[test]
    fn it_takes_no_more_memory_than_it_may() {
        let ahead = Ahead::default();
        for bytes_max in [0, PIECE_BYTES_MIN - 1, BYTES_MAX + 1, usize::MAX] {
            ahead.plan(LANE, Offset(0), bytes_max);
        }
        assert!(ahead.next().is_none());
        let due = |ahead: &Ahead| -> Vec<_> { std::iter::from_fn(|| ahead.next()).map(|due| due.from.0).collect() };
        for from in 0..100 {
            ahead.plan(LANE, Offset(from), 1 << 20);
        }
        assert_eq!(ahead.0.lock().bytes, BYTES_MAX);
        assert_eq!(due(&ahead), [5, 6, 7, 23, 39, 55, 71, 87], "one went for every sixteen that found no room");
    }

    #[tokio::test]
    async fn who_reads_more_in_turn_than_there_is_room_for_finds_what_was_read_ahead() {
        let ahead = Ahead::default();
        let mut found = 0;
        for (from, lane) in (0..20).flat_map(|from| (0..16).map(move |lane| (from, LaneId { lane: Lane(lane), ..LANE }))) {
            found += u32::from(ahead.take(lane, Offset(from), Portion::AtLeastOne(1 << 20)).await.is_some());
            ahead.plan(lane, Offset(from + 1), 1 << 20);
            while let Some(due) = ahead.next() {
                assert!(due.ready.send(blocks(due.from.0..due.from.0 + 1)).is_ok());
            }
        }
        assert!(found >= 19 * 7, "{found} of 19 times 8");
    }
}
