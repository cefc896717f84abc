//! What a journal of metadata keeps: the rules of `journaled`, beside those of `posix`.
//!
//! 1. Changes of names, and of lengths by anything but a write, are entries of one journal, in the order of their calls. A prefix
//!    of it survives, at least to what a sync has committed.
//! 2. A length that a write gave comes to the journal at any time after the write: it survives or not, but never without the entries
//!    before the write. Its bytes come when they come: where they did not, there are zeroes.
//! 3. Where a cut survives and the file reaches past it again, no byte that it took does. Where it does not, nothing does that was
//!    written later in the blocks that it frees. The sector in which a cut lies may be as it was before, if that shows zeroes past the cut.

use std::collections::BTreeMap;

use crate::rng::Rng;
use crate::trace::{DiskState, FileState, LostCuts, Order, SectorVersions, SizeVersion};

/// Share of draws in which few entries are lost.
const NEAR: f64 = 0.5;
const NEAR_MAX: usize = 2;

/// The entries that no sync has committed.
pub(super) struct Journal {
    committed: Order,
    /// Ascending.
    entries: Vec<Order>,
}

/// A prefix of the journal, which survived.
pub(super) struct Replayed {
    /// The last entry that survived.
    last: Order,
    /// The first that did not.
    lost: Order,
}

impl Journal {
    pub(super) fn of(state: &DiskState) -> Self {
        let committed = state.journaled();
        let names = state.names().pending().iter().map(|change| change.order);
        let sizes = state.files().flat_map(|(_, file)| entries_of(file));
        let mut entries: Vec<_> = names.chain(sizes).filter(|&at| at > committed).collect();
        entries.sort_unstable();
        Self { committed, entries }
    }

    fn first(&self, count: usize) -> Replayed {
        let last = count.checked_sub(1).and_then(|at| self.entries.get(at));
        Replayed {
            last: last.copied().unwrap_or(self.committed),
            lost: self.entries.get(count).copied().unwrap_or(Order(u64::MAX)),
        }
    }

    /// Only what a sync has committed.
    pub(super) fn shortest(&self) -> Replayed {
        self.first(0)
    }

    /// All of it.
    pub(super) fn whole(&self) -> Replayed {
        self.first(self.entries.len())
    }

    pub(super) fn drawn(&self, rng: &mut Rng) -> Replayed {
        let count = self.entries.len();
        let most = if rng.chance(NEAR) {
            count
        } else {
            count.min(NEAR_MAX)
        };
        self.first(count - rng.index(most + 1))
    }

    fn prefixes(&self) -> impl Iterator<Item = Replayed> {
        (0..=self.entries.len()).map(|count| self.first(count))
    }
}

/// The changes of a file's length that are entries.
fn entries_of(file: &FileState) -> impl Iterator<Item = Order> {
    let sizes = file.sizes().skip(1).map(|size| size.order);
    sizes.filter(|&order| file.write_of(order).is_none())
}

impl Replayed {
    /// Whether an entry survived.
    pub(super) fn holds(&self, entry: Order) -> bool {
        entry <= self.last
    }

    /// The lengths that a file may have: the newest that is an entry, and what writes after it gave, oldest first.
    pub(super) fn lens(&self, file: &FileState) -> Vec<SizeVersion> {
        let mut lens = Vec::new();
        for size in file.sizes() {
            let is_entry = file.write_of(size.order).is_none();
            if is_entry && self.holds(size.order) {
                lens.clear();
            } else if is_entry || size.order > self.lost {
                continue;
            }
            lens.push(size);
        }
        lens
    }

    /// What of a file's sectors is on disk for sure, if `size`, one of its lengths, survived.
    pub(super) fn floors(&self, file: &FileState, size: SizeVersion) -> Floors {
        let cuts = file.cuts().filter(|cut| self.holds(cut.order));
        let cut = cuts.map(|cut| Floor {
            start: cut.len,
            end: size.len,
            order: cut.order,
        });
        let cut: Vec<_> = cut.filter(|floor| floor.start < floor.end).collect();
        let lost = file.cuts_after(size.order);
        let mut left: BTreeMap<u64, Vec<Order>> = BTreeMap::new();
        // Without a cut that survived nothing is certain.
        if !cut.is_empty() {
            for (offset, versions) in file.pending_sectors() {
                let all = versions.all();
                let is_left = |place: usize| {
                    let mut floors = cut.iter();
                    floors.all(|floor| floor.leaves(offset, all, place))
                };
                let places = (0..all.len()).filter(|&place| is_left(place));
                left.insert(offset, places.map(|place| all[place].0).collect());
            }
        }
        Floors { left, lost }
    }
}

/// Bytes that a cut took, and that the file has again: zeroes, or what was written since.
struct Floor {
    start: u64,
    end: u64,
    order: Order,
}

impl Floor {
    /// Whether one of the versions of the sector at `offset` shows nothing of what the cut took.
    fn leaves(&self, offset: u64, all: &[(Order, &[u8])], place: usize) -> bool {
        let bytes = all[place].1;
        let past_start = usize::try_from(self.start.saturating_sub(offset)).unwrap_or(usize::MAX);
        let end = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let taken = bytes.get(past_start..end.min(bytes.len()));
        // Elsewhere.
        let Some(taken) = taken.filter(|taken| !taken.is_empty()) else {
            return true;
        };
        let since = all.partition_point(|&(order, _)| order <= self.order);
        // A sector that is cut off as a whole gets zeroes of its own.
        let is_inside = past_start > 0;
        place + 1 >= since || is_inside && taken.iter().all(|&byte| byte == 0)
    }
}

/// What of a file's sectors is on disk for sure.
pub(super) struct Floors {
    /// The versions that cuts leave of each pending sector, oldest first; of one that is not here all.
    left: BTreeMap<u64, Vec<Order>>,
    lost: LostCuts,
}

impl Floors {
    /// The sector at `offset` holds what it was after this operation, or something newer.
    pub(super) fn oldest(&self, offset: u64) -> Order {
        let left = self.left.get(&offset).and_then(|left| left.first());
        left.copied().unwrap_or(Order::BASE)
    }

    /// Whether a version of a sector may survive: no cut took it, and it did not go to a block that the file did not get, as a cut before it
    /// did not happen.
    pub(super) fn allows(&self, offset: u64, order: Order) -> bool {
        let left = self.left.get(&offset);
        left.is_none_or(|left| left.contains(&order)) && !self.lost.precede(offset, order)
    }

    /// The versions of the sector at `offset` that may survive.
    fn allowed<'a>(
        &self,
        offset: u64,
        versions: &SectorVersions<'a>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let all = versions.all().iter();
        let legal = all.filter(|&&(order, _)| self.allows(offset, order));
        legal
            .map(|&(_, bytes)| bytes)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// Whether a journaling file system could have left `after` of `before`, if `posix` allows it.
pub fn is_journaled(before: &DiskState, after: &DiskState) -> bool {
    let there: Vec<_> = after.names().iter().collect();
    Journal::of(before).prefixes().any(|replayed| {
        let names = before
            .names()
            .survivor(|change| replayed.holds(change.order));
        let mut files = after.files();
        names.iter().eq(there.iter().copied())
            && files.all(|(inode, left)| {
                before
                    .file(inode)
                    .is_none_or(|file| leaves(&replayed, file, left))
            })
    })
}

fn leaves(replayed: &Replayed, file: &FileState, left: &FileState) -> bool {
    let lens = replayed.lens(file);
    let mut same = lens.iter().filter(|size| size.len == left.len());
    let sector = file.sector().bytes();
    same.any(|&size| {
        let floors = replayed.floors(file, size);
        file.pending_sectors().all(|(offset, versions)| {
            let kept = usize::try_from(size.len.saturating_sub(offset)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; kept.min(sector)];
            left.read(offset, &mut bytes);
            let mut allowed = floors.allowed(offset, &versions);
            bytes.is_empty() || allowed.any(|version| version.starts_with(&bytes))
        })
    })
}
