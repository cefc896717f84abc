//! Writes made in copies of leaves, beside the tree, by several threads if there are some.
//!
//! Of a run of writes those to leaves that have room are independent of each other: each changes one leaf, no node above, and takes no
//! page. `prepare` makes them in copies of its own and changes nothing else; `adopt` makes the copies the tree's leaves, and leaves over what
//! was not prepared, for [`Tree::apply`].
//!
//! Invariants:
//! 1. A copy is what is published with all that it was given of the run's writes to that leaf. It is adopted only if nobody has a private
//!    copy of the leaf yet, and no page was freed: then the leaf holds the same keys as the published one, and it is responsible for
//!    the same keys, since these change only with a leaf that is cut, joined or freed.
//! 2. Nothing is prepared that is not plain: values and keys in extents, leaves that would be too full or too empty, pages that are
//!    not in memory or damaged. So it loads nothing, and says nothing of errors: whoever makes what is left over does.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::apply::{Edits, Write};
use super::handle::Tree;
use crate::btree::node::{Node, Probe, probe, value_inline_max};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ExtentImage, HeldPages, NothingHeld, PageImage, ReadPages, WritePages};

/// Writes that are prepared together: the memory looks for their leaves at a time.
pub const PREPARED_TOGETHER: usize = 64;

/// Copies of leaves in which some of a run's writes are made.
#[derive(Debug, Default)]
pub struct Prepared {
    leaves: Vec<PreparedLeaf>,
}

#[derive(Debug)]
struct PreparedLeaf {
    page: PageNo,
    copy: PageImage,
    /// Which writes of the run.
    writes: Range<usize>,
}

impl Tree {
    /// Makes what it can of `writes`, whose keys ascend strictly, in copies of what is published.
    pub fn prepare(self, published: &impl HeldPages, writes: &[Write<'_>]) -> Prepared {
        let leaves = find_leaves(published, self.root(), writes);
        let mut prepared = Prepared {
            leaves: Vec::with_capacity(leaves.len()),
        };
        let mut edits = Edits::new();
        let mut end = 0;
        for run in leaves.chunk_by(PartialEq::eq) {
            let places = end..end + run.len();
            end = places.end;
            let (Some(Some(leaf)), Some(run)) = (run.first(), writes.get(places.clone())) else {
                continue;
            };
            let image = published.page(*leaf);
            if let (Some(image), Some(Some(next))) = (image, leaves.get(end))
                && let Some(next) = published.trace(*next)
            {
                next.prefetch_all(image.bytes().len());
            }
            let copy = image.and_then(|image| changed(*leaf, image.bytes(), run, &mut edits));
            prepared.leaves.extend(copy.map(|copy| PreparedLeaf {
                page: *leaf,
                copy,
                writes: places,
            }));
        }
        prepared
    }
}

impl Prepared {
    /// Makes the copies private pages; the rest of `writes`, which this was prepared from, is left over.
    pub fn adopt<'w>(
        self,
        pages: &mut impl WritePages,
        writes: &[Write<'w>],
        left_over: &mut Vec<Write<'w>>,
    ) -> Result<(), StorageError> {
        let mut next = 0;
        for leaf in self.leaves {
            let before = writes.get(next..leaf.writes.start);
            left_over.extend_from_slice(before.unwrap_or_default());
            next = leaf.writes.end;
            if !pages.adopt(leaf.page, leaf.copy)? {
                left_over.extend_from_slice(writes.get(leaf.writes).unwrap_or_default());
            }
        }
        left_over.extend_from_slice(writes.get(next..).unwrap_or_default());
        Ok(())
    }
}

/// The leaf that each write goes to, if the way there is in memory; all ways are gone at a time, a level after the other.
fn find_leaves(
    pages: &impl HeldPages,
    root: PageNo,
    writes: &[Write<'_>],
) -> SmallVec<[Option<PageNo>; PREPARED_TOGETHER]> {
    let mut at: SmallVec<[Option<PageNo>; PREPARED_TOGETHER]> = smallvec![Some(root); writes.len()];
    let mut level = None;
    // Each goes down a level (B3), so this ends.
    loop {
        let (mut below, mut last) = (None, None);
        for (place, (key, _)) in at.iter_mut().zip(writes) {
            let Some(no) = *place else { continue };
            let image = pages.page(no);
            match image.and_then(|image| probe(no, image.bytes(), level, key)) {
                Some(Probe::Child(child, level)) => {
                    if last != Some(child)
                        && let Some(trace) = pages.trace(child)
                    {
                        trace.prefetch_start();
                    }
                    (below, last) = (Some(level), Some(child));
                    *place = last;
                }
                Some(Probe::Absent | Probe::Value(_)) | None => *place = None,
            }
        }
        if below.is_none_or(|level| level == 0) {
            return at;
        }
        level = below;
    }
}

/// The leaf with `writes` made in it, if they are plain and it has room.
fn changed<'w>(
    leaf: PageNo,
    page: &[u8],
    writes: &[Write<'w>],
    edits: &mut Edits<'w>,
) -> Option<PageImage> {
    let node = Node::open_plain(leaf, page, Some(0))?;
    edits.clear();
    let inline_max = value_inline_max(page.len());
    for write in writes {
        if write.1.is_some_and(|value| value.len() > inline_max) {
            return None;
        }
        edits.add(&mut Elsewhere, &node, *write).ok()?;
    }
    if edits.are_none() || edits.releases() || edits.needs_more_than(&node) {
        return None;
    }
    let mut copy = PageImage::copy_of(page);
    let is_made = edits.make_in_place(copy.make_mut(), leaf, node.header());
    let is_thin = edits.deletes() && Node::open_plain(leaf, &copy, Some(0))?.is_underfull();
    (is_made.ok()? && !is_thin).then_some(copy)
}

/// What is not in the leaf: out of reach.
struct Elsewhere;

#[cold]
fn out_of_reach(no: PageNo) -> StorageError {
    let (expected, actual) = ("nothing but the leaf", "something else");
    StorageError::corruption("data", 0, Some(no), expected, actual)
}

impl ReadPages for Elsewhere {
    type Held<'h> = NothingHeld;

    fn hold(&self) -> NothingHeld {
        NothingHeld
    }

    fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
        Err(out_of_reach(no))
    }

    fn extent(&self, first: PageNo, _len: u64) -> Result<ExtentImage, StorageError> {
        Err(out_of_reach(first))
    }
}

impl WritePages for Elsewhere {
    fn page_mut(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        Err(out_of_reach(no))
    }

    fn allocate(&mut self) -> Result<PageNo, StorageError> {
        Err(out_of_reach(PageNo(0)))
    }

    fn free(&mut self, no: PageNo) -> Result<(), StorageError> {
        Err(out_of_reach(no))
    }

    fn allocate_extent(&mut self, _value: &[u8]) -> Result<PageNo, StorageError> {
        Err(out_of_reach(PageNo(0)))
    }

    fn free_extent(&mut self, first: PageNo, _len: u64) -> Result<(), StorageError> {
        Err(out_of_reach(first))
    }
}
