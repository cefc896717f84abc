//! Compares the files with memory, page by page.

use super::files::{DATA, DOUBLEWRITE, MAP};
use super::load::Source;
use super::page_map::{Access, Map};
use super::slot_set::SlotSet;
use super::state::State;
use crate::disk_format::{MapKind, SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS, Superblock};
use crate::error::StorageError;
use crate::ids::PageNo;

impl Map {
    /// Reads all superblock copies (opened for writing) and map pages, compares them with memory, and checks that the bitmap is the
    /// set of slots mapped and that no slot is mapped twice. Returns what is wrong, each with file and offset. The
    /// pages themselves are read through [`Map::read_page`]. Fails only while a checkpoint runs.
    pub fn verify(&self) -> Result<Vec<String>, StorageError> {
        let mut writer = self.writer();
        if let Some(poison) = &writer.poison {
            return Ok(vec![format!(
                "{DOUBLEWRITE} at offset 0: poisoned: {poison}"
            )]);
        }
        Self::claim(&mut writer)?;
        let access = writer.access;
        drop(writer);
        let mut problems = Vec::new();
        {
            let state = self.state();
            if access == Access::ReadWrite {
                // Opened for reading only, an accepted buffer and damaged copies stay as they are.
                self.verify_superblocks(&state, &mut problems);
            }
            self.verify_map_pages(&state, &mut problems);
            verify_slots(&state, &mut problems);
        }
        self.release();
        Ok(problems)
    }

    fn verify_superblocks(&self, state: &State, problems: &mut Vec<String>) {
        for file in [&self.files.map, &self.files.data] {
            for offset in SUPERBLOCK_OFFSETS {
                let mut sector = [0; SUPERBLOCK_LEN];
                let read = file
                    .read(offset, &mut sector)
                    .map_err(|error| error.to_string());
                let found = read
                    .and_then(|()| Superblock::decode(&sector).map_err(|error| error.to_string()));
                let wrong = match found {
                    Ok(found) if found == state.superblock => continue,
                    Ok(found) => format!("the superblock of checkpoint {}", found.checkpoint),
                    Err(error) => error,
                };
                problems.push(format!("{} at offset {offset}: {wrong}", file.name()));
            }
        }
    }

    fn verify_map_pages(&self, state: &State, problems: &mut Vec<String>) {
        let source = Source {
            file: &self.files.map,
            overlay: &self.overlay,
        };
        let roots = [
            (MapKind::Pages, state.superblock.map),
            (MapKind::Slots, state.superblock.bitmap),
        ];
        for (kind, root) in roots {
            let tree = state.tree(kind);
            if tree.root() != root {
                problems.push(format!(
                    "{MAP} at offset 0: {kind:?} has another root in memory"
                ));
            }
            for id in tree.ids() {
                let right = state.map_page(id);
                let at = id.home();
                if tree.crc(id) != Some(right.crc()) {
                    problems.push(format!("{MAP} at offset {at}: {id:?} differs in memory"));
                }
                match source.read_proven(id, right.crc()) {
                    Ok(page) if page == right => {}
                    Ok(_) => problems.push(format!("{MAP} at offset {at}: {id:?} differs")),
                    Err(error) => problems.push(format!("{MAP} at offset {at}: {error}")),
                }
            }
        }
    }
}

fn verify_slots(state: &State, problems: &mut Vec<String>) {
    let mut mapped = SlotSet::default();
    for (page, address) in (0..).map(PageNo).zip(&state.entries) {
        if address.is_mapped() && !mapped.insert(address.slot) {
            let at = state.superblock.geometry.slot_offset(address.slot);
            problems.push(format!(
                "{DATA} at offset {at}: page {page} shares its slot"
            ));
        }
    }
    if let Some(slot) = mapped.first_difference(&state.used) {
        let at = state.superblock.geometry.slot_offset(slot);
        let is = if mapped.contains(slot) {
            "mapped but free"
        } else {
            "used but not mapped"
        };
        problems.push(format!("{DATA} at offset {at}: slot {slot} is {is}"));
    }
}
