//! The pages of a damaged database as trees read them: each one where it is known to be, or an error.

use std::cell::Cell;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::disk_format::{PAGE_HEADER_LEN, PageExpectation, expect_overflow};
use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::pages::{NothingHeld, ReadPages};

use super::addresses::Addresses;

/// Pages by their addresses.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) addresses: Addresses,
    data: Arc<dyn DiskFile>,
    /// Whether an extent that is uncertain was read since this was last looked at.
    uncertain_extent: Cell<bool>,
}

impl Pages {
    pub(super) fn new(addresses: Addresses, data: Arc<dyn DiskFile>) -> Self {
        Self {
            addresses,
            data,
            uncertain_extent: Cell::new(false),
        }
    }

    pub(super) fn take_uncertain_extent(&self) -> bool {
        self.uncertain_extent.take()
    }

    pub(super) fn page_size(&self) -> usize {
        self.addresses.geometry.page_size as usize
    }

    /// Where a page is in `data`; 0 if that is not known.
    pub(super) fn offset_of(&self, page: PageNo) -> u64 {
        let place = self.addresses.get(page);
        place.map_or(0, |place| self.addresses.geometry.slot_offset(place.slot))
    }

    fn read(&self, page: PageNo, buf: &mut [u8]) -> Result<(), StorageError> {
        let damage = |offset, expected: String, actual: String| {
            StorageError::corruption("data", offset, Some(page), expected, actual)
        };
        let Some(place) = self.addresses.get(page) else {
            return Err(damage(
                0,
                "a page".to_owned(),
                "none in any slot".to_owned(),
            ));
        };
        let offset = self.addresses.geometry.slot_offset(place.slot);
        self.data
            .read_at(offset, buf)
            .map_err(|error| damage(offset, "a page".to_owned(), error.to_string()))?;
        let expected = PageExpectation {
            page_no: page,
            crc: place.crc,
            newest: Version(u64::MAX),
        };
        expected
            .check(buf)
            .map_err(|error| damage(offset, error.expected_text(), error.actual_text()))
    }

    fn piece_len(&self) -> usize {
        self.page_size().saturating_sub(PAGE_HEADER_LEN).max(1)
    }

    /// How many pages an extent of `len` bytes takes, if there are so many.
    pub(super) fn extent_pages(&self, len: u64) -> Option<u32> {
        u32::try_from(len.div_ceil(self.piece_len() as u64)).ok()
    }
}

impl ReadPages for Pages {
    type Held<'h> = NothingHeld;

    fn hold(&self) -> NothingHeld {
        NothingHeld
    }

    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        let mut image = Image::zeroed(self.page_size());
        self.read(no, image.make_mut())?;
        Ok(image)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        let misfit = |page, actual: String| {
            let offset = self.offset_of(page);
            StorageError::corruption("data", offset, Some(page), "a piece of an extent", actual)
        };
        let count = self.extent_pages(len);
        let end = count.and_then(|count| first.get().checked_add(count));
        let all = end.map(|end| (first.get()..end).map(PageNo));
        // No memory is asked for before every piece is known to be somewhere.
        let missing = all
            .clone()
            .map(|mut all| all.find(|no| self.addresses.get(*no).is_none()));
        let (Some(all), Some(None)) = (all, missing) else {
            let page = missing.flatten().unwrap_or(first);
            return Err(misfit(page, format!("none in any slot, of {len} bytes")));
        };
        let len = usize::try_from(len).map_err(|_| misfit(first, format!("{len} bytes")))?;
        let mut value = Image::zeroed(len);
        let mut page = vec![0; self.page_size()];
        let mut version = None;
        for (no, part) in all.zip(value.make_mut().chunks_mut(self.piece_len())) {
            self.read(no, &mut page)?;
            expect_overflow(&page).map_err(|kind| misfit(no, format!("a page of kind {kind}")))?;
            let of_page = page.first_chunk::<8>().copied();
            if *version.get_or_insert(of_page) != of_page {
                return Err(misfit(no, "a piece of another value".to_owned()));
            }
            let piece = page
                .get(PAGE_HEADER_LEN..)
                .and_then(|rest| rest.get(..part.len()));
            part.copy_from_slice(piece.ok_or_else(|| misfit(no, "less".to_owned()))?);
            if self.addresses.is_uncertain(no) {
                self.uncertain_extent.set(true);
            }
        }
        Ok(value)
    }
}
