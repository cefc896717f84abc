//! Steps 3 to 5 of a checkpoint: everything that can meet a full disk first, then the seal of the double-write
//! buffer, the commit point, then the homes and the superblock copies.
//!
//! A map page whose home the last checkpoint does not use is written there before the seal, like a page to a
//! free slot, and is not in the buffer. A home in use is overwritten only when the buffer holds its new
//! content durably. M3: the buffer is next written when this checkpoint, too, is durable at home.

use super::checkpoint::Checkpoint;
use super::files::{NamedFile, RunWriter};
use super::page_map::{Access, Map, Writer, invalid};
use super::reserve::Need;
use super::state::{Plan, State};
use crate::disk_format::{Closing, MapPage, MapPageId, SealedBuffer, Superblock, encode_closed};
use crate::error::StorageError;
use crate::ids::{LogPosition, PageNo, Slot, Version};

/// A longer buffer is cut when it is not needed any more.
const BUFFER_KEEP: u64 = 1 << 20;
/// A file of fewer free slots than this at its end is not worth cutting.
const CUT_SLOTS_MIN: u64 = 64;

impl Map {
    /// Keeps the error of an operation after which the disk's state is not known: nothing is written any
    /// more until the database is opened anew.
    pub(super) fn poisoning<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result {
            self.writer().poison.get_or_insert_with(|| error.clone());
        }
        result
    }

    /// Claims the map for a checkpoint or a verification.
    pub(super) fn claim(writer: &mut Writer) -> Result<(), StorageError> {
        if writer.busy {
            return Err(StorageError::limit("checkpoints at once", 2, 1));
        }
        writer.busy = true;
        Ok(())
    }

    pub(super) fn release(&self) {
        self.writer().busy = false;
    }
}

impl Checkpoint<'_> {
    /// Completes the checkpoint: on return it is durable, look-ups see it, and slots that it freed are free.
    /// `version` is the newest commit in it, `log_start` where the log continues behind it. On an error
    /// before the seal the attempt is abandoned; after it, the map is poisoned and keeps showing the last
    /// checkpoint, whose slots stay as they are.
    pub fn commit(mut self, version: Version, log_start: LogPosition) -> Result<(), StorageError> {
        self.sync_data()?;
        let changes = std::mem::take(&mut self.changes);
        let (mut plan, before) = {
            let state = self.map.state();
            (state.plan(changes, self.ends), state.superblock)
        };
        if version < before.version {
            return Err(invalid(format!(
                "version {version} after {}",
                before.version
            )));
        }
        let superblock = self.next_superblock(&before, &plan, version, log_start);
        let buffer = self.write_new_homes(&mut plan, superblock)?;
        failpoint!("map.homes.new", fails);
        let sealed = buffer.encode();
        let len = sealed.len() as u64;
        self.map.grow_buffer(len, len)?;
        self.map.writer().closed = false;
        self.map.poisoning(self.seal(&sealed))?;
        failpoint!("map.sealed");
        self.map.poisoning(write_home(self.map, &buffer))?;
        failpoint!("map.switched");
        self.map.complete(plan, superblock);
        Ok(())
    }

    fn next_superblock(
        &self,
        before: &Superblock,
        plan: &Plan,
        version: Version,
        log_start: LogPosition,
    ) -> Superblock {
        Superblock {
            geometry: before.geometry,
            checkpoint: self.id,
            version,
            log_start,
            map: plan.map,
            bitmap: plan.bitmap,
            page_count: plan.page_count,
            slot_count: plan.slot_count,
            predecessor: before.digest(),
        }
    }

    /// Writes the map pages that are new, makes them durable, and returns what the buffer must hold.
    fn write_new_homes(
        &self,
        plan: &mut Plan,
        superblock: Superblock,
    ) -> Result<SealedBuffer, StorageError> {
        let (pages, new): (Vec<_>, Vec<_>) = {
            let state: &State = &self.map.state();
            std::mem::take(&mut plan.map_pages)
                .into_iter()
                .partition(|(id, _)| state.has_map_page(*id))
        };
        if !new.is_empty() {
            let map = &self.map.files.map;
            for (id, page) in &new {
                map.allocate(id.home(), page.bytes().len() as u64)?;
            }
            write_pages(map, &new)?;
            failpoint!("map.homes.written", fails);
            self.map.poisoning(map.sync())?;
        }
        Ok(SealedBuffer { superblock, pages })
    }

    /// The commit point.
    fn seal(&mut self, sealed: &[u8]) -> Result<(), StorageError> {
        let buffer = &self.map.files.doublewrite;
        self.write_paced(buffer, (0, sealed))?;
        failpoint!("doublewrite.written", fails);
        buffer.sync()
    }
}

/// Step 4: changed map pages and all superblock copies, `map` before `data`.
fn write_home(map: &Map, buffer: &SealedBuffer) -> Result<(), StorageError> {
    write_pages(&map.files.map, &buffer.pages)?;
    failpoint!("map.home.pages-written", fails);
    for file in [&map.files.map, &map.files.data] {
        file.write_superblocks(&buffer.superblock)?;
        failpoint!("superblock.written", fails);
        file.sync()?;
    }
    Ok(())
}

/// Writes map pages home, in the order given.
pub(super) fn write_pages(
    file: &NamedFile,
    pages: &[(MapPageId, MapPage)],
) -> Result<(), StorageError> {
    let mut run = RunWriter::new(file);
    for (id, page) in pages {
        run.push(id.home(), page.bytes())?;
    }
    run.flush()
}

impl Map {
    /// Says in the buffer that it is not needed, since all that it holds is durable at home (M3), so that the next opening has
    /// nothing to write. The old content may come back after a power cut, which is harmless: it is the last checkpoint's.
    /// Does nothing if a checkpoint runs or the map is poisoned.
    #[cfg(test)]
    pub fn close(&self) -> Result<(), StorageError> {
        self.close_leaving(super::reserve::BUFFER_STEP)
    }

    /// As `close`; the buffer stays long enough for `need`.
    pub fn close_for(&self, need: &Need) -> Result<(), StorageError> {
        self.close_leaving(self.buffer_needed(need))
    }

    fn close_leaving(&self, len: u64) -> Result<(), StorageError> {
        let _one_at_a_time = crate::sync::lock(&self.buffer);
        let mut writer = self.writer();
        let is_unfit = writer.poison.is_some() || writer.access == Access::ReadOnly || writer.busy;
        if is_unfit || writer.closed || writer.buffer_len == 0 {
            return Ok(());
        }
        let closing = Closing {
            last: self.superblock().checkpoint,
            highest: writer.highest_id,
        };
        let buffer = &self.files.doublewrite;
        buffer.write(0, &encode_closed(closing))?;
        if buffer.len()? > BUFFER_KEEP.max(len) {
            writer.buffer_len = writer.buffer_len.min(len);
            buffer.set_len(len)?;
        }
        failpoint!("doublewrite.closing", fails);
        buffer.sync()?;
        writer.closed = true;
        Ok(())
    }

    /// Where the pages are that would not be in a file without gaps, ascending by slot.
    pub fn tail_pages(&self) -> Vec<(Slot, PageNo)> {
        let state = self.state();
        let dense = state.used.len();
        let numbered = (0..).map(PageNo).zip(&state.entries);
        let mut tail: Vec<_> = numbered
            .filter(|(_, address)| address.slot.get() > dense)
            .map(|(page, address)| (address.slot, page))
            .collect();
        tail.sort_unstable();
        tail
    }

    /// Step 5: the new map is the one that is seen.
    fn complete(&self, plan: Plan, superblock: Superblock) {
        let freed = self.state_mut().apply(plan, superblock);
        self.writer().last_freed = freed;
    }

    /// Gives back the free tail of `data` if it is more than half of the file: one that shrank with every checkpoint would grow again
    /// with the next. `dirty` pages keep their slots. The caller has ended all grants.
    pub fn trim(&self, dirty: u64) {
        let (worth, freed) = {
            let writer = self.writer();
            let half = writer.data_len / 2;
            let least = CUT_SLOTS_MIN.saturating_mul(self.geometry.page_size.into());
            (half.max(least), writer.last_freed)
        };
        self.cut_free_tail(freed, (dirty, worth));
    }

    /// Gives back what `data` has past the last slot that is used or pinned, but for what is kept and what `dirty` pages need.
    /// The caller has ended all grants.
    pub fn cut(&self, dirty: u64) {
        self.cut_free_tail(None, (dirty, 1));
    }

    /// Cuts `data`, if by more than `worth` bytes, behind all slots in use, and behind `freed`: what the last checkpoint but one
    /// used stays for a while, for readers who looked a page up in it: it saves them a second look-up. Does nothing while a checkpoint
    /// runs. If it fails the file keeps its length, which does no harm.
    fn cut_free_tail(&self, freed: Option<Slot>, (dirty, worth): (u64, u64)) {
        let pages = u64::from(self.superblock().page_count).saturating_add(dirty);
        let kept = self.kept_slots(pages);
        let (last, free) = {
            let state = self.state();
            let last = freed.max(state.used.last()).max(self.pins.last());
            let last = last.map_or(0, Slot::get);
            let unused = u64::from(last).saturating_sub(state.used.len().into());
            (last, unused.saturating_sub(self.pins.most()))
        };
        let wanted = kept.saturating_add(dirty).saturating_sub(free);
        let page_size = u64::from(self.geometry.page_size);
        let target = self
            .geometry
            .slot_offset(Slot(last.saturating_add(1)))
            .saturating_add(wanted.saturating_mul(page_size));
        let mut writer = self.writer();
        let tail = writer.data_len.saturating_sub(target);
        if !writer.busy && tail > worth && self.files.data.set_len(target).is_ok() {
            writer.data_len = target;
        }
    }
}
