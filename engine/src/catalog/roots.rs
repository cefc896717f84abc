//! Where tables are, remembered, so that a read need not descend the catalog before its table.
//!
//! The version of the last commit that changed the catalog names what the catalog holds: for all snapshots from it on, until there is
//! a newer one. What is remembered carries that name, and serves only readers that find the same name in force and are no
//! older than it. So nothing is ever forgotten, and an older snapshot descends.
//!
//! Invariants:
//! 1. A place's root and name belong together: the name is stored last, and taken away first.
//! 2. Names ascend: who learned something older than what is known keeps it to himself.
//!
//! Readers take no lock and write nothing; a table that is read for the first time since the catalog changed takes one.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use crate::btree::Tree;
use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::pages::ReadPages;
use crate::sync::{Mutex, lock};

use super::find;

/// How many tables are remembered at most; a power of two.
const PLACES: usize = 1024;
/// How many places a table's name may have.
const PROBES: usize = 8;
/// What is in force before anything was learned. No commit has this version.
const NEVER: u64 = u64::MAX;

/// Where tables are.
pub struct Roots {
    places: Box<[OnceLock<Box<Place>>]>,
    learning: Mutex<()>,
}

struct Place {
    table: Box<str>,
    /// The version of the commit that made the catalog what it was when this was learned.
    as_of: AtomicU64,
    root: AtomicU64,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            learning: Mutex::default(),
        }
    }
}

impl Roots {
    /// The table called `name`, if it exists in `pages`, whose catalog was last changed at `as_of`; none if `pages` are older
    /// than the last change.
    #[inline]
    pub fn find(
        &self,
        pages: &impl ReadPages,
        as_of: Option<Version>,
        name: &str,
    ) -> Result<Option<Tree>, StorageError> {
        let Some(as_of) = as_of else {
            return find(pages, name);
        };
        match self.known(name).and_then(|place| place.root(as_of)) {
            Some(root) => Ok(Some(Tree::open(root))),
            None => self.learn(pages, as_of, name),
        }
    }

    #[inline]
    fn known(&self, name: &str) -> Option<&Place> {
        let mut places = self.probes(name).map_while(|place| place.get());
        places.find(|place| *place.table == *name).map(Box::as_ref)
    }

    #[inline]
    fn probes(&self, name: &str) -> impl Iterator<Item = &OnceLock<Box<Place>>> {
        let first = hash(name.as_bytes());
        (first..first.saturating_add(PROBES)).filter_map(|at| self.places.get(at % PLACES))
    }

    #[cold]
    fn learn(
        &self,
        pages: &impl ReadPages,
        as_of: Version,
        name: &str,
    ) -> Result<Option<Tree>, StorageError> {
        let found = find(pages, name)?;
        if let Some(tree) = found {
            let _alone = lock(&self.learning);
            for place in self.probes(name) {
                let place = place.get_or_init(|| Box::new(Place::new(name)));
                if *place.table == *name {
                    place.learn(tree.root(), as_of);
                    break;
                }
            }
        }
        Ok(found)
    }
}

impl Place {
    fn new(name: &str) -> Self {
        Self {
            table: name.into(),
            as_of: AtomicU64::new(NEVER),
            root: AtomicU64::new(0),
        }
    }

    /// The root, if what is known of it is `as_of`.
    #[inline]
    fn root(&self, as_of: Version) -> Option<PageNo> {
        let before = self.as_of.load(Acquire);
        let root = self.root.load(Relaxed);
        fence(Acquire);
        let after = self.as_of.load(Relaxed);
        let root = u32::try_from(root).ok().map(PageNo);
        root.filter(|_| before == as_of.get() && after == before)
    }

    /// One at a time.
    fn learn(&self, root: PageNo, as_of: Version) {
        let known = self.as_of.load(Relaxed);
        if known != NEVER && known >= as_of.get() {
            return;
        }
        self.as_of.store(NEVER, Relaxed);
        fence(Release);
        self.root.store(u64::from(root.get()), Relaxed);
        self.as_of.store(as_of.get(), Release);
    }
}

/// FNV-1a (Fowler, Noll, Vo).
#[inline]
fn hash(bytes: &[u8]) -> usize {
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    // The low bits of short names differ in their last byte only; fold the others in.
    (hash ^ (hash >> 15)) as usize
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.places.iter().filter(|place| place.get().is_some());
        f.debug_struct("Roots")
            .field("known", &known.count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{ExtentImage, NothingHeld, PageImage};

    /// Pages that nobody may ask for.
    struct NoPages;

    impl ReadPages for NoPages {
        type Held<'h> = NothingHeld;

        fn hold(&self) -> NothingHeld {
            NothingHeld
        }

        fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
            Err(StorageError::corruption(
                "data",
                0,
                Some(no),
                "no descent",
                "one",
            ))
        }

        fn extent(&self, first: PageNo, _len: u64) -> Result<ExtentImage, StorageError> {
            self.page(first)
        }
    }

    fn learn(roots: &Roots, name: &str, root: u32, as_of: u64) {
        let places = roots
            .probes(name)
            .map(|place| place.get_or_init(|| Box::new(Place::new(name))));
        if let Some(place) = places.into_iter().find(|place| *place.table == *name) {
            place.learn(PageNo(root), Version(as_of));
        }
    }

    /// What is known without a descent.
    fn known(roots: &Roots, name: &str, as_of: u64) -> Option<u32> {
        let found = roots.find(&NoPages, Some(Version(as_of)), name);
        found.ok().map(|tree| tree.unwrap().root().get())
    }

    #[test]
    fn what_was_learned_serves_those_with_the_same_catalog_only() {
        let roots = Roots::default();
        learn(&roots, "a", 7, 3);
        assert_eq!(known(&roots, "a", 3), Some(7));
        assert_eq!((known(&roots, "a", 2), known(&roots, "a", 4)), (None, None));
        assert_eq!(known(&roots, "b", 3), None);
        assert!(
            roots.find(&NoPages, None, "a").is_err(),
            "an older snapshot descends"
        );
        learn(&roots, "a", 9, 5);
        learn(&roots, "a", 7, 4);
        assert_eq!(
            (known(&roots, "a", 4), known(&roots, "a", 5)),
            (None, Some(9))
        );
    }

    #[test]
    fn names_that_meet_in_one_place_are_kept_apart_and_too_many_are_not_kept() {
        let roots = Roots::default();
        let names: Vec<String> = (0..5000_u32)
            .map(|number| format!("table {number}"))
            .collect();
        for (number, name) in (0..).zip(&names) {
            learn(&roots, name, number, 1);
        }
        let mut kept = 0;
        for (number, name) in (0..).zip(&names) {
            if let Some(root) = known(&roots, name, 1) {
                assert_eq!(root, number);
                kept += 1;
            }
        }
        assert!((PLACES / 2..=PLACES).contains(&kept), "{kept} kept");
    }

    #[test]
    fn a_reader_beside_a_learner_sees_a_root_with_its_own_catalog_or_none() {
        let roots = Roots::default();
        let rounds: u64 = if cfg!(miri) { 50 } else { 20_000 };
        learn(&roots, "a", 0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for version in 1..=rounds {
                    learn(&roots, "a", u32::try_from(version).unwrap(), version);
                }
            });
            let mut version = 0;
            while version < rounds {
                match known(&roots, "a", version) {
                    Some(root) => assert_eq!(u64::from(root), version),
                    None => version += 1,
                }
            }
        });
    }
}
