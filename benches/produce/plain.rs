//! The yardstick: one file, one committer that writes whatever waits and calls fdatasync once for all of it.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::scope;

use super::blocks::append_all;
use super::support::{Outcome, Window, batch};

/// Whom to tell that a block is durable.
type Acknowledge = Sender<()>;

pub(crate) fn load(window: &Window, directory: &Path, block_bytes: usize) -> Outcome<()> {
    let file = File::create_new(directory.join("plain"))?;
    let block = batch(block_bytes)?.bytes().clone();
    let (queue, queued) = channel::<Acknowledge>();
    scope(|threads| {
        let (file, bytes) = (&file, &block);
        let committer = threads.spawn(move || commit_all(file, bytes, queued));
        let appended = append_all(window, block.len(), |_| {
            let (acknowledge, acknowledged) = channel();
            queue.send(acknowledge)?;
            Ok(acknowledged.recv()?)
        });
        drop(queue);
        committer.join().map_err(|_| "the committer panicked")??;
        appended
    })
}

fn commit_all(mut file: &File, block: &[u8], queued: Receiver<Acknowledge>) -> io::Result<()> {
    while let Ok(first) = queued.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queued.try_iter()).collect();
        let mut slices = vec![IoSlice::new(block); group.len()];
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let written = file.write_vectored(rest)?;
            IoSlice::advance_slices(&mut rest, written);
        }
        file.sync_data()?;
        for acknowledge in group {
            // Every appender waits.
            let _ = acknowledge.send(());
        }
    }
    Ok(())
}
