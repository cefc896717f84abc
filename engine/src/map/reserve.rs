//! Space for the next checkpoint, taken while its commits can still be refused.
//!
//! R12: what is dirty never exceeds the slots that are free for it, nor the map pages that it changes the double-write buffer. So a
//! commit that finds no space is refused before it is logged, and a checkpoint of those that were not finds all it needs.
//!
//! Between two checkpoints the free slots of a file only become more: what is pinned was in use. So the map grants all that there
//! is, and is not asked again before that is used up, or a checkpoint or a cut has ended the grant.
//!
//! Some slots are kept: commits that add pages leave them all, those that rewrite pages half of them, and those that only take away
//! none. What a rewrite takes the next checkpoint gives back, unless an old snapshot holds it; what a deletion takes is
//! given back with more. It knows nothing of the log.

use super::page_map::Map;
use crate::disk_format::{
    BUFFER_HEADER_LEN, MAP_PAGE_LEN, MapKind, MapPageId, SUPERBLOCK_LEN, height_of, level_len,
};
use crate::error::StorageError;
use crate::ids::PageNo;

/// `data` grows by at least this many slots.
const GROWTH_SLOTS_MIN: u64 = 16;
/// The buffer grows by multiples of this.
pub(super) const BUFFER_STEP: u64 = 4096;
/// Of so many slots in use one more is kept.
const KEPT_ONE_IN: u64 = 32;
/// No fewer and no more are kept, but for a database with fewer pages: what only takes away changes no more than there are.
const KEPT: (u64, u64) = (16, 4096);
/// The buffer has room for so many more changed entries than commits need.
const KEPT_ENTRIES: u64 = 16;
/// What a map page takes in the buffer: its length, and all of it.
const BUFFERED_LEN: u64 = MAP_PAGE_LEN as u64 + 2;
/// What the buffer has besides map pages.
const BUFFER_HEAD: u64 = (BUFFER_HEADER_LEN + SUPERBLOCK_LEN) as u64;

/// What a commit does to the space that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It has more pages afterwards.
    Add,
    /// It has no more, once a checkpoint has given back what they replace.
    Rewrite,
    /// It only takes away, or moves.
    TakeAway,
}

/// What the next checkpoint would write.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Pages, each of which takes a slot.
    pub slots: u64,
    /// Page numbers whose entries in the map change.
    pub entries: u64,
    /// One more than the highest page number.
    pub page_end: PageNo,
}

impl Need {
    /// The most pages that there are. Page 0 is none.
    fn pages(&self) -> u64 {
        u64::from(self.page_end.get()).saturating_sub(1)
    }
}

/// What may become dirty before the map is asked again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grant {
    slots: u64,
    entries: u64,
    page_end: PageNo,
}

impl Grant {
    /// Whether `need` is within it.
    pub fn covers(&self, need: &Need) -> bool {
        need.slots <= self.slots && need.entries <= self.entries && need.page_end <= self.page_end
    }
}

/// By how much files grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// Enough that they need not soon grow again.
    Ample,
    /// By what is needed.
    Least,
}

impl Purpose {
    const fn leaves(self, kept: u64) -> u64 {
        match self {
            Self::Add => kept,
            Self::Rewrite => kept / 2,
            Self::TakeAway => 0,
        }
    }
}

impl Map {
    /// Sees to it that a checkpoint can write what `need` says, and more, so that the next commits need not ask. On an error that
    /// `is_full` files may have grown, which does no harm; this holds for all that is reserved.
    pub fn reserve_amply(&self, need: &Need) -> Result<Grant, StorageError> {
        let kept = self.kept_slots(need.pages());
        let wanted = need.slots.saturating_add(kept.saturating_mul(2));
        self.take(need, (wanted, kept), Growth::Ample)
    }

    /// Sees to it that a checkpoint can write what `need` says, and that what is kept from such a purpose stays.
    pub fn reserve(&self, need: &Need, purpose: Purpose) -> Result<Grant, StorageError> {
        let kept = self.kept_slots(need.pages());
        let wanted = need.slots.saturating_add(purpose.leaves(kept));
        self.take(need, (wanted, kept), Growth::Least)
    }

    /// Whether there are slots enough in the file for that.
    pub fn has_slots(&self, need: &Need, purpose: Purpose) -> bool {
        let kept = purpose.leaves(self.kept_slots(need.pages()));
        let wanted = need.slots.saturating_add(kept);
        self.free_slots(wanted) >= wanted
    }

    fn take(
        &self,
        need: &Need,
        (wanted, kept): (u64, u64),
        growth: Growth,
    ) -> Result<Grant, StorageError> {
        let leaves = MapKind::Pages.leaf_span();
        let page_end = need.page_end.get().checked_next_multiple_of(leaves);
        let rounded = Need {
            page_end: page_end.map_or(need.page_end, PageNo),
            ..*need
        };
        let free = self.take_space(&rounded, wanted, growth)?;
        // Where it depends on the number of pages how many are kept, more pages are for the map to grant.
        let page_end = if kept < KEPT.0 {
            need.page_end
        } else {
            rounded.page_end
        };
        Ok(Grant {
            slots: free.saturating_sub(kept),
            entries: self.entries_covered(rounded.page_end),
            page_end,
        })
    }

    /// Sets slots aside that the next checkpoint may take for pages that it moves, at most `wanted`, so that what is dirty keeps its
    /// own. The caller has ended all grants.
    pub fn set_aside(&self, wanted: u64, need: &Need) {
        self.writer().set_aside = 0;
        if wanted == 0 {
            return;
        }
        let entries = need.entries.saturating_add(wanted);
        // As much as there is room for.
        drop(self.reserve_buffer(
            &Need { entries, ..*need },
            self.slots_in_file(),
            Growth::Least,
        ));
        let covered = self.entries_covered(need.page_end);
        let left = self.kept_slots(need.pages()) / 2;
        let free = self.free_slots(need.slots.saturating_add(left).saturating_add(wanted));
        let moves = free.saturating_sub(need.slots.saturating_add(left));
        let moves = moves.min(covered.saturating_sub(need.entries));
        self.writer().set_aside = moves.min(wanted);
    }

    /// Slots that only commits which add no pages may use, where there are no more than so many pages.
    pub(super) fn kept_slots(&self, pages: u64) -> u64 {
        kept_of(self.state().used.len().into(), pages)
    }

    /// Takes space for `need`, and sees to it that `wanted` slots are free. Returns how many are at least.
    fn take_space(&self, need: &Need, wanted: u64, growth: Growth) -> Result<u64, StorageError> {
        let free = self.free_slots(wanted);
        let missing = wanted.saturating_sub(free);
        let slots = self.slots_in_file();
        let end = slots.saturating_add(missing);
        let page_size = u64::from(self.geometry.page_size.max(1));
        let start = self.geometry.slots_start();
        let bytes_end = start.saturating_add(end.saturating_mul(page_size));
        let grown = match growth {
            Growth::Ample if missing > 0 => self.ample_data(self.writer().data_len).max(bytes_end),
            Growth::Ample | Growth::Least => bytes_end,
        };
        let grown = grown.saturating_sub(start) / page_size;
        // The slots come last: they are the most, and what is small must find its room.
        self.reserve_homes(need.page_end, grown)?;
        self.reserve_buffer(need, grown, growth)?;
        if missing == 0 {
            return Ok(free);
        }
        self.grow_data(bytes_end, growth)?;
        Ok(free.saturating_add(self.slots_in_file().saturating_sub(slots)))
    }

    pub(super) fn slots_in_file(&self) -> u64 {
        let data_len = self.writer().data_len;
        let bytes = data_len.saturating_sub(self.geometry.slots_start());
        bytes / u64::from(self.geometry.page_size.max(1))
    }

    /// How many slots of the file are neither used nor pinned nor set aside. At least `enough` is as good as all.
    fn free_slots(&self, enough: u64) -> u64 {
        let slots = self.slots_in_file();
        let set_aside = self.writer().set_aside;
        let state = self.state();
        let unused = slots.saturating_sub(u64::from(state.used.len()));
        let unused = unused.saturating_sub(set_aside);
        let at_least = unused.saturating_sub(self.pins.most());
        if at_least >= enough {
            return at_least;
        }
        unused.saturating_sub(self.pins.outside(&state.used))
    }

    /// Sees to it that `data` has space for what lies before `end`: an eighth of the file more, or if the disk has not that much,
    /// what is needed.
    pub(super) fn make_room(&self, end: u64) -> Result<(), StorageError> {
        match self.grow_data(end, Growth::Ample) {
            Err(error) if error.is_full() => self.grow_data(end, Growth::Least),
            result => result,
        }
    }

    fn grow_data(&self, needed: u64, growth: Growth) -> Result<(), StorageError> {
        let mut writer = self.writer();
        let len = writer.data_len;
        if needed <= len {
            return Ok(());
        }
        let target = match growth {
            Growth::Ample => self.ample_data(len).max(needed),
            Growth::Least => needed,
        };
        let data = &self.files.data;
        let allocated = data.allocate(len, target - len);
        if let Err(error) = &allocated
            && error.is_full()
            && data.len().is_ok_and(|now| now > len)
        {
            // A part was taken, which others need. If it stays it does no harm.
            drop(data.set_len(len));
        }
        allocated?;
        writer.data_len = target;
        Ok(())
    }

    fn ample_data(&self, len: u64) -> u64 {
        let page_size = u64::from(self.geometry.page_size);
        let len = len.max(self.geometry.slots_start());
        let more = (len / 8).max(GROWTH_SLOTS_MIN.saturating_mul(page_size));
        len.saturating_add(more).next_multiple_of(page_size.max(1))
    }

    /// The homes of all map pages that there may be.
    fn reserve_homes(&self, page_end: PageNo, slots: u64) -> Result<(), StorageError> {
        let end = homes_end_of(page_end, slots);
        let mut writer = self.writer();
        if end > writer.homes_end {
            self.files.map.allocate(0, end)?;
            writer.homes_end = end;
        }
        Ok(())
    }

    /// The map pages of a checkpoint with pages below `page_end` and so many slots. Its counts are never below those of the last one
    /// (but where it is asked to lower them), whatever was given back since: what was freed there is yet to be written.
    fn map_pages(&self, page_end: PageNo, slots: u64) -> MapPages {
        let last = self.superblock();
        let page_end = page_end.get().max(last.page_count);
        MapPages::of(PageNo(page_end), slots.max(last.slot_count.into()))
    }

    fn reserve_buffer(&self, need: &Need, slots: u64, growth: Growth) -> Result<(), StorageError> {
        let entries = need.entries.saturating_add(KEPT_ENTRIES);
        let all = self.map_pages(need.page_end, slots);
        let needed = buffer_len(all.changed_by(entries));
        let target = match growth {
            Growth::Least => needed,
            Growth::Ample => {
                let twice = self.writer().buffer_len.saturating_mul(2);
                needed.max(twice.min(buffer_len(all.changed_by(u64::MAX))))
            }
        };
        self.grow_buffer(needed, target)
    }

    /// How long the buffer must be for `need`.
    pub(super) fn buffer_needed(&self, need: &Need) -> u64 {
        let all = self.map_pages(need.page_end, self.slots_in_file());
        let entries = need.entries.saturating_add(KEPT_ENTRIES);
        buffer_len(all.changed_by(entries)).next_multiple_of(BUFFER_STEP)
    }

    /// How many entries may change so that the buffer still has room for the map pages.
    fn entries_covered(&self, page_end: PageNo) -> u64 {
        let all = self.map_pages(page_end, self.slots_in_file());
        let buffer = self.writer().buffer_len.saturating_sub(BUFFER_HEAD);
        let leaves = (buffer / BUFFERED_LEN).saturating_sub(all.above);
        if leaves >= all.page_leaves.saturating_add(all.slot_leaves) {
            return u64::MAX;
        }
        // An entry changes one leaf of the one kind and two of the other.
        let covered = (leaves / 3).max(leaves.saturating_sub(all.slot_leaves));
        covered.saturating_sub(KEPT_ENTRIES)
    }

    /// Sees to it that the buffer's blocks exist, written and durable: if there are not `needed` bytes, then up to `target`. What is
    /// in it stays.
    pub(super) fn grow_buffer(&self, needed: u64, target: u64) -> Result<(), StorageError> {
        if needed <= self.writer().buffer_len {
            return Ok(());
        }
        let _one_at_a_time = crate::sync::lock(&self.buffer);
        let len = self.writer().buffer_len;
        if needed <= len {
            return Ok(());
        }
        let target = target.next_multiple_of(BUFFER_STEP);
        let buffer = &self.files.doublewrite;
        buffer.allocate(0, target)?;
        let zeroes = vec![0; usize::try_from(target - len).unwrap_or(0)];
        buffer.write(len, &zeroes)?;
        self.poisoning(buffer.sync())?;
        self.writer().buffer_len = target;
        Ok(())
    }
}

/// How many slots are kept where so many are in use, and there are no more than so many pages.
fn kept_of(used: u64, pages: u64) -> u64 {
    let (least, most) = KEPT;
    (used / KEPT_ONE_IN).clamp(least.min(pages), most)
}

/// How many map pages there are.
struct MapPages {
    page_leaves: u64,
    slot_leaves: u64,
    above: u64,
}

impl MapPages {
    fn of(page_end: PageNo, slots: u64) -> Self {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).saturating_add(1);
        let leaves = |kind, count| u64::from(level_len(kind, 0, count));
        let above = |kind, count| {
            let levels = 1..height_of(kind, count);
            let lens = levels.map(|level| u64::from(level_len(kind, level, count)));
            lens.sum::<u64>()
        };
        let pages = page_end.get();
        Self {
            page_leaves: leaves(MapKind::Pages, pages),
            slot_leaves: leaves(MapKind::Slots, slots),
            above: above(MapKind::Pages, pages).saturating_add(above(MapKind::Slots, slots)),
        }
    }

    /// How many of them so many changed entries change at most.
    fn changed_by(&self, entries: u64) -> u64 {
        let pages = self.page_leaves.min(entries);
        let slots = self.slot_leaves.min(entries.saturating_mul(2));
        pages.saturating_add(slots).saturating_add(self.above)
    }
}

fn buffer_len(map_pages: u64) -> u64 {
    map_pages
        .saturating_mul(BUFFERED_LEN)
        .saturating_add(BUFFER_HEAD)
}

/// Where the homes of all map pages end that there may be for pages below `page_end` and so many slots.
pub(super) fn homes_end_of(page_end: PageNo, slots: u64) -> u64 {
    let pages = last_home(MapKind::Pages, page_end.get().into());
    let bitmap = last_home(MapKind::Slots, slots.saturating_add(1));
    pages.max(bitmap).saturating_add(MAP_PAGE_LEN as u64)
}

fn last_home(kind: MapKind, count: u64) -> u64 {
    let last = u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(1);
    let index = last / kind.leaf_span();
    let level = 0;
    MapPageId { kind, level, index }.home()
}

#[cfg(test)]
mod tests {
    use super::kept_of;

    #[test]
    fn no_more_is_kept_than_what_only_takes_away_can_ever_change() {
        for (used, pages, kept) in [
            (0, 0, 0),
            (0, 3, 3),
            (3, 5, 5),
            (5, 5, 5),
            (2, 700, 16),
            (511, 511, 16),
            (1024, 2000, 32),
            (1 << 30, 1 << 30, 4096),
        ] {
            assert_eq!(kept_of(used, pages), kept, "{used} slots, {pages} pages");
        }
    }
}
