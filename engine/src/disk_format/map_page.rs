//! Pages of the `map` file: the page map, the slot bitmap, and the checksum trees above them.
//!
//! Layout: magic u32 | kind u8 | level u8 | 0 u16 | index u32 | CRC32C u32 over the page with this field zero | 16
//! zeroes | then, from byte 32, the content. A page map's leaf: 508 entries, slot u32 and page CRC u32; slot 0:
//! the page is free. A bitmap's leaf: 32,512 bits, the lowest of a byte first. Above the leaves: 508 entries, child CRC u32
//! and zero u32. No checkpoint id stands in it: the same content is always the same bytes, so that content can
//! be rebuilt and proven.
//!
//! Homes are a pure function of (kind, level, index): growth moves nothing.

use super::codec::{FormatError, expect};
use super::fields::{crc_without, put, u8_at, u32_at};
use crate::ids::Slot;

/// Bytes of a map page.
pub const MAP_PAGE_LEN: usize = 4096;
/// Entries of a page map's leaf, and children of a page above the leaves.
pub const MAP_FANOUT: u32 = 508;
/// Bits of a bitmap's leaf.
pub const BITMAP_BITS: u32 = 32_512;
/// No tree is higher: four levels of 508 hold every `u32`.
pub const MAP_HEIGHT_MAX: u8 = 4;

const MAGIC: u32 = u32::from_le_bytes(*b"LMAP");
const CRC: usize = 12;
const CONTENT: usize = 32;
/// Where the homes begin in `map`, behind the superblock copies.
pub const HOMES_START: u64 = 32 << 10;
const UPPER_PLACES: u64 = 8;
const BITMAP_PLACES: u64 = 16;
const REGION_PLACES: u64 = UPPER_PLACES + BITMAP_PLACES + MAP_FANOUT as u64;

/// Which of the two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapKind {
    /// Page numbers to slots and checksums.
    Pages,
    /// One bit a slot: used or free.
    Slots,
}

impl MapKind {
    /// Page numbers, or slots, that one leaf covers.
    pub const fn leaf_span(self) -> u32 {
        match self {
            Self::Pages => MAP_FANOUT,
            Self::Slots => BITMAP_BITS,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Pages => 1,
            Self::Slots => 2,
        }
    }
}

/// Names a map page: level 0 are the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapPageId {
    /// Its tree.
    pub kind: MapKind,
    /// Its level.
    pub level: u8,
    /// Its index in that level.
    pub index: u32,
}

impl MapPageId {
    /// Where the page is in `map`. Distinct for every page that a tree of this format can have.
    ///
    /// A region has 8 places for upper pages (page map levels 1 to 3 at 0 to 2, bitmap levels 1 and 2 at 4 and
    /// 5), 16 for bitmap leaves and 508 for page map leaves. An upper page of the page map stands in the first
    /// region it covers; one of the bitmap in the region of its own index.
    pub fn home(self) -> u64 {
        let index = u64::from(self.index);
        let fanout = u64::from(MAP_FANOUT);
        let level = u64::from(self.level);
        let (region, place) = match (self.kind, self.level) {
            (MapKind::Pages, 0) => (
                index / fanout,
                UPPER_PLACES + BITMAP_PLACES + index % fanout,
            ),
            (MapKind::Pages, 1) => (index, 0),
            (MapKind::Pages, 2) => (index * fanout, 1),
            (MapKind::Pages, _) => (index * (fanout * fanout), 2),
            (MapKind::Slots, 0) => (index / BITMAP_PLACES, UPPER_PLACES + index % BITMAP_PLACES),
            (MapKind::Slots, _) => (index, 3 + level),
        };
        let places = region.saturating_mul(REGION_PLACES).saturating_add(place);
        HOMES_START.saturating_add(places.saturating_mul(MAP_PAGE_LEN as u64))
    }
}

/// Pages that `level` of a tree over `count` page numbers or slots has.
pub fn level_len(kind: MapKind, level: u8, count: u32) -> u32 {
    (0..level).fold(count.div_ceil(kind.leaf_span()), |len, _| {
        len.div_ceil(MAP_FANOUT)
    })
}

/// Levels that a tree over `count` page numbers or slots has; none if there is nothing to map.
pub fn height_of(kind: MapKind, count: u32) -> u8 {
    if count == 0 {
        return 0;
    }
    (0..MAP_HEIGHT_MAX)
        .find(|&level| level_len(kind, level, count) == 1)
        .map_or(0, |top| top + 1)
}

/// The bytes of a map page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPage {
    bytes: Box<[u8]>,
}

impl MapPage {
    /// A page without content. It is not sealed.
    pub fn new(id: MapPageId) -> Self {
        let mut bytes = vec![0; MAP_PAGE_LEN].into_boxed_slice();
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        put(&mut bytes, 4, &[id.kind.code(), id.level]);
        put(&mut bytes, 8, &id.index.to_le_bytes());
        Self { bytes }
    }

    /// Sets a leaf entry of the page map.
    pub fn set_entry(&mut self, position: u32, slot: Slot, crc: u32) {
        let at = CONTENT + position as usize * 8;
        put(&mut self.bytes, at, &slot.get().to_le_bytes());
        put(&mut self.bytes, at + 4, &crc.to_le_bytes());
    }

    /// A leaf entry of the page map: slot and page CRC.
    pub fn entry(&self, position: u32) -> (Slot, u32) {
        let at = CONTENT + position as usize * 8;
        (Slot(u32_at(&self.bytes, at)), u32_at(&self.bytes, at + 4))
    }

    /// Sets the checksum of a child.
    pub fn set_child(&mut self, position: u32, crc: u32) {
        put(
            &mut self.bytes,
            CONTENT + position as usize * 8,
            &crc.to_le_bytes(),
        );
    }

    /// The checksum of a child.
    pub fn child(&self, position: u32) -> u32 {
        u32_at(&self.bytes, CONTENT + position as usize * 8)
    }

    /// Sets 64 bits of a bitmap's leaf, `word` counted from its first.
    pub fn set_word(&mut self, word: u32, bits: u64) {
        put(
            &mut self.bytes,
            CONTENT + word as usize * 8,
            &bits.to_le_bytes(),
        );
    }

    /// 64 bits of a bitmap's leaf.
    pub fn word(&self, word: u32) -> u64 {
        let (low, high) = (self.child(word), self.entry(word).1);
        u64::from(low) | u64::from(high) << 32
    }

    /// Puts the checksum in and returns it.
    pub fn seal(&mut self) -> u32 {
        let crc = crc_without(&self.bytes, CRC);
        put(&mut self.bytes, CRC, &crc.to_le_bytes());
        crc
    }

    /// The checksum that the page carries.
    pub fn crc(&self) -> u32 {
        u32_at(&self.bytes, CRC)
    }

    /// The page's bytes, [`MAP_PAGE_LEN`] of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes bytes that must be the undamaged page `id`. Whether it is the newest such page, its parent's
    /// checksum says.
    pub fn decode(id: MapPageId, bytes: &[u8]) -> Result<Self, FormatError> {
        expect("map page length", MAP_PAGE_LEN as u64, bytes.len() as u64)?;
        expect("map page magic", MAGIC.into(), u32_at(bytes, 0).into())?;
        let crc = crc_without(bytes, CRC);
        expect("map page checksum", u32_at(bytes, CRC).into(), crc.into())?;
        expect(
            "map page kind",
            id.kind.code().into(),
            u8_at(bytes, 4).into(),
        )?;
        expect("map page level", id.level.into(), u8_at(bytes, 5).into())?;
        expect("map page index", id.index.into(), u32_at(bytes, 8).into())?;
        Ok(Self {
            bytes: bytes.into(),
        })
    }

    /// Reads which page of which tree `bytes` say they are, if they are an undamaged map page.
    pub fn identify(bytes: &[u8]) -> Option<(MapPageId, Self)> {
        let kind = match u8_at(bytes, 4) {
            1 => MapKind::Pages,
            2 => MapKind::Slots,
            _ => return None,
        };
        let id = MapPageId {
            kind,
            level: u8_at(bytes, 5),
            index: u32_at(bytes, 8),
        };
        Self::decode(id, bytes).ok().map(|page| (id, page))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn id(kind: MapKind, level: u8, index: u32) -> MapPageId {
        MapPageId { kind, level, index }
    }

    /// All ids of the largest trees, thinned: every upper page, and leaves around region edges.
    fn ids() -> Vec<MapPageId> {
        let mut ids = Vec::new();
        for kind in [MapKind::Pages, MapKind::Slots] {
            for level in 0..height_of(kind, u32::MAX) {
                let len = level_len(kind, level, u32::MAX);
                let edge = if kind == MapKind::Pages {
                    MAP_FANOUT
                } else {
                    16
                };
                let all = level > 0 || kind == MapKind::Slots;
                let kept = |i: &u32| all || *i < 2000 || i % edge <= 1 || *i > len - 2000;
                ids.extend((0..len).filter(kept).map(|index| id(kind, level, index)));
            }
        }
        ids
    }

    #[test]
    fn no_two_pages_share_a_home() {
        let mut homes = BTreeMap::new();
        for id in ids() {
            assert_eq!(id.home() % MAP_PAGE_LEN as u64, 0);
            assert!(id.home() >= HOMES_START);
            let earlier = homes.insert(id.home(), id);
            assert_eq!(earlier, None, "{id:?} has the home of another");
        }
    }

    #[test]
    fn a_tree_is_as_high_as_its_count_needs() {
        for (kind, count, height) in [
            (MapKind::Pages, 0, 0),
            (MapKind::Pages, 1, 1),
            (MapKind::Pages, 508, 1),
            (MapKind::Pages, 509, 2),
            (MapKind::Pages, 508 * 508 + 1, 3),
            (MapKind::Pages, u32::MAX, 4),
            (MapKind::Slots, 32_512, 1),
            (MapKind::Slots, 32_513, 2),
            (MapKind::Slots, u32::MAX, 3),
        ] {
            assert_eq!(height_of(kind, count), height, "{kind:?} of {count}");
        }
    }

    #[test]
    fn entries_children_and_words_are_read_back() {
        let leaf = id(MapKind::Pages, 0, 3);
        let mut page = MapPage::new(leaf);
        page.set_entry(507, Slot(9), 77);
        let crc = page.seal();
        let page = MapPage::decode(leaf, page.bytes()).unwrap();
        assert_eq!(
            (page.entry(507), page.entry(0), page.crc()),
            ((Slot(9), 77), (Slot(0), 0), crc)
        );

        let upper = id(MapKind::Slots, 1, 0);
        let mut page = MapPage::new(upper);
        page.set_child(2, 5);
        page.seal();
        assert_eq!(MapPage::decode(upper, page.bytes()).unwrap().child(2), 5);

        let mut page = MapPage::new(id(MapKind::Slots, 0, 0));
        page.set_word(507, 0x0102_0304_0506_0708);
        assert_eq!(page.word(507), 0x0102_0304_0506_0708);
    }

    #[test]
    fn another_pages_bytes_are_refused() {
        let mut page = MapPage::new(id(MapKind::Pages, 0, 3));
        page.seal();
        for other in [
            (MapKind::Slots, 0, 3),
            (MapKind::Pages, 1, 3),
            (MapKind::Pages, 0, 4),
        ] {
            assert!(MapPage::decode(id(other.0, other.1, other.2), page.bytes()).is_err());
        }
        assert_eq!(
            MapPage::identify(page.bytes()).unwrap().0,
            id(MapKind::Pages, 0, 3)
        );
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_refused(bit in 0_usize..MAP_PAGE_LEN * 8) {
            let leaf = id(MapKind::Pages, 0, 1);
            let mut page = MapPage::new(leaf);
            page.set_entry(4, Slot(1), 2);
            page.seal();
            let mut bytes = page.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(MapPage::decode(leaf, &bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, level: u8, index: u32) {
            prop_assert!(MapPage::decode(id(MapKind::Pages, level, index), &bytes).is_err());
            prop_assert!(MapPage::identify(&bytes).is_none());
            prop_assert!(id(MapKind::Slots, level, index).home() >= HOMES_START);
        }
    }
}
