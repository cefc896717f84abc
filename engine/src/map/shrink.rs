//! Giving back the tail of `map`: what lies behind the home of the last map page that is still needed.
//!
//! The counts in a superblock only grow, but in a checkpoint that was asked to lower its ends: there they end with the last page,
//! and the last slot, in use. It writes the map pages on the new right edge like any that change, so a crash finds one checkpoint
//! or the next. Only when it is complete may the file be cut: nobody comes back to the one before. Page numbers stay what they
//! are, so a page in use keeps all map pages before its own.

use super::checkpoint::Checkpoint;
use super::page_map::Map;
use super::reserve::homes_end_of;
use super::state::{Changes, State};
use crate::disk_format::{HOMES_START, MAP_PAGE_LEN, MapKind, level_len};
use crate::ids::PageNo;

/// Where the numbers of pages and slots end in a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    /// Not before those of the last one.
    #[default]
    Kept,
    /// Behind the last ones in use.
    Lowered,
}

/// One more than the highest page number, and one more than the highest slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) pages: u32,
    pub(super) slots: u32,
}

impl State {
    /// The counts without free numbers at their ends, after `changes`.
    pub(super) fn lowered(&self, changes: &Changes) -> Counts {
        let new = changes.iter().rev().find(|(_, address)| address.is_some());
        let new = new.map_or(0, |(page, _)| page.get().saturating_add(1));
        let numbered = self.entries.iter().enumerate().rev();
        let mut kept = numbered
            .filter(|(_, address)| address.is_mapped())
            .filter_map(|(page, _)| u32::try_from(page).ok())
            .filter(|page| !changes.contains_key(&PageNo(*page)));
        let old = kept.next().map_or(0, |page| page.saturating_add(1));
        let mut used = self.used.clone();
        for (slot, is_used) in self.changed_bits(changes) {
            if is_used {
                used.insert(slot);
            } else {
                used.remove(slot);
            }
        }
        Counts {
            pages: new.max(old),
            slots: used.last().map_or(0, |slot| slot.get().saturating_add(1)),
        }
    }

    /// Where the home of the last map page ends.
    fn homes_end(&self) -> u64 {
        let ids = self.pages.ids().chain(self.slots.ids());
        let ends = ids.map(|id| id.home().saturating_add(MAP_PAGE_LEN as u64));
        ends.max().unwrap_or(0).max(HOMES_START)
    }
}

impl Checkpoint<'_> {
    /// Has the map end with the last page and the last slot in use.
    pub fn lower_ends(&mut self) {
        self.ends = Ends::Lowered;
    }
}

impl Map {
    /// Whether there are map pages at the end that name nothing.
    pub fn has_spare_map_pages(&self) -> bool {
        let state = self.state();
        let lowered = state.lowered(&Changes::new());
        let leaves = |pages, slots| {
            (
                level_len(MapKind::Pages, 0, pages),
                level_len(MapKind::Slots, 0, slots),
            )
        };
        let superblock = &state.superblock;
        leaves(lowered.pages, lowered.slots) != leaves(superblock.page_count, superblock.slot_count)
    }

    /// Gives back what `map` has behind its last page, and behind those that are promised to pages below `page_end` and to the
    /// slots of `data`. Does nothing while a checkpoint runs. If the file cannot be cut it keeps its length, which does no harm.
    /// The caller has ended all grants.
    pub fn cut_map(&self, page_end: PageNo) {
        let end = self.state().homes_end();
        let end = end.max(homes_end_of(page_end, self.slots_in_file()));
        let mut writer = self.writer();
        let map = &self.files.map;
        let is_longer = map.len().is_ok_and(|len| len > end);
        if !writer.busy && is_longer && map.set_len(end).is_ok() {
            writer.homes_end = writer.homes_end.min(end);
        }
    }
}
