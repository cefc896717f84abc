//! Pages by number and version: in memory, or read through the map or from a pinned slot.
//!
//! A page that is read from disk is kept as the newest version only if no checkpoint was completed since it was
//! looked up in the map and its chain is still empty: then nothing newer can exist.
//!
//! It does not know what a page holds, nor when a checkpoint runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::map::Map;
use crate::options::Limits;

use super::cache::{Cache, Editing, make_room};
use super::content::{self, Content, Kind, Sight, Stored};
use super::disk_pages::{DiskPages, misfit};
use super::link::ItemRef;
use super::loads::{Join, Loads, Source};
use super::page_table::{Fate, Found, PageTable};
use super::snapshots::Snapshots;

/// An image larger than this share of the memory, one in so many, is read anew each time.
const LARGE_SHARE: u64 = 4;

/// What a page of the database takes besides its image: entries of the map, the page table and the queues, and the
/// map pages that a checkpoint writes.
const TABLE_BYTES: u64 = 40;
/// They get one part in so many of the memory at least, from the start: what images once had does not all go back to the system
/// when tables grow.
const TABLES_LEAST: u64 = 8;
/// And so many at most.
const TABLES_MOST: u64 = 4;

/// The pages of one database.
#[derive(Debug)]
pub struct PageStore {
    pub(super) disk: DiskPages,
    pub(super) table: PageTable<Content, Cache>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) snapshot_bytes: u64,
    /// The version of the last commit that changed the catalog since this was opened.
    pub(super) tables_changed: AtomicU64,
    pub(super) memory: u64,
    pub(super) loads: Loads,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    loads: AtomicU64,
    waits: AtomicU64,
}

/// What the pages in memory take, and how often they were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Bytes of page images in memory.
    pub resident_bytes: u64,
    /// Bytes among them of versions that only old snapshots see.
    pub superseded_bytes: u64,
    /// Pages looked up by snapshots and transactions.
    pub page_reads: u64,
    /// Pages and large values read from disk.
    pub loads: u64,
    /// Look-ups that waited for another thread's read.
    pub load_waits: u64,
    /// Images that left memory and can be read again.
    pub evictions: u64,
}

impl PageStore {
    /// A store over `map`, published at `version`.
    pub fn new(map: Arc<Map>, page_size: usize, version: Version, limits: &Limits) -> Self {
        let cache = Cache::new(map.superblock().version);
        Self {
            disk: DiskPages { map, page_size },
            table: PageTable::new(cache),
            snapshots: Snapshots::new(limits.snapshots, version),
            snapshot_bytes: limits.snapshot_share(),
            tables_changed: AtomicU64::new(0),
            memory: limits.memory,
            loads: Loads::default(),
            counters: Counters::default(),
        }
    }

    /// The register of snapshots.
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// The size of a page, in bytes.
    pub fn page_size(&self) -> usize {
        self.disk.page_size
    }

    /// How many pages an extent of `len` bytes takes; `None` if more than there are page numbers.
    pub fn extent_pages(&self, len: u64) -> Option<u32> {
        self.disk.extent_pages(len)
    }

    /// What the pages in memory take, and how often they were not there.
    pub fn stats(&self) -> CacheStats {
        let mut edit = self.table.edit();
        let (_, cache) = edit.parts();
        CacheStats {
            resident_bytes: cache.resident,
            superseded_bytes: cache.superseded,
            page_reads: self.snapshots.page_reads(),
            loads: self.counters.loads.load(Ordering::Relaxed),
            load_waits: self.counters.waits.load(Ordering::Relaxed),
            evictions: cache.evictions,
        }
    }

    pub(super) fn page_at(&self, no: PageNo, at: Version) -> Result<Image, StorageError> {
        match self.table.find(no, at, content::see) {
            Found::Content(Sight::Image(Kind::Page, image)) => Ok(image),
            other => self.fetch(no, at, (Kind::Page, self.disk.page_size as u64), other),
        }
    }

    pub(super) fn extent_at(
        &self,
        first: PageNo,
        len: u64,
        at: Version,
    ) -> Result<Image, StorageError> {
        let found = self.table.find(first, at, content::see);
        self.fetch(first, at, (Kind::Extent, len), found)
    }

    /// Reads what a look-up did not find in memory.
    fn fetch(
        &self,
        no: PageNo,
        at: Version,
        (kind, len): (Kind, u64),
        mut found: Found<Sight>,
    ) -> Result<Image, StorageError> {
        loop {
            let image = match found {
                Found::Content(Sight::Image(actual, image)) if actual == kind => Some(image),
                Found::Content(Sight::Image(..) | Sight::Freed) => {
                    return Err(misfit(no, kind.describe(), "a page of another kind"));
                }
                Found::NotYet => {
                    return Err(misfit(no, kind.describe(), "one that is not allocated yet"));
                }
                Found::Content(Sight::Stored(stored)) => {
                    if (stored.kind, stored.len) != (kind, len) {
                        let actual = format!("another of {} bytes", stored.len);
                        return Err(misfit(no, kind.describe(), &actual));
                    }
                    self.load_stored(no, at, &stored)?
                }
                Found::NotLoaded | Found::Content(Sight::Mapped) => {
                    self.load_newest(no, at, (kind, len))?
                }
            };
            if let Some(image) = image {
                if image.len() as u64 == len {
                    return Ok(image);
                }
                let expected = format!("{} of {len} bytes", kind.describe());
                return Err(misfit(no, &expected, &format!("{} bytes", image.len())));
            }
            found = self.table.find(no, at, content::see);
        }
    }

    /// What the map says a page is. Nothing, if the chain has changed so that another look is due.
    fn load_newest(
        &self,
        no: PageNo,
        at: Version,
        (kind, len): (Kind, u64),
    ) -> Result<Option<Image>, StorageError> {
        let claim = match self.loads.join(Source::Newest(kind, no)) {
            Join::Lead(claim) => claim,
            Join::Followed(result) => return Ok(self.followed(result, at)),
        };
        // Another thread may have brought it since this one looked.
        if !matches!(
            self.table.find(no, at, content::is_mapped),
            Found::NotLoaded | Found::Content(true)
        ) {
            return Ok(None);
        }
        let durable = self.durable();
        self.count_loads(1);
        let read = match kind {
            Kind::Page => self.disk.read_page(no),
            Kind::Extent => self
                .disk
                .read_extent(no, len)
                .map(|image| (Version(0), image)),
        };
        let (version, image) = match read {
            Ok(read) => read,
            Err(error) => {
                return if self.is_still_mapped(no, durable) {
                    Err(error)
                } else {
                    Ok(None)
                };
            }
        };
        let is_newest = self.keep_newest(no, (kind, version), &image, durable)?;
        if is_newest {
            claim.tell(version, image.clone());
        }
        if version <= at {
            return Ok(Some(image));
        }
        if is_newest && !self.is_chained(no) {
            let expected = format!("version {at} or older");
            return Err(misfit(no, &expected, &format!("version {version}")));
        }
        Ok(None)
    }

    fn followed(&self, result: Option<(Version, Image)>, at: Version) -> Option<Image> {
        self.counters.waits.fetch_add(1, Ordering::Relaxed);
        let (_, image) = result.filter(|(version, _)| *version <= at)?;
        Some(image)
    }

    /// Counts pages that are read from disk.
    pub(super) fn count_loads(&self, pages: u64) {
        self.counters.loads.fetch_add(pages, Ordering::Relaxed);
    }

    pub(super) fn durable(&self) -> Version {
        self.table.edit().parts().1.durable
    }

    pub(super) fn is_chained(&self, no: PageNo) -> bool {
        self.table.edit().parts().0.head(no, |_, _| ()).is_some()
    }

    /// Whether the map is what a look-up found it to be, and still tells of `no`.
    fn is_still_mapped(&self, no: PageNo, durable: Version) -> bool {
        let mut edit = self.table.edit();
        let (chains, cache) = edit.parts();
        let head = chains.head(no, |_, item| item.is_mapped());
        cache.durable == durable && head.unwrap_or(true)
    }

    /// Keeps what was read as the newest version, if it is. `durable` was read before the map was asked.
    pub(super) fn keep_newest(
        &self,
        no: PageNo,
        (kind, version): (Kind, Version),
        image: &Image,
        durable: Version,
    ) -> Result<bool, StorageError> {
        let mut edit = self.table.edit();
        let (mut chains, cache) = edit.parts();
        if cache.durable != durable {
            return Ok(false);
        }
        let bytes = image.len() as u64;
        let head = chains.head(no, |version, item| (version, item.is_mapped()));
        match head {
            None => {}
            Some((known, true)) if known == version || kind == Kind::Extent => {}
            Some((known, true)) => {
                let expected = format!("version {known}");
                return Err(misfit(no, &expected, &format!("version {version}")));
            }
            Some((_, false)) => return Ok(false),
        }
        if bytes.saturating_mul(LARGE_SHARE) > self.memory && kind == Kind::Extent {
            return Ok(true);
        }
        let mut item = Some(content::resident(kind, image.clone(), None));
        if head.is_none() {
            if let Some(item) = item.take() {
                chains.push(no, version, item);
            }
        } else {
            chains.retain(no, |seen| match seen.newer {
                None => item.take().map_or(Fate::Keep, Fate::Replace),
                Some(_) => Fate::Keep,
            });
        }
        cache.add(bytes, true);
        cache.policy.admit(no, bytes);
        self.make_room(&mut edit);
        Ok(true)
    }

    /// A superseded version, from the slots that are pinned for it.
    fn load_stored(
        &self,
        no: PageNo,
        at: Version,
        stored: &Arc<Stored>,
    ) -> Result<Option<Image>, StorageError> {
        let first = stored.pieces.first();
        let first = first.ok_or_else(|| misfit(no, "a pinned slot", "none"))?;
        let claim = match self.loads.join(Source::Slot(*first)) {
            Join::Lead(claim) => claim,
            Join::Followed(result) => return Ok(self.followed(result, at)),
        };
        self.count_loads(1);
        let (version, image) = self.disk.read_stored(no, stored)?;
        if version > at {
            let expected = format!("version {at} or older");
            return Err(misfit(no, &expected, &format!("version {version}")));
        }
        self.keep_stored(no, stored, &image);
        claim.tell(version, image.clone());
        Ok(Some(image))
    }

    /// Puts the image of a superseded version back into its chain, if that still has a place for it.
    fn keep_stored(&self, no: PageNo, stored: &Arc<Stored>, image: &Image) {
        let bytes = image.len() as u64;
        if bytes.saturating_mul(LARGE_SHARE) > self.memory && stored.kind == Kind::Extent {
            return;
        }
        let mut edit = self.table.edit();
        let (mut chains, cache) = edit.parts();
        let mut is_kept = false;
        chains.retain(no, |seen| match seen.item {
            ItemRef::Other(Content::Stored(known)) if Arc::ptr_eq(known, stored) => {
                is_kept = true;
                let stored = Some(Arc::clone(stored));
                let kind = known.kind;
                Fate::Replace(content::resident(kind, image.clone(), stored))
            }
            _ => Fate::Keep,
        });
        if is_kept {
            cache.add(bytes, false);
            cache.policy.admit(no, bytes);
            self.make_room(&mut edit);
        }
    }

    pub(super) fn make_room(&self, edit: &mut Editing<'_>) {
        let memory = self.memory_for_images(edit.parts().1);
        make_room(edit, &self.disk, memory);
    }

    /// Whether images take more than they may.
    pub(super) fn lacks_room(&self, edit: &mut Editing<'_>) -> bool {
        let cache = edit.parts().1;
        cache.used() > self.memory_for_images(cache)
    }

    fn memory_for_images(&self, cache: &Cache) -> u64 {
        let pages = cache.policy.pages_known();
        let tables = pages.saturating_mul(TABLE_BYTES);
        self.memory - tables.clamp(self.memory / TABLES_LEAST, self.memory / TABLES_MOST)
    }

    /// Says how much memory a commit group holds.
    pub(super) fn set_private(&self, bytes: u64) {
        let mut edit = self.table.edit();
        edit.parts().1.private = bytes;
        self.make_room(&mut edit);
    }
}

impl Kind {
    fn describe(self) -> &'static str {
        match self {
            Self::Page => "an ordinary page",
            Self::Extent => "an extent",
        }
    }
}
