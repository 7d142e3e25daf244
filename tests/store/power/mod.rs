//! **Power cuts**: what a disk may have on it after one, at any moment of a random workload, opened and held against what was
//! acknowledged at that moment.
//!
//! A seed is a few lives of one data directory, each begun with what the end of the last one left. Of each life many ends are
//! looked at: the process killed or the power cut between any two steps, with unsynced writes dropped, torn, reordered or
//! zeroes, names that were not synced there or not; sled's files from another moment, garbled, or gone. What opens must be what
//! some number of the calls, in their order, make of an empty store: no fewer than were answered. Then it goes on, and ends
//! again, while it recovers or after that.
//!
//! A seed gives the same calls in the same groups. When the keeper removes segments while the committer copies blocks forward,
//! their steps may mix in another way.
//!
//! `SHARDGATE_IMAGES=10000 cargo test power -- --nocapture` looks at so many ends; `SHARDGATE_SEED=7` begins with that seed.

#![allow(clippy::print_stdout, reason = "the long form says what it looked at")]

mod device;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use shardgate::store::{Options, SegmentStore};
use tempfile::TempDir;

use super::chance::{Chance, chance};
use device::{End, Lie, Recorder, World};
use work::{Call, Model, Work};

/// Ends that are looked at when nothing else is asked for.
const IMAGES: usize = 240;
/// Of one life, not counting those that follow from them.
const ENDS_PER_LIFE: usize = 16;
const LIVES_PER_SEED: usize = 3;
const BURSTS_PER_LIFE: usize = 10;
/// How often an image may end again.
const DEPTH: usize = 2;

/// sled's files.
type Sled = BTreeMap<PathBuf, Vec<u8>>;

/// What is looked at, and how often it was there.
struct Checker {
    chance: Chance,
    lie: Option<Lie>,
    /// The one way in which all end, if any.
    end: Option<End>,
    images: usize,
    ends: BTreeMap<End, usize>,
    while_recovering: usize,
}

/// A moment to look at: what is on the disk, and what calls led there.
struct Image<'a> {
    world: World,
    sled: &'a Sled,
    model: &'a Model,
    calls: &'a [Call],
    told: usize,
}

/// A directory in memory, where there is one: the device is simulated, the real one need not turn for it.
fn memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open(place: &Path, recorder: &Arc<Recorder>) -> Result<SegmentStore, String> {
    let options = Options { segment_bytes: 6 << 10, repair: false };
    SegmentStore::open_on(recorder.disk(), &place.join("data"), options).map_err(|error| format!("it does not open: {error}"))
}

impl Checker {
    fn new(seed: u64, lie: Option<Lie>) -> Self {
        Self { chance: chance(seed), lie, end: None, images: 0, ends: BTreeMap::new(), while_recovering: 0 }
    }

    /// Lays an image out, opens it and holds it against its model.
    fn opened(&mut self, image: &Image<'_>) -> Result<(TempDir, Arc<Recorder>, SegmentStore, Model, usize), String> {
        let place = memory();
        image.world.lay_out(place.path());
        self.lay_out_sled(image.sled, place.path());
        let recorder = Recorder::new(place.path(), image.world.clone(), self.lie);
        let store = open(place.path(), &recorder)?;
        let (model, count) = image.model.held_against(&store, image.calls, image.told)?;
        Ok((place, recorder, store, model, count))
    }

    /// sled's files as they were, garbled, or not at all.
    fn lay_out_sled(&self, sled: &Sled, place: &Path) {
        // sled's files are never twice the same, so they draw from a chance of their own.
        let chance = chance(self.chance.below(1 << 40) as u64);
        let harm = chance.below(5);
        if harm == 0 || !place.join("data").is_dir() {
            return;
        }
        for (path, bytes) in sled {
            let (path, mut bytes) = (place.join("data/sled").join(path), bytes.clone());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if harm == 1 && !bytes.is_empty() {
                bytes.truncate(chance.below(bytes.len()));
                let from = chance.below(bytes.len() + 1);
                let noise = chance.noise((bytes.len() - from).min(700));
                bytes[from..from + noise.len()].copy_from_slice(&noise);
            }
            fs::write(path, bytes).unwrap();
        }
    }

    /// Looks at one end, and at ends of what follows from it.
    fn look(&mut self, image: &Image<'_>, depth: usize) -> Result<(), String> {
        self.images += 1;
        let (place, recorder, store, model, count) = self.opened(image)?;
        let recovered = recorder.steps();
        if depth > 0 && self.chance.below(3) == 0 {
            let (world, end) = recorder.world(self.chance.below(recovered + 1)).ended(&self.chance, self.end);
            *self.ends.entry(end).or_default() += 1;
            self.while_recovering += 1;
            self.look(&Image { world, ..*image }, depth - 1)
                .map_err(|what| format!("{what}; after a recovery cut short: {end:?}"))?;
        }
        let mut work = Work::new(&self.chance, &store, recorder.clone(), model.clone());
        // Under this lie only what lies right behind a torn call can come back.
        work.go_on(image.calls.get(count), self.lie == Some(Lie::Cuts))?;
        let calls = work.calls;
        drop(store);
        if depth > 0 {
            let at = recovered + self.chance.below(recorder.steps() - recovered + 1);
            let (world, end) = recorder.world(at).ended(&self.chance, self.end);
            let sled = read_sled(place.path());
            *self.ends.entry(end).or_default() += 1;
            let image = Image { told: world.told, world, sled: &sled, model: &model, calls: &calls };
            self.look(&image, depth - 1).map_err(|what| format!("{what}; after it went on: {end:?}"))?;
        }
        Ok(())
    }

    /// Lives through one seed, until `images` were looked at.
    fn live(&mut self, images: usize) -> Result<(), String> {
        let (mut start, mut model, mut sled) = (World::default(), Model::default(), Sled::new());
        for life in 0..LIVES_PER_SEED {
            let place = memory();
            start.lay_out(place.path());
            if place.path().join("data").is_dir() {
                self.lay_out_sled(&sled, place.path());
            }
            let recorder = Recorder::new(place.path(), start.clone(), self.lie);
            let store = open(place.path(), &recorder)?;
            (model, _) = model.held_against(&store, &[], 0)?;
            let mut sleds = vec![(0, sled)];
            let work_chance = chance(self.chance.below(1 << 40) as u64);
            let mut work = Work::new(&work_chance, &store, recorder.clone(), model.clone());
            for _ in 0..BURSTS_PER_LIFE {
                work.burst(work_chance.below(12));
                if work_chance.below(3) == 0 {
                    sleds.push((recorder.steps(), read_sled(place.path())));
                }
            }
            let calls = work.calls;
            drop(store);
            let mut last = None;
            for number in 0..ENDS_PER_LIFE {
                if self.images >= images {
                    return Ok(());
                }
                let at = self.moment(&recorder);
                let (world, end) = recorder.world(at).ended(&self.chance, self.end);
                *self.ends.entry(end).or_default() += 1;
                let behind = sleds.partition_point(|(steps, _)| *steps <= at);
                let sled = &sleds[behind.saturating_sub(1 + self.chance.below(2))].1;
                let image = Image { told: world.told, world, sled, model: &model, calls: &calls };
                let place = format!("life {life}, end {number}, before step {at} of {}: {end:?}", recorder.steps());
                self.look(&image, DEPTH).map_err(|what| format!("{place}: {what}"))?;
                last = Some((image.world, image.told, image.sled.clone()));
            }
            // The next life begins with one of the ends: only what is shown then is a promise.
            let Some((world, told, last)) = last else { return Ok(()) };
            let image = Image { world, sled: &last, model: &model, calls: &calls, told };
            let (_place, recorder, store, found, _) = self.opened(&image)?;
            drop(store);
            (start, model, sled) = (recorder.world(recorder.steps()), found, last);
        }
        Ok(())
    }

    /// A moment to end at, most often one at which something is under way.
    fn moment(&self, recorder: &Recorder) -> usize {
        let moments: Vec<_> = (0..4).map(|_| self.chance.below(recorder.steps() + 1)).collect();
        moments.iter().copied().find(|at| !recorder.world(*at).is_idle()).unwrap_or(moments[0])
    }
}

fn read_sled(place: &Path) -> Sled {
    let mut found = Sled::new();
    let mut directories = vec![place.join("data/sled")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(path.strip_prefix(place.join("data/sled")).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

fn asked(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

#[test]
fn a_power_cut_at_any_moment_loses_and_invents_nothing() {
    let images = asked("SHARDGATE_IMAGES").unwrap_or(IMAGES);
    let first = asked("SHARDGATE_SEED").unwrap_or(1) as u64;
    let (start, mut seen, mut ends, mut recovering) = (Instant::now(), 0, BTreeMap::new(), 0);
    for seed in first.. {
        let mut checker = Checker::new(seed, None);
        checker.live(images - seen).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        seen += checker.images;
        recovering += checker.while_recovering;
        checker.ends.into_iter().for_each(|(end, count)| *ends.entry(end).or_insert(0) += count);
        if seen >= images {
            println!(
                "{seen} images of seeds {first} to {seed} in {:?}: {ends:?}; {recovering} while recovering",
                start.elapsed()
            );
            return;
        }
    }
}

#[test]
fn a_disk_that_lies_is_found_out() {
    for lie in [Lie::Syncs, Lie::DirectorySyncs, Lie::Cuts, Lie::Writes] {
        let end = Some(End::Sectors).filter(|_| lie == Lie::Cuts);
        let checker = |seed| Checker { end, ..Checker::new(seed, Some(lie)) };
        let found = (1..=12).find_map(|seed| checker(seed).live(usize::MAX).err());
        println!("{lie:?}: {}", found.unwrap_or_else(|| panic!("nobody noticed: {lie:?}")));
    }
}
