//! The sled trees: the ledger's keys, the journal's index, and how sealed segments looked when they were last verified.
//!
//! sled serves look-ups; the commit log is the truth. So: values stay small, one thread writes, a flush blocks and is
//! followed by our own fdatasync (sled 0.34's flush alone does not survive power loss), and everything here can be
//! thrown away and rebuilt. sled panics on some damaged files, so every call is guarded.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Lane, LaneId, Offset, StreamId};
use crate::store::{Error, Write};

use super::run::Run;

/// Values up to this size are kept whole: 17 to a leaf stay below the quarter segment at which sled makes a file of one.
const WHOLE_BYTES_MAX: usize = 4 << 10;
const CACHE_BYTES: u64 = 16 << 20;
/// Ledger writes at once. Sled frees what a batch replaces when all of it is done: the ten thousand shards of one stream would
/// take 20 MiB.
const BATCH_WRITES: usize = 1_000;

/// How often sled's file is asked for while somebody else has its lock, and the pause between. *Ours*: the directory is locked, so
/// that can only be a process that was just started from this one and has a copy of every open file until its own program begins.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// The trees of one data directory.
pub(super) struct Tree {
    ledger: sled::Tree,
    pieces: sled::Tree,
    index: sled::Tree,
    seals: sled::Tree,
    db: sled::Db,
    /// sled's main file, for the fdatasync that its flush lacks.
    file: File,
    next_piece: AtomicU64,
    /// Something failed: since then they may lack what the log says, and sled, once it failed to write, refuses everything.
    failed: AtomicBool,
}

/// One change of the index.
#[derive(Debug)]
pub(super) enum IndexChange {
    Put(LaneId, Run),
    Remove(LaneId, Offset),
}

impl IndexChange {
    /// The lane and the first offset of the run that it concerns.
    pub(super) fn key(&self) -> (LaneId, Offset) {
        match self {
            Self::Put(lane, run) => (*lane, run.base),
            Self::Remove(lane, base) => (*lane, *base),
        }
    }
}

fn guarded<T>(what: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::Failed(format!("the sled tree could not {what}: {error}"))),
        Err(_) => Err(Error::Failed(format!("the sled tree panicked when it was to {what}"))),
    }
}

/// What `open` opens, as soon as sled's file is not locked any more.
fn patient<T>(mut open: impl FnMut() -> sled::Result<T>) -> sled::Result<T> {
    let is_locked = |opened: &sled::Result<T>| matches!(opened, Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock"));
    let mut opened = open();
    for _ in 1..LOCK_TRIES {
        if !is_locked(&opened) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        opened = open();
    }
    opened
}

impl Tree {
    /// Opens the trees below `directory`; what cannot be opened is moved aside once and begun anew.
    pub(super) fn open(directory: &Path) -> Result<Self, Error> {
        match Self::open_as_is(directory) {
            Ok(tree) => Ok(tree),
            Err(error) => {
                tracing::warn!(%error, directory = %directory.display(), "the ledger is damaged; it is rebuilt from the commit log");
                Self::begin_anew(directory)
            }
        }
    }

    /// Removes what is there and opens empty trees.
    pub(super) fn begin_anew(directory: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Failed(format!("cannot remove {}: {error}", directory.display()));
        match fs::metadata(directory) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(directory).map_err(failed)?,
            Ok(_) => fs::remove_file(directory).map_err(failed)?,
            Err(_) => {}
        }
        Self::open_as_is(directory)
    }

    fn open_as_is(directory: &Path) -> Result<Self, Error> {
        // A snapshot that a crash left half-written makes sled refuse the whole database (sled issues 1527, 1533).
        if let Ok(files) = fs::read_dir(directory) {
            for path in files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "generating"))
            {
                let _ = fs::remove_file(path);
            }
        }
        let (db, ledger, pieces, index, seals) = guarded("open", || {
            let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None);
            let config = config.mode(sled::Mode::LowSpace);
            let db = patient(|| config.open())?;
            let [ledger, pieces, index, seals] =
                [db.open_tree("ledger")?, db.open_tree("pieces")?, db.open_tree("index")?, db.open_tree("seals")?];
            Ok((db, ledger, pieces, index, seals))
        })?;
        let path: PathBuf = directory.join("db");
        let file = File::open(&path).map_err(|error| Error::Failed(format!("cannot open {}: {error}", path.display())))?;
        let last = guarded("read", || pieces.last())?.and_then(|(key, _)| key.get(..8)?.try_into().ok().map(u64::from_be_bytes));
        Ok(Self {
            ledger,
            pieces,
            index,
            seals,
            db,
            file,
            next_piece: AtomicU64::new(last.map_or(0, |last| last + 1)),
            failed: AtomicBool::new(false),
        })
    }

    /// Makes everything written so far survive power loss.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.guarded("flush", || self.db.flush())?;
        self.guarded("sync", || Ok(self.file.sync_data()?))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        // A value in pieces can be replaced between reading its head and its pieces: then the head is read again.
        loop {
            let Some(head) = self.guarded("read", || self.ledger.get(key))? else { return Ok(None) };
            if let Some(value) = self.whole(&head)? {
                return Ok(Some(value));
            }
            if self.guarded("read", || self.ledger.get(key))?.as_ref() == Some(&head) {
                return Err(Error::Damaged(format!("the ledger's value of {} lacks a piece", key.escape_ascii())));
            }
        }
    }

    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let mut keys = self.ledger.scan_prefix(prefix);
        while let Some(found) = self.guarded("read", || keys.next().transpose())? {
            let (key, head) = found;
            let value = match self.whole(&head)? {
                Some(value) => Some(value),
                None => self.get(&key)?,
            };
            if let Some(value) = value {
                visit(&key, &value);
            }
        }
        Ok(())
    }

    fn whole(&self, head: &[u8]) -> Result<Option<Bytes>, Error> {
        match head.split_first() {
            Some((&WHOLE, value)) => Ok(Some(Bytes::copy_from_slice(value))),
            Some((&IN_PIECES, piece)) => {
                let mut value = Vec::new();
                let mut pieces = self.pieces.scan_prefix(piece);
                let wanted = piece.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
                while let Some((_, bytes)) = self.guarded("read", || pieces.next().transpose())? {
                    value.extend_from_slice(&bytes);
                }
                Ok((value.len() as u64 == wanted).then(|| value.into()))
            }
            _ => Ok(None),
        }
    }

    /// Carries out ledger writes, some after the other: whatever a crash leaves of them, the log knows them all at the next start.
    pub(super) fn apply(&self, writes: &[Write]) -> Result<(), Error> {
        writes.chunks(BATCH_WRITES).try_for_each(|writes| self.apply_batch(writes))
    }

    /// Atomic but for values in pieces, whose new pieces are there before their head is.
    fn apply_batch(&self, writes: &[Write]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        let mut stale = Vec::new();
        for write in writes {
            let (Write::Put { key, .. } | Write::Delete { key }) = write;
            if let Some(old) = self.guarded("read", || self.ledger.get(key))?
                && let Some((&IN_PIECES, piece)) = old.split_first()
            {
                stale.push(piece.to_vec());
            }
            match write {
                Write::Put { key, value } => batch.insert(key.as_ref(), self.head(value)?),
                Write::Delete { key } => batch.remove(key.as_ref()),
            }
        }
        self.guarded("write", || self.ledger.apply_batch(batch))?;
        for piece in stale {
            let keys = self.pieces.scan_prefix(piece).keys();
            for key in keys {
                self.guarded("write", || self.pieces.remove(key?))?;
            }
        }
        Ok(())
    }

    /// What stands under a key whose value is `value`; pieces are written.
    fn head(&self, value: &[u8]) -> Result<Vec<u8>, Error> {
        if value.len() <= WHOLE_BYTES_MAX {
            return Ok([&[WHOLE], value].concat());
        }
        let name = [self.next_piece.fetch_add(1, Ordering::Relaxed).to_be_bytes(), (value.len() as u64).to_be_bytes()].concat();
        for (count, piece) in (0u32..).zip(value.chunks(WHOLE_BYTES_MAX)) {
            self.guarded("write", || self.pieces.insert([name.as_slice(), &count.to_be_bytes()].concat(), piece))?;
        }
        Ok([&[IN_PIECES], name.as_slice()].concat())
    }

    /// Carries out changes of the index, all or none.
    pub(super) fn change_index(&self, changes: impl IntoIterator<Item = IndexChange>) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for change in changes {
            let (lane, base) = change.key();
            match change {
                IndexChange::Put(_, run) => batch.insert(&Run::key(lane, base), run.encode()),
                IndexChange::Remove(..) => batch.remove(&Run::key(lane, base)),
            }
        }
        self.guarded("write", || self.index.apply_batch(batch))
    }

    /// The run of `lane` that begins at `base`.
    pub(super) fn run_at(&self, lane: LaneId, base: Offset) -> Result<Option<Run>, Error> {
        self.guarded("read", || self.index.get(Run::key(lane, base)))?.map(|value| self.decoded(&value)).transpose()
    }

    /// The run of `lane` that holds `offset`, or the first behind it.
    pub(super) fn run_from(&self, lane: LaneId, offset: Offset) -> Result<Option<Run>, Error> {
        let (first, key, last) = (Run::key(lane, Offset(0)), Run::key(lane, offset), Run::key(lane, Offset(i64::MAX)));
        if let Some((_, value)) = self.guarded("read", || self.index.range(first..=key).next_back().transpose())? {
            let run = self.decoded(&value)?;
            if run.next > offset {
                return Ok(Some(run));
            }
        }
        self.guarded("read", || self.index.range(key..=last).next().transpose())?
            .map(|(_, value)| self.decoded(&value))
            .transpose()
    }

    /// Visits all runs of all lanes, lane by lane, in the order of their offsets.
    pub(super) fn runs(&self, mut visit: impl FnMut(LaneId, Run)) -> Result<(), Error> {
        let mut runs = self.index.iter();
        while let Some((key, value)) = self.guarded("read", || runs.next().transpose())? {
            let stream = key.get(..16).and_then(|bytes| bytes.try_into().ok()).map(uuid::Uuid::from_bytes);
            let lane = key.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
            let Some((stream, lane)) = stream.zip(lane) else {
                return Err(Error::Damaged("an index key has a wrong length".to_owned()));
            };
            let (lane, run) = (LaneId { stream: StreamId(stream), lane: Lane(lane) }, self.decoded(&value)?);
            if *key != Run::key(lane, run.base) {
                return Err(Error::Damaged("an index entry lies under another one's key".to_owned()));
            }
            visit(lane, run);
        }
        Ok(())
    }

    /// How segment `number` looked when it was last found good.
    pub(super) fn seal(&self, number: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.guarded("read", || self.seals.get(number.to_be_bytes()))?.map(|look| look.to_vec()))
    }

    /// Notes how a good segment looks; `None` forgets it.
    pub(super) fn set_seal(&self, number: u64, look: Option<&[u8]>) -> Result<(), Error> {
        self.guarded("write", || match look {
            Some(look) => self.seals.insert(number.to_be_bytes(), look).map(drop),
            None => self.seals.remove(number.to_be_bytes()).map(drop),
        })
    }

    /// Whether they are to be renewed from the log.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn decoded(&self, value: &[u8]) -> Result<Run, Error> {
        Run::decode(value).ok_or_else(|| {
            self.failed.store(true, Ordering::Release);
            Error::Damaged("an index entry does not have its checksum".to_owned())
        })
    }

    fn guarded<T>(&self, what: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
        guarded(what, work).inspect_err(|_| self.failed.store(true, Ordering::Release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_goes_soon_is_waited_for_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let config = sled::Config::new().path(directory.path().join("sled"));
        let mut holder = Some(config.open().unwrap());
        let mut tries = 0;
        let opened = patient(|| {
            tries += 1;
            if tries == 3 {
                holder = None;
            }
            config.open()
        });
        assert!(opened.is_ok() && tries >= 3, "{tries} tries: {opened:?}");
        let mut tries = 0;
        let broken = patient(|| {
            tries += 1;
            Err::<(), _>(sled::Error::ReportableBug(String::new()))
        });
        assert!(broken.is_err() && tries == 1);
    }
}
