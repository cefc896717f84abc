//! `PageNo -> version chain`, read without locks.
//!
//! Invariants:
//! 1. A chain's versions descend strictly from its head.
//! 2. Only one thread at a time pushes and prunes (the commit leader, under the writer's lock). Any thread
//!    may install the first node of an empty chain: what it read from disk.
//! 3. A node is unlinked before it is given to the epoch's garbage, and never linked again. So a thread
//!    that is pinned may follow every pointer it finds.
//!
//! It does not know what a page holds, nor who reads.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned, Shared};

use crate::ids::{PageNo, Version};

/// Entries in the first segment; each further one is twice as long.
const FIRST_SEGMENT_LEN: usize = 64;
/// Enough segments for every `PageNo`.
const SEGMENTS: usize = 27;

/// Version chains for all page numbers.
pub struct PageTable<T> {
    segments: [OnceLock<Box<[Entry<T>]>>; SEGMENTS],
}

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

impl<T> PageTable<T> {
    /// A table with empty chains.
    pub fn new() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
        }
    }

    /// Applies `read` to what a reader at version `at` sees of `page`.
    pub fn find<R>(&self, page: PageNo, at: Version, read: impl FnOnce(&T) -> R) -> Found<R> {
        let Some(entry) = self.entry(page) else {
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

    /// Installs what was read from disk; false if another thread has installed or pushed something first.
    pub fn install(&self, page: PageNo, version: Version, content: T) -> bool {
        let guard = epoch::pin();
        let node = Owned::new(Node {
            version,
            content,
            prev: Atomic::null(),
        });
        let empty = Shared::null();
        let entry = self.entry_or_grow(page);
        entry
            .compare_exchange(empty, node, AcqRel, Acquire, &guard)
            .is_ok()
    }

    /// Puts a newer version at the head of `page`'s chain. One thread at a time.
    pub fn push(&self, page: PageNo, version: Version, content: T) {
        let guard = epoch::pin();
        let entry = self.entry_or_grow(page);
        let mut node = Owned::new(Node {
            version,
            content,
            prev: Atomic::null(),
        });
        loop {
            let head = entry.load(Acquire, &guard);
            node.prev.store(head, Release);
            match entry.compare_exchange(head, node, AcqRel, Acquire, &guard) {
                Ok(_) => return,
                Err(lost) => node = lost.new,
            }
        }
    }

    /// Drops every version of `page` that a newer one at or below `floor` hides. One thread at a time.
    /// `each` sees what is dropped.
    pub fn prune(&self, page: PageNo, floor: Version, mut each: impl FnMut(&T)) {
        let Some(entry) = self.entry(page) else {
            return;
        };
        let guard = epoch::pin();
        let mut node = entry.load(Acquire, &guard);
        while let Some(found) = follow(node, &guard) {
            if found.version <= floor {
                let mut hidden = found.prev.swap(Shared::null(), AcqRel, &guard);
                while let Some(garbage) = follow(hidden, &guard) {
                    each(&garbage.content);
                    let next = garbage.prev.load(Acquire, &guard);
                    retire(hidden, &guard);
                    hidden = next;
                }
                return;
            }
            node = found.prev.load(Acquire, &guard);
        }
    }

    fn entry(&self, page: PageNo) -> Option<&Entry<T>> {
        let (segment, index) = locate(page);
        self.segments.get(segment)?.get()?.get(index)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "locate() is within bounds for every u32, as its test shows"
    )]
    fn entry_or_grow(&self, page: PageNo) -> &Entry<T> {
        let (segment, index) = locate(page);
        let entries = self.segments[segment].get_or_init(|| {
            (0..FIRST_SEGMENT_LEN << segment)
                .map(|_| Atomic::null())
                .collect()
        });
        &entries[index]
    }
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
    // SAFETY: the caller has just unlinked the node (invariant 3) and is the only one that prunes
    // (invariant 2), so nobody retires it twice and nobody pinned later can reach it.
    unsafe { pinned.defer_destroy(node) }
}

impl<T> Drop for PageTable<T> {
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

impl<T> std::fmt::Debug for PageTable<T> {
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

    #[test]
    fn a_reader_sees_the_newest_version_at_or_below_its_own() {
        let table = PageTable::new();
        assert_eq!(
            table.find(PAGE, Version(9), |c| *c),
            Found::NotLoaded::<char>
        );
        table.install(PAGE, Version(2), 'a');
        table.push(PAGE, Version(5), 'b');
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
    fn pruning_frees_what_is_hidden_and_only_that() {
        let table = PageTable::new();
        let versions: Vec<Arc<u64>> = (1..=4).map(Arc::new).collect();
        for version in &versions {
            table.push(PAGE, Version(**version), Arc::clone(version));
        }
        let mut dropped = Vec::new();
        table.prune(PAGE, Version(3), |c| dropped.push(**c));
        assert_eq!(dropped, [2, 1]);
        let seen = |v| table.find(PAGE, Version(v), |c| **c);
        assert_eq!(
            (seen(2), seen(3), seen(4)),
            (Found::NotYet, Found::Content(3), Found::Content(4))
        );
        drop(table);
        assert_eq!(
            (
                Arc::strong_count(&versions[2]),
                Arc::strong_count(&versions[3])
            ),
            (1, 1)
        );
    }

    #[test]
    fn readers_and_a_pruning_writer_agree() {
        let table = Arc::new(PageTable::new());
        table.push(PAGE, Version(1), vec![1_u64; 8]);
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
                table.push(PAGE, Version(version), vec![version; 8]);
                table.prune(PAGE, Version(version), |_| ());
            }
        });
    }
}
