//! **The files under the commit log.** Every step that the log takes on its directory goes through here, so that a test can
//! note it, refuse it, or have it taken for done. Below is a real file system either way; sled opens its files by itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buffers in one system call: Linux's IOV_MAX.
const SLICES: usize = 1_024;
/// Bytes in one system call. *Ours*: for a larger write the page cache looks for as large a piece of memory, which it has to make
/// room for or to take from where nobody has been lately; such writes were measured at a fifth of the speed.
pub(super) const WRITE_BYTES: usize = 64 << 10;

/// Bytes after which the disk is told to begin with them, while the rest is copied into the page cache. *Ours*: for groups of
/// 3 MB that made a plain file 1.5 times as fast; for groups that are hardly larger it made no difference.
const BEGIN_BYTES: u64 = 512 << 10;

/// A step that is about to be taken. A file bears the number that was given when it was opened.
#[derive(Debug)]
pub enum Step<'a> {
    /// A file is opened; `anew`: it is made, or emptied if it is there.
    Open {
        /// Its number from now on.
        file: u64,
        /// Its name.
        path: &'a Path,
        /// Whether it is empty then.
        anew: bool,
    },
    /// Bytes are read.
    Read {
        /// Where from.
        file: u64,
    },
    /// Bytes are written, one part behind the other.
    Write {
        /// Where to.
        file: u64,
        /// Where the first of them goes.
        at: u64,
        /// The bytes.
        parts: &'a [IoSlice<'a>],
    },
    /// The disk is told to begin with what was written to a file, which is not waited for.
    Begin {
        /// Which one.
        file: u64,
    },
    /// A file is cut, or grows with zeroes.
    Resize {
        /// Which one.
        file: u64,
        /// How long it is then.
        bytes: u64,
    },
    /// What was written to a file is made to survive a power cut.
    Sync {
        /// Which one.
        file: u64,
    },
    /// A file gets another name; one that had this name is gone.
    Rename {
        /// The name it has.
        from: &'a Path,
        /// The name it gets.
        to: &'a Path,
    },
    /// A name is removed.
    Remove {
        /// Which one.
        path: &'a Path,
    },
    /// A directory is made.
    MakeDirectory {
        /// Its name.
        path: &'a Path,
    },
    /// The names in a directory are made to survive a power cut.
    SyncDirectory {
        /// Which one.
        path: &'a Path,
    },
}

/// What becomes of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is taken.
    Take,
    /// It is not taken, and the log does not hear of that: a disk that lies.
    Pretend,
    /// Of a write only so many bytes are taken; anything else is taken whole.
    Short(usize),
}

/// Sees every step before it is taken. Both threads of the store and its readers call it.
pub trait Watch: Send + Sync {
    /// Says what becomes of `step`; with an error it fails.
    fn before(&self, step: &Step<'_>) -> io::Result<Verdict>;

    /// What stands for a file's inode and time of change, so that a copy of the file passes for the file itself.
    fn stamp(&self, file: u64) -> Option<u64>;
}

/// The way to the files: straight, or past a [`Watch`].
#[derive(Clone, Default)]
pub struct Disk(Option<Arc<dyn Watch>>);

impl Disk {
    /// A disk whose every step `watch` sees.
    pub fn watched(watch: Arc<dyn Watch>) -> Self {
        Self(Some(watch))
    }

    /// Asks for a step and takes it, unless it is only to be pretended.
    fn take(&self, step: &Step<'_>, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.asked(step)? == Verdict::Pretend { Ok(()) } else { work() }
    }

    fn asked(&self, step: &Step<'_>) -> io::Result<Verdict> {
        self.0.as_ref().map_or(Ok(Verdict::Take), |watch| watch.before(step))
    }

    /// Opens a file that is there, to read and to write.
    pub(super) fn open(&self, path: &Path) -> io::Result<DiskFile> {
        self.open_as(path, false, OpenOptions::new().read(true).write(true))
    }

    /// Makes a file, or empties the one that is there.
    pub(super) fn create(&self, path: &Path) -> io::Result<DiskFile> {
        self.open_as(path, true, OpenOptions::new().read(true).write(true).create(true).truncate(true))
    }

    fn open_as(&self, path: &Path, anew: bool, options: &OpenOptions) -> io::Result<DiskFile> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.asked(&Step::Open { file: number, path, anew })?;
        Ok(DiskFile { file: options.open(path)?, number, disk: self.clone() })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.take(&Step::Rename { from, to }, || fs::rename(from, to))
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.take(&Step::Remove { path }, || fs::remove_file(path))
    }

    /// Makes a directory, and those above it that are missing; their names are durable then.
    pub(super) fn make_directory(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let above = above(path);
        self.make_directory(above)?;
        self.take(&Step::MakeDirectory { path }, || fs::create_dir(path))?;
        self.sync_directory(above)
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.take(&Step::SyncDirectory { path }, || File::open(path)?.sync_all())
    }
}

/// Has the page cache begin to write these bytes to the disk, without waiting for that. It makes nothing durable.
///
/// # Errors
/// That of a disk which cannot take them: the sync behind it finds what fails later, but need not find once more what was told here.
/// Where the call itself is refused, the sync does it all.
#[cfg(target_os = "linux")]
fn begin_writeback(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    let (Ok(from), Ok(bytes)) = (from.try_into(), bytes.try_into()) else { return Ok(()) };
    // The need: fdatasync alone lets the disk lie idle while a group is copied, and no crate offers this call without `unsafe`.
    // SAFETY: it is given numbers only and touches no memory of ours; the descriptor is open as long as `file` is borrowed.
    #[expect(unsafe_code, reason = "the need and the proof are above")]
    let refused = unsafe { libc::sync_file_range(file.as_raw_fd(), from, bytes, libc::SYNC_FILE_RANGE_WRITE) } != 0;
    let error = io::Error::last_os_error();
    let is_of_disk = matches!(error.raw_os_error(), Some(libc::EIO | libc::ENOSPC | libc::EDQUOT));
    if refused && is_of_disk { Err(error) } else { Ok(()) }
}

/// Elsewhere the sync does it all.
#[cfg(not(target_os = "linux"))]
fn begin_writeback(_file: &File, _from: u64, _bytes: u64) -> io::Result<()> {
    Ok(())
}

/// The directory that has the name `path`.
pub(super) fn above(path: &Path) -> &Path {
    path.parent().map_or(path, |above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// An open file.
pub(super) struct DiskFile {
    file: File,
    number: u64,
    disk: Disk,
}

impl DiskFile {
    pub(super) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.disk.take(&Step::Read { file: self.number }, || self.file.read_exact_at(bytes, at))
    }

    pub(super) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_parts_at(&mut [IoSlice::new(bytes)], at)
    }

    /// Writes all of `parts`, one behind the other; for speed none should be larger than [`WRITE_BYTES`].
    pub(super) fn write_parts_at(&self, mut parts: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0); // Nothing empty is left at the front.
        let mut begun = at;
        while !parts.is_empty() {
            if at - begun >= BEGIN_BYTES {
                let (from, bytes) = (begun, at - begun);
                self.disk.take(&Step::Begin { file: self.number }, || begin_writeback(&self.file, from, bytes))?;
                begun = at;
            }
            let mut bytes = 0;
            let fits = |part: &&IoSlice<'_>| {
                bytes += part.len();
                bytes <= WRITE_BYTES
            };
            let count = parts.iter().take(SLICES).take_while(fits).count().max(1);
            match self.write_some_at(parts.get(..count).unwrap_or_default(), at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut parts, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_some_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        match self.disk.asked(&Step::Write { file: self.number, at, parts })? {
            Verdict::Take => Ok(rustix::io::pwritev(&self.file, parts, at)?),
            Verdict::Pretend => Ok(parts.iter().map(|part| part.len()).sum()),
            Verdict::Short(bytes) => {
                let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(bytes).collect();
                self.file.write_at(&all, at)
            }
        }
    }

    pub(super) fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.take(&Step::Resize { file: self.number, bytes }, || self.file.set_len(bytes))
    }

    /// Waits until what was written, and the length, would survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.disk.take(&Step::Sync { file: self.number }, || self.file.sync_data())
    }

    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// What shows whether somebody touched the file: its length, inode and change time.
    pub(super) fn look(&self) -> io::Result<Vec<u8>> {
        let found = self.file.metadata()?;
        let stamp = self.disk.0.as_ref().and_then(|watch| watch.stamp(self.number));
        let numbers = match stamp {
            Some(stamp) => [found.len(), stamp, 0, 0],
            None => [found.len(), found.ino(), found.ctime() as u64, found.ctime_nsec() as u64],
        };
        Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }
}
