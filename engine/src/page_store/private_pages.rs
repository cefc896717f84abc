//! The private copies of pages that a commit group holds, by page number.
//!
//! Invariant: `places` says for every page in `pages`, and for no other, where it is there; or it is empty, as long as there are few of
//! them, which are looked through.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::vec::Drain;

use crate::ids::PageNo;
use crate::image::Image;

/// A set that had room for more pages than this gives it back.
const KEPT_PAGES: usize = 4096;

/// So many pages are looked through.
const FEW: usize = 8;

/// A private copy.
#[derive(Debug)]
pub(super) struct Private {
    pub(super) image: Image,
    /// The group allocated the page.
    pub(super) is_new: bool,
}

/// Where a private copy is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

/// Private copies. Nothing shows in which order they were made.
#[derive(Debug, Default)]
pub(super) struct PrivatePages {
    pages: Vec<(PageNo, Private)>,
    places: HashMap<PageNo, usize, BuildHasherDefault<ByNumber>>,
    /// There have been more than a few, so `places` is kept.
    is_placed: bool,
}

impl PrivatePages {
    fn find(&self, page: PageNo) -> Option<usize> {
        if self.is_placed {
            return self.places.get(&page).copied();
        }
        self.pages.iter().position(|(known, _)| *known == page)
    }

    pub(super) fn get(&self, page: PageNo) -> Option<&Private> {
        let place = self.find(page)?;
        self.pages.get(place).map(|(_, private)| private)
    }

    /// Where the page's copy is, until a page is removed.
    pub(super) fn place(&self, page: PageNo) -> Option<Place> {
        self.find(page).map(Place)
    }

    pub(super) fn at_mut(&mut self, place: Place) -> Option<&mut Private> {
        self.pages.get_mut(place.0).map(|(_, private)| private)
    }

    /// Adds a page, of which there is no copy yet.
    pub(super) fn insert(&mut self, page: PageNo, private: Private) -> Option<&mut Private> {
        debug_assert!(self.find(page).is_none(), "page {page} has a private copy");
        if !self.is_placed && self.pages.len() == FEW {
            let known = self.pages.iter().map(|(page, _)| *page);
            self.places.extend(known.zip(0..));
            self.is_placed = true;
        }
        if self.is_placed {
            self.places.insert(page, self.pages.len());
        }
        self.pages.push((page, private));
        self.pages.last_mut().map(|(_, private)| private)
    }

    pub(super) fn remove(&mut self, page: PageNo) -> Option<Private> {
        let place = self.find(page)?;
        let (_, private) = self.pages.swap_remove(place);
        if self.is_placed {
            self.places.remove(&page);
            if let Some((moved, _)) = self.pages.get(place) {
                self.places.insert(*moved, place);
            }
        }
        Some(private)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PageNo, &Private)> {
        self.pages.iter().map(|(page, private)| (*page, private))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Takes all of them out, ascending by page number.
    pub(super) fn drain(&mut self) -> Drain<'_, (PageNo, Private)> {
        self.forget_places();
        self.pages.sort_unstable_by_key(|(page, _)| *page);
        self.pages.drain(..)
    }

    pub(super) fn clear(&mut self) {
        self.forget_places();
        self.pages.clear();
    }

    /// What is small is kept for the next group.
    fn forget_places(&mut self) {
        if !std::mem::take(&mut self.is_placed) {
            return;
        }
        if self.places.capacity() > KEPT_PAGES {
            self.places = HashMap::default();
        } else {
            self.places.clear();
        }
    }
}

/// A hasher of page numbers, which nobody chooses to collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByNumber(u64);

impl Hasher for ByNumber {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The golden ratio: numbers in a row spread evenly over the high bits, and are all different in the low ones.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn private(byte: u8) -> Private {
        Private {
            image: Image::from(vec![byte]),
            is_new: false,
        }
    }

    #[test]
    fn it_is_a_map_that_comes_out_in_order() {
        let (mut pages, mut model) = (PrivatePages::default(), BTreeMap::new());
        // Few pages and many, in turns.
        for (round, numbers) in [(0, 97), (1, 7), (2, 12), (0, 5), (1, 97)] {
            for step in 0..500_u32 {
                let page = PageNo(step.wrapping_mul(2_654_435_761) % numbers);
                let byte = u8::try_from(step % 251).unwrap();
                if step % 3 == round {
                    let removed = pages.remove(page).map(|private| private.image[0]);
                    assert_eq!(removed, model.remove(&page));
                } else if let Some(place) = pages.place(page) {
                    let private = pages.at_mut(place).unwrap();
                    private.image = Image::from(vec![byte]);
                    model.insert(page, byte);
                } else {
                    pages.insert(page, private(byte)).unwrap();
                    model.insert(page, byte);
                }
                let seen = pages.get(page).map(|private| private.image[0]);
                assert_eq!(seen, model.get(&page).copied());
            }
            let drained = pages
                .drain()
                .map(|(page, private)| (page, private.image[0]));
            let drained: Vec<_> = drained.collect();
            assert_eq!(
                drained,
                std::mem::take(&mut model).into_iter().collect::<Vec<_>>()
            );
            assert!(pages.get(PageNo(1)).is_none());
        }
    }
}
