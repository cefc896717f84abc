//! Pages and extents as they stand in slots.

use std::sync::Arc;

use crate::disk_format::{PAGE_HEADER_LEN, PageHeader, expect_overflow};
use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::map::{Map, PageAddress};

use super::content::{Kind, Stored};

/// The slots, by page number and by address.
#[derive(Debug)]
pub(super) struct DiskPages {
    pub(super) map: Arc<Map>,
    pub(super) page_size: usize,
}

impl DiskPages {
    /// Bytes of a value that one piece of an extent holds.
    fn piece_len(&self) -> usize {
        self.page_size.saturating_sub(PAGE_HEADER_LEN).max(1)
    }

    /// How many pages an extent of `len` bytes takes; `None` if more than there are page numbers.
    pub(super) fn extent_pages(&self, len: u64) -> Option<u32> {
        u32::try_from(len.div_ceil(self.piece_len() as u64))
            .ok()
            .filter(|count| *count > 0)
    }

    /// The newest version of a page that the map knows, and which it is.
    pub(super) fn read_page(&self, no: PageNo) -> Result<(Version, Image), StorageError> {
        let mut image = Image::zeroed(self.page_size);
        self.map.read_page(no, image.make_mut())?;
        let version = PageHeader::read(&image).version;
        Ok((version, image))
    }

    /// Those of `pages` that can be read, in the order of their slots.
    pub(super) fn read_pages(&self, pages: &[PageNo]) -> Vec<(PageNo, Version, Image)> {
        let mut images = Vec::with_capacity(pages.len());
        self.map.read_runs(pages, &mut |no, bytes| {
            images.push((no, PageHeader::read(bytes).version, Image::copy_of(bytes)));
        });
        images
    }

    /// The extent that the map knows. Its slots are pinned meanwhile: a compaction may move it.
    pub(super) fn read_extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        self.addresses(first, len)?;
        let pinned = self.pin(first, Kind::Extent, Version(0), len);
        let pinned = pinned.ok_or_else(|| misfit(first, "an extent", "a free page"))?;
        let read = self.read_pieces(first, len, &pinned.pieces);
        pinned.unpin(&self.map);
        read
    }

    /// What is in pinned slots, and its version; 0 for an extent.
    pub(super) fn read_stored(
        &self,
        no: PageNo,
        stored: &Stored,
    ) -> Result<(Version, Image), StorageError> {
        if stored.kind == Kind::Extent {
            let image = self.read_pieces(no, stored.len, &stored.pieces)?;
            return Ok((Version(0), image));
        }
        let address = stored.pieces.first();
        let address = address.ok_or_else(|| misfit(no, "a pinned slot", "none"))?;
        let mut image = Image::zeroed(self.page_size);
        self.map.read_slot(no, *address, image.make_mut())?;
        let version = PageHeader::read(&image).version;
        if stored.version != Version(0) && stored.version != version {
            let expected = format!("version {}", stored.version);
            return Err(misfit(no, &expected, &format!("version {version}")));
        }
        Ok((version, image))
    }

    /// Where the pieces are. The length comes from a page and may be damaged, so it is checked before
    /// memory is reserved.
    pub(super) fn addresses(
        &self,
        first: PageNo,
        len: u64,
    ) -> Result<Vec<PageAddress>, StorageError> {
        let too_long = || {
            let expected = "an extent within the mapped pages";
            misfit(first, expected, &format!("{len} bytes"))
        };
        let count = self.extent_pages(len).ok_or_else(too_long)?;
        let end = first.get().checked_add(count).ok_or_else(too_long)?;
        if end > self.map.page_count() {
            return Err(too_long());
        }
        let pieces = (first.get()..end).map(PageNo).map(|no| {
            let address = self.map.lookup(no);
            address.ok_or_else(|| self.map.not_mapped(no, "a piece of an extent"))
        });
        pieces.collect()
    }

    fn read_pieces(
        &self,
        first: PageNo,
        len: u64,
        pieces: &[PageAddress],
    ) -> Result<Image, StorageError> {
        let too_long = || {
            let expected = "an extent that fits in memory";
            misfit(first, expected, &format!("{len} bytes"))
        };
        let mut image = Image::zeroed(usize::try_from(len).map_err(|_| too_long())?);
        let mut page = vec![0; self.page_size];
        let parts = image.make_mut().chunks_mut(self.piece_len());
        for ((no, address), part) in (first.get()..).map(PageNo).zip(pieces).zip(parts) {
            self.map.read_slot(no, *address, &mut page)?;
            expect_overflow(&page).map_err(|kind| {
                let actual = format!("a page of kind {kind}");
                misfit(no, "a piece of an extent", &actual)
            })?;
            let piece = page.get(PAGE_HEADER_LEN..);
            let piece = piece.and_then(|rest| rest.get(..part.len()));
            part.copy_from_slice(piece.ok_or_else(too_long)?);
        }
        Ok(image)
    }

    /// Pins what the map says of a page, or of an extent of `len` bytes.
    pub(super) fn pin(
        &self,
        no: PageNo,
        kind: Kind,
        version: Version,
        len: u64,
    ) -> Option<Arc<Stored>> {
        let count = match kind {
            Kind::Page => 1,
            Kind::Extent => self.extent_pages(len)?,
        };
        let mut stored = Stored {
            kind,
            version,
            pieces: Vec::new(),
            len,
        };
        for number in no.get()..no.get().checked_add(count)? {
            let Some(address) = self.map.lookup_pinned(PageNo(number)) else {
                stored.unpin(&self.map);
                return None;
            };
            stored.pieces.push(address);
        }
        Some(Arc::new(stored))
    }
}

/// A page that is reached is not what the page that names it says.
pub(super) fn misfit(no: PageNo, expected: &str, actual: &str) -> StorageError {
    StorageError::corruption("data", 0, Some(no), expected, actual)
}
