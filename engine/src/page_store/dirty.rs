//! What is newer in memory than on disk: the work of the next checkpoint.
//!
//! It holds images, not chains: taken at a commit boundary it is a snapshot by itself, and commits that
//! follow fill a new one.
//!
//! Invariant: a shelf holds the states of `SHELF` page numbers in a row; `len` counts those that are set. So a page is found in
//! constant time, and no growth moves what is there.

use crate::ids::{PageNo, Version};
use crate::image::{Image, Trace};

/// What the map should say of a page.
#[derive(Clone, Debug)]
pub enum DirtyPage {
    /// An ordinary page.
    Page(Version, Image),
    /// An extent: its whole value, and how many pages it takes from this one on.
    Extent(Version, Image, u32),
    /// The page is no longer used.
    Freed,
}

/// Page numbers on one shelf.
const SHELF: usize = 32;

/// Pages changed since the last checkpoint, by page number.
#[derive(Debug, Default)]
pub struct DirtySet {
    shelves: Vec<Option<Box<Shelf>>>,
    len: usize,
    amount: Amount,
}

/// How much a checkpoint has to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Memory held by the images, in bytes.
    pub bytes: u64,
    /// Slots that they need.
    pub slots: u64,
    /// Page numbers whose entries in the map change, pieces of extents counted as `slots`.
    pub entries: u64,
}

impl Amount {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            slots: self.slots.saturating_add(other.slots),
            entries: self.entries.saturating_add(other.entries),
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            slots: self.slots.saturating_sub(other.slots),
            entries: self.entries.saturating_sub(other.entries),
        }
    }
}

type Shelf = [Option<DirtyPage>; SHELF];

const EMPTY: Shelf = [const { None }; SHELF];
const SHELF_PAGES: u32 = 32;

impl DirtySet {
    /// Notes the newest state of `page`.
    pub fn insert(&mut self, page: PageNo, state: DirtyPage) {
        if let DirtyPage::Extent(_, _, count) = &state {
            // What these numbers were before they became pieces of this extent no longer matters.
            let end = page.get().saturating_add(*count);
            (page.get()..end).for_each(|no| self.put(PageNo(no), None));
        }
        self.put(page, Some(state));
    }

    fn put(&mut self, page: PageNo, state: Option<DirtyPage>) {
        let (number, place) = (page.get() as usize / SHELF, page.get() as usize % SHELF);
        if self.shelves.len() <= number && state.is_some() {
            self.shelves.resize_with(number + 1, || None);
        }
        let Some(found) = self.shelves.get_mut(number) else {
            return;
        };
        if found.is_none() && state.is_none() {
            return;
        }
        let states = found.get_or_insert_with(|| Box::new(EMPTY));
        let Some(place) = states.get_mut(place) else {
            return;
        };
        let measure = |state: &Option<DirtyPage>| {
            let amount = state.as_ref().map(DirtyPage::amount);
            amount.unwrap_or_default()
        };
        let amount = self.amount.and(measure(&state));
        let len = self.len + usize::from(state.is_some());
        let old = std::mem::replace(place, state);
        self.amount = amount.less(measure(&old));
        self.len = len - usize::from(old.is_some());
    }

    /// Puts `newer` on top of this set.
    pub fn merge(&mut self, newer: Self) {
        for (shelf, states) in (0..).zip(newer.shelves) {
            let first = u32::saturating_mul(shelf, SHELF_PAGES);
            for (place, state) in (0..).zip(states.map_or(EMPTY, |states| *states)) {
                if let Some(state) = state {
                    self.insert(PageNo(first.saturating_add(place)), state);
                }
            }
        }
    }

    fn place(&self, page: PageNo) -> Option<&Option<DirtyPage>> {
        let (number, place) = (page.get() as usize / SHELF, page.get() as usize % SHELF);
        self.shelves.get(number)?.as_ref()?.get(place)
    }

    /// The state of `page`, if it is newer than on disk.
    pub fn get(&self, page: PageNo) -> Option<&DirtyPage> {
        self.place(page)?.as_ref()
    }

    /// Asks the processor for where the state of `page` will be put, so that it need not be waited for then.
    pub fn touch(&self, page: PageNo) {
        if let Some(place) = self.place(page) {
            Trace::of(place).prefetch_notes();
        }
    }

    /// How much it is.
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pages, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PageNo, &DirtyPage)> {
        let shelves = (0..).zip(&self.shelves);
        shelves.flat_map(|(shelf, states)| {
            let first = u32::saturating_mul(shelf, SHELF_PAGES);
            let states = states.iter().flat_map(|states| states.iter());
            (0..).zip(states).filter_map(move |(place, state)| {
                let page = PageNo(first.saturating_add(place));
                state.as_ref().map(|state| (page, state))
            })
        })
    }
}

impl DirtyPage {
    /// The version that the map should name; none of a page that is not used.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Page(version, _) | Self::Extent(version, _, _) => Some(*version),
            Self::Freed => None,
        }
    }

    /// What it adds to a checkpoint.
    pub fn amount(&self) -> Amount {
        let (bytes, slots) = match self {
            Self::Page(_, image) => (image.len() as u64, 1),
            Self::Extent(_, image, count) => (image.len() as u64, u64::from(*count)),
            Self::Freed => (0, 0),
        };
        Amount {
            bytes,
            slots,
            entries: slots.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(version: u64) -> DirtyPage {
        DirtyPage::Page(Version(version), Image::zeroed(4))
    }

    #[test]
    fn an_extent_replaces_what_its_pages_were_before() {
        let mut dirty = DirtySet::default();
        dirty.insert(PageNo(5), page(1));
        dirty.insert(PageNo(6), DirtyPage::Freed);
        dirty.insert(PageNo(7), page(1));
        dirty.insert(
            PageNo(5),
            DirtyPage::Extent(Version(2), Image::zeroed(10), 2),
        );
        let pages: Vec<u32> = dirty.iter().map(|(no, _)| no.get()).collect();
        assert_eq!((pages, dirty.amount().bytes), (vec![5, 7], 14));
    }

    #[test]
    fn what_came_later_wins_in_a_merge() {
        let mut older = DirtySet::default();
        older.insert(PageNo(1), page(1));
        older.insert(PageNo(2), page(1));
        let mut newer = DirtySet::default();
        newer.insert(PageNo(1), DirtyPage::Freed);
        older.merge(newer);
        let seen = |(no, state): (PageNo, &DirtyPage)| (no.get(), state.version());
        let seen: Vec<_> = older.iter().map(seen).collect();
        assert_eq!(seen, [(1, None), (2, Some(Version(1)))]);
        assert_eq!(older.amount().bytes, 4);
    }

    #[test]
    fn far_apart_pages_come_out_in_order_and_a_set_is_empty_again_once_all_are_gone() {
        let mut dirty = DirtySet::default();
        assert!(dirty.is_empty());
        for no in [100_000, 31, 32, 1, 33] {
            dirty.insert(PageNo(no), page(u64::from(no)));
        }
        dirty.insert(PageNo(31), page(99));
        let pages: Vec<u32> = dirty.iter().map(|(no, _)| no.get()).collect();
        assert_eq!(
            (pages, dirty.amount().bytes),
            (vec![1, 31, 32, 33, 100_000], 20)
        );
        let versions = dirty.iter().filter_map(|(_, state)| state.version());
        assert!(versions.eq([1, 99, 32, 33, 100_000].map(Version)));
        for no in [1, 31, 32, 33, 100_000] {
            dirty.put(PageNo(no), None);
        }
        assert!(dirty.is_empty() && dirty.amount().bytes == 0);
    }
}
