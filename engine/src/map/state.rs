//! What the last completed checkpoint says, in memory: every page's address, every slot's use, and the
//! checksum of every map page. Pure: it plans the next checkpoint's map pages, and takes them over once they
//! are durable.

use std::collections::{BTreeMap, BTreeSet};

use super::crc_tree::CrcTree;
use super::page_map::PageAddress;
use super::shrink::{Counts, Ends};
use super::slot_set::SlotSet;
use crate::disk_format::{
    BITMAP_BITS, MAP_FANOUT, MapKind, MapPage, MapPageId, Root, Superblock, level_len,
};
use crate::ids::{PageNo, Slot};

/// Words of 64 bits in a bitmap's leaf.
const LEAF_WORDS: u32 = BITMAP_BITS / 64;

/// New addresses; `None` frees the page.
pub(super) type Changes = BTreeMap<PageNo, Option<PageAddress>>;

/// The map of one checkpoint.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) superblock: Superblock,
    /// By page number; slot 0: not mapped.
    pub(super) entries: Vec<PageAddress>,
    pub(super) used: SlotSet,
    pub(super) pages: CrcTree,
    pub(super) slots: CrcTree,
    /// Leaves of the page map that are damaged and could not be rebuilt: where their pages are is not known.
    pub(super) unproven: BTreeSet<u32>,
}

/// The map pages of the next checkpoint that differ from this one's, and what its superblock says of them.
#[derive(Debug)]
pub(super) struct Plan {
    /// Taken out when they are written.
    pub(super) map_pages: Vec<(MapPageId, MapPage)>,
    /// Their checksums.
    crcs: Vec<(MapPageId, u32)>,
    pub(super) page_count: u32,
    pub(super) slot_count: u32,
    pub(super) map: Root,
    pub(super) bitmap: Root,
    changes: Changes,
}

impl State {
    /// The state of a superblock with nothing mapped.
    pub(super) const fn empty(superblock: Superblock) -> Self {
        Self {
            superblock,
            entries: Vec::new(),
            used: SlotSet::EMPTY,
            pages: CrcTree::new(MapKind::Pages),
            slots: CrcTree::new(MapKind::Slots),
            unproven: BTreeSet::new(),
        }
    }

    pub(super) fn lookup(&self, page: PageNo) -> Option<PageAddress> {
        let address = self.entries.get(page.get() as usize).copied();
        address.filter(|address| address.is_mapped())
    }

    /// The damaged map page that should say where `page` is, if that is not known.
    pub(super) fn unproven_leaf_of(&self, page: PageNo) -> Option<MapPageId> {
        let index = page.get() / MAP_FANOUT;
        self.unproven.contains(&index).then_some(MapPageId {
            kind: MapKind::Pages,
            level: 0,
            index,
        })
    }

    pub(super) const fn tree(&self, kind: MapKind) -> &CrcTree {
        match kind {
            MapKind::Pages => &self.pages,
            MapKind::Slots => &self.slots,
        }
    }

    /// Whether this checkpoint has the map page: if not, its home is free to be written.
    pub(super) fn has_map_page(&self, id: MapPageId) -> bool {
        self.tree(id.kind).crc(id).is_some()
    }

    /// What `id` must be on disk.
    pub(super) fn map_page(&self, id: MapPageId) -> MapPage {
        let (none, tree) = (BTreeMap::new(), self.tree(id.kind));
        match (id.kind, id.level) {
            (MapKind::Pages, 0) => entries_leaf(&self.entries, id.index, &Changes::new()),
            (MapKind::Slots, 0) => bitmap_leaf(&self.used, id.index, &BTreeMap::new()),
            (MapKind::Pages, _) => tree.upper_page(id, self.superblock.page_count, &none),
            (MapKind::Slots, _) => tree.upper_page(id, self.superblock.slot_count, &none),
        }
    }

    /// Plans the map pages that `changes` change.
    pub(super) fn plan(&self, mut changes: Changes, ends: Ends) -> Plan {
        changes.retain(|&page, address| address.is_some() || self.lookup(page).is_some());
        let bits = self.changed_bits(&changes);
        let Counts {
            pages: page_count,
            slots: slot_count,
        } = match ends {
            Ends::Lowered => self.lowered(&changes),
            Ends::Kept => Counts {
                pages: end(
                    changes.keys().map(|page| page.get()),
                    self.superblock.page_count,
                ),
                slots: end(
                    bits.keys().map(|slot| slot.get()),
                    self.superblock.slot_count,
                ),
            },
        };

        let pages = changes.keys().map(|page| page.get());
        let leaves = changed_leaves(
            MapKind::Pages,
            pages,
            self.superblock.page_count,
            page_count,
        );
        let leaves = leaves.map(|id| (id, entries_leaf(&self.entries, id.index, &changes)));
        let (map, mut map_pages) = with_pages_above(&self.pages, page_count, leaves.collect());

        let slots = bits.keys().map(|slot| slot.get());
        let leaves = changed_leaves(
            MapKind::Slots,
            slots,
            self.superblock.slot_count,
            slot_count,
        );
        let leaves = leaves.map(|id| (id, bitmap_leaf(&self.used, id.index, &bits)));
        let (bitmap, bitmap_pages) = with_pages_above(&self.slots, slot_count, leaves.collect());

        map_pages.extend(bitmap_pages);
        map_pages.sort_by_key(|(id, _)| id.home());
        let crcs = map_pages.iter().map(|(id, page)| (*id, page.crc()));
        Plan {
            crcs: crcs.collect(),
            map_pages,
            page_count,
            slot_count,
            map,
            bitmap,
            changes,
        }
    }

    /// The slots that `changes` free and take.
    pub(super) fn changed_bits(&self, changes: &Changes) -> BTreeMap<Slot, bool> {
        let freed = changes.keys().filter_map(|&page| self.lookup(page));
        let mut bits: BTreeMap<_, _> = freed.map(|address| (address.slot, false)).collect();
        bits.extend(
            changes
                .values()
                .flatten()
                .map(|address| (address.slot, true)),
        );
        bits
    }

    /// Becomes the planned checkpoint. Returns the highest slot that it freed.
    pub(super) fn apply(&mut self, plan: Plan, superblock: Superblock) -> Option<Slot> {
        for (id, crc) in &plan.crcs {
            let tree = match id.kind {
                MapKind::Pages => &mut self.pages,
                MapKind::Slots => &mut self.slots,
            };
            tree.set(*id, *crc);
        }
        let freed = plan.changes.keys().filter_map(|&page| self.lookup(page));
        let freed: Vec<Slot> = freed.map(|address| address.slot).collect();
        for &slot in &freed {
            self.used.remove(slot);
        }
        self.pages.truncate(plan.page_count);
        self.slots.truncate(plan.slot_count);
        self.entries
            .resize(plan.page_count as usize, PageAddress::default());
        for (page, address) in plan.changes {
            if let Some(entry) = self.entries.get_mut(page.get() as usize) {
                *entry = address.unwrap_or_default();
                self.used.insert(entry.slot);
            }
        }
        self.superblock = superblock;
        freed.into_iter().max()
    }
}

fn end(numbers: impl Iterator<Item = u32>, before: u32) -> u32 {
    numbers
        .max()
        .map_or(before, |last| before.max(last.saturating_add(1)))
}

/// The leaves that hold changed numbers, and those that growth adds; or the last one, if it was not: there and above it the right
/// edge changes.
fn changed_leaves(
    kind: MapKind,
    numbers: impl Iterator<Item = u32>,
    before: u32,
    after: u32,
) -> impl Iterator<Item = MapPageId> {
    let mut indices: BTreeSet<u32> = numbers.map(|number| number / kind.leaf_span()).collect();
    let leaves = level_len(kind, 0, after);
    indices.extend(level_len(kind, 0, before)..leaves);
    indices.retain(|index| *index < leaves);
    if after < before {
        indices.extend(leaves.checked_sub(1));
    }
    indices.into_iter().map(move |index| MapPageId {
        kind,
        level: 0,
        index,
    })
}

type Pages = Vec<(MapPageId, MapPage)>;

fn with_pages_above(tree: &CrcTree, count: u32, mut leaves: Pages) -> (Root, Pages) {
    if count == 0 {
        return (Root::default(), Pages::new());
    }
    let above = tree.pages_above(count, &leaves);
    leaves.extend(above);
    let before = tree.root();
    // The topmost page changes whenever any does, and comes last.
    let root = leaves.last().map_or(before, |(id, page)| Root {
        height: id.level + 1,
        crc: page.crc(),
    });
    (root, leaves)
}

/// A leaf of the page map, sealed.
pub(super) fn entries_leaf(entries: &[PageAddress], index: u32, changes: &Changes) -> MapPage {
    let mut page = MapPage::new(MapPageId {
        kind: MapKind::Pages,
        level: 0,
        index,
    });
    let first = index.saturating_mul(MAP_FANOUT);
    let known = entries.iter().skip(first as usize);
    for (position, address) in (0..MAP_FANOUT).zip(known) {
        page.set_entry(position, address.slot, address.crc);
    }
    let end = first.saturating_add(MAP_FANOUT);
    for (number, address) in changes.range(PageNo(first)..PageNo(end)) {
        let address = address.unwrap_or_default();
        page.set_entry(number.get() - first, address.slot, address.crc);
    }
    page.seal();
    page
}

/// A leaf of the bitmap, sealed.
pub(super) fn bitmap_leaf(used: &SlotSet, index: u32, bits: &BTreeMap<Slot, bool>) -> MapPage {
    let mut page = MapPage::new(MapPageId {
        kind: MapKind::Slots,
        level: 0,
        index,
    });
    let first_word = (index as usize).saturating_mul(LEAF_WORDS as usize);
    for position in 0..LEAF_WORDS {
        page.set_word(position, used.word(first_word + position as usize));
    }
    let first = index.saturating_mul(BITMAP_BITS);
    for (slot, &is_used) in bits.range(Slot(first)..Slot(first.saturating_add(BITMAP_BITS))) {
        let number = slot.get() - first;
        let bit = 1 << (number % 64);
        let word = page.word(number / 64) & !bit;
        page.set_word(number / 64, if is_used { word | bit } else { word });
    }
    page.seal();
    page
}

/// Adds the members of a bitmap's leaf to `used`.
pub(super) fn add_bitmap_leaf(used: &mut SlotSet, index: u32, page: &MapPage) {
    let first_word = (index as usize).saturating_mul(LEAF_WORDS as usize);
    for position in 0..LEAF_WORDS {
        used.add_word(first_word + position as usize, page.word(position));
    }
}
