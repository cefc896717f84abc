//! Compares the files with memory, page by page, some pages at a time.

use super::files::{DATA, DOUBLEWRITE, MAP};
use super::load::Source;
use super::page_map::{Access, Map};
use super::slot_set::SlotSet;
use super::state::State;
use crate::disk_format::{
    BUFFER_HEADER_LEN, BufferHeader, MapKind, MapPageId, SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS,
    SealedBuffer, Superblock,
};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::recovery_report::Damage;

/// Map pages compared at a time: a checkpoint waits for no more than that.
const PART_PAGES: usize = 256;

impl Map {
    /// Compares some of the map pages behind `after` with memory; with `None` the first of them, the superblock copies
    /// (opened for writing) or the buffer that stands in for them, and whether the bitmap is the set of slots mapped and no
    /// slot is mapped twice. What is wrong goes to `found`. Returns where to go on. The pages themselves are read
    /// through [`Map::page_at_rest`]. Fails only while a checkpoint runs.
    pub fn verify_part(
        &self,
        after: Option<MapPageId>,
        found: &mut dyn FnMut(Damage),
    ) -> Result<Option<MapPageId>, StorageError> {
        let mut writer = self.writer();
        if let Some(poison) = &writer.poison {
            found(damage(DOUBLEWRITE, 0, format!("poisoned: {poison}")));
            return Ok(None);
        }
        Self::claim(&mut writer)?;
        let access = writer.access;
        drop(writer);
        let next = {
            let state = self.state();
            if after.is_none() {
                match access {
                    Access::ReadWrite => self.verify_superblocks(&state, found),
                    // An accepted buffer and damaged copies stay as they are.
                    Access::ReadOnly => self.verify_source(&state, found),
                }
                verify_slots(&state, found);
            }
            self.verify_map_pages(&state, after, found)
        };
        self.release();
        Ok(next)
    }

    /// All parts; what is wrong, in words.
    #[cfg(test)]
    pub fn verify(&self) -> Result<Vec<String>, StorageError> {
        let mut problems = Vec::new();
        let mut after = None;
        loop {
            after = self.verify_part(after, &mut |damage| problems.push(damage.to_string()))?;
            if after.is_none() {
                return Ok(problems);
            }
        }
    }

    /// How many map pages there are.
    pub fn map_page_count(&self) -> u64 {
        let state = self.state();
        let pages = state.pages.ids().chain(state.slots.ids()).count();
        pages as u64
    }

    /// Reads a page as the last checkpoint left it, wherever later ones move it meanwhile; `Ok(None)` if it is not mapped.
    /// `buf` has the length of a page.
    pub fn page_at_rest(&self, page: PageNo, buf: &mut [u8]) -> Result<bool, Box<Damage>> {
        loop {
            let Some(address) = self.lookup(page) else {
                return Ok(false);
            };
            let Err(error) = self.read_slot(page, address, buf) else {
                return Ok(true);
            };
            if self.lookup(page) == Some(address) {
                let offset = self.geometry.slot_offset(address.slot);
                return Err(Box::new(Damage {
                    page: Some(page),
                    ..damage(DATA, offset, what(&error))
                }));
            }
        }
    }

    /// Where a page is in `data`.
    pub fn offset_of(&self, page: PageNo) -> Option<u64> {
        let address = self.lookup(page)?;
        Some(self.geometry.slot_offset(address.slot))
    }

    fn superblock_copies(
        &self,
    ) -> impl Iterator<Item = (&'static str, u64, Result<Superblock, String>)> {
        [&self.files.map, &self.files.data]
            .into_iter()
            .flat_map(|file| {
                SUPERBLOCK_OFFSETS.into_iter().map(move |offset| {
                    let mut sector = [0; SUPERBLOCK_LEN];
                    let read = file.read(offset, &mut sector).map_err(|error| what(&error));
                    let decode = || Superblock::decode(&sector).map_err(|error| error.to_string());
                    (file.name(), offset, read.and_then(|()| decode()))
                })
            })
    }

    fn verify_superblocks(&self, state: &State, found: &mut dyn FnMut(Damage)) {
        for (file, offset, copy) in self.superblock_copies() {
            let wrong = match copy {
                Ok(copy) if copy == state.superblock => continue,
                Ok(copy) => format!("the superblock of checkpoint {}", copy.checkpoint),
                Err(error) => error,
            };
            found(damage(file, offset, wrong));
        }
    }

    /// Opened for reading only: there is a superblock copy, or a sealed buffer, that the next opening can start from.
    fn verify_source(&self, state: &State, found: &mut dyn FnMut(Damage)) {
        let mut copies = self.superblock_copies();
        if copies.any(|(_, _, copy)| copy.as_ref() == Ok(&state.superblock)) {
            return;
        }
        let is_sealed = self
            .read_sealed_buffer()
            .is_some_and(|buffer| buffer.superblock == state.superblock);
        if !is_sealed {
            let expected = format!(
                "the sealed buffer of checkpoint {}",
                state.superblock.checkpoint
            );
            found(damage(
                DOUBLEWRITE,
                0,
                format!("expected {expected}, found none"),
            ));
        }
    }

    fn read_sealed_buffer(&self) -> Option<SealedBuffer> {
        let mut header = [0; BUFFER_HEADER_LEN];
        self.files.doublewrite.read(0, &mut header).ok()?;
        let BufferHeader::Sealed(seal) = BufferHeader::decode(&header) else {
            return None;
        };
        let room = self.files.doublewrite.len().ok()?;
        let len = usize::try_from(seal.body_len.min(room)).ok()?;
        let mut body = vec![0; len];
        self.files
            .doublewrite
            .read(BUFFER_HEADER_LEN as u64, &mut body)
            .ok()?;
        SealedBuffer::decode(seal, &body).ok()
    }

    fn verify_map_pages(
        &self,
        state: &State,
        after: Option<MapPageId>,
        found: &mut dyn FnMut(Damage),
    ) -> Option<MapPageId> {
        let source = Source {
            file: &self.files.map,
            overlay: &self.overlay,
        };
        let trees = [
            (MapKind::Pages, state.superblock.map),
            (MapKind::Slots, state.superblock.bitmap),
        ];
        for (kind, root) in trees {
            // Where a leaf is lost, so may be the bitmap: nothing needs it then.
            if state.unproven.is_empty() && state.tree(kind).root() != root {
                let wrong = format!("{kind:?} has another root in memory");
                found(damage(MAP, 0, wrong));
            }
        }
        let ids = state.pages.ids().chain(state.slots.ids());
        let mut ids = ids.skip_while(|id| after.is_some_and(|after| *id <= after));
        let mut last = None;
        for id in ids.by_ref().take(PART_PAGES) {
            last = Some(id);
            if id.kind == MapKind::Pages && id.level == 0 && state.unproven.contains(&id.index) {
                let what = "expected a map page, found a damaged one that could not be rebuilt";
                found(damage(MAP, id.home(), what.to_owned()));
                continue;
            }
            let right = state.map_page(id);
            if state.tree(id.kind).crc(id) != Some(right.crc()) {
                found(damage(MAP, id.home(), format!("{id:?} differs in memory")));
            }
            match source.read_proven(id, right.crc()) {
                Ok(page) if page == right => {}
                Ok(_) => found(damage(MAP, id.home(), format!("{id:?} differs"))),
                Err(error) => found(damage(MAP, id.home(), what(&error))),
            }
        }
        ids.next().and(last)
    }
}

fn damage(file: &str, offset: u64, what: String) -> Damage {
    Damage {
        file: file.to_owned(),
        offset,
        what,
        ..Damage::default()
    }
}

/// What is wrong, without the place.
fn what(error: &StorageError) -> String {
    match error {
        StorageError::Corruption(c) => format!("expected {}, found {}", c.expected, c.actual),
        other => other.to_string(),
    }
}

fn verify_slots(state: &State, found: &mut dyn FnMut(Damage)) {
    let offset = |slot| state.superblock.geometry.slot_offset(slot);
    let mut mapped = SlotSet::default();
    for (page, address) in (0..).map(PageNo).zip(&state.entries) {
        if address.is_mapped() && !mapped.insert(address.slot) {
            let wrong = format!("page {page} shares its slot");
            found(damage(DATA, offset(address.slot), wrong));
        }
    }
    if let Some(slot) = mapped.first_difference(&state.used) {
        let is = if mapped.contains(slot) {
            "mapped but free"
        } else {
            "used but not mapped"
        };
        found(damage(DATA, offset(slot), format!("slot {slot} is {is}")));
    }
}
