//! The map as the layers above see it: where a page is, its bytes verified, and the door to checkpoints.
//!
//! Locking: `state` is written only at the moment a checkpoint is complete (step 5), so readers meet either
//! the old map or the new one. A pin is taken while `state` is held, so no slot is freed between looking it
//! up and pinning it. `writer` is held for moments only, `buffer` before it; `busy` keeps checkpoints and `verify` apart.

use std::io;
use std::sync::PoisonError;

use super::files::{DATA, Files, MAP};
use super::load::Overlay;
use super::pins::Pins;
use super::state::State;
use crate::disk_format::{FormatError, Geometry, MapKind, MapPageId, PageExpectation, Superblock};
use crate::error::StorageError;
use crate::ids::{CheckpointId, PageNo, Slot};
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Whether a database may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading and writing.
    ReadWrite,
    /// Not one byte on disk is changed.
    ReadOnly,
}

/// Where a page is, and what it must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageAddress {
    /// Its slot in `data`.
    pub slot: Slot,
    /// The CRC32C of the page.
    pub crc: u32,
}

impl PageAddress {
    /// Whether this is an address at all: slot 0 says that the page is free.
    pub const fn is_mapped(self) -> bool {
        self.slot.0 != 0
    }
}

/// How full `data` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapStats {
    /// Slots that the last completed checkpoint uses.
    pub slots_used: u32,
    /// Slots within the file that it does not use, pinned ones among them.
    pub slots_free: u32,
    /// Slots that old snapshots pin.
    pub slots_pinned: usize,
    /// Length of `data` in bytes.
    pub data_len: u64,
}

/// The page map of an open database.
#[derive(Debug)]
pub struct Map {
    pub(super) files: Files,
    pub(super) geometry: Geometry,
    pub(super) pins: Pins,
    /// Map pages that are right in memory only; empty unless opened for reading only.
    pub(super) overlay: Overlay,
    /// Held while the buffer's length changes.
    pub(super) buffer: Mutex<()>,
    state: RwLock<State>,
    writer: Mutex<Writer>,
}

/// What outlives a checkpoint besides the map itself.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) access: Access,
    /// No id up to this one is used again.
    pub(super) highest_id: CheckpointId,
    /// A checkpoint or a verification runs.
    pub(super) busy: bool,
    /// The buffer says that the database was closed.
    pub(super) closed: bool,
    /// The failure after which nothing is written any more.
    pub(super) poison: Option<StorageError>,
    /// Bytes of `data` that have space.
    pub(super) data_len: u64,
    /// Bytes of `doublewrite` that have space.
    pub(super) buffer_len: u64,
    /// Bytes of `map` that have space.
    pub(super) homes_end: u64,
    /// Free slots for pages that the next checkpoint moves.
    pub(super) set_aside: u64,
    /// The highest slot that the last checkpoint but one used.
    pub(super) last_freed: Option<Slot>,
}

impl Map {
    pub(super) fn new(files: Files, state: State, writer: Writer, overlay: Overlay) -> Self {
        Self {
            files,
            geometry: state.superblock.geometry,
            pins: Pins::default(),
            overlay,
            buffer: Mutex::new(()),
            state: RwLock::new(state),
            writer: Mutex::new(writer),
        }
    }

    // A panic of a holder leaves neither of the two half changed: both are changed by plain stores.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was fixed when the database was created.
    #[cfg(test)]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Whether an operation has failed after which the disk's state is not known.
    pub fn is_poisoned(&self) -> bool {
        self.writer().poison.is_some()
    }

    /// The superblock of the last completed checkpoint.
    pub fn superblock(&self) -> Superblock {
        self.state().superblock
    }

    /// Where a page is, by the last completed checkpoint. The slot may be reused as soon as a later one has
    /// moved or freed the page.
    pub fn lookup(&self, page: PageNo) -> Option<PageAddress> {
        self.state().lookup(page)
    }

    /// Looks a page up and pins its slot in one step: no checkpoint moves the page in between.
    pub fn lookup_pinned(&self, page: PageNo) -> Option<PageAddress> {
        let state = self.state();
        let address = state.lookup(page)?;
        self.pins.pin(address.slot);
        Some(address)
    }

    /// No page number in use is as high: the highest ever mapped, plus one, or less since a checkpoint lowered it.
    pub fn page_count(&self) -> u32 {
        self.state().superblock.page_count
    }

    /// The page numbers below [`Map::page_count`] that are not mapped, ascending; page 0 is not among them.
    /// Nor are those of which that is not known.
    pub fn free_pages(&self) -> Vec<PageNo> {
        let state = self.state();
        let numbered = (0..).map(PageNo).zip(&state.entries).skip(1);
        numbered
            .filter(|(page, address)| {
                !address.is_mapped() && state.unproven_leaf_of(*page).is_none()
            })
            .map(|(page, _)| page)
            .collect()
    }

    /// Reads a page and verifies it (M4): its checksum by the map, its own number, its version. `buf` has the
    /// length of a page.
    pub fn read_page(&self, page: PageNo, buf: &mut [u8]) -> Result<(), StorageError> {
        let mut address = self
            .lookup(page)
            .ok_or_else(|| self.not_mapped(page, "a mapped page"))?;
        loop {
            let result = self.read_slot(page, address, buf);
            let now = self.lookup(page);
            // A checkpoint may have moved the page, and the next one reused its slot, during the read.
            match now {
                Some(moved) if result.is_err() && moved != address => address = moved,
                _ => return result,
            }
        }
    }

    /// The leaves of the page map that are damaged and could not be rebuilt, with the checksums that their parents have.
    pub fn lost_leaves(&self) -> Vec<(u32, u32)> {
        let state = self.state();
        let id = |index| MapPageId {
            kind: MapKind::Pages,
            level: 0,
            index,
        };
        let lost = state.unproven.iter().copied();
        lost.filter_map(|index| Some((index, state.pages.crc(id(index))?)))
            .collect()
    }

    /// The error of a page that has no address.
    pub fn not_mapped(&self, page: PageNo, expected: &str) -> StorageError {
        match self.state().unproven_leaf_of(page) {
            None => StorageError::corruption(DATA, 0, Some(page), expected, "a free one"),
            Some(leaf) => StorageError::corruption(
                MAP,
                leaf.home(),
                Some(page),
                "the map page that says where the page is",
                "a damaged one that could not be rebuilt",
            ),
        }
    }

    /// Reads and verifies a page from a slot that its reader has pinned, or knows to be in use.
    pub fn read_slot(
        &self,
        page: PageNo,
        address: PageAddress,
        buf: &mut [u8],
    ) -> Result<(), StorageError> {
        self.check_page_len(buf.len())?;
        let offset = self.geometry.slot_offset(address.slot);
        self.files.data.read(offset, buf)?;
        let newest = self.superblock().version;
        let expected = PageExpectation {
            page_no: page,
            crc: address.crc,
            newest,
        };
        expected
            .check(buf)
            .map_err(|error| damage(DATA, offset, Some(page), &error))
    }

    #[cfg(test)]
    /// Keeps a slot from being reused, freed or not. Pins count. The slot must be in use, or pinned already.
    pub fn pin(&self, slot: Slot) {
        self.pins.pin(slot);
    }

    /// Takes one pin off a slot.
    pub fn unpin(&self, slot: Slot) {
        self.pins.unpin(slot);
    }

    /// How full `data` is.
    pub fn stats(&self) -> MapStats {
        let data_len = self.writer().data_len;
        let slots_used = self.state().used.len();
        let bytes = data_len.saturating_sub(self.geometry.slots_start());
        let slots = bytes / u64::from(self.geometry.page_size.max(1));
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        MapStats {
            slots_used,
            slots_free: slots.saturating_sub(slots_used),
            slots_pinned: self.pins.len(),
            data_len,
        }
    }

    pub(super) fn check_page_len(&self, len: usize) -> Result<(), StorageError> {
        if len as u64 == u64::from(self.geometry.page_size) {
            return Ok(());
        }
        let page_size = self.geometry.page_size;
        Err(invalid(format!(
            "{len} bytes, where a page has {page_size}"
        )))
    }
}

/// A mistake of the caller, refused before it can write wrong bytes.
pub(super) fn invalid(why: String) -> StorageError {
    StorageError::io(
        "use",
        DATA,
        io::Error::new(io::ErrorKind::InvalidInput, why),
    )
}

pub(super) fn damage(
    file: &str,
    offset: u64,
    page: Option<PageNo>,
    error: &FormatError,
) -> StorageError {
    StorageError::corruption(
        file,
        offset,
        page,
        error.expected_text(),
        error.actual_text(),
    )
}
