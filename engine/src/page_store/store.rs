//! Pages by number and version, in memory or read through the map.
//!
//! It does not know what a page holds, nor when a checkpoint runs.

use std::sync::Arc;

use crate::disk_format::{PAGE_HEADER_LEN, PageHeader, expect_overflow};
use crate::error::StorageError;
use crate::ids::{PageNo, Slot, Version};
use crate::image::Image;
use crate::map::{Map, PageAddress};

use super::page_table::{Found, PageTable};
use super::snapshots::Snapshots;

/// One version of a page.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An ordinary page.
    Page(Image),
    /// The whole value of the extent that starts here.
    Extent(Image),
    /// An extent that was freed before anybody read it: its slots are pinned for old snapshots.
    Stored(Arc<StoredExtent>),
    /// The page is not used.
    Freed,
}

#[derive(Debug)]
pub(super) struct StoredExtent {
    pub(super) pieces: Vec<PageAddress>,
    pub(super) len: u64,
}

/// The pages of one database.
#[derive(Debug)]
pub struct PageStore {
    pub(super) map: Arc<Map>,
    pub(super) table: PageTable<Content>,
    pub(super) snapshots: Arc<Snapshots>,
    page_size: usize,
}

impl PageStore {
    /// A store over `map`, published at `version`, for at most `snapshots_max` snapshots at a time.
    pub fn new(map: Arc<Map>, page_size: usize, version: Version, snapshots_max: usize) -> Self {
        let snapshots = Snapshots::new(snapshots_max, version);
        Self {
            map,
            table: PageTable::new(),
            snapshots,
            page_size,
        }
    }

    /// The register of snapshots.
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// The size of a page, in bytes.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Bytes of a value that one piece of an extent holds.
    pub(super) fn piece_len(&self) -> usize {
        self.page_size.saturating_sub(PAGE_HEADER_LEN).max(1)
    }

    /// How many pages an extent of `len` bytes takes; `None` if more than there are page numbers.
    pub fn extent_pages(&self, len: u64) -> Option<u32> {
        u32::try_from(len.div_ceil(self.piece_len() as u64))
            .ok()
            .filter(|count| *count > 0)
    }

    pub(super) fn page_at(&self, no: PageNo, at: Version) -> Result<Image, StorageError> {
        match self.table.find(no, at, Clone::clone) {
            Found::Content(Content::Page(image)) => Ok(image),
            Found::Content(other) => Err(misfit(no, "a page", other.describe())),
            Found::NotYet => Err(misfit(no, "a page", "one that is not allocated yet")),
            Found::NotLoaded => self.load_page(no, at),
        }
    }

    fn load_page(&self, no: PageNo, at: Version) -> Result<Image, StorageError> {
        let mut image = Image::zeroed(self.page_size);
        let read = self.map.read_page(no, image.make_mut());
        let version = PageHeader::read(&image).version;
        if (read.is_err() || version > at) && self.table.find(no, at, |_| ()) != Found::NotLoaded {
            // It was changed since this reader looked, and maybe its slot reused: by now the chain has it.
            return self.page_at(no, at);
        }
        read?;
        if version > at {
            return Err(misfit(
                no,
                &format!("version {at} or older"),
                &format!("version {version}"),
            ));
        }
        self.table
            .install(no, version, Content::Page(image.clone()));
        Ok(image)
    }

    pub(super) fn extent_at(
        &self,
        first: PageNo,
        len: u64,
        at: Version,
    ) -> Result<Image, StorageError> {
        let image = match self.table.find(first, at, Clone::clone) {
            Found::Content(Content::Extent(image)) => image,
            Found::Content(Content::Stored(stored)) if stored.len == len => {
                self.read_pieces(first, len, &stored.pieces)?
            }
            Found::Content(other) => return Err(misfit(first, "an extent", other.describe())),
            Found::NotYet => return Err(misfit(first, "an extent", "a page not allocated yet")),
            Found::NotLoaded => self.load_extent(first, len, at)?,
        };
        if image.len() as u64 == len {
            return Ok(image);
        }
        let actual = format!("{} bytes", image.len());
        Err(misfit(first, &format!("an extent of {len} bytes"), &actual))
    }

    fn load_extent(&self, first: PageNo, len: u64, at: Version) -> Result<Image, StorageError> {
        let pieces = self.addresses(first, len);
        let read = pieces
            .clone()
            .and_then(|pieces| self.read_pieces(first, len, &pieces));
        let image = match (read, pieces) {
            // A compaction has moved it, and maybe its slots were reused.
            (Err(_), Ok(old)) if self.addresses(first, len).is_ok_and(|now| now != old) => {
                return self.load_extent(first, len, at);
            }
            // It was freed and left the map since this reader looked, and maybe its slots were reused: by now
            // the chain has it.
            (Err(_), _) if self.table.find(first, at, |_| ()) != Found::NotLoaded => {
                return self.extent_at(first, len, at);
            }
            (image, _) => image?,
        };
        self.table
            .install(first, Version(0), Content::Extent(image.clone()));
        Ok(image)
    }

    /// Makes an extent that nobody has read readable from its slots after it is freed.
    pub(super) fn keep_stored(
        &self,
        first: PageNo,
        len: u64,
        at: Version,
    ) -> Result<(), StorageError> {
        if self.table.find(first, at, |_| ()) != Found::NotLoaded {
            return self.extent_at(first, len, at).map(drop);
        }
        let count = self.addresses(first, len)?.len();
        // Pinned one by one, each where it is now: a compaction may move them.
        let numbers = (first.get()..).map(PageNo).take(count);
        let pieces: Vec<PageAddress> = numbers
            .filter_map(|no| self.map.lookup_pinned(no))
            .collect();
        let slots: Vec<Slot> = pieces.iter().map(|piece| piece.slot).collect();
        let stored = Content::Stored(Arc::new(StoredExtent { pieces, len }));
        if !self.table.install(first, Version(0), stored) {
            // A reader has just loaded it.
            for slot in &slots {
                self.map.unpin(*slot);
            }
        }
        Ok(())
    }

    /// Where the pieces are. The length comes from a page and may be damaged, so it is checked before
    /// memory is reserved.
    fn addresses(&self, first: PageNo, len: u64) -> Result<Vec<PageAddress>, StorageError> {
        let too_long = || {
            misfit(
                first,
                "an extent within the mapped pages",
                &format!("{len} bytes"),
            )
        };
        let count = self.extent_pages(len).ok_or_else(too_long)?;
        let end = first.get().checked_add(count).ok_or_else(too_long)?;
        if end > self.map.page_count() {
            return Err(too_long());
        }
        (first.get()..end)
            .map(PageNo)
            .map(|no| {
                self.map
                    .lookup(no)
                    .ok_or_else(|| self.map.not_mapped(no, "a piece of an extent"))
            })
            .collect()
    }

    fn read_pieces(
        &self,
        first: PageNo,
        len: u64,
        pieces: &[PageAddress],
    ) -> Result<Image, StorageError> {
        let too_long = || {
            misfit(
                first,
                "an extent that fits in memory",
                &format!("{len} bytes"),
            )
        };
        let mut image = Image::zeroed(usize::try_from(len).map_err(|_| too_long())?);
        let mut page = vec![0; self.page_size];
        let parts = image.make_mut().chunks_mut(self.piece_len());
        for ((no, address), part) in (first.get()..).map(PageNo).zip(pieces).zip(parts) {
            self.map.read_slot(no, *address, &mut page)?;
            expect_overflow(&page).map_err(|kind| {
                misfit(
                    no,
                    "a piece of an extent",
                    &format!("a page of kind {kind}"),
                )
            })?;
            let piece = page
                .get(PAGE_HEADER_LEN..)
                .and_then(|rest| rest.get(..part.len()));
            part.copy_from_slice(piece.ok_or_else(too_long)?);
        }
        Ok(image)
    }
}

impl Content {
    fn describe(&self) -> &'static str {
        match self {
            Self::Page(_) => "an ordinary page",
            Self::Extent(_) | Self::Stored(_) => "an extent of another length",
            Self::Freed => "a free page",
        }
    }
}

/// A page that is reached is not what the page that names it says.
pub(super) fn misfit(no: PageNo, expected: &str, actual: &str) -> StorageError {
    StorageError::corruption("data", 0, Some(no), expected, actual)
}
