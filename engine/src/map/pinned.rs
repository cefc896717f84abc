//! A checkpoint that is kept as it is while it is copied: none of its slots is reused.
//!
//! It holds the addresses of its pages and the set of its slots, a few bytes a page; writers go on and take other slots.

use std::sync::Arc;

use super::page_map::{Map, PageAddress, damage};
use super::slot_set::SlotSet;
use crate::disk_format::{PAGE_HEADER_LEN, PageExpectation, PageHeader, Superblock};
use crate::error::StorageError;
use crate::ids::PageNo;

/// A completed checkpoint whose slots are pinned until this is dropped.
#[derive(Debug)]
pub struct PinnedCheckpoint {
    map: Arc<Map>,
    superblock: Superblock,
    entries: Vec<PageAddress>,
    slots: Arc<SlotSet>,
}

/// A page of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinnedPage {
    /// Its number.
    pub page: PageNo,
    /// Where it is, and its checksum.
    pub address: PageAddress,
}

impl PinnedCheckpoint {
    /// Pins the last completed checkpoint.
    pub fn take(map: &Arc<Map>) -> Self {
        // The pin is taken while `state` is held: no slot is freed in between.
        let state = map.state();
        let slots = Arc::new(state.used.clone());
        map.pins.pin_all(&slots);
        Self {
            map: Arc::clone(map),
            superblock: state.superblock,
            entries: state.entries.clone(),
            slots,
        }
    }

    /// Its superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Its pages, ascending.
    pub fn pages(&self) -> impl Iterator<Item = PinnedPage> + '_ {
        let numbered = (0..).map(PageNo).zip(&self.entries);
        numbered
            .filter(|(_, address)| address.is_mapped())
            .map(|(page, address)| PinnedPage {
                page,
                address: *address,
            })
    }

    /// Reads a page and verifies it (M4). `buf` has the length of a page.
    pub fn read(&self, page: PinnedPage, buf: &mut [u8]) -> Result<(), StorageError> {
        self.map.check_page_len(buf.len())?;
        let offset = self.map.geometry.slot_offset(page.address.slot);
        self.map.files.data.read(offset, buf)?;
        let expected = PageExpectation {
            page_no: page.page,
            crc: page.address.crc,
            newest: self.superblock.version,
        };
        expected
            .check(buf)
            .map_err(|error| damage(self.map.files.data.name(), offset, Some(page.page), &error))
    }

    /// What a page's header says, unverified: cheap, and good for nothing but to decide that the page must be read.
    pub fn header(&self, page: PinnedPage) -> Result<PageHeader, StorageError> {
        let mut header = [0; PAGE_HEADER_LEN];
        let offset = self.map.geometry.slot_offset(page.address.slot);
        self.map.files.data.read(offset, &mut header)?;
        Ok(PageHeader::read(&header))
    }
}

impl Drop for PinnedCheckpoint {
    fn drop(&mut self) {
        self.map.pins.unpin_all(&self.slots);
    }
}
