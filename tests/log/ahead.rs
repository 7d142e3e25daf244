//! What is read from the disk, and when, for readers who go on from piece to piece.

use std::io;

use shardgate::store::{self, Disk, Step, Verdict, Watch};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// Bytes of a value, of which a batch has one.
const VALUE_BYTES: usize = 100_000;

/// Tells of every read of a segment.
struct Reads(UnboundedSender<()>);

impl Watch for Reads {
    fn before(&self, step: &Step<'_>) -> io::Result<Verdict> {
        if let Step::Read { .. } = step {
            let _ = self.0.send(());
        }
        Ok(Verdict::Take)
    }

    fn stamp(&self, _: u64) -> Option<u64> {
        None
    }
}

/// A log that remembers no batches, with this many in each lane of a stream, and its reads of the disk from then on.
async fn filled(directory: &TempDir, lanes: u32, batches: usize) -> (Log, Arc<Stream>, UnboundedReceiver<()>) {
    let (tell, mut reads) = unbounded_channel();
    let disk = Disk::watched(Arc::new(Reads(tell)));
    let store = Arc::new(SegmentStore::open_on(disk, directory.path(), store::Options::default()).unwrap());
    let log = Log::open(store.clone(), store, env(), Options { tail_bytes_max: 0, ..Options::default() }).unwrap();
    let stream = log.create_stream(StreamName::new("s").unwrap(), lanes, Settings::default()).await.unwrap();
    let batch = batch(&[&"x".repeat(VALUE_BYTES)]);
    for lane in 0..lanes {
        for _ in 0..batches {
            append(&log, stream.lane(lane), &batch).await.unwrap();
        }
    }
    while reads.try_recv().is_ok() {}
    (log, stream, reads)
}

fn want(lane: LaneId, from: i64) -> Want {
    Want { lane, from: Offset(from), bytes_max: VALUE_BYTES * 3 / 2, isolation: Isolation::Uncommitted }
}

/// Waits for so many reads of the disk.
async fn told(reads: &mut UnboundedReceiver<()>, count: usize) {
    for _ in 0..count {
        tokio::time::timeout(Duration::from_secs(10), reads.recv()).await.expect("nothing more is read");
    }
}

/// Batches of each lane that are read at once.
async fn read(log: &Log, wants: &[Want], bytes_max: usize) -> Vec<usize> {
    let pages = log.read(wants, Wait::No, bytes_max, READER).await;
    pages.into_iter().map(|page| page.unwrap().batches.len()).collect()
}

#[tokio::test]
async fn what_a_reader_will_want_is_read_once_and_before_it_asks() {
    let directory = tempfile::tempdir().unwrap();
    let (log, stream, mut reads) = filled(&directory, 1, 4).await;
    for from in 0..4 {
        assert_eq!(read(&log, &[want(stream.lane(0), from)], usize::MAX).await, [1]);
        // Its own piece the first time, and then always the one behind it.
        let expected = if from == 0 { 2 } else { usize::from(from < 3) };
        told(&mut reads, expected).await;
    }
    assert!(reads.try_recv().is_err());
}

#[tokio::test]
async fn what_does_not_fit_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (log, stream, mut reads) = filled(&directory, 4, 1).await;
    let wants = [0, 1, 2, 3].map(|lane| want(stream.lane(lane), 0));
    assert_eq!(read(&log, &wants, VALUE_BYTES * 5 / 2).await, [1, 1, 0, 0]);
    told(&mut reads, 2).await;
    assert!(reads.try_recv().is_err());
}

#[tokio::test]
async fn what_was_read_ahead_and_does_not_fit_is_kept_for_the_next_time() {
    let directory = tempfile::tempdir().unwrap();
    let (log, stream, mut reads) = filled(&directory, 2, 2).await;
    let first = [0, 1].map(|lane| want(stream.lane(lane), 0));
    assert_eq!(read(&log, &first, usize::MAX).await, [1, 1]);
    told(&mut reads, 4).await;
    let [one, other] = [0, 1].map(|lane| want(stream.lane(lane), 1));
    assert_eq!(read(&log, &[one, other], VALUE_BYTES * 3 / 2).await, [1, 0]);
    assert_eq!(read(&log, &[other], usize::MAX).await, [1]);
    assert!(reads.try_recv().is_err(), "nothing is read twice");
}
