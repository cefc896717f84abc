//! `PageNo -> version chain`, read without locks, changed under one.
//!
//! Invariants:
//! 1. A chain's versions descend strictly from its head.
//! 2. Chains are changed by one thread at a time: only through [`Chains`], which borrows the held lock.
//! 3. What leaves a chain is unlinked first, then given to the epoch's garbage (link.rs), and comes back, if ever, to the same
//!    place only. Whoever can still stand on it was pinned before that, so before anything that it leads to was retired. So
//!    a thread that is pinned may follow every link it finds.
//!
//! It does not know what a page holds, nor who reads. What else changes together with the chains lives under
//! their lock (`S`).

use std::sync::OnceLock;

use crossbeam_epoch as epoch;

use crate::ids::{PageNo, Version};
use crate::image::Trace;
use crate::sync::{Mutex, MutexGuard, lock};

use super::link::{Item, ItemRef, Link};

/// Entries in the first segment; each further one is twice as long.
const FIRST_SEGMENT_LEN: usize = 64;
/// Enough segments for every `PageNo`.
const SEGMENTS: usize = 27;

/// Version chains for all page numbers, and what changes with them.
pub struct PageTable<T, S> {
    segments: Segments<T>,
    state: Mutex<S>,
}

type Segments<T> = [OnceLock<Box<[Link<T>]>>; SEGMENTS];

/// What a chain holds for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<R> {
    /// The newest version that the reader may see.
    Content(R),
    /// The chain is empty: what the page is stands on disk, if anywhere.
    NotLoaded,
    /// All versions are newer than the reader: for it the page does not exist.
    NotYet,
}

/// The chains, held so that what is found in them stays where it is. What leaves a chain meanwhile is not freed: it is for a
/// moment only.
pub struct Hold<'t, T> {
    segments: &'t Segments<T>,
    pinned: epoch::Guard,
}

/// The right to change chains, held as a lock.
#[derive(Debug)]
pub struct Edit<'t, T, S> {
    segments: &'t Segments<T>,
    state: MutexGuard<'t, S>,
}

/// The chains, open to changes while an [`Edit`] is held.
pub struct Chains<'e, T> {
    segments: &'e Segments<T>,
}

/// One version of a page, seen by [`Chains::retain`].
#[derive(Debug)]
pub struct Seen<'n, T> {
    /// Its version.
    pub version: Version,
    /// The version that superseded it; none for the newest.
    pub newer: Option<Version>,
    /// Whether no older one follows.
    pub is_oldest: bool,
    /// What it holds.
    pub item: ItemRef<'n, T>,
}

/// What becomes of a version.
#[derive(Debug)]
pub enum Fate<T> {
    /// It stays.
    Keep,
    /// It leaves the chain.
    Drop,
    /// It holds something else from now on, which means the same to readers.
    Replace(Item<T>),
}

impl<T, S> PageTable<T, S> {
    /// A table with empty chains.
    pub fn new(state: S) -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
            state: Mutex::new(state),
        }
    }

    /// Applies `read` to what a reader at version `at` sees of `page`.
    pub fn find<R>(
        &self,
        page: PageNo,
        at: Version,
        read: impl FnOnce(ItemRef<'_, T>) -> R,
    ) -> Found<R> {
        match self.hold().find(page, at) {
            Found::Content(item) => Found::Content(read(item)),
            Found::NotLoaded => Found::NotLoaded,
            Found::NotYet => Found::NotYet,
        }
    }

    /// Holds the chains for a moment.
    #[inline]
    pub fn hold(&self) -> Hold<'_, T> {
        Hold {
            segments: &self.segments,
            pinned: epoch::pin(),
        }
    }

    /// Takes the lock. No disk is touched while it is held.
    pub fn edit(&self) -> Edit<'_, T, S> {
        Edit {
            segments: &self.segments,
            state: lock(&self.state),
        }
    }
}

impl<T> Hold<'_, T> {
    /// Where the newest version of `page` is, if that is an image in memory.
    #[inline]
    pub fn trace(&self, page: PageNo) -> Option<Trace> {
        entry(self.segments, page)?.follow(&self.pinned)?.trace()
    }

    /// What a reader at version `at` sees of `page`.
    #[inline]
    pub fn find(&self, page: PageNo, at: Version) -> Found<ItemRef<'_, T>> {
        let Some(entry) = entry(self.segments, page) else {
            return Found::NotLoaded;
        };
        let Some(mut step) = entry.follow(&self.pinned) else {
            return Found::NotLoaded;
        };
        step.prefetch();
        loop {
            if step.version() <= at {
                return Found::Content(step.item());
            }
            let Some(older) = step.older(&self.pinned) else {
                return Found::NotYet;
            };
            step = older;
        }
    }
}

impl<T, S> Edit<'_, T, S> {
    /// The chains, and what changes with them.
    pub fn parts(&mut self) -> (Chains<'_, T>, &mut S) {
        let chains = Chains {
            segments: self.segments,
        };
        (chains, &mut self.state)
    }
}

impl<T> Chains<'_, T> {
    /// Asks the processor for what stands beside the newest version of each of `pages`: the memory looks for several at a time.
    pub fn prefetch(&self, pages: impl Iterator<Item = PageNo>) {
        let pinned = epoch::pin();
        let newest = pages.filter_map(|page| entry(self.segments, page)?.follow(&pinned));
        newest
            .filter_map(|newest| newest.trace())
            .for_each(Trace::prefetch_notes);
    }

    /// As `prefetch`, for the second newest versions.
    pub fn prefetch_older(&self, pages: impl Iterator<Item = PageNo>) {
        let pinned = epoch::pin();
        let newest = pages.filter_map(|page| entry(self.segments, page)?.follow(&pinned));
        let older = newest.filter_map(|newest| newest.older(&pinned));
        older
            .filter_map(|older| older.trace())
            .for_each(Trace::prefetch_notes);
    }

    /// Applies `read` to the newest version of `page`, if the chain has one.
    pub fn head<R>(
        &self,
        page: PageNo,
        read: impl FnOnce(Version, ItemRef<'_, T>) -> R,
    ) -> Option<R> {
        let pinned = epoch::pin();
        let newest = entry(self.segments, page)?.follow(&pinned)?;
        Some(read(newest.version(), newest.item()))
    }

    /// Puts a newer version at the head of `page`'s chain.
    pub fn push(&mut self, page: PageNo, version: Version, item: Item<T>) {
        entry_or_grow(self.segments, page).push(version, item);
    }

    /// Decides the fate of every version of `page`, the newest first.
    pub fn retain(&mut self, page: PageNo, mut decide: impl FnMut(Seen<'_, T>) -> Fate<T>) {
        let Some(entry) = entry(self.segments, page) else {
            return;
        };
        let pinned = epoch::pin();
        let mut place = entry.place();
        let mut newer = None;
        while let Some(step) = place.follow(&pinned) {
            let version = step.version();
            let seen = Seen {
                version,
                newer,
                is_oldest: step.is_oldest(),
                item: step.item(),
            };
            match decide(seen) {
                Fate::Keep => {
                    place = step.place_of_older();
                    newer = Some(version);
                }
                Fate::Drop => place.drop_first(&step, &pinned),
                Fate::Replace(item) => {
                    place = place.replace_first(&step, item, &pinned);
                    newer = Some(version);
                }
            }
        }
    }

    /// Hurries the freeing of what was dropped, as far as no reader is pinned since before. Each round frees some hundreds.
    pub fn collect(rounds: u64) {
        // The epoch advances at most once a call, and what was dropped now is free two epochs later.
        for _ in 0..rounds.saturating_add(2) {
            epoch::pin().flush();
        }
    }
}

#[inline]
fn entry<T>(segments: &Segments<T>, page: PageNo) -> Option<&Link<T>> {
    let (segment, index) = locate(page);
    segments.get(segment)?.get()?.get(index)
}

#[expect(
    clippy::indexing_slicing,
    reason = "locate() is within bounds for every u32, as its test shows"
)]
fn entry_or_grow<T>(segments: &Segments<T>, page: PageNo) -> &Link<T> {
    let (segment, index) = locate(page);
    let entries = segments[segment].get_or_init(|| {
        (0..FIRST_SEGMENT_LEN << segment)
            .map(|_| Link::default())
            .collect()
    });
    &entries[index]
}

/// The segment of `page`'s entry and its index there.
#[inline]
fn locate(page: PageNo) -> (usize, usize) {
    let place = page.get() as usize + FIRST_SEGMENT_LEN;
    let segment = (place.ilog2() - FIRST_SEGMENT_LEN.ilog2()) as usize;
    (segment, place - (FIRST_SEGMENT_LEN << segment))
}

impl<T> std::fmt::Debug for Hold<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

impl<T, S> std::fmt::Debug for PageTable<T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let segments = self
            .segments
            .iter()
            .filter(|segment| segment.get().is_some())
            .count();
        f.debug_struct("PageTable")
            .field("segments", &segments)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::image::Image;

    const PAGE: PageNo = PageNo(7);

    #[test]
    fn every_page_number_has_an_entry_of_its_own() {
        let mut expected = (0, 0);
        for page in 0..5000 {
            assert_eq!(locate(PageNo(page)), expected);
            expected.1 += 1;
            if expected.1 == FIRST_SEGMENT_LEN << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let (segment, index) = locate(PageNo(u32::MAX));
        assert!(segment < SEGMENTS && index < FIRST_SEGMENT_LEN << segment);
    }

    fn push<T>(table: &PageTable<T, ()>, version: u64, content: T) {
        let mut edit = table.edit();
        edit.parts()
            .0
            .push(PAGE, Version(version), Item::Other(content));
    }

    fn other<T>(item: ItemRef<'_, T>) -> &T {
        match item {
            ItemRef::Other(content) => content,
            ItemRef::Image(_) => panic!("an image where none was put"),
        }
    }

    fn retain<T>(table: &PageTable<T, ()>, decide: impl FnMut(Seen<'_, T>) -> Fate<T>) {
        let mut edit = table.edit();
        edit.parts().0.retain(PAGE, decide);
    }

    #[test]
    fn a_reader_sees_the_newest_version_at_or_below_its_own() {
        let table = PageTable::new(());
        assert_eq!(
            table.find(PAGE, Version(9), |c| *other(c)),
            Found::NotLoaded::<char>
        );
        push(&table, 2, 'a');
        push(&table, 5, 'b');
        let seen = |v| table.find(PAGE, Version(v), |c| *other(c));
        assert_eq!(seen(1), Found::NotYet);
        assert_eq!(
            (seen(2), seen(4)),
            (Found::Content('a'), Found::Content('a'))
        );
        assert_eq!(
            (seen(5), seen(6)),
            (Found::Content('b'), Found::Content('b'))
        );
    }

    #[test]
    fn any_version_can_leave_or_be_replaced_and_the_rest_stays() {
        let table = PageTable::new(());
        let versions: Vec<Arc<u64>> = (0..=5).map(Arc::new).collect();
        for version in &versions[1..=4] {
            push(&table, **version, Arc::clone(version));
        }
        let mut walked = Vec::new();
        retain(&table, |seen| {
            walked.push((
                seen.version.get(),
                seen.newer.map(Version::get),
                seen.is_oldest,
            ));
            match seen.version.get() {
                3 | 1 => Fate::Drop,
                2 => Fate::Replace(Item::Other(Arc::clone(&versions[5]))),
                _ => Fate::Keep,
            }
        });
        let expected = [
            (4, None, false),
            (3, Some(4), false),
            (2, Some(4), false),
            (1, Some(2), true),
        ];
        assert_eq!(walked, expected);
        let seen = |v| table.find(PAGE, Version(v), |c| **other(c));
        assert_eq!(
            (seen(1), seen(2), seen(3), seen(4)),
            (
                Found::NotYet,
                Found::Content(5),
                Found::Content(5),
                Found::Content(4)
            )
        );
        drop(table);
        assert_eq!(
            (
                Arc::strong_count(&versions[4]),
                Arc::strong_count(&versions[5])
            ),
            (1, 1)
        );
    }

    #[test]
    fn readers_and_a_writer_that_pushes_prunes_and_replaces_agree() {
        let table = Arc::new(PageTable::new(()));
        push(&table, 1, vec![1_u64; 8]);
        let rounds: u64 = if cfg!(miri) { 20 } else { 2000 };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        let seen = table.find(PAGE, Version(u64::MAX), |c| other(c).clone());
                        let Found::Content(seen) = seen else {
                            panic!("lost the page")
                        };
                        assert!(seen.iter().all(|v| *v == seen[0]));
                    }
                });
            }
            for version in 2..rounds {
                push(&table, version, vec![version; 8]);
                retain(&table, |seen| match seen.newer {
                    None => Fate::Replace(Item::Other(other(seen.item).clone())),
                    Some(_) if version % 3 == 0 => Fate::Drop,
                    Some(_) => Fate::Keep,
                });
            }
        });
    }

    /// The last version leaves too, as in an eviction, and comes back, as in a load.
    #[test]
    fn a_chain_that_empties_and_fills_shows_all_or_nothing() {
        let table = Arc::new(PageTable::new(()));
        let rounds: u64 = if cfg!(miri) { 20 } else { 2000 };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..rounds {
                    match table.find(PAGE, Version(7), |c: ItemRef<'_, Vec<u64>>| {
                        other(c).clone()
                    }) {
                        Found::Content(seen) => assert_eq!(seen, vec![7_u64; 8]),
                        Found::NotLoaded => {}
                        Found::NotYet => panic!("version 7 hidden"),
                    }
                }
            });
            for _ in 0..rounds {
                push(&table, 7, vec![7_u64; 8]);
                retain(&table, |_| Fate::Drop);
            }
            Chains::<Vec<u64>>::collect(1);
        });
    }

    fn image_of(version: u64) -> Item<u64> {
        Item::Image(Image::from(vec![version.to_le_bytes()[0]; 256]))
    }

    /// What a reader sees: an image's bytes are its version's lowest byte each.
    fn version_seen(item: ItemRef<'_, u64>) -> u64 {
        match item {
            ItemRef::Image(image) => {
                let image = image.to_image();
                assert!(image.iter().all(|byte| *byte == image[0]));
                u64::from(image[0])
            }
            ItemRef::Other(version) => *version,
        }
    }

    #[test]
    fn images_and_others_stand_in_one_chain_in_any_order() {
        let table = PageTable::new(());
        for version in 1..=6 {
            let mut edit = table.edit();
            let item = if version % 3 == 0 {
                Item::Other(version)
            } else {
                image_of(version)
            };
            edit.parts().0.push(PAGE, Version(version), item);
        }
        let seen = |table: &PageTable<u64, ()>| -> Vec<_> {
            let at = |version| table.find(PAGE, Version(version), version_seen);
            (0..=7).map(at).collect()
        };
        let found = |versions: [u64; 7]| -> Vec<_> {
            let found = versions.into_iter().map(Found::Content);
            std::iter::once(Found::NotYet).chain(found).collect()
        };
        assert_eq!(seen(&table), found([1, 2, 3, 4, 5, 6, 6]));
        retain(&table, |seen| match seen.version.get() {
            5 => Fate::Replace(Item::Other(5)),
            3 => Fate::Replace(image_of(3)),
            4 => Fate::Drop,
            _ => Fate::Keep,
        });
        assert_eq!(seen(&table), found([1, 2, 3, 3, 5, 6, 6]));
        retain(&table, |seen| match seen.version.get() {
            1 | 6 => Fate::Drop,
            _ => Fate::Keep,
        });
        assert_eq!(seen(&table)[1], Found::NotYet);
        assert_eq!(seen(&table)[6], Found::Content(5));
    }

    #[test]
    fn an_image_outlives_its_chain_and_may_enter_another() {
        let image = Image::from(vec![4_u8; 64]);
        let (one, two) = (PageTable::<u64, ()>::new(()), PageTable::<u64, ()>::new(()));
        for (table, version) in [(&one, 4), (&two, 9)] {
            let mut edit = table.edit();
            let item = Item::Image(image.clone());
            edit.parts().0.push(PAGE, Version(version), item);
        }
        assert_eq!(one.find(PAGE, Version(4), version_seen), Found::Content(4));
        assert_eq!(two.find(PAGE, Version(8), version_seen), Found::NotYet);
        drop(one);
        assert_eq!(two.find(PAGE, Version(9), version_seen), Found::Content(4));
        retain(&two, |_| Fate::Drop);
        Chains::<u64>::collect(1);
        assert_eq!(&*image, &[4; 64]);
    }

    /// Readers that hold the chains see whole images while versions are pushed, pruned, replaced and given up.
    #[test]
    fn held_images_stay_whole_while_their_chain_changes() {
        let table = Arc::new(PageTable::<u64, ()>::new(()));
        table.edit().parts().0.push(PAGE, Version(1), image_of(1));
        let rounds: u64 = if cfg!(miri) { 20 } else { 2000 };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        let hold = table.hold();
                        let Found::Content(seen) = hold.find(PAGE, Version(u64::MAX)) else {
                            panic!("lost the page")
                        };
                        version_seen(seen);
                    }
                });
            }
            for version in 2..rounds {
                let mut edit = table.edit();
                edit.parts()
                    .0
                    .push(PAGE, Version(version), image_of(version));
                drop(edit);
                retain(&table, |seen| match (seen.newer, seen.item) {
                    (None, ItemRef::Image(image)) if version % 2 == 0 => {
                        Fate::Replace(Item::Image(image.to_image()))
                    }
                    (Some(_), _) if version % 3 == 0 => Fate::Drop,
                    _ => Fate::Keep,
                });
            }
        });
    }
}
