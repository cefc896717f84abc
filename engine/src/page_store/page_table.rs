//! `PageNo -> version chain`, read without locks, changed under one.
//!
//! Invariants:
//! 1. A chain's versions descend strictly from its head.
//! 2. Chains are changed by one thread at a time: only through [`Chains`], which borrows the held lock.
//! 3. A node is unlinked before it is given to the epoch's garbage, and never linked again. Whoever can still
//!    stand on an unlinked node was pinned before that, so before anything that the node leads to was retired. So a
//!    thread that is pinned may follow every pointer it finds.
//!
//! It does not know what a page holds, nor who reads. What else changes together with the chains lives under
//! their lock (`S`).

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned, Shared};

use crate::ids::{PageNo, Version};
use crate::sync::{Mutex, MutexGuard, lock};

/// Entries in the first segment; each further one is twice as long.
const FIRST_SEGMENT_LEN: usize = 64;
/// Enough segments for every `PageNo`.
const SEGMENTS: usize = 27;

/// Version chains for all page numbers, and what changes with them.
pub struct PageTable<T, S> {
    segments: Segments<T>,
    state: Mutex<S>,
}

type Segments<T> = [OnceLock<Box<[Entry<T>]>>; SEGMENTS];
type Entry<T> = Atomic<Node<T>>;

struct Node<T> {
    version: Version,
    content: T,
    prev: Atomic<Self>,
}

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
    pub content: &'n T,
}

/// What becomes of a version.
#[derive(Debug)]
pub enum Fate<T> {
    /// It stays.
    Keep,
    /// It leaves the chain.
    Drop,
    /// It holds something else from now on, which means the same to readers.
    Replace(T),
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
    pub fn find<R>(&self, page: PageNo, at: Version, read: impl FnOnce(&T) -> R) -> Found<R> {
        let Some(entry) = entry(&self.segments, page) else {
            return Found::NotLoaded;
        };
        let guard = epoch::pin();
        let mut node = entry.load(Acquire, &guard);
        if node.is_null() {
            return Found::NotLoaded;
        }
        while let Some(found) = follow(node, &guard) {
            if found.version <= at {
                return Found::Content(read(&found.content));
            }
            node = found.prev.load(Acquire, &guard);
        }
        Found::NotYet
    }

    /// Takes the lock. No disk is touched while it is held.
    pub fn edit(&self) -> Edit<'_, T, S> {
        Edit {
            segments: &self.segments,
            state: lock(&self.state),
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
    /// Applies `read` to the newest version of `page`, if the chain has one.
    pub fn head<R>(&self, page: PageNo, read: impl FnOnce(Version, &T) -> R) -> Option<R> {
        let guard = epoch::pin();
        let node = entry(self.segments, page)?.load(Acquire, &guard);
        follow(node, &guard).map(|found| read(found.version, &found.content))
    }

    /// Puts a newer version at the head of `page`'s chain.
    pub fn push(&mut self, page: PageNo, version: Version, content: T) {
        let guard = epoch::pin();
        let entry = entry_or_grow(self.segments, page);
        let head = entry.load(Acquire, &guard);
        let prev = Atomic::from(head);
        entry.store(
            Owned::new(Node {
                version,
                content,
                prev,
            }),
            Release,
        );
    }

    /// Decides the fate of every version of `page`, the newest first.
    pub fn retain(&mut self, page: PageNo, mut decide: impl FnMut(Seen<'_, T>) -> Fate<T>) {
        let Some(entry) = entry(self.segments, page) else {
            return;
        };
        let guard = epoch::pin();
        let mut link = entry;
        let mut newer = None;
        loop {
            let node = link.load(Acquire, &guard);
            let Some(found) = follow(node, &guard) else {
                return;
            };
            let next = found.prev.load(Acquire, &guard);
            let (version, is_oldest) = (found.version, next.is_null());
            let seen = Seen {
                version,
                newer,
                is_oldest,
                content: &found.content,
            };
            match decide(seen) {
                Fate::Keep => {
                    link = &found.prev;
                    newer = Some(version);
                }
                Fate::Drop => {
                    link.store(next, Release);
                    retire(node, &guard);
                }
                Fate::Replace(content) => {
                    let prev = Atomic::from(next);
                    let new = Owned::new(Node {
                        version,
                        content,
                        prev,
                    });
                    let new = new.into_shared(&guard);
                    link.store(new, Release);
                    retire(node, &guard);
                    let Some(new) = follow(new, &guard) else {
                        return;
                    };
                    link = &new.prev;
                    newer = Some(version);
                }
            }
        }
    }

    /// Hurries the freeing of what was dropped, as far as no reader is pinned since before.
    pub fn collect() {
        // The epoch advances at most once a call, and what was dropped now is free two epochs later.
        for _ in 0..3 {
            epoch::pin().flush();
        }
    }
}

fn entry<T>(segments: &Segments<T>, page: PageNo) -> Option<&Entry<T>> {
    let (segment, index) = locate(page);
    segments.get(segment)?.get()?.get(index)
}

#[expect(
    clippy::indexing_slicing,
    reason = "locate() is within bounds for every u32, as its test shows"
)]
fn entry_or_grow<T>(segments: &Segments<T>, page: PageNo) -> &Entry<T> {
    let (segment, index) = locate(page);
    let entries = segments[segment].get_or_init(|| {
        (0..FIRST_SEGMENT_LEN << segment)
            .map(|_| Atomic::null())
            .collect()
    });
    &entries[index]
}

/// The segment of `page`'s entry and its index there.
fn locate(page: PageNo) -> (usize, usize) {
    let place = page.get() as usize + FIRST_SEGMENT_LEN;
    let segment = (place.ilog2() - FIRST_SEGMENT_LEN.ilog2()) as usize;
    (segment, place - (FIRST_SEGMENT_LEN << segment))
}

#[expect(
    unsafe_code,
    reason = "lock-free chains; docs/decisions/0003-epoch-chains.md"
)]
fn follow<'g, T>(node: Shared<'g, Node<T>>, _pinned: &'g Guard) -> Option<&'g Node<T>> {
    // SAFETY: by invariant 3 a node that was reachable while this thread is pinned is not freed before
    // `_pinned` is dropped, and nodes are never mutated but for `prev`, which is atomic.
    unsafe { node.as_ref() }
}

#[expect(
    unsafe_code,
    reason = "lock-free chains; docs/decisions/0003-epoch-chains.md"
)]
fn retire<T>(node: Shared<'_, Node<T>>, pinned: &Guard) {
    // SAFETY: the caller has just unlinked the node (invariant 3) and is the only one that changes chains
    // (invariant 2), so nobody retires it twice and nobody pinned later can reach it.
    unsafe { pinned.defer_destroy(node) }
}

impl<T, S> Drop for PageTable<T, S> {
    #[expect(
        unsafe_code,
        reason = "lock-free chains; docs/decisions/0003-epoch-chains.md"
    )]
    fn drop(&mut self) {
        // SAFETY: `&mut self`: no other thread can reach the table any more.
        let guard = unsafe { epoch::unprotected() };
        let entries = self
            .segments
            .iter_mut()
            .filter_map(OnceLock::get_mut)
            .flatten();
        for entry in entries {
            let mut node = entry.swap(Shared::null(), AcqRel, guard);
            while !node.is_null() {
                // SAFETY: as above, and each node hangs in one chain only, so it is owned here once.
                let owned = unsafe { node.into_owned() };
                node = owned.prev.load(Acquire, guard);
            }
        }
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
        edit.parts().0.push(PAGE, Version(version), content);
    }

    fn retain<T>(table: &PageTable<T, ()>, decide: impl FnMut(Seen<'_, T>) -> Fate<T>) {
        let mut edit = table.edit();
        edit.parts().0.retain(PAGE, decide);
    }

    #[test]
    fn a_reader_sees_the_newest_version_at_or_below_its_own() {
        let table = PageTable::new(());
        assert_eq!(
            table.find(PAGE, Version(9), |c| *c),
            Found::NotLoaded::<char>
        );
        push(&table, 2, 'a');
        push(&table, 5, 'b');
        let seen = |v| table.find(PAGE, Version(v), |c| *c);
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
                2 => Fate::Replace(Arc::clone(&versions[5])),
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
        let seen = |v| table.find(PAGE, Version(v), |c| **c);
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
                        let seen = table.find(PAGE, Version(u64::MAX), Clone::clone);
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
                    None => Fate::Replace(seen.content.clone()),
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
                    match table.find(PAGE, Version(7), Clone::clone) {
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
            Chains::<Vec<u64>>::collect();
        });
    }
}
