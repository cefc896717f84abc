//! The tree itself: nothing but its root's page number.

use std::ops::{Bound, RangeBounds};

use super::descent;
use super::many;
use super::upcoming::leaf_of;
use super::walk::{Reached, Remains, collect, collect_remains};
use crate::btree::check::{Check, Problem};
use crate::btree::cursor::{Cursor, See, show};
use crate::btree::node::build_empty_leaf;
use crate::btree::value::Value;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{HeldPages, ReadPages, WritePages};

/// A B+tree, named by its root page, whose number stays the same for the tree's whole life.
///
/// Keys are 0 to 65,535 bytes, values of any length. Damage in a page is an error, never a panic or
/// an endless loop. After an error from a method that writes, the private pages may hold half a change,
/// and the caller throws the whole private group away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    root: PageNo,
}

impl Tree {
    /// A new, empty tree.
    pub fn create(pages: &mut impl WritePages) -> Result<Self, StorageError> {
        let root = pages.allocate()?;
        build_empty_leaf(pages.page_mut(root)?, root)?;
        Ok(Self { root })
    }

    /// The tree whose root is page `root`. Nothing is read yet.
    pub const fn open(root: PageNo) -> Self {
        Self { root }
    }

    /// The root page.
    pub const fn root(self) -> PageNo {
        self.root
    }

    /// The value of `key`, borrowed from the image it is in.
    pub fn get(self, pages: &impl ReadPages, key: &[u8]) -> Result<Option<Value>, StorageError> {
        descent::get(pages, self.root, key)
    }

    /// Whether `key` is there. Its value is not read.
    pub fn contains(self, pages: &impl ReadPages, key: &[u8]) -> Result<bool, StorageError> {
        descent::contains(pages, self.root, key)
    }

    /// Asks the processor for all of the leaf that is responsible for `key`, of `len` bytes, if the way there is in memory.
    pub fn ask_for(self, pages: &impl ReadPages, key: &[u8], len: usize) {
        let held = pages.hold();
        let leaf = leaf_of(&held, self.root, key);
        if let Some(trace) = leaf.and_then(|leaf| held.trace(leaf)) {
            trace.prefetch_all(len);
        }
    }

    /// The values of `keys`, in their order. A page that several of them lead through is read once.
    pub fn get_many(
        self,
        pages: &impl ReadPages,
        keys: &[&[u8]],
    ) -> Result<Vec<Option<Value>>, StorageError> {
        many::get_many(pages, self.root, keys)
    }

    /// The entries with keys in `bounds`, from both ends.
    #[inline]
    pub fn range<P: ReadPages>(self, pages: P, bounds: impl RangeBounds<[u8]>) -> Cursor<P> {
        Cursor::new(pages, self.root, bounds.start_bound(), bounds.end_bound())
    }

    /// Shows `see` the first `count` entries with keys in `bounds`, ascending, where they lie; returns how many there were.
    pub fn show(
        self,
        pages: &impl ReadPages,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        count: usize,
        see: &mut See<'_>,
    ) -> Result<usize, StorageError> {
        show(pages, self, bounds, count, see)
    }

    /// Frees every page and extent of the tree. If the tree is damaged, or has more than `reached_max` pages and
    /// extents, nothing is freed.
    pub fn destroy(
        self,
        pages: &mut impl WritePages,
        reached_max: u64,
    ) -> Result<(), StorageError> {
        for reached in collect(pages, self.root, reached_max)? {
            match reached {
                Reached::Page(no) => pages.free(no)?,
                Reached::Extent { first, len } => pages.free_extent(first, len)?,
            }
        }
        Ok(())
    }

    /// As [`Tree::destroy`], around damage: what cannot be found stays allocated, and nothing leads to it any more. Returns where.
    pub fn destroy_remains(
        self,
        pages: &mut impl WritePages,
    ) -> Result<Vec<(PageNo, StorageError)>, StorageError> {
        let Remains { reached, mut lost } = collect_remains(pages, self.root)?;
        for reached in reached {
            match reached {
                Reached::Page(no) => pages.free(no)?,
                Reached::Extent { first, len } => match pages.free_extent(first, len) {
                    Err(error @ StorageError::Corruption(_)) => lost.push((first, error)),
                    freed => freed?,
                },
            }
        }
        Ok(lost)
    }

    /// Verifies the tree's invariants, shows every page and extent once to `visit`, and returns what is
    /// wrong. A page that the tree reaches twice is a problem and is not shown again; extents are shown
    /// as often as they are referred to.
    #[cfg(test)]
    pub fn check(self, pages: &impl ReadPages, mut visit: impl FnMut(Reached)) -> Vec<Problem> {
        self.check_with(pages, |reached| {
            visit(reached);
            None
        })
    }

    /// As [`Tree::check`]; `visit` may say what it knows to be wrong with what is reached.
    pub fn check_with(
        self,
        pages: &impl ReadPages,
        visit: impl FnMut(Reached) -> Option<StorageError>,
    ) -> Vec<Problem> {
        Check::run(pages, self.root, visit)
    }
}
