//! Recovery step 3: reads the trees from their roots down, each page checked by its parent.
//!
//! What is read is bounded by what was proven: a page's children are looked at only once the page itself has
//! been proven, so no count in a superblock can make this allocate much more than the files hold.

use std::collections::BTreeMap;

use super::crc_tree::{CrcTree, child_indices};
use super::files::{MAP, NamedFile};
use super::page_map::{PageAddress, damage};
use super::rebuild::{DamagedLeaf, RebuiltLeaves, rebuild_bitmap, rebuild_leaves, rebuild_map};
use super::slot_set::SlotSet;
use super::state::{State, add_bitmap_leaf};
use crate::disk_format::codec::expect;
use crate::disk_format::{
    FormatError, MAP_FANOUT, MAP_PAGE_LEN, MapKind, MapPage, MapPageId, Root, Superblock,
};
use crate::error::StorageError;
use crate::ids::PageNo;

/// Map pages that are newer in memory than at home.
pub(super) type Overlay = BTreeMap<MapPageId, MapPage>;

/// Where map pages are read from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a NamedFile,
    pub(super) overlay: &'a Overlay,
}

/// A map as loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) state: State,
    /// Pages that are not, or not rightly, at home.
    pub(super) rebuilt: Vec<(MapPageId, MapPage)>,
    /// Leaves that could not be rebuilt: nothing may be written.
    pub(super) unproven: Vec<DamagedLeaf>,
}

impl Source<'_> {
    /// Reads an undamaged page, whatever checkpoint it is of.
    pub(super) fn read(&self, id: MapPageId) -> Result<MapPage, StorageError> {
        if let Some(page) = self.overlay.get(&id) {
            return Ok(page.clone());
        }
        let mut bytes = [0; MAP_PAGE_LEN];
        self.file.read(id.home(), &mut bytes)?;
        MapPage::decode(id, &bytes).map_err(|error| map_damage(id, &error))
    }

    /// Reads the page that its parent's checksum names.
    pub(super) fn read_proven(&self, id: MapPageId, crc: u32) -> Result<MapPage, StorageError> {
        let page = self.read(id)?;
        expect(
            "map page checksum by its parent",
            crc.into(),
            page.crc().into(),
        )
        .map_err(|error| map_damage(id, &error))?;
        Ok(page)
    }
}

pub(super) fn map_damage(id: MapPageId, error: &FormatError) -> StorageError {
    damage(MAP, id.home(), None, error)
}

/// One tree as read.
struct Walked {
    tree: CrcTree,
    damaged: Vec<DamagedLeaf>,
    rebuilt: Vec<(MapPageId, MapPage)>,
}

/// Reads a tree over `count`. Damaged leaves are left for the caller; a damaged upper page is rebuilt from its
/// children, or fails.
fn walk(
    source: &Source<'_>,
    (kind, count): (MapKind, u32),
    root: Root,
    mut on_leaf: impl FnMut(u32, Option<&MapPage>),
) -> Result<Walked, StorageError> {
    let tree = CrcTree::new(kind);
    let mut walked = Walked {
        tree,
        damaged: Vec::new(),
        rebuilt: Vec::new(),
    };
    let mut expected = if root.height > 0 {
        vec![root.crc]
    } else {
        Vec::new()
    };
    for level in (1..root.height).rev() {
        let mut below = Vec::new();
        for (index, crc) in (0_u32..).zip(expected) {
            let id = MapPageId { kind, level, index };
            let page = match source.read_proven(id, crc) {
                Ok(page) => page,
                Err(error) => {
                    let page = rebuild_upper(source, id, count, crc).ok_or(error)?;
                    walked.rebuilt.push((id, page.clone()));
                    page
                }
            };
            walked.tree.set(id, crc);
            below.extend(child_indices(id, count).map(|(position, _)| page.child(position)));
        }
        expected = below;
    }
    for (index, crc) in (0_u32..).zip(expected) {
        let id = MapPageId {
            kind,
            level: 0,
            index,
        };
        walked.tree.set(id, crc);
        match source.read_proven(id, crc) {
            Ok(page) => on_leaf(index, Some(&page)),
            Err(error) => {
                on_leaf(index, None);
                walked.damaged.push(DamagedLeaf { index, crc, error });
            }
        }
    }
    Ok(walked)
}

/// An upper page from the checksums that its children carry, if that gives the page its parent names.
fn rebuild_upper(source: &Source<'_>, id: MapPageId, count: u32, crc: u32) -> Option<MapPage> {
    let level = id.level.checked_sub(1)?;
    let mut page = MapPage::new(id);
    for (position, index) in child_indices(id, count) {
        let child = source
            .read(MapPageId {
                kind: id.kind,
                level,
                index,
            })
            .ok()?;
        page.set_child(position, child.crc());
    }
    (page.seal() == crc).then_some(page)
}

/// Loads the map of `superblock`, rebuilding damaged pages where the result can be proven.
pub(super) fn load(
    source: &Source<'_>,
    data: &NamedFile,
    superblock: Superblock,
) -> Result<Loaded, StorageError> {
    let mut entries: Vec<PageAddress> = Vec::new();
    let span = (MapKind::Pages, superblock.page_count);
    let pages = walk(source, span, superblock.map, |_, leaf| {
        add_entries(&mut entries, leaf);
    });
    entries.truncate(superblock.page_count as usize);

    let mut bitmap = SlotSet::default();
    let span = (MapKind::Slots, superblock.slot_count);
    let slots = walk(source, span, superblock.bitmap, |index, leaf| {
        if let Some(leaf) = leaf {
            add_bitmap_leaf(&mut bitmap, index, leaf);
        }
    });
    let slots = slots.ok().filter(|walked| walked.damaged.is_empty());

    let known = slots.is_some().then_some(&bitmap);
    let pages = match pages {
        Ok(pages) => pages,
        Err(error @ StorageError::Corruption(_)) => {
            let whole = rebuild_map(source, data, &superblock, known)?.ok_or(error)?;
            entries = whole.entries;
            Walked {
                tree: whole.tree,
                damaged: Vec::new(),
                rebuilt: whole.rebuilt,
            }
        }
        Err(error) => return Err(error),
    };
    let mut rebuilt = pages.rebuilt;
    let RebuiltLeaves {
        rebuilt: leaves,
        unproven,
    } = rebuild_leaves(data, &superblock, known, pages.damaged, &mut entries)?;
    rebuilt.extend(leaves);
    let used = used_slots(&superblock, &entries)?;
    let slots = match slots {
        Some(walked) => {
            if unproven.is_empty() {
                check_bitmap(&used, &bitmap)?;
            }
            rebuilt.extend(walked.rebuilt);
            walked.tree
        }
        // Which slots the unproven leaves use is not known, and not needed where nothing is written.
        None if !unproven.is_empty() => CrcTree::new(MapKind::Slots),
        None => rebuild_bitmap(source, &superblock, &used, &mut rebuilt)?,
    };
    let unproven_leaves = unproven.iter().map(|leaf| leaf.index).collect();
    let state = State {
        superblock,
        entries,
        used,
        pages: pages.tree,
        slots,
        unproven: unproven_leaves,
    };
    Ok(Loaded {
        state,
        rebuilt,
        unproven,
    })
}

/// Appends a leaf's entries; free ones for a leaf that is damaged.
pub(super) fn add_entries(entries: &mut Vec<PageAddress>, leaf: Option<&MapPage>) {
    let address = |position| {
        let (slot, crc) = leaf?.entry(position);
        Some(PageAddress { slot, crc })
    };
    entries.extend((0..MAP_FANOUT).map(|position| address(position).unwrap_or_default()));
}

/// The slots that pages are mapped to: each once, each one that the checkpoint has.
fn used_slots(superblock: &Superblock, entries: &[PageAddress]) -> Result<SlotSet, StorageError> {
    let mut used = SlotSet::default();
    for (page, address) in (0..).map(PageNo).zip(entries) {
        let slot = address.slot;
        if !address.is_mapped() {
            continue;
        }
        if page.get() == 0 || slot.get() >= superblock.slot_count || !used.insert(slot) {
            let expected = format!("a slot of its own below {}", superblock.slot_count);
            let actual = format!("slot {slot}");
            return Err(StorageError::corruption(
                MAP,
                0,
                Some(page),
                expected,
                actual,
            ));
        }
    }
    Ok(used)
}

fn check_bitmap(used: &SlotSet, bitmap: &SlotSet) -> Result<(), StorageError> {
    let Some(slot) = used.first_difference(bitmap) else {
        return Ok(());
    };
    let id = MapPageId {
        kind: MapKind::Slots,
        level: 0,
        index: slot.get() / MapKind::Slots.leaf_span(),
    };
    let say = |set: &SlotSet| {
        let word = if set.contains(slot) { "used" } else { "free" };
        format!("slot {slot} {word}")
    };
    Err(StorageError::corruption(
        MAP,
        id.home(),
        None,
        say(used),
        say(bitmap),
    ))
}
