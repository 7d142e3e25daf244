//! One segment file: created, read at a place, scanned from a place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;

use crate::batch::Buffer;
use crate::store::Error;

use super::disk::{Disk, DiskFile};
use super::format::{self, Entry, HEADER_BYTES, Header, Mark, PREFIX_BYTES, Prefix};

/// The name of a segment that is being begun.
const UNFINISHED: &str = "begun";
/// Read at once when a segment is scanned.
const SCAN_BYTES: usize = 1 << 20;

/// An open segment file. Unlinking it does not disturb those who still read it.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: DiskFile,
    pub(super) mark: Mark,
    /// Where the snapshot at its beginning ends.
    pub(super) snapshot_end: u64,
    /// Where its last durable entry ends.
    pub(super) end: AtomicU64,
    /// Bytes of block entries that can still be read. Signed: a block may be found dead before it is counted.
    pub(super) live: AtomicI64,
    /// Runs of the index that lie in it.
    pub(super) indexed: AtomicI64,
    /// Its dead space could not be collected, and trying again would not help.
    pub(super) stuck: AtomicBool,
}

impl Segment {
    /// The file name of segment `number`.
    pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
        directory.join(format!("{number:020}.log"))
    }

    /// Begins segment `number` with `snapshot`, whose entries bear `mark`. It appears under its name when it is whole and
    /// durable: a crash leaves it finished or not there at all.
    pub(super) fn begin(
        disk: &Disk,
        directory: &Path,
        number: u64,
        previous_bytes: u64,
        mark: Mark,
        snapshot: &[u8],
    ) -> Result<Self, Error> {
        let (path, unfinished) = (Self::path(directory, number), directory.join(UNFINISHED));
        let header = Header { number, previous_bytes, snapshot_end: HEADER_BYTES + snapshot.len() as u64, mark };
        let written = disk.create(&unfinished).and_then(|file| {
            file.write_all_at(&header.encode(), 0)?;
            file.write_all_at(snapshot, HEADER_BYTES)?;
            file.sync()?;
            disk.rename(&unfinished, &path)?;
            Ok(file)
        });
        let file = written.map_err(|error| failed("write", &unfinished, &error)).inspect_err(|_| {
            // A full disk gets its space back; the next attempt replaces it anyway.
            let _ = disk.remove(&unfinished);
        })?;
        sync_directory(disk, directory).inspect_err(|_| {
            let _ = disk.remove(&path);
        })?;
        Ok(Self::new(path, file, &header, header.snapshot_end))
    }

    /// Opens the file at `path`; its header gives the number and the length of the segment before it.
    pub(super) fn open(disk: &Disk, path: &Path) -> Result<(Self, Header), Error> {
        let file = open_file(disk, path)?;
        let end = file.bytes().map_err(|error| failed("examine", path, &error))?;
        let mut bytes = [0; HEADER_BYTES as usize];
        if end >= HEADER_BYTES {
            file.read_exact_at(&mut bytes, 0).map_err(|error| failed("read", path, &error))?;
        }
        let header = Header::decode(&bytes).ok_or_else(|| {
            Error::Damaged(format!(
                "{} is damaged at byte 0: it does not begin with the header of a segment of format {}; put the file back \
                 from a copy, or start once with --repair to work out what the header was",
                path.display(),
                format::FORMAT
            ))
        })?;
        Ok((Self::new(path.to_owned(), file, &header, end), header))
    }

    /// Writes a new header over a damaged one. `None` if the file is too short to have held an entry.
    pub(super) fn restore_header(disk: &Disk, path: &Path, number: u64, previous_bytes: u64) -> Result<Option<()>, Error> {
        let file = open_file(disk, path)?;
        let mut mark = [0; 4];
        if file.read_exact_at(&mut mark, HEADER_BYTES).is_err() {
            return Ok(None);
        }
        let header = Header { number, previous_bytes, snapshot_end: HEADER_BYTES, mark: Mark(mark) };
        let written = file.write_all_at(&header.encode(), 0).and_then(|()| file.sync());
        written.map(Some).map_err(|error| failed("write", path, &error))
    }

    fn new(path: PathBuf, file: DiskFile, header: &Header, end: u64) -> Self {
        Self {
            number: header.number,
            path,
            file,
            mark: header.mark,
            // A file that was cut may end before.
            snapshot_end: header.snapshot_end.min(end),
            end: AtomicU64::new(end),
            live: AtomicI64::new(0),
            indexed: AtomicI64::new(0),
            stuck: AtomicBool::new(false),
        }
    }

    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The bytes from `position` on, unchecked.
    pub(super) fn bytes_at(&self, position: u64, bytes: usize) -> Result<Bytes, Error> {
        let mut buffer = Buffer::of_any(bytes);
        self.file.read_exact_at(&mut buffer, position).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged_at(position),
            _ => failed("read", &self.path, &error),
        })?;
        Ok(buffer.freeze())
    }

    /// The entry at the start of `bytes`, which were read at `position`, and what is left behind it.
    pub(super) fn entry_in(&self, bytes: &mut Bytes, position: u64) -> Result<Entry, Error> {
        let whole = Prefix::parse(bytes, self.mark).filter(|prefix| prefix.entry_bytes() <= bytes.len()).and_then(|prefix| {
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
        self.file.look().map_err(|error| failed("examine", &self.path, &error))
    }

    /// Cuts the file behind `end` and makes that durable.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.sync()?;
        self.end.store(end, Ordering::Release);
        Ok(())
    }

    /// Gives up the damaged bytes from `from` to `to`, which once were whole entries: a `Void` takes their place. At the end of a
    /// file that was cut it may take a few bytes more.
    pub(super) fn void(&self, from: u64, to: u64) -> Result<(), Error> {
        let void = Entry::void(self.mark, usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX));
        let written = self.file.write_all_at(&void, from).and_then(|()| self.file.sync());
        tracing::error!(file = %self.path.display(), from, to, "damaged bytes are given up");
        self.end.fetch_max(from + void.len() as u64, Ordering::AcqRel);
        written.map_err(|error| failed("write", &self.path, &error))
    }
}

fn open_file(disk: &Disk, path: &Path) -> Result<DiskFile, Error> {
    disk.open(path).map_err(|error| failed("open", path, &error))
}

/// An error of the file system, with what was tried where.
pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(disk: &Disk, directory: &Path) -> Result<(), Error> {
    disk.sync_directory(directory).map_err(|error| failed("sync", directory, &error))
}

/// The segment files of `directory` with the numbers that their names give, oldest first. Other files are left alone.
pub(super) fn list(disk: &Disk, directory: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = fs::read_dir(directory).map_err(|error| failed("list", directory, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed("list", directory, &error))?.path();
        let number = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        match number.filter(|number| path == Segment::path(directory, *number)) {
            Some(number) => found.push((number, path)),
            None if path.file_name().is_some_and(|name| name == UNFINISHED) => {
                disk.remove(&path).map_err(|error| failed("remove", &path, &error))?;
            }
            None => tracing::warn!(file = %path.display(), "not a file of the commit log"),
        }
    }
    found.sort();
    Ok(found)
}

/// One whole entry and where it lies.
pub(super) struct Scanned {
    pub(super) position: u64,
    pub(super) entry_bytes: u32,
    pub(super) entry: Entry,
}

/// What lies behind bytes that are no whole entry.
pub(super) struct Behind {
    /// Where the next whole entry begins.
    pub(super) next: u64,
    /// How far the segment is known to have been on disk.
    pub(super) synced: u64,
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
        let Some(prefix) = Prefix::parse(&self.buffer, self.segment.mark) else { return Ok(None) };
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

    /// Looks at what lies behind an entry that is not whole; `None` if there is no whole entry any more.
    pub(super) fn behind(&self) -> Result<Option<Behind>, Error> {
        let rest = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let (tail, mark) = (self.segment.bytes_at(self.position, rest)?, self.segment.mark);
        // What is not whole once was an entry, so that there is room for a `Void`.
        let (mut at, mut found) = (format::ENTRY_BYTES_MIN, None);
        while let Some(step) = tail.get(at..).and_then(|tail| tail.windows(mark.0.len()).position(|bytes| bytes == mark.0)) {
            at += step;
            match tail.get(at..).and_then(|tail| format::whole_entry(tail, mark)) {
                Some(prefix) => {
                    let next = self.position + at as u64;
                    let behind = found.get_or_insert(Behind { next, synced: 0 });
                    behind.synced = behind.synced.max(u64::from(prefix.synced));
                    at += prefix.entry_bytes();
                }
                None => at += 1,
            }
        }
        Ok(found)
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
