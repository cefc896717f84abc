//! Where the newest image of each page is, and whether that is proven.
//!
//! The map proves what it can (recovery rebuilds it where that is possible). For pages whose part of the map is lost every
//! slot is looked at, and the newest image of a page taken; such a page is uncertain, until the trees have been
//! walked: if the pages that they reach, at these places, give the checksum that the lost map page (or the map's
//! root) had, all of them were right.

use std::collections::BTreeMap;

use crate::btree::PageSet;
use crate::disk::DiskFile;
use crate::disk_format::{
    Geometry, MAP_FANOUT, MapKind, MapPage, MapPageId, PAGE_SIZE_MAX, PageHeader, Superblock,
    checkpoint_low, level_len,
};
use crate::ids::{PageNo, Slot, Version};
use crate::map::{Map, PageAddress};

/// Where pages are.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) geometry: Geometry,
    /// The checkpoint that they are of, if that is known.
    pub(super) superblock: Option<Superblock>,
    places: BTreeMap<PageNo, PageAddress>,
    uncertain: PageSet,
    /// Lost leaves of the map, with their checksums.
    lost_leaves: Vec<(u32, u32)>,
    /// Whether not even the checksums of the leaves are known.
    is_rootless: bool,
    /// No page is newer.
    pub(super) newest: Version,
}

impl Addresses {
    /// What a map that could be opened says, and for its lost leaves what the slots say.
    pub(super) fn of_map(map: &Map, data: &dyn DiskFile) -> Self {
        let superblock = map.superblock();
        let mut addresses = Self {
            geometry: superblock.geometry,
            superblock: Some(superblock),
            places: BTreeMap::new(),
            uncertain: PageSet::default(),
            lost_leaves: map.lost_leaves(),
            is_rootless: false,
            newest: superblock.version,
        };
        for page in (1..map.page_count()).map(PageNo) {
            if let Some(address) = map.lookup(page) {
                addresses.places.insert(page, address);
            }
        }
        if !addresses.lost_leaves.is_empty() {
            let lost: Vec<u32> = addresses
                .lost_leaves
                .iter()
                .map(|(index, _)| *index)
                .collect();
            addresses.scan(data, |page| lost.contains(&(page.get() / MAP_FANOUT)));
        }
        addresses
    }

    /// What the slots say, where there is no map.
    pub(super) fn of_slots(
        geometry: Geometry,
        superblock: Option<Superblock>,
        data: &dyn DiskFile,
    ) -> Self {
        let mut addresses = Self {
            geometry,
            superblock,
            places: BTreeMap::new(),
            uncertain: PageSet::default(),
            lost_leaves: Vec::new(),
            is_rootless: true,
            newest: superblock.map_or(Version(0), |superblock| superblock.version),
        };
        addresses.scan(data, |_| true);
        addresses
    }

    /// Takes the newest image of each wanted page from the slots that no proven page uses.
    fn scan(&mut self, data: &dyn DiskFile, is_wanted: impl Fn(PageNo) -> bool) {
        let claimed: std::collections::BTreeSet<Slot> =
            self.places.values().map(|place| place.slot).collect();
        let mut newest: BTreeMap<PageNo, (Version, PageAddress)> = BTreeMap::new();
        for (slot, header) in slots(self.geometry, data) {
            let page = header.page_no;
            if claimed.contains(&slot)
                || page.get() == 0
                || !is_wanted(page)
                || !self.is_of_it(&header)
            {
                continue;
            }
            let address = PageAddress {
                slot,
                crc: header.crc,
            };
            let known = newest.entry(page).or_insert((header.version, address));
            if header.version > known.0 {
                *known = (header.version, address);
            }
        }
        for (page, (version, address)) in newest {
            self.places.insert(page, address);
            self.uncertain.insert(page);
            if self.superblock.is_none() {
                self.newest = self.newest.max(version);
            }
        }
    }

    /// Whether an image can belong to the checkpoint: it is no newer.
    fn is_of_it(&self, header: &PageHeader) -> bool {
        self.superblock.is_none_or(|superblock| {
            let age = checkpoint_low(superblock.checkpoint).wrapping_sub(header.checkpoint);
            header.version <= superblock.version && age < 1 << 31
        })
    }

    pub(super) fn get(&self, page: PageNo) -> Option<PageAddress> {
        self.places.get(&page).copied()
    }

    /// Whether the checkpoint is one from before the first table.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.superblock
            .is_some_and(|superblock| superblock.page_count <= 1)
    }

    pub(super) fn is_uncertain(&self, page: PageNo) -> bool {
        self.uncertain.contains(page)
    }

    pub(super) fn has_uncertain(&self) -> bool {
        self.uncertain.len() > 0
    }

    /// All pages that are somewhere.
    pub(super) fn pages(&self) -> impl Iterator<Item = PageNo> + '_ {
        self.places.keys().copied()
    }

    /// Takes for certain what `reached`, all pages that the trees reach, proves.
    pub(super) fn prove(&mut self, reached: &PageSet) {
        if self.is_rootless {
            let root = self.superblock.map(|superblock| superblock.map.crc);
            if root.is_some() && root == self.root_of(reached) {
                self.uncertain = PageSet::default();
            }
            return;
        }
        let proven: Vec<u32> = self
            .lost_leaves
            .iter()
            .filter(|(index, crc)| self.leaf_of(*index, reached) == *crc)
            .map(|(index, _)| *index)
            .collect();
        let mut uncertain = PageSet::default();
        for page in self.uncertain.iter() {
            if !proven.contains(&(page.get() / MAP_FANOUT)) {
                uncertain.insert(page);
            }
        }
        self.uncertain = uncertain;
    }

    /// The checksum of a leaf of the map that names the pages reached.
    fn leaf_of(&self, index: u32, reached: &PageSet) -> u32 {
        let (kind, level) = (MapKind::Pages, 0);
        let mut leaf = MapPage::new(MapPageId { kind, level, index });
        let first = index.saturating_mul(MAP_FANOUT);
        let range = PageNo(first)..PageNo(first.saturating_add(MAP_FANOUT));
        for (page, place) in self.places.range(range) {
            if reached.contains(*page) {
                leaf.set_entry(page.get() - first, place.slot, place.crc);
            }
        }
        leaf.seal()
    }

    /// The checksum of the root of such a map.
    fn root_of(&self, reached: &PageSet) -> Option<u32> {
        let superblock = self.superblock?;
        // No more leaves than the pages found ask for, whatever the superblock says.
        let highest = self.places.keys().next_back()?.get();
        let (kind, count) = (MapKind::Pages, superblock.page_count);
        let leaves = level_len(kind, 0, count);
        if leaves > (highest / MAP_FANOUT).saturating_add(2) {
            return None;
        }
        let mut below: Vec<u32> = (0..leaves)
            .map(|index| self.leaf_of(index, reached))
            .collect();
        for level in 1..superblock.map.height {
            let pages = below.chunks(MAP_FANOUT as usize);
            below = (0..)
                .zip(pages)
                .map(|(index, children)| {
                    let mut page = MapPage::new(MapPageId { kind, level, index });
                    for (position, crc) in (0..).zip(children) {
                        page.set_child(position, *crc);
                    }
                    page.seal()
                })
                .collect();
        }
        below.first().copied()
    }
}

/// The undamaged pages in the slots of `data`.
fn slots(geometry: Geometry, data: &dyn DiskFile) -> impl Iterator<Item = (Slot, PageHeader)> {
    let len = data.len().unwrap_or(0);
    let mut page = vec![0; geometry.page_size as usize];
    let places = (1..u32::MAX).map(Slot);
    let within = places.take_while(move |slot| {
        let end = geometry
            .slot_offset(*slot)
            .checked_add(geometry.page_size.into());
        end.is_some_and(|end| end <= len)
    });
    within.filter_map(move |slot| {
        data.read_at(geometry.slot_offset(slot), &mut page).ok()?;
        Some((slot, PageHeader::verified(&page).ok()?))
    })
}

/// The page size with which `data` has the most undamaged pages, if there is one.
pub(super) fn guess_page_size(data: &dyn DiskFile) -> Option<u32> {
    let sizes = (12..=PAGE_SIZE_MAX.ilog2()).map(|bits| 1_u32 << bits);
    let found = sizes.map(|page_size| {
        let geometry = Geometry {
            page_size,
            segment_len: 0,
            salt: 0,
        };
        // A slot of zeroes has no checksum to hold.
        let count = slots(geometry, data)
            .filter(|(_, header)| header.page_no.get() != 0)
            .count();
        (count, page_size)
    });
    found
        .max_by_key(|(count, _)| *count)
        .filter(|(count, _)| *count > 0)
        .map(|(_, size)| size)
}
