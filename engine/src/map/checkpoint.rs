//! Steps 1 and 2 of a checkpoint: dirty pages to free slots, and their sync.
//!
//! M1: only slots are written that the last completed checkpoint does not use and no one pins. Until
//! [`Checkpoint::commit`] has sealed the buffer, dropping the value abandons the attempt: nothing of it is
//! reachable, on disk or in memory. A full disk, or a write that fails, abandons; a sync that fails
//! poisons the map.

use std::io;
use std::sync::atomic::AtomicU64;

use super::files::{DATA, NamedFile, RunWriter};
use super::pace::{Due, Pace};
use super::page_map::{Access, Map, PageAddress, invalid};
use super::shrink::Ends;
use super::state::Changes;
use crate::disk_format::{PageHeader, stamp};
use crate::error::StorageError;
use crate::ids::{CheckpointId, PageNo, Slot, Version};
use crate::sync::let_others_in;

/// What became of an attempt to move a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is in a lower slot.
    Yes,
    /// No slot below its own is free.
    NoRoom,
    /// This checkpoint may move no more: what is free is kept for what is dirty.
    Enough,
    /// It is no longer where it was, changed in this checkpoint anyway, or damaged: it stays as it is.
    Skipped,
}

/// One checkpoint under way.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    pub(super) map: &'a Map,
    pub(super) id: CheckpointId,
    pub(super) changes: Changes,
    pub(super) ends: Ends,
    run: RunWriter,
    /// Slots below this one were looked at.
    cursor: Slot,
    is_synced: bool,
    pace: Pace<'a>,
    /// Pages that may yet be moved.
    moves: u64,
    /// The first failure: pages may be missing, so the attempt can only be dropped.
    failure: Option<StorageError>,
}

impl Map {
    /// Starts a checkpoint. One at a time; its id was never used before. Fails once the map is poisoned.
    pub fn begin(&self) -> Result<Checkpoint<'_>, StorageError> {
        let mut writer = self.writer();
        if let Some(poison) = &writer.poison {
            return Err(poison.clone());
        }
        if writer.access == Access::ReadOnly {
            let error = io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(StorageError::io("checkpoint", DATA, error));
        }
        Self::claim(&mut writer)?;
        let id = CheckpointId(writer.highest_id.get().saturating_add(1));
        writer.highest_id = id;
        Ok(Checkpoint {
            map: self,
            id,
            changes: Changes::new(),
            ends: Ends::default(),
            run: RunWriter::new(&self.files.data),
            cursor: Slot(1),
            is_synced: true,
            pace: Pace::default(),
            moves: writer.set_aside,
            failure: None,
        })
    }
}

impl<'a> Checkpoint<'a> {
    /// Says how to learn whether somebody syncs the log meanwhile: `syncs` counts that. What is written is made durable in small
    /// pieces then, with pauses between.
    #[must_use]
    pub fn beside(mut self, syncs: &'a AtomicU64) -> Self {
        self.pace = Pace::beside(syncs);
        self
    }

    /// Says that the last sync of the log was this checkpoint's own.
    pub fn synced_the_log(&mut self) {
        self.pace.overlook();
    }
}

impl Checkpoint<'_> {
    /// The checkpoint's id.
    #[cfg(test)]
    pub const fn id(&self) -> CheckpointId {
        self.id
    }

    /// Takes a page's image into the checkpoint: stamps a copy and writes it, at the latest in
    /// [`Checkpoint::sync_data`], to a free slot. A later image of the same page replaces an earlier one.
    pub fn write_page(
        &mut self,
        page: PageNo,
        version: Version,
        image: &[u8],
    ) -> Result<PageAddress, StorageError> {
        self.check()?;
        let result = self.try_write_page(page, version, image);
        self.noted(result)
    }

    fn try_write_page(
        &mut self,
        page: PageNo,
        version: Version,
        image: &[u8],
    ) -> Result<PageAddress, StorageError> {
        self.map.check_page_len(image.len())?;
        if page.get() == 0 || page.get() == u32::MAX {
            return Err(invalid(format!("page number {page}")));
        }
        self.keep_pace(image.len() as u64)?;
        let slot = self.take_slot()?;
        self.make_room(slot)?;
        self.is_synced = false;
        self.pace.wrote(image.len() as u64);
        failpoint!("map.page.write", fails);
        let written = self.run.push(self.map.geometry.slot_offset(slot), image)?;
        let crc = stamp(written, version, page, self.id);
        let address = PageAddress { slot, crc };
        self.changes.insert(page, Some(address));
        Ok(address)
    }

    /// Writes a page as it is to a free slot below `from`, where the last checkpoint has it. What cannot be read is left
    /// where it is: a move neither hides damage nor fails over it.
    pub fn move_down(&mut self, page: PageNo, from: Slot) -> Result<Moved, StorageError> {
        self.check()?;
        let address = self.map.lookup(page).filter(|address| address.slot == from);
        let Some(address) = address.filter(|_| !self.changes.contains_key(&page)) else {
            return Ok(Moved::Skipped);
        };
        if self.free_slot()? >= from {
            return Ok(Moved::NoRoom);
        }
        if self.moves == 0 {
            return Ok(Moved::Enough);
        }
        let mut image = vec![0; self.map.geometry.page_size as usize];
        if self.map.read_slot(page, address, &mut image).is_err() {
            return Ok(Moved::Skipped);
        }
        let version = PageHeader::read(&image).version;
        self.write_page(page, version, &image)?;
        self.moves -= 1;
        Ok(Moved::Yes)
    }

    /// Frees a page.
    pub fn free_page(&mut self, page: PageNo) {
        self.changes.insert(page, None);
    }

    /// Writes what is gathered and makes all pages written so far durable (step 2). The log must be durable
    /// through the checkpoint's version before `commit`, too (M2): that is the caller's part.
    pub fn sync_data(&mut self) -> Result<(), StorageError> {
        self.check()?;
        let flushed = self.run.flush();
        self.noted(flushed)?;
        if !self.is_synced {
            failpoint!("map.data.sync", fails);
            let synced = self.map.poisoning(self.map.files.data.sync());
            self.noted(synced)?;
            self.is_synced = true;
            self.pace.synced();
        }
        Ok(())
    }

    /// Makes what was written durable, or has the disk begin with it, before `more` bytes are written, if it is time.
    fn keep_pace(&mut self, more: u64) -> Result<(), StorageError> {
        let due = self.pace.due(more);
        self.run.begins_at_once = self.pace.has_company();
        match due {
            Due::Nothing => {}
            Due::Sync => {
                self.sync_data()?;
                self.pace.rest();
            }
            Due::Begin => {
                self.run.flush()?;
                self.pace.begun();
                let_others_in();
            }
        }
        Ok(())
    }

    fn take_slot(&mut self) -> Result<Slot, StorageError> {
        let slot = self.free_slot()?;
        self.cursor = Slot(slot.get().saturating_add(1));
        Ok(slot)
    }

    /// The lowest slot from the cursor on that is neither used nor pinned.
    fn free_slot(&mut self) -> Result<Slot, StorageError> {
        let state = self.map.state();
        loop {
            let slot = state
                .used
                .next_absent(self.cursor)
                .filter(|slot| slot.get() < u32::MAX);
            let slot = slot.ok_or_else(|| {
                let all = u64::from(u32::MAX);
                StorageError::limit("slots", all + 1, all)
            })?;
            self.cursor = slot;
            if !self.map.pins.contains(slot) {
                return Ok(slot);
            }
            self.cursor = Slot(slot.get() + 1);
        }
    }

    /// Writes `bytes` of a file in pieces that are durable one after the other, but for the last one.
    pub(super) fn write_paced(
        &mut self,
        file: &NamedFile,
        (offset, bytes): (u64, &[u8]),
    ) -> Result<(), StorageError> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.pace.piece();
            let (piece, later) = rest.split_at(count.min(rest.len()));
            file.write(at, piece)?;
            if !later.is_empty() {
                file.sync()?;
                self.pace.rest();
            }
            at = at.saturating_add(piece.len() as u64);
            rest = later;
        }
        Ok(())
    }

    /// Sees to it that `data` has space for `slot`.
    fn make_room(&self, slot: Slot) -> Result<(), StorageError> {
        let geometry = &self.map.geometry;
        let end = geometry
            .slot_offset(slot)
            .saturating_add(geometry.page_size.into());
        self.map.make_room(end)
    }

    fn check(&self) -> Result<(), StorageError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn noted<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }
}

impl Drop for Checkpoint<'_> {
    fn drop(&mut self) {
        self.map.writer().set_aside = 0;
        self.map.release();
    }
}
