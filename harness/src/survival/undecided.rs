//! A disk at the moment of a power cut: the variables, the branches of each, and how many states they make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use num_bigint::BigUint;

use crate::trace::{DiskState, Entry, FileState, InodeId, LostCuts, Names, Order, SectorVersions};

/// Above this many pending changes of names their legal subsets are not enumerated.
const NAME_CHANGES_MAX: usize = 8;

/// A disk after a power cut of which nothing is decided.
#[derive(Debug)]
pub struct Undecided {
    before: DiskState,
    boot: DiskState,
    names: Vec<Names>,
    files: BTreeMap<InodeId, UndecidedFile>,
    states: BigUint,
}

/// A file with something pending.
#[derive(Debug)]
pub struct UndecidedFile {
    sector_len: usize,
    /// The lengths that may survive, the newest first, with the number of the file's states of each.
    lens: Vec<(u64, BigUint)>,
    /// Where that is not nothing: the cuts that did not happen if a length survived.
    cuts: BTreeMap<u64, LostCuts>,
    /// The newest first. Different ones, unless the file was cut.
    sectors: BTreeMap<u64, Vec<Content>>,
}

/// One content of a sector and the operation that wrote it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) order: Order,
    pub(super) bytes: Arc<[u8]>,
}

impl Undecided {
    /// The variables of `before`; nothing if too many changes of names are pending for them to be enumerated.
    pub fn of(before: &DiskState) -> Option<Self> {
        let names = names(before)?;
        let pending = before.files().filter(|(_, file)| file.is_pending());
        let files = pending
            .map(|(inode, file)| (inode, UndecidedFile::of(file)))
            .collect();
        let mut undecided = Self {
            before: before.clone(),
            boot: before.undecided(),
            names,
            files,
            states: BigUint::ZERO,
        };
        undecided.states = undecided
            .names
            .iter()
            .map(|names| undecided.states_of(names))
            .sum();
        Some(undecided)
    }

    /// What the disk held before the cut.
    pub fn before(&self) -> &DiskState {
        &self.before
    }

    /// What a disk starts with that decides as it is read.
    pub fn boot(&self) -> &DiskState {
        &self.boot
    }

    /// The number of legal states.
    pub fn states(&self) -> &BigUint {
        &self.states
    }

    /// The names that may survive, the newest first.
    pub(super) fn names(&self) -> &[Names] {
        &self.names
    }

    /// A file, if something of it is pending.
    pub fn file(&self, inode: InodeId) -> Option<&UndecidedFile> {
        self.files.get(&inode)
    }

    fn states_of(&self, names: &Names) -> BigUint {
        let files = self.files_of(names);
        files.map(|(_, file)| file.states()).product()
    }

    /// The files with something pending that have one of these names.
    pub(super) fn files_of(
        &self,
        names: &Names,
    ) -> impl Iterator<Item = (InodeId, &UndecidedFile)> {
        let inodes: BTreeSet<_> = names
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::File(inode) => Some(inode),
                Entry::Directory => None,
            })
            .collect();
        let file = |inode| Some((inode, self.files.get(&inode)?));
        inodes.into_iter().filter_map(file)
    }
}

impl UndecidedFile {
    fn of(file: &FileState) -> Self {
        let was_cut = !file.cuts_after(Order::BASE).is_empty();
        let of_sector = |versions: &SectorVersions<'_>| {
            if was_cut {
                all_contents(versions)
            } else {
                different_contents(versions)
            }
        };
        let sectors = file.pending_sectors();
        let mut undecided = Self {
            sector_len: file.sector().bytes(),
            lens: Vec::new(),
            cuts: BTreeMap::new(),
            sectors: sectors
                .map(|(offset, versions)| (offset, of_sector(&versions)))
                .collect(),
        };
        let mut sizes: Vec<_> = file.sizes().collect();
        sizes.reverse();
        for size in sizes {
            let len = size.len;
            if undecided.lens.iter().all(|(known, _)| *known != len) {
                let cuts = file.cuts_after(size.order);
                if !cuts.is_empty() {
                    undecided.cuts.insert(len, cuts);
                }
                let states = undecided.states_beside(len, |_| false);
                undecided.lens.push((len, states));
            }
        }
        undecided
    }

    /// The lengths that may survive, the newest first.
    pub(super) fn len_at(&self, branch: usize) -> u64 {
        self.lens.get(branch).map_or(0, |(len, _)| *len)
    }

    /// How many lengths may survive.
    pub(super) fn lens_count(&self) -> usize {
        self.lens.len()
    }

    /// The shortest length that may survive.
    pub fn len_min(&self) -> u64 {
        self.lens.iter().map(|(len, _)| *len).min().unwrap_or(0)
    }

    /// The unit that survives.
    pub fn sector_len(&self) -> u64 {
        self.sector_len as u64
    }

    /// The sectors with something pending that reach into `start..end`, by their offsets.
    pub fn sectors_in(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        let first = start - start % self.sector_len();
        let sectors = self.sectors.range(first..end.max(first));
        sectors.map(|(&offset, _)| offset)
    }

    /// The number of states of the file.
    pub(super) fn states(&self) -> BigUint {
        self.lens.iter().map(|(_, states)| states).sum()
    }

    /// The number of states that the sectors not `decided` leave open if the file is `len` bytes long.
    pub(super) fn states_beside(&self, len: u64, decided: impl Fn(u64) -> bool) -> BigUint {
        let open = self.sectors.keys().filter(|&&offset| !decided(offset));
        open.map(|&offset| self.branches(offset, len))
            .filter(|&count| count != 1)
            .fold(BigUint::from(1_u8), |all, count| all * count)
    }

    fn branches(&self, offset: u64, len: u64) -> usize {
        match self.kept(offset, len) {
            0 => 1,
            kept if kept == self.sector_len && self.cuts.is_empty() => {
                self.sectors.get(&offset).map_or(1, Vec::len)
            }
            _ => self.contents(offset, len).len(),
        }
    }

    /// The different contents of a sector, the newest first, of a file that is `len` bytes long. What lies past that
    /// is lost, so the bytes are cut there.
    pub(super) fn contents(&self, offset: u64, len: u64) -> Vec<&Content> {
        let kept = self.kept(offset, len);
        let all = self.sectors.get(&offset).map_or(&[][..], Vec::as_slice);
        if kept == self.sector_len && self.cuts.is_empty() {
            return all.iter().collect();
        }
        let is_lost = |content: &Content| {
            let cuts = self.cuts.get(&len);
            cuts.is_some_and(|cuts| cuts.took(offset, content.order))
        };
        let mut different: Vec<&Content> = Vec::new();
        for content in all.iter().filter(|content| !is_lost(content)) {
            let is_new = |known: &&Content| known.bytes[..kept] != content.bytes[..kept];
            if different.iter().all(is_new) {
                different.push(content);
            }
        }
        different
    }

    /// How many bytes of a sector lie inside a length.
    pub(super) fn kept(&self, offset: u64, len: u64) -> usize {
        let kept = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        kept.min(self.sector_len)
    }
}

/// The different versions of a whole sector, the newest first.
fn different_contents(versions: &SectorVersions<'_>) -> Vec<Content> {
    let mut different: Vec<Content> = Vec::new();
    for content in all_contents(versions) {
        if different.iter().all(|known| known.bytes != content.bytes) {
            different.push(content);
        }
    }
    different
}

/// The versions of a whole sector, the newest first.
fn all_contents(versions: &SectorVersions<'_>) -> Vec<Content> {
    let newest_first = versions.all().iter().rev();
    newest_first
        .map(|&(order, bytes)| Content {
            order,
            bytes: Arc::from(bytes),
        })
        .collect()
}

/// The names that may survive, each choice once, the newest first.
fn names(state: &DiskState) -> Option<Vec<Names>> {
    let changes = state.names().pending().len();
    if changes > NAME_CHANGES_MAX {
        return None;
    }
    let mut known = BTreeSet::new();
    let mut different = Vec::new();
    for choice in (0..1_u32 << changes).rev() {
        let mut bits = choice;
        let names = state.names().survivor(|_| {
            let keeps = bits & 1 == 1;
            bits >>= 1;
            keeps
        });
        let entries: Vec<_> = names
            .iter()
            .map(|(name, entry)| (Arc::clone(name), entry))
            .collect();
        if known.insert(entries) {
            different.push(names);
        }
    }
    Some(different)
}
