//! A disk that remembers what it was told to do, and what it could have on it after a power cut at any moment.
//!
//! POSIX is taken at its word: bytes survive when their file was synced, a name when its directory was. All else may be there,
//! in part, in any order, or not.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use shardgate::store::{Disk, Step, Verdict, Watch};

use super::super::chance::Chance;

/// What a disk keeps whole or not at all.
const SECTOR_BYTES: usize = 512;

type Number = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    File(Number),
    Directory,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                contents.resize(contents.len().max(at + bytes.len()), 0);
                contents[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Resize(bytes) => contents.resize(*bytes, 0),
        }
    }
}

/// Names that come and go together.
type Renaming = Vec<(PathBuf, Option<Node>)>;

#[derive(Clone, Debug)]
enum Event {
    Changed(Number, Change),
    Synced(Number),
    Named(Renaming),
    NamesSynced(PathBuf),
    /// So many calls of the workload are known to have been carried out.
    Told(usize),
}

/// A file with what is on the disk for sure, and what may be.
#[derive(Clone, Default, Debug)]
struct Contents {
    safe: Vec<u8>,
    pending: Vec<Change>,
}

impl Contents {
    fn now(&self) -> Vec<u8> {
        let mut contents = self.safe.clone();
        self.pending.iter().for_each(|change| change.apply(&mut contents));
        contents
    }
}

/// All files below one directory, whose own name is safe.
#[derive(Clone, Default, Debug)]
pub(super) struct World {
    files: BTreeMap<Number, Contents>,
    safe: BTreeMap<PathBuf, Node>,
    pending: Vec<Renaming>,
    /// How many calls were answered.
    pub(super) told: usize,
}

/// How a world came to an end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum End {
    /// The process was killed; the machine goes on and forgets nothing.
    Killed,
    /// The power was cut and nothing was under way.
    Idle,
    /// Nothing was kept that was not synced.
    Dropped,
    /// The first changes were kept, the last of these in part.
    Torn,
    /// Any sectors were kept.
    Sectors,
    /// Any changes were kept, whole.
    Reordered,
    /// Files are as long as they were to be, with zeroes for what was not synced.
    Zeroes,
}

impl World {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Changed(file, change) => self.files.entry(*file).or_default().pending.push(change.clone()),
            Event::Synced(file) => {
                let contents = self.files.entry(*file).or_default();
                contents.safe = contents.now();
                contents.pending.clear();
            }
            Event::Named(renaming) => self.pending.push(renaming.clone()),
            Event::NamesSynced(directory) => {
                let (synced, pending) = std::mem::take(&mut self.pending)
                    .into_iter()
                    .partition(|renaming: &Renaming| renaming.iter().all(|(path, _)| path.parent() == Some(directory)));
                self.pending = pending;
                synced.into_iter().flatten().for_each(|(path, node)| put(&mut self.safe, path, node));
            }
            Event::Told(calls) => self.told = self.told.max(*calls),
        }
    }

    fn names(&self) -> BTreeMap<PathBuf, Node> {
        let mut names = self.safe.clone();
        self.pending.iter().flatten().for_each(|(path, node)| put(&mut names, path.clone(), *node));
        names
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let change = self.pending.iter().rev().flatten().find(|(changed, _)| changed == path);
        change.map_or_else(|| self.safe.get(path).copied(), |(_, node)| *node)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.files.values().all(|contents| contents.pending.is_empty())
    }

    /// What may be left of it, and how that came about: by `end`, if something is under way and that is given.
    pub(super) fn ended(&self, chance: &Chance, end: Option<End>) -> (Self, End) {
        if end.is_none() && chance.below(8) == 0 {
            return (self.clone(), End::Killed);
        }
        if self.is_idle() {
            return (self.clone(), End::Idle);
        }
        let ends = [End::Dropped, End::Torn, End::Torn, End::Sectors, End::Sectors, End::Reordered, End::Zeroes];
        let end = end.unwrap_or(ends[chance.below(ends.len())]);
        let names = self.names_left(chance);
        let contents = |(number, contents): (&Number, &Contents)| {
            (*number, Contents { safe: left(contents, end, chance), pending: Vec::new() })
        };
        let files = self.files.iter().map(contents).collect();
        (Self { files, safe: names, pending: Vec::new(), told: self.told }, end)
    }

    /// In order up to some moment, as a file system with a journal keeps them, or each by itself.
    fn names_left(&self, chance: &Chance) -> BTreeMap<PathBuf, Node> {
        let mut names = self.safe.clone();
        let in_order = chance.below(2) == 0;
        let until = chance.below(self.pending.len() + 1);
        for (at, renaming) in self.pending.iter().enumerate() {
            for (path, node) in renaming {
                if if in_order { at < until } else { chance.below(2) == 0 } {
                    put(&mut names, path.clone(), *node);
                }
            }
        }
        names
    }

    /// Writes its files below `place`.
    pub(super) fn lay_out(&self, place: &Path) {
        for (path, node) in self.names() {
            let path = place.join(path);
            // What lies in a directory whose name is lost is lost with it.
            if path.parent().is_some_and(Path::is_dir) {
                match node {
                    Node::Directory => fs::create_dir(path).unwrap(),
                    Node::File(number) => {
                        fs::write(path, self.files.get(&number).map(Contents::now).unwrap_or_default()).unwrap();
                    }
                }
            }
        }
    }
}

fn put(names: &mut BTreeMap<PathBuf, Node>, path: PathBuf, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(path, node)),
        None => drop(names.remove(&path)),
    }
}

/// What may be left of a file.
fn left(contents: &Contents, end: End, chance: &Chance) -> Vec<u8> {
    let mut bytes = contents.safe.clone();
    match end {
        End::Killed | End::Idle | End::Dropped => {}
        End::Torn => {
            let whole = chance.below(contents.pending.len() + 1);
            contents.pending.iter().take(whole).for_each(|change| change.apply(&mut bytes));
            if let Some(Change::Write { at, bytes: written }) = contents.pending.get(whole) {
                let torn = written[..chance.below(written.len() + 1)].to_vec();
                Change::Write { at: *at, bytes: torn }.apply(&mut bytes);
            }
        }
        End::Sectors => {
            for change in &contents.pending {
                if let Change::Write { at, bytes: written } = change {
                    let mut from = 0;
                    while from < written.len() {
                        // Sectors are those of the file, not those of the write.
                        let to = written.len().min(from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
                        if chance.below(2) == 0 {
                            Change::Write { at: at + from, bytes: written[from..to].to_vec() }.apply(&mut bytes);
                        }
                        from = to;
                    }
                } else if chance.below(2) == 0 {
                    change.apply(&mut bytes);
                }
            }
        }
        End::Reordered => {
            contents.pending.iter().filter(|_| chance.below(2) == 0).for_each(|change| change.apply(&mut bytes));
        }
        End::Zeroes => bytes.resize(contents.now().len(), 0),
    }
    bytes
}

/// A disk that is not what it should be, so that the checker can show that it notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lie {
    /// A file's sync does nothing: what is acknowledged is not on the disk.
    Syncs,
    /// A directory's sync does nothing.
    DirectorySyncs,
    /// Nothing is ever cut: a torn tail stays.
    Cuts,
    /// Of ten writes one is lost.
    Writes,
}

/// Notes every step below `base`.
pub(super) struct Recorder {
    base: PathBuf,
    lie: Option<Lie>,
    state: Mutex<State>,
}

struct State {
    start: World,
    now: World,
    events: Vec<Event>,
    handles: HashMap<u64, Number>,
    next: Number,
    writes: usize,
}

impl Recorder {
    /// Goes on from `start`, which is laid out below `base`.
    pub(super) fn new(base: &Path, start: World, lie: Option<Lie>) -> Arc<Self> {
        let start = World { told: 0, ..start };
        let next = start.files.keys().next_back().map_or(0, |last| last + 1);
        let state = State { now: start.clone(), start, events: Vec::new(), handles: HashMap::new(), next, writes: 0 };
        Arc::new(Self { base: base.to_owned(), lie, state: Mutex::new(state) })
    }

    pub(super) fn disk(self: &Arc<Self>) -> Disk {
        Disk::watched(self.clone())
    }

    /// Number of steps so far.
    pub(super) fn steps(&self) -> usize {
        self.state.lock().events.len()
    }

    /// So many calls are known to have been carried out.
    pub(super) fn tell(&self, calls: usize) {
        self.state.lock().note(Event::Told(calls));
    }

    /// The world before step `at`.
    pub(super) fn world(&self, at: usize) -> World {
        let state = self.state.lock();
        let mut world = state.start.clone();
        state.events[..at].iter().for_each(|event| world.apply(event));
        world
    }

    fn name(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.base).ok().map(Path::to_owned)
    }
}

impl State {
    fn note(&mut self, event: Event) {
        self.now.apply(&event);
        self.events.push(event);
    }

    fn change(&mut self, file: u64, change: Change) {
        if let Some(number) = self.handles.get(&file) {
            self.note(Event::Changed(*number, change));
        }
    }

    fn open(&mut self, file: u64, name: PathBuf, anew: bool) {
        let number = match self.now.node(&name) {
            Some(Node::File(number)) => number,
            _ if anew => {
                self.next += 1;
                self.note(Event::Named(vec![(name, Some(Node::File(self.next)))]));
                self.next
            }
            _ => return, // It is not there, as the caller will hear.
        };
        self.handles.insert(file, number);
        if anew {
            self.change(file, Change::Resize(0));
        }
    }
}

impl Watch for Recorder {
    fn before(&self, step: &Step<'_>) -> io::Result<Verdict> {
        let mut state = self.state.lock();
        match step {
            Step::Read { .. } | Step::Begin { .. } => {}
            Step::Open { file, path, anew } => {
                if let Some(name) = self.name(path) {
                    state.open(*file, name, *anew);
                }
            }
            Step::Write { file, at, parts } => {
                let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                state.writes += 1;
                if self.lie == Some(Lie::Writes) && state.writes.is_multiple_of(10) {
                    state.change(*file, Change::Write { at: *at as usize, bytes: vec![0; bytes.len()] });
                    return Ok(Verdict::Pretend);
                }
                state.change(*file, Change::Write { at: *at as usize, bytes });
            }
            Step::Resize { file, bytes } => {
                if self.lie == Some(Lie::Cuts) {
                    return Ok(Verdict::Pretend);
                }
                state.change(*file, Change::Resize(*bytes as usize));
            }
            Step::Sync { file } => {
                if self.lie == Some(Lie::Syncs) {
                    return Ok(Verdict::Pretend);
                }
                if let Some(number) = state.handles.get(file).copied() {
                    state.note(Event::Synced(number));
                }
            }
            Step::Rename { from, to } => {
                if let Some((from, to)) = self.name(from).zip(self.name(to)) {
                    let node = state.now.node(&from);
                    state.note(Event::Named(vec![(to, node), (from, None)]));
                }
            }
            Step::Remove { path } => {
                if let Some(name) = self.name(path).filter(|name| state.now.node(name).is_some()) {
                    state.note(Event::Named(vec![(name, None)]));
                }
            }
            Step::MakeDirectory { path } => {
                if let Some(name) = self.name(path) {
                    state.note(Event::Named(vec![(name, Some(Node::Directory))]));
                }
            }
            Step::SyncDirectory { path } => {
                if self.lie == Some(Lie::DirectorySyncs) {
                    return Ok(Verdict::Pretend);
                }
                if let Some(name) = self.name(path) {
                    state.note(Event::NamesSynced(name));
                }
            }
        }
        Ok(Verdict::Take)
    }

    /// What the file holds: a copy of it passes for itself.
    fn stamp(&self, file: u64) -> Option<u64> {
        let state = self.state.lock();
        let contents = state.now.files.get(state.handles.get(&file)?)?.now();
        Some(contents.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}
