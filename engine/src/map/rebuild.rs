//! Damaged map pages, rebuilt from what they stand for and proven by the checksum that their parent has.
//!
//! A leaf that cannot be proven is left empty: no page that it names is read, and none of their numbers or slots
//! given out, since the database is then opened for reading only.

use std::collections::{BTreeMap, BTreeSet};

use super::crc_tree::CrcTree;
use super::files::{MAP, NamedFile};
use super::load::{Source, add_entries, map_damage};
use super::page_map::PageAddress;
use super::slot_set::SlotSet;
use super::state::{Changes, bitmap_leaf, entries_leaf};
use crate::disk_format::codec::expect;
use crate::disk_format::{
    MAP_FANOUT, MAP_PAGE_LEN, MapKind, MapPage, MapPageId, PageHeader, Superblock, checkpoint_low,
    level_len,
};
use crate::error::StorageError;
use crate::ids::{PageNo, Slot};
use crate::recovery_report::Damage;

/// A leaf of the page map that is not what its parent says.
#[derive(Debug)]
pub(super) struct DamagedLeaf {
    pub(super) index: u32,
    /// What its parent says.
    pub(super) crc: u32,
    pub(super) error: StorageError,
}

/// Damaged leaves, as far as they could be rebuilt.
#[derive(Debug, Default)]
pub(super) struct RebuiltLeaves {
    pub(super) rebuilt: Vec<(MapPageId, MapPage)>,
    /// Those that could not be proven; their entries are empty.
    pub(super) unproven: Vec<DamagedLeaf>,
}

/// Fills in the entries of damaged leaves from the pages in the slots. With the bitmap, exactly the used slots that no
/// undamaged entry names hold their pages. Without it the newest image of each page is taken, which is right
/// unless one was freed since. The parent's checksum decides either way.
pub(super) fn rebuild_leaves(
    data: &NamedFile,
    superblock: &Superblock,
    bitmap: Option<&SlotSet>,
    damaged: Vec<DamagedLeaf>,
    entries: &mut [PageAddress],
) -> Result<RebuiltLeaves, StorageError> {
    let mut outcome = RebuiltLeaves::default();
    if damaged.is_empty() {
        return Ok(outcome);
    }
    let leaves: BTreeSet<u32> = damaged.iter().map(|leaf| leaf.index).collect();
    let scan = Scan {
        data,
        superblock,
        leaves,
    };
    scan.fill_in(bitmap, entries)?;
    for leaf in damaged {
        let page = entries_leaf(entries, leaf.index, &Changes::new());
        if page.crc() == leaf.crc {
            outcome.rebuilt.push((leaf.id(), page));
        } else {
            let first = leaf.index.saturating_mul(MAP_FANOUT) as usize;
            let unproven = entries.iter_mut().skip(first).take(MAP_FANOUT as usize);
            unproven.for_each(|entry| *entry = PageAddress::default());
            outcome.unproven.push(leaf);
        }
    }
    Ok(outcome)
}

impl DamagedLeaf {
    /// What is lost, where it could not be rebuilt.
    pub(super) fn damage(&self) -> Damage {
        Damage {
            file: MAP.to_owned(),
            offset: self.id().home(),
            what: format!("a map page that cannot be rebuilt: {}", self.error),
            ..Damage::default()
        }
    }

    fn id(&self) -> MapPageId {
        MapPageId {
            kind: MapKind::Pages,
            level: 0,
            index: self.index,
        }
    }
}

struct Scan<'a> {
    data: &'a NamedFile,
    superblock: &'a Superblock,
    leaves: BTreeSet<u32>,
}

#[derive(Clone, Copy)]
struct Candidate {
    address: PageAddress,
    /// Checkpoints between the one that wrote it and the one loaded.
    age: u32,
}

impl Scan<'_> {
    /// Sets the entries of the damaged leaves. All others are right.
    fn fill_in(
        &self,
        bitmap: Option<&SlotSet>,
        entries: &mut [PageAddress],
    ) -> Result<(), StorageError> {
        let known: BTreeSet<Slot> = entries.iter().map(|address| address.slot).collect();
        // No count in a superblock makes this look further than the file reaches.
        let data_len = self.data.len()?;
        let slots = (1..self.superblock.slot_count)
            .map(Slot)
            .take_while(|slot| self.superblock.geometry.slot_offset(*slot) < data_len)
            .filter(|slot| !known.contains(slot));
        let found = match bitmap {
            Some(used) => self.newest(used.iter().filter(|slot| !known.contains(slot)))?,
            None => self.newest(slots)?,
        };
        for (page, candidate) in found {
            if let Some(entry) = entries.get_mut(page.get() as usize) {
                *entry = candidate.address;
            }
        }
        Ok(())
    }

    /// The newest image in `slots`, ascending, of each page in the damaged leaves.
    fn newest(
        &self,
        slots: impl Iterator<Item = Slot>,
    ) -> Result<BTreeMap<PageNo, Candidate>, StorageError> {
        let mut found: BTreeMap<PageNo, Candidate> = BTreeMap::new();
        let mut image = vec![0; self.superblock.geometry.page_size as usize];
        let end = self.data.len()?;
        for slot in slots {
            let offset = self.superblock.geometry.slot_offset(slot);
            if offset.saturating_add(image.len() as u64) > end {
                break;
            }
            if self.data.read(offset, &mut image).is_err() {
                continue;
            }
            let Some((page, candidate)) = self.candidate(slot, &image) else {
                continue;
            };
            let known = found.entry(page).or_insert(candidate);
            if candidate.age < known.age {
                *known = candidate;
            }
        }
        Ok(found)
    }

    fn candidate(&self, slot: Slot, image: &[u8]) -> Option<(PageNo, Candidate)> {
        let header = PageHeader::verified(image).ok()?;
        let is_wanted = self.leaves.contains(&(header.page_no.get() / MAP_FANOUT));
        if !is_wanted || header.version > self.superblock.version {
            return None;
        }
        let age = checkpoint_low(self.superblock.checkpoint).wrapping_sub(header.checkpoint);
        let address = PageAddress {
            slot,
            crc: header.crc,
        };
        // Half of the numbers are behind a checkpoint; the others are of attempts after it.
        (age < 1 << 31).then_some((header.page_no, Candidate { address, age }))
    }
}

/// A page map of which an upper page and something below it are damaged.
pub(super) struct RebuiltMap {
    pub(super) entries: Vec<PageAddress>,
    pub(super) tree: CrcTree,
    /// Pages that are not right at home.
    pub(super) rebuilt: Vec<(MapPageId, MapPage)>,
}

/// Makes the page map anew from its leaves, those that are damaged among them filled in from the slots, and proves all of it by its
/// root; nothing if that does not give the root, or if the file is too short for the leaves that there are said to be.
pub(super) fn rebuild_map(
    source: &Source<'_>,
    data: &NamedFile,
    superblock: &Superblock,
    bitmap: Option<&SlotSet>,
) -> Result<Option<RebuiltMap>, StorageError> {
    let (kind, count) = (MapKind::Pages, superblock.page_count);
    let id = |level, index| MapPageId { kind, level, index };
    let leaves = level_len(kind, 0, count);
    let end = id(0, leaves.saturating_sub(1)).home() + MAP_PAGE_LEN as u64;
    if end > source.file.len()? {
        return Ok(None);
    }
    let mut entries = Vec::new();
    let mut damaged = BTreeSet::new();
    for index in 0..leaves {
        let leaf = source.read(id(0, index)).ok();
        add_entries(&mut entries, leaf.as_ref());
        if leaf.is_none() {
            damaged.insert(index);
        }
    }
    entries.truncate(count as usize);
    let scan = Scan {
        data,
        superblock,
        leaves: damaged,
    };
    scan.fill_in(bitmap, &mut entries)?;
    let mut tree = CrcTree::new(kind);
    let mut rebuilt = Vec::new();
    for level in 0..superblock.map.height {
        for index in 0..level_len(kind, level, count) {
            let page = match level {
                0 => entries_leaf(&entries, index, &Changes::new()),
                _ => tree.upper_page(id(level, index), count, &BTreeMap::new()),
            };
            tree.set(id(level, index), page.crc());
            if source.read_proven(id(level, index), page.crc()).is_err() {
                rebuilt.push((id(level, index), page));
            }
        }
    }
    let is_proven = tree.root() == superblock.map;
    Ok(is_proven.then_some(RebuiltMap {
        entries,
        tree,
        rebuilt,
    }))
}

/// Makes the bitmap anew from the slots in use and proves it by its root. Pages that are not right at home are added to
/// `rebuilt`.
pub(super) fn rebuild_bitmap(
    source: &Source<'_>,
    superblock: &Superblock,
    used: &SlotSet,
    rebuilt: &mut Vec<(MapPageId, MapPage)>,
) -> Result<CrcTree, StorageError> {
    let (kind, count) = (MapKind::Slots, superblock.slot_count);
    let mut tree = CrcTree::new(kind);
    let ids = || {
        let levels = 0..superblock.bitmap.height;
        levels.flat_map(|level| {
            (0..level_len(kind, level, count)).map(move |index| MapPageId { kind, level, index })
        })
    };
    let page_of = |tree: &CrcTree, id: MapPageId| match id.level {
        0 => bitmap_leaf(used, id.index, &BTreeMap::new()),
        _ => tree.upper_page(id, count, &BTreeMap::new()),
    };
    for id in ids() {
        let crc = page_of(&tree, id).crc();
        tree.set(id, crc);
    }
    let top = MapPageId {
        kind,
        level: superblock.bitmap.height.saturating_sub(1),
        index: 0,
    };
    expect(
        "bitmap root",
        superblock.bitmap.crc.into(),
        tree.root().crc.into(),
    )
    .map_err(|error| map_damage(top, &error))?;
    // Only now is the count proven, and with it how many pages there are to keep.
    for id in ids() {
        let page = page_of(&tree, id);
        if source.read_proven(id, page.crc()).is_err() {
            rebuilt.push((id, page));
        }
    }
    Ok(tree)
}
