//! One segment file: created, read at a place, scanned from a place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use crate::store::Error;

use super::format::{self, Entry, HEADER_BYTES, PREFIX_BYTES, Prefix};

/// Read at once when a segment is scanned.
const SCAN_BYTES: usize = 1 << 20;

/// An open segment file. Unlinking it does not disturb those who still read it.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Where its last durable entry ends.
    pub(super) end: AtomicU64,
    /// Bytes of block entries that can still be read. Signed: a block may be found dead before it is counted.
    pub(super) live: AtomicI64,
}

impl Segment {
    /// The file name of segment `number`.
    pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
        directory.join(format!("{number:020}.log"))
    }

    /// Makes the file of segment `number`, replacing one that an earlier attempt left unfinished.
    pub(super) fn create(directory: &Path, number: u64) -> io::Result<Self> {
        let path = Self::path(directory, number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { number, path, file, end: AtomicU64::new(0), live: AtomicI64::new(0) })
    }

    /// Opens the file at `path`; its header gives the number and the length of the segment before it.
    pub(super) fn open(path: &Path) -> Result<(Self, u64), Error> {
        let failed = |error: io::Error| failed("open", path, &error);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        let mut header = [0; HEADER_BYTES as usize];
        if end >= HEADER_BYTES {
            file.read_exact_at(&mut header, 0).map_err(failed)?;
        }
        let Some((number, previous)) = format::decode_header(&header) else {
            return Err(Error::Damaged(format!(
                "{} is damaged at byte 0: it does not begin with the header of a segment of format {}; put the file back from a copy",
                path.display(),
                format::FORMAT
            )));
        };
        let segment = Self { number, path: path.to_owned(), file, end: AtomicU64::new(end), live: AtomicI64::new(0) };
        Ok((segment, previous))
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The bytes from `position` on, unchecked.
    pub(super) fn bytes_at(&self, position: u64, bytes: usize) -> Result<Bytes, Error> {
        let mut buffer = BytesMut::zeroed(bytes);
        self.file.read_exact_at(&mut buffer, position).map_err(|error| failed("read", &self.path, &error))?;
        Ok(buffer.freeze())
    }

    /// The entry at the start of `bytes`, which were read at `position`, and what is left behind it.
    pub(super) fn entry_in(&self, bytes: &mut Bytes, position: u64) -> Result<Entry, Error> {
        let whole = Prefix::parse(bytes).filter(|prefix| prefix.entry_bytes() <= bytes.len()).and_then(|prefix| {
            let entry = bytes.split_to(prefix.entry_bytes());
            let body = entry.slice(PREFIX_BYTES..);
            if prefix.matches(&body) { Entry::decode(&body) } else { None }
        });
        whole.ok_or_else(|| self.damaged_at(position))
    }

    pub(super) fn damaged_at(&self, position: u64) -> Error {
        Error::Damaged(format!(
            "{} is damaged at byte {position}: the entry there does not have its checksum; put the file back from a copy, \
             or start once with --repair to give up what cannot be read",
            self.path.display()
        ))
    }

    /// What shows whether somebody touched the file: its length, inode and change time.
    pub(super) fn look(&self) -> Result<Vec<u8>, Error> {
        let found = self.file.metadata().map_err(|error| failed("examine", &self.path, &error))?;
        Ok([found.len(), found.ino(), found.ctime() as u64, found.ctime_nsec() as u64]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect())
    }

    /// Cuts the file behind `end` and makes that durable.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.sync_data()?;
        self.end.store(end, Ordering::Release);
        Ok(())
    }
}

/// An error of the file system, with what was tried where.
pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| failed("sync", directory, &error))
}

/// The segment files of `directory`, oldest first.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(|error| failed("list", directory, &error))?;
    let mut paths: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    paths.sort();
    Ok(paths)
}

/// One whole entry and where it lies.
pub(super) struct Scanned {
    pub(super) position: u64,
    pub(super) entry_bytes: u32,
    pub(super) entry: Entry,
}

/// Reads a segment's entries one after another.
pub(super) struct Scanner<'a> {
    segment: &'a Segment,
    pub(super) position: u64,
    end: u64,
    buffer: Bytes,
}

impl<'a> Scanner<'a> {
    /// From the first entry to the end of the file.
    pub(super) fn new(segment: &'a Segment) -> Self {
        Self { segment, position: HEADER_BYTES, end: segment.end(), buffer: Bytes::new() }
    }

    /// The next whole entry; `None` where the bytes are no whole entry, or at the end.
    pub(super) fn next(&mut self) -> Result<Option<Scanned>, Error> {
        self.fill(PREFIX_BYTES)?;
        let Some(prefix) = Prefix::parse(&self.buffer) else { return Ok(None) };
        self.fill(prefix.entry_bytes())?;
        if self.buffer.len() < prefix.entry_bytes() {
            return Ok(None);
        }
        let body = self.buffer.slice(PREFIX_BYTES..prefix.entry_bytes());
        let Some(entry) = prefix.matches(&body).then(|| Entry::decode(&body)).flatten() else { return Ok(None) };
        let found = Scanned { position: self.position, entry_bytes: prefix.entry_bytes() as u32, entry };
        self.buffer = self.buffer.slice(prefix.entry_bytes()..);
        self.position += prefix.entry_bytes() as u64;
        Ok(Some(found))
    }

    pub(super) fn at_end(&self) -> bool {
        self.position >= self.end
    }

    /// Looks for the next whole entry behind one that is not; its position, and how far the segment was synced when it was written.
    pub(super) fn next_whole(&mut self) -> Result<Option<(u64, u64)>, Error> {
        let rest = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let tail = self.segment.bytes_at(self.position, rest)?;
        for at in 1..tail.len() {
            if let Some(prefix) = tail.get(at..).and_then(format::whole_entry) {
                return Ok(Some((self.position + at as u64, u64::from(prefix.synced))));
            }
        }
        Ok(None)
    }

    /// Goes on at `position`.
    pub(super) fn skip_to(&mut self, position: u64) {
        (self.position, self.buffer) = (position, Bytes::new());
    }

    /// Has at least `bytes` in the buffer, or all that are left in the file.
    fn fill(&mut self, bytes: usize) -> Result<(), Error> {
        if self.buffer.len() >= bytes {
            return Ok(());
        }
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.buffer = self.segment.bytes_at(self.position, left.min(bytes.max(SCAN_BYTES)))?;
        Ok(())
    }
}
