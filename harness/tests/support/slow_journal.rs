//! `journaled`, as a slow model: a disk and a file system that may do what it likes whenever it likes.
//!
//! It keeps every state in which the disk could be after each call. Between calls, and as often as it likes, the file system
//!
//! 1. writes the next entry of the journal: a change of a name, or of a length by a call that is no write;
//! 2. writes a sector as the cache has it, but for blocks that a cut frees: their zeroes come with its entry, and what is written
//!    there later has no place before it;
//! 3. if all entries are written: writes the length that writes gave a file.
//!
//! A cut that is on the disk leaves none of the bytes that it took to a file that reaches past it again. The sector in which it lies may stay as it
//! was if nothing of them shows there.

use std::collections::{BTreeMap, BTreeSet};

use lightning_chaos::trace::{Event, InodeId, Operation, Trace, TracePosition};

use crate::sim_common::Image;

const SECTOR: usize = 512;
const BLOCK: usize = 4096;

type Time = usize;

/// What a sector was in the cache from some time on; whether that is zeroes that no one writes.
struct Version {
    since: Time,
    bytes: Vec<u8>,
    is_freed: bool,
}

/// A write past the end, and the end of the block that the file ended in, if it reached past that.
struct Growth {
    at: Time,
    edge: Option<usize>,
}

/// A file in the cache, since it was last synced.
#[derive(Default)]
struct Cached {
    len: usize,
    changed: Time,
    created: Time,
    sectors: BTreeMap<usize, Vec<Version>>,
    growths: Vec<Growth>,
    cuts: Vec<(Time, usize)>,
}

impl Cached {
    fn newest(&self, sector: usize) -> usize {
        self.sectors[&sector].len() - 1
    }

    /// What the sector was just after a time.
    fn version_at(&self, sector: usize, time: Time) -> usize {
        let versions = &self.sectors[&sector];
        versions.iter().rposition(|v| v.since <= time).unwrap()
    }

    fn edit(&mut self, from: usize, to: usize, now: Time, cut: bool, byte: impl Fn(usize) -> u8) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let base = || {
                vec![Version {
                    since: 0,
                    bytes: vec![0; SECTOR],
                    is_freed: false,
                }]
            };
            let versions = self.sectors.entry(sector).or_insert_with(base);
            let mut bytes = versions.last().unwrap().bytes.clone();
            for place in from.max(start)..to.min(start + SECTOR) {
                bytes[place - start] = byte(place);
            }
            versions.push(Version {
                since: now,
                bytes,
                is_freed: cut && start >= from.next_multiple_of(BLOCK),
            });
        }
    }
}

/// An entry of the journal.
enum Entry {
    Set(String, Option<InodeId>),
    Rename(String, String),
    Remove(String),
    Len(InodeId, usize),
    /// The file is at least so long.
    Least(InodeId, usize),
}

/// A file on the disk: its length, when the file got it, and the version of each sector, 0 where nothing is said.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    len: usize,
    since: Time,
    sectors: BTreeMap<usize, usize>,
}

/// All that is on the disk.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stable {
    entries: usize,
    files: BTreeMap<InodeId, Stored>,
}

/// The cache, and each state that the disk may be in.
#[derive(Default)]
pub struct SlowJournal {
    now: Time,
    files: BTreeMap<InodeId, Cached>,
    journal: Vec<(Time, Entry)>,
    stable: BTreeSet<Stable>,
}

impl SlowJournal {
    fn new() -> Self {
        Self {
            stable: BTreeSet::from([Stable::default()]),
            ..Self::default()
        }
    }

    fn log(&mut self, entry: Entry) {
        self.journal.push((self.now, entry));
    }

    fn apply(&mut self, operation: &Operation) {
        self.now += 1;
        let now = self.now;
        match operation {
            Operation::FailSync { .. } => panic!("this model knows no failures"),
            Operation::Create(file) => {
                let cached = self.files.entry(file.inode).or_default();
                cached.created = now;
                self.log(Entry::Set(file.name.to_string(), Some(file.inode)));
            }
            Operation::CreateDir { name } => self.log(Entry::Set(name.to_string(), None)),
            Operation::Rename { from, to } => {
                self.log(Entry::Rename(from.to_string(), to.to_string()));
            }
            Operation::Remove { name } => self.log(Entry::Remove(name.to_string())),
            Operation::Write {
                file,
                offset,
                bytes,
            } => {
                let at = usize::try_from(*offset).unwrap();
                let end = at + bytes.len();
                let file = self.files.get_mut(&file.inode).unwrap();
                file.edit(at, end, now, false, |place| bytes[place - at]);
                if end > file.len {
                    let edge = file.len.next_multiple_of(BLOCK);
                    let is_between = file.len < edge && edge < end;
                    let edge = is_between.then_some(edge);
                    file.growths.push(Growth { at: now, edge });
                    (file.len, file.changed) = (end, now);
                }
            }
            Operation::SetLen { file, len } => {
                self.set_len(file.inode, usize::try_from(*len).unwrap());
            }
            Operation::Allocate { file, offset, len } => {
                let end = usize::try_from(offset + len).unwrap();
                if end >= self.files[&file.inode].len {
                    self.set_len(file.inode, end);
                } else {
                    self.log(Entry::Least(file.inode, end));
                }
            }
            Operation::Sync(file) => self.sync(file.inode),
            Operation::SyncDir { dir } => self.sync_dir(dir),
        }
    }

    fn set_len(&mut self, inode: InodeId, len: usize) {
        let now = self.now;
        let file = self.files.get_mut(&inode).unwrap();
        if len == file.len {
            return;
        }
        if len < file.len {
            let last = file.sectors.keys().max();
            let end = last.map_or(len, |last| (last + 1) * SECTOR);
            if end > len {
                file.edit(len, end, now, true, |_| 0);
            }
            file.cuts.push((now, len));
        }
        (file.len, file.changed) = (len, now);
        self.log(Entry::Len(inode, len));
    }

    fn sync(&mut self, inode: InodeId) {
        let file = &self.files[&inode];
        let until = file.changed.max(file.created);
        self.commit_until(until);
        let len = self.files[&inode].len;
        let stored = Stored {
            len,
            since: self.now,
            sectors: BTreeMap::new(),
        };
        self.stable = std::mem::take(&mut self.stable)
            .into_iter()
            .map(|mut stable| {
                stable.files.insert(inode, stored.clone());
                stable
            })
            .collect();
        let file = self.files.get_mut(&inode).unwrap();
        for versions in file.sectors.values_mut() {
            versions.drain(..versions.len() - 1);
            (versions[0].since, versions[0].is_freed) = (0, false);
        }
        file.growths.clear();
        file.cuts.clear();
    }

    fn sync_dir(&mut self, dir: &str) {
        let is_in = |name: &str| name.rsplit_once('/').map_or("", |(dir, _)| dir) == dir;
        let touches = |entry: &Entry| match entry {
            Entry::Set(name, _) | Entry::Remove(name) => is_in(name),
            Entry::Rename(from, to) => is_in(from) || is_in(to),
            Entry::Len(..) | Entry::Least(..) => false,
        };
        let last = self.journal.iter().rfind(|(_, entry)| touches(entry));
        if let Some(&(until, _)) = last {
            self.commit_until(until);
        }
    }

    fn commit_until(&mut self, until: Time) {
        let count = self.journal.iter().filter(|(at, _)| *at <= until).count();
        let mut stable = BTreeSet::new();
        for mut one in std::mem::take(&mut self.stable) {
            while one.entries < count {
                self.write_entry(&mut one);
            }
            stable.insert(one);
        }
        self.stable = stable;
    }

    fn write_entry(&self, stable: &mut Stable) {
        let (at, entry) = &self.journal[stable.entries];
        stable.entries += 1;
        if let Entry::Len(inode, len) = entry {
            let stored = stable.files.entry(*inode).or_default();
            // A file that was synced since has got past it.
            if stored.since < *at {
                (stored.len, stored.since) = (*len, *at);
            }
            self.drop_cut(stable, *inode);
        }
        if let Entry::Least(inode, len) = entry {
            let stored = stable.files.entry(*inode).or_default();
            stored.len = stored.len.max(*len);
            self.drop_cut(stable, *inode);
        }
    }

    /// Where cuts are on the disk and the file reaches past them, older bytes are gone.
    fn drop_cut(&self, stable: &mut Stable, inode: InodeId) {
        let file = &self.files[&inode];
        let until = stable
            .entries
            .checked_sub(1)
            .map_or(0, |last| self.journal[last].0);
        let stored = stable.files.entry(inode).or_default();
        for &(at, len) in file.cuts.iter().filter(|(at, _)| *at <= until) {
            for &sector in file.sectors.keys() {
                if (sector + 1) * SECTOR > len && sector * SECTOR < stored.len && stored.len > len {
                    let least = file.version_at(sector, at);
                    let now = stored.sectors.entry(sector).or_default();
                    let start = sector * SECTOR;
                    let held = &file.sectors[&sector][*now].bytes;
                    let taken = start.max(len)..(start + SECTOR).min(stored.len);
                    let shows = taken.clone().any(|place| held[place - start] != 0);
                    if shows || len <= start {
                        *now = least.max(*now);
                    }
                }
            }
        }
    }

    /// What the file system may do next.
    fn next(&self, stable: &Stable) -> Vec<Stable> {
        let mut all = Vec::new();
        if stable.entries < self.journal.len() {
            let mut next = stable.clone();
            self.write_entry(&mut next);
            all.push(next);
        }
        for (&inode, file) in &self.files {
            for &sector in file.sectors.keys() {
                let newest = file.newest(sector);
                let has_place = self.has_place(stable, file, sector);
                if has_place && !file.sectors[&sector][newest].is_freed {
                    let mut next = stable.clone();
                    let stored = next.files.entry(inode).or_default();
                    stored.sectors.insert(sector, newest);
                    all.push(next);
                }
            }
            if stable.entries == self.journal.len() {
                all.extend(self.grown(stable, inode));
                all.extend(self.grown_in_its_block(stable, inode));
            }
        }
        all
    }

    /// Whether no cut is still to be written that frees the sector's block.
    fn has_place(&self, stable: &Stable, file: &Cached, sector: usize) -> bool {
        let open = self.journal[stable.entries..].first();
        let is_open = |at: Time| open.is_some_and(|&(first, _)| first <= at);
        let mut cuts = file.cuts.iter();
        !cuts.any(|&(at, len)| is_open(at) && sector * SECTOR >= len.next_multiple_of(BLOCK))
    }

    fn grown(&self, stable: &Stable, inode: InodeId) -> Option<Stable> {
        let file = &self.files[&inode];
        let mut next = stable.clone();
        let stored = next.files.entry(inode).or_default();
        let since = stored.since;
        file.growths.iter().find(|growth| growth.at > since)?;
        (stored.len, stored.since) = (file.len, file.changed);
        self.drop_cut(&mut next, inode);
        Some(next)
    }

    /// The newest growth, as far as the block that the file ended in.
    fn grown_in_its_block(&self, stable: &Stable, inode: InodeId) -> Option<Stable> {
        let file = &self.files[&inode];
        let mut next = stable.clone();
        let stored = next.files.entry(inode).or_default();
        let growth = file.growths.last()?;
        let edge = growth.edge.filter(|&edge| edge < file.len)?;
        if stored.since >= growth.at || growth.at < file.changed {
            return None;
        }
        (stored.len, stored.since) = (edge, growth.at - 1);
        self.drop_cut(&mut next, inode);
        Some(next)
    }

    /// Lets the file system do what it likes; false if there are too many states.
    fn wander(&mut self, most: usize) -> bool {
        let mut fresh: Vec<_> = self.stable.iter().cloned().collect();
        while let Some(stable) = fresh.pop() {
            for next in self.next(&stable) {
                if !self.stable.contains(&next) {
                    fresh.push(next.clone());
                    self.stable.insert(next);
                }
            }
            if self.stable.len() > most {
                return false;
            }
        }
        true
    }

    fn image(&self, stable: &Stable) -> Image {
        let mut names: BTreeMap<String, Option<InodeId>> = BTreeMap::new();
        for (_, entry) in &self.journal[..stable.entries] {
            match entry {
                Entry::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
                Entry::Remove(name) => drop(names.remove(name)),
                Entry::Rename(from, to) => {
                    let inode = names.remove(from).unwrap();
                    names.insert(to.clone(), inode);
                }
                Entry::Len(..) | Entry::Least(..) => {}
            }
        }
        let content = |inode: InodeId| {
            let stored = stable.files.get(&inode).cloned().unwrap_or_default();
            let mut bytes = vec![0; stored.len];
            for (&sector, versions) in &self.files[&inode].sectors {
                let held = stored.sectors.get(&sector).copied().unwrap_or(0);
                let (start, end) = (sector * SECTOR, ((sector + 1) * SECTOR).min(stored.len));
                if start < end {
                    bytes[start..end].copy_from_slice(&versions[held].bytes[..end - start]);
                }
            }
            bytes
        };
        names
            .into_iter()
            .map(|(name, inode)| (name, inode.map(content)))
            .collect()
    }
}

/// Every legal image of a trace at a position; none if the disk could be in more than `most` states on the way.
pub fn images(trace: &Trace, position: TracePosition, most: usize) -> Option<BTreeSet<Image>> {
    let mut slow = SlowJournal::new();
    for operation in trace.before(position).iter().filter_map(Event::applied) {
        slow.apply(operation);
        if !slow.wander(most) {
            return None;
        }
    }
    Some(slow.stable.iter().map(|one| slow.image(one)).collect())
}
