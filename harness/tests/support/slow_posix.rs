//! `posix`, as a slow model that enumerates every legal image of a short trace.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use lightning_chaos::trace::{Event, InodeId, Operation, Trace, TracePosition};

use crate::sim_common::Image;

const SECTOR: usize = 512;
const BLOCK: usize = 4096;

/// A version of a sector; for the zeroes of a cut, the place of its length among the sizes, if they lie past the block
/// that the file was to end in.
type SlowVersion = (Vec<u8>, Option<usize>);

/// A file, as the list of all versions of each sector and of the size, oldest first. The first are durable. The zeroes
/// of a cut past the
/// block that it ends in survive only with its length or a later one.
#[derive(Clone, Default)]
struct SlowFile {
    sectors: BTreeMap<usize, Vec<SlowVersion>>,
    sizes: Vec<usize>,
    /// How many of the last sizes came from writes.
    written: usize,
}

impl SlowFile {
    fn new() -> Self {
        Self {
            sectors: BTreeMap::new(),
            sizes: vec![0],
            written: 0,
        }
    }

    fn edit(&mut self, from: usize, to: usize, cut: Option<usize>, byte: impl Fn(usize) -> u8) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let versions = self
                .sectors
                .entry(sector)
                .or_insert_with(|| vec![(vec![0; SECTOR], None)]);
            let mut new = versions.last().unwrap().0.clone();
            for (at, slot) in new.iter_mut().enumerate() {
                let place = sector * SECTOR + at;
                if (from..to).contains(&place) {
                    *slot = byte(place);
                }
            }
            let is_freed = sector * SECTOR >= from.next_multiple_of(BLOCK);
            versions.push((new, cut.filter(|_| is_freed)));
        }
    }

    fn resize(&mut self, len: usize) {
        let old = *self.sizes.last().unwrap();
        if len < old {
            let end = self
                .sectors
                .keys()
                .max()
                .map_or(0, |last| (last + 1) * SECTOR);
            self.edit(len, end.max(len), Some(self.sizes.len()), |_| 0);
        }
        self.sizes.push(len);
        self.written = if len == old { self.written + 1 } else { 0 };
    }

    /// A length that lies below those of the last writes is on disk before them, if it is more than what was there.
    fn allocate(&mut self, end: usize) {
        if end >= *self.sizes.last().unwrap() {
            return self.resize(end);
        }
        let from = self.sizes.len() - self.written;
        let at = from
            + self.sizes[from..]
                .iter()
                .take_while(|&&size| size <= end)
                .count();
        if self.sizes[at - 1] < end {
            self.sizes.insert(at, end);
            self.written = self.sizes.len() - at - 1;
        }
    }

    fn sync(&mut self) {
        for versions in self.sectors.values_mut() {
            versions.drain(..versions.len() - 1);
            versions[0].1 = None;
        }
        self.sizes.drain(..self.sizes.len() - 1);
        self.written = 0;
    }

    fn images(&self) -> BTreeSet<Vec<u8>> {
        let mut images = BTreeSet::new();
        for (place, &size) in self.sizes.iter().enumerate() {
            let mut partial = BTreeSet::from([vec![0; size]]);
            for (&sector, versions) in &self.sectors {
                let start = sector * SECTOR;
                if start >= size {
                    continue;
                }
                let end = size.min(start + SECTOR);
                partial = partial
                    .iter()
                    .flat_map(|image| {
                        let legal = versions.iter().filter(move |(_, cut)| *cut <= Some(place));
                        legal.map(move |(version, _)| {
                            let mut image = image.clone();
                            image[start..end].copy_from_slice(&version[..end - start]);
                            image
                        })
                    })
                    .collect();
            }
            images.extend(partial);
        }
        images
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SlowEntry {
    Nothing,
    File(InodeId),
    Directory,
}

/// One version of a name: what it stands for, and the rename that brought it.
type NameVersion = (SlowEntry, Option<usize>);

/// Each name as the list of its versions. Index 0 is durable.
#[derive(Clone, Default)]
pub struct SlowDisk {
    files: BTreeMap<InodeId, SlowFile>,
    names: BTreeMap<String, Vec<NameVersion>>,
    renames: usize,
}

impl SlowDisk {
    fn set(&mut self, name: &str, entry: SlowEntry, rename: Option<usize>) {
        let nothing = || vec![(SlowEntry::Nothing, None)];
        self.names
            .entry(name.to_owned())
            .or_insert_with(nothing)
            .push((entry, rename));
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::FailSync { .. } => panic!("this model knows no failures"),
            Operation::Create(file) => {
                self.files.insert(file.inode, SlowFile::new());
                self.set(&file.name, SlowEntry::File(file.inode), None);
            }
            Operation::CreateDir { name } => self.set(name, SlowEntry::Directory, None),
            Operation::Rename { from, to } => {
                let entry = self.names[&**from].last().unwrap().0;
                self.renames += 1;
                self.set(from, SlowEntry::Nothing, Some(self.renames));
                self.set(to, entry, Some(self.renames));
            }
            Operation::Remove { name } => self.set(name, SlowEntry::Nothing, None),
            Operation::SyncDir { dir } => self.sync_dir(dir),
            Operation::Write {
                file,
                offset,
                bytes,
            } => {
                let at = usize::try_from(*offset).unwrap();
                let file = self.files.get_mut(&file.inode).unwrap();
                file.edit(at, at + bytes.len(), None, |place| bytes[place - at]);
                let len = *file.sizes.last().unwrap();
                let edge = len.next_multiple_of(BLOCK);
                let mut written = file.written + 1;
                if len < edge && edge < at + bytes.len() {
                    file.sizes.push(edge);
                    written += 1;
                }
                file.resize((at + bytes.len()).max(len).max(*file.sizes.last().unwrap()));
                file.written = written;
            }
            Operation::SetLen { file, len } => {
                let len = usize::try_from(*len).unwrap();
                self.files.get_mut(&file.inode).unwrap().resize(len);
            }
            Operation::Allocate { file, offset, len } => {
                let end = usize::try_from(offset + len).unwrap();
                let file = self.files.get_mut(&file.inode).unwrap();
                file.allocate(end);
            }
            Operation::Sync(file) => self.files.get_mut(&file.inode).unwrap().sync(),
        }
    }

    /// Each name of the directory is durable at its newest version; a durable half of a rename makes the
    /// other half durable, with what came before it.
    fn sync_dir(&mut self, dir: &str) {
        let parent = |name: &str| {
            name.rsplit_once('/')
                .map_or(String::new(), |(dir, _)| dir.into())
        };
        let mut floors: BTreeMap<String, usize> = BTreeMap::new();
        for (name, versions) in &self.names {
            let newest = if parent(name) == dir {
                versions.len() - 1
            } else {
                0
            };
            floors.insert(name.clone(), newest);
        }
        loop {
            let durable: BTreeSet<usize> = self
                .names
                .iter()
                .flat_map(|(name, versions)| versions[1..=floors[name]].iter())
                .filter_map(|(_, rename)| *rename)
                .collect();
            let mut grown = false;
            for (name, versions) in &self.names {
                let last = versions
                    .iter()
                    .rposition(|(_, r)| r.is_some_and(|r| durable.contains(&r)));
                let floor = floors.get_mut(name).unwrap();
                if last.is_some_and(|last| last > *floor) {
                    *floor = last.unwrap();
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        for (name, versions) in &mut self.names {
            versions.drain(..floors[name]);
            versions[0].1 = None;
        }
    }

    /// Every choice of one version a name in which each rename happened to both its names or to neither.
    fn name_choices(&self) -> BTreeSet<Vec<(String, SlowEntry)>> {
        let mut choices: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new()];
        for (name, versions) in &self.names {
            let mut wider = Vec::new();
            for choice in &choices {
                for index in 0..versions.len() {
                    let mut choice = choice.clone();
                    choice.insert(name.clone(), index);
                    wider.push(choice);
                }
            }
            choices = wider;
        }
        choices
            .iter()
            .filter(|choice| self.is_atomic(choice))
            .map(|c| self.chosen(c))
            .collect()
    }

    fn is_atomic(&self, choice: &BTreeMap<String, usize>) -> bool {
        (1..=self.renames).all(|rename| {
            let sides: BTreeSet<bool> = self
                .names
                .iter()
                .filter_map(|(name, versions)| {
                    let at = versions.iter().position(|(_, r)| *r == Some(rename))?;
                    Some(choice[name] >= at)
                })
                .collect();
            sides.len() <= 1
        })
    }

    fn chosen(&self, choice: &BTreeMap<String, usize>) -> Vec<(String, SlowEntry)> {
        let entry = |name: &str| match self.names.get(name) {
            Some(versions) => versions[choice[name]].0,
            None => SlowEntry::Nothing,
        };
        let named = self.names.keys().map(|name| (name.clone(), entry(name)));
        named
            .filter(|(name, e)| {
                let rooted = name
                    .rsplit_once('/')
                    .is_none_or(|(dir, _)| entry(dir) == SlowEntry::Directory);
                rooted && *e != SlowEntry::Nothing
            })
            .collect()
    }

    /// Every legal image; none if there are too many to enumerate.
    pub fn images(&self, most: usize) -> Option<BTreeSet<Image>> {
        let mut images = BTreeSet::new();
        for choice in self.name_choices() {
            let mut partial = vec![Image::new()];
            for (name, entry) in choice {
                let contents: Vec<Option<Vec<u8>>> = match entry {
                    SlowEntry::File(inode) => {
                        let file = &self.files[&inode];
                        let bits: usize = file.sectors.values().map(|v| v.len() - 1).sum();
                        if bits > 10 {
                            return None;
                        }
                        file.images().into_iter().map(Some).collect()
                    }
                    SlowEntry::Directory | SlowEntry::Nothing => vec![None],
                };
                if partial.len() * contents.len() > most {
                    return None;
                }
                let with = |image: &Image, content: &Option<Vec<u8>>| {
                    let mut image = image.clone();
                    image.insert(name.clone(), content.clone());
                    image
                };
                partial = partial
                    .iter()
                    .flat_map(|image| contents.iter().map(move |content| with(image, content)))
                    .collect();
            }
            images.extend(partial);
            if images.len() > most {
                return None;
            }
        }
        Some(images)
    }
}

pub fn slow(trace: &Trace, position: TracePosition) -> SlowDisk {
    let mut disk = SlowDisk::default();
    for operation in trace.before(position).iter().filter_map(Event::applied) {
        disk.apply(operation);
    }
    disk
}
