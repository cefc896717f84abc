//! What the map should hold, kept in a `BTreeMap`, and random checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::disk::Disk;
use crate::disk_format::{Geometry, PAGE_HEADER_LEN, PageHeader};
use crate::error::StorageError;
use crate::ids::{LogPosition, Lsn, PageNo, Version};
use crate::map::{Access, Map};

/// A seeded generator (splitmix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn page(&mut self, pages: u32) -> PageNo {
        PageNo(1 + u32::try_from(self.below(pages.into())).unwrap())
    }
}

pub(crate) const fn geometry(page_size: u32) -> Geometry {
    Geometry {
        page_size,
        segment_len: 1 << 20,
        salt: 0x5a17,
    }
}

pub(crate) fn create(disk: &Arc<dyn Disk>, page_size: u32) -> Map {
    Map::create(disk, geometry(page_size), LogPosition::default()).unwrap()
}

pub(crate) fn recover(disk: &Arc<dyn Disk>) -> Map {
    Map::recover(disk, Access::ReadWrite).unwrap().0
}

/// The image of `page` as of `version`; the stamped fields are left zero.
pub(crate) fn image(page_size: u32, page: PageNo, version: Version) -> Vec<u8> {
    let mut image = vec![0; page_size as usize];
    let mut rng = Rng(u64::from(page.get()) << 32 ^ version.get());
    for chunk in image[PAGE_HEADER_LEN..].chunks_mut(8) {
        chunk.copy_from_slice(&rng.next().to_le_bytes()[..chunk.len()]);
    }
    image
}

/// The pages of one checkpoint, by the version they were last written at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) version: Version,
    pub(crate) pages: BTreeMap<PageNo, Version>,
    highest: u32,
}

/// What one checkpoint changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) writes: BTreeSet<PageNo>,
    pub(crate) frees: BTreeSet<PageNo>,
    /// Whether the ends are lowered, and the files cut.
    pub(crate) lowers: bool,
}

impl Step {
    pub(crate) fn writing(pages: impl IntoIterator<Item = u32>) -> Self {
        Self {
            writes: pages.into_iter().map(PageNo).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn freeing(pages: impl IntoIterator<Item = u32>) -> Self {
        Self {
            frees: pages.into_iter().map(PageNo).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn lowering(self) -> Self {
        Self {
            lowers: true,
            ..self
        }
    }

    /// Up to `most` writes and half as many frees, now and then nothing at all.
    pub(crate) fn random(rng: &mut Rng, pages: u32, most: u64) -> Self {
        let mut step = Self::default();
        for _ in 0..rng.below(most + 1) {
            step.writes.insert(rng.page(pages));
        }
        for _ in 0..rng.below(most / 2 + 1) {
            let page = rng.page(pages);
            if !step.writes.contains(&page) {
                step.frees.insert(page);
            }
        }
        step.lowers = rng.below(4) == 0;
        step
    }
}

impl Model {
    /// What holds after `step`.
    pub(crate) fn after(&self, step: &Step) -> Self {
        let mut next = self.clone();
        next.version = Version(self.version.get() + 1);
        for &page in &step.writes {
            next.pages.insert(page, next.version);
            next.highest = next.highest.max(page.get() + 1);
        }
        for page in &step.frees {
            next.pages.remove(page);
        }
        if step.lowers {
            let last = next.pages.last_key_value();
            next.highest = last.map_or(0, |(page, _)| page.get() + 1);
        }
        next
    }

    pub(crate) fn log_start(&self) -> LogPosition {
        LogPosition {
            lsn: Lsn(self.version.get() * 64),
            chain: 3,
        }
    }

    /// Asserts that the map holds exactly this, and that its files agree.
    pub(crate) fn assert_held_by(&self, map: &Map) {
        let superblock = map.superblock();
        assert_eq!(superblock.version, self.version);
        if self.version.get() > 0 {
            assert_eq!(superblock.log_start, self.log_start());
        }
        assert_eq!(map.page_count(), self.highest);
        let free: Vec<_> = (1..self.highest).map(PageNo).collect();
        let free: Vec<_> = free
            .into_iter()
            .filter(|p| !self.pages.contains_key(p))
            .collect();
        assert_eq!(map.free_pages(), free);
        assert_eq!(map.stats().slots_used as usize, self.pages.len());
        for (&page, &version) in &self.pages {
            Self::assert_page(map, page, version);
        }
        assert_eq!(map.verify().unwrap(), Vec::<String>::new());
    }

    /// Asserts that the map holds some of it and nothing else, and that the rest is damage.
    pub(crate) fn assert_partly_held_by(&self, map: &Map) {
        let mut read = vec![0; map.geometry().page_size as usize];
        let mut lost = 0;
        for (&page, &version) in &self.pages {
            match map.read_page(page, &mut read) {
                Ok(()) => Self::assert_page(map, page, version),
                Err(StorageError::Corruption(place)) => {
                    assert_eq!(place.file, "map");
                    lost += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(lost > 0 && lost < self.pages.len(), "{lost} lost");
        assert!(!map.verify().unwrap().is_empty());
        let is_known_free = |page: &PageNo| !self.pages.contains_key(page);
        assert!(map.free_pages().iter().all(is_known_free));
    }

    fn assert_page(map: &Map, page: PageNo, version: Version) {
        let page_size = map.geometry().page_size;
        let mut read = vec![0; page_size as usize];
        map.read_page(page, &mut read)
            .unwrap_or_else(|error| panic!("page {page}: {error}"));
        assert_eq!(PageHeader::read(&read).version, version, "page {page}");
        let right = image(page_size, page, version);
        assert!(
            read[PAGE_HEADER_LEN..] == right[PAGE_HEADER_LEN..],
            "content of page {page}"
        );
    }
}

/// Takes a checkpoint that makes `model` hold, and moves `model` on.
pub(crate) fn checkpoint(map: &Map, model: &mut Model, step: &Step) -> Result<(), StorageError> {
    let next = model.after(step);
    let page_size = map.geometry().page_size;
    let mut checkpoint = map.begin()?;
    for &page in &step.writes {
        checkpoint.write_page(page, next.version, &image(page_size, page, next.version))?;
    }
    for &page in &step.frees {
        checkpoint.free_page(page);
    }
    if step.lowers {
        checkpoint.lower_ends();
    }
    checkpoint.sync_data()?;
    checkpoint.commit(next.version, next.log_start())?;
    map.trim(0);
    *model = next;
    if step.lowers {
        map.cut(0);
        map.cut_map(PageNo(model.highest));
    }
    Ok(())
}
