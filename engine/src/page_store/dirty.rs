//! What is newer in memory than on disk: the work of the next checkpoint.
//!
//! It holds images, not chains: taken at a commit boundary it is a snapshot by itself, and commits that
//! follow fill a new one.

use std::collections::BTreeMap;

use crate::ids::{PageNo, Version};
use crate::image::Image;

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

/// Pages changed since the last checkpoint, by page number.
#[derive(Debug, Default)]
pub struct DirtySet {
    pages: BTreeMap<PageNo, DirtyPage>,
    bytes: u64,
}

impl DirtySet {
    /// Notes the newest state of `page`.
    pub fn insert(&mut self, page: PageNo, state: DirtyPage) {
        if let DirtyPage::Extent(_, _, count) = &state {
            // What these numbers were before they became pieces of this extent no longer matters.
            let end = PageNo(page.get().saturating_add(*count));
            let inside: Vec<PageNo> = self.pages.range(page..end).map(|(no, _)| *no).collect();
            for no in inside {
                self.remove(no);
            }
        }
        let bytes = state.bytes();
        self.remove(page);
        self.pages.insert(page, state);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn remove(&mut self, page: PageNo) {
        if let Some(old) = self.pages.remove(&page) {
            self.bytes = self.bytes.saturating_sub(old.bytes());
        }
    }

    /// Puts `newer` on top of this set.
    pub fn merge(&mut self, newer: Self) {
        for (page, state) in newer.pages {
            self.insert(page, state);
        }
    }

    /// Memory held by the images, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The pages, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PageNo, &DirtyPage)> {
        self.pages.iter().map(|(page, state)| (*page, state))
    }
}

impl DirtyPage {
    fn bytes(&self) -> u64 {
        match self {
            Self::Page(_, image) | Self::Extent(_, image, _) => image.len() as u64,
            Self::Freed => 0,
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
        assert_eq!((pages, dirty.bytes()), (vec![5, 7], 14));
    }

    #[test]
    fn what_came_later_wins_in_a_merge() {
        let mut older = DirtySet::default();
        older.insert(PageNo(1), page(1));
        older.insert(PageNo(2), page(1));
        let mut newer = DirtySet::default();
        newer.insert(PageNo(1), DirtyPage::Freed);
        older.merge(newer);
        assert!(matches!(
            older.pages.get(&PageNo(1)),
            Some(DirtyPage::Freed)
        ));
        assert_eq!(older.bytes(), 4);
    }
}
