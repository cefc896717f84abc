//! The inner nodes above a leaf, for changes that reach into them.

use smallvec::SmallVec;

use crate::btree::node::{Node, PREFIX_BYTES_MAX, common_prefix_len};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::ReadPages;

/// An inner node, and which of its children the way goes on to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) no: PageNo,
    pub(super) child: usize,
}

/// The way from the root, at depth 0, to a leaf.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) above: SmallVec<[Step; 8]>,
    pub(super) leaf: PageNo,
}

/// What separates a node from its neighbours, as far as it is inline; none at the tree's edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    pub(super) low: Option<Vec<u8>>,
    pub(super) high: Option<Vec<u8>>,
}

impl Fences {
    /// The same, borrowed.
    pub(super) fn edges(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        (self.low.as_deref(), self.high.as_deref())
    }
}

/// How many bytes all keys from `low` to `high` share, at most as many as a node can put aside.
pub(super) fn shared_len(low: Option<&[u8]>, high: Option<&[u8]>) -> usize {
    match (low, high) {
        (Some(low), Some(high)) => common_prefix_len(low, high).min(PREFIX_BYTES_MAX),
        _ => 0,
    }
}

impl Path {
    /// The way to `key`.
    pub(super) fn find(
        pages: &impl ReadPages,
        root: PageNo,
        key: &[u8],
    ) -> Result<Self, StorageError> {
        let mut above = SmallVec::new();
        let mut no = root;
        let mut level = None;
        loop {
            let image = pages.page(no)?;
            let node = Node::open_at(no, &image, level)?;
            if node.is_leaf() {
                return Ok(Self { above, leaf: no });
            }
            let child = node.child_index(pages, key)?;
            above.push(Step { no, child });
            no = node.child(child)?;
            level = node.level().checked_sub(1);
        }
    }

    /// How deep the leaf is.
    pub(super) fn leaf_depth(&self) -> usize {
        self.above.len()
    }

    /// The node at `depth`; the leaf beyond all others.
    pub(super) fn page(&self, depth: usize) -> PageNo {
        self.above.get(depth).map_or(self.leaf, |step| step.no)
    }

    /// The step that leads to the node at `depth`; none to the root.
    pub(super) fn step_to(&self, depth: usize) -> Option<Step> {
        self.above.get(depth.checked_sub(1)?).copied()
    }

    /// The lowest key that the leaf after this one may hold; none after the last.
    pub(super) fn key_after(
        &self,
        pages: &impl ReadPages,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        for step in self.above.iter().rev() {
            let image = pages.page(step.no)?;
            let node = Node::open(step.no, &image)?;
            if step.child < node.n() {
                return Ok(Some(node.full_key(pages, step.child)?.into_vec()));
            }
        }
        Ok(None)
    }

    /// The fences around the node at `depth`.
    pub(super) fn fences(
        &self,
        pages: &impl ReadPages,
        depth: usize,
    ) -> Result<Fences, StorageError> {
        self.fences_of_pair(pages, depth, None)
    }

    /// The fences around the node at `depth` together with its neighbour: the children `left` and
    /// `left + 1` of the node above.
    pub(super) fn fences_of_pair(
        &self,
        pages: &impl ReadPages,
        depth: usize,
        left: Option<usize>,
    ) -> Result<Fences, StorageError> {
        let mut fences = Fences::default();
        for (up, step) in self.above.iter().take(depth).rev().enumerate() {
            let (first, last) = match left {
                Some(left) if up == 0 => (left, left + 1),
                _ => (step.child, step.child),
            };
            let image = pages.page(step.no)?;
            let node = Node::open(step.no, &image)?;
            if fences.low.is_none() && first > 0 {
                fences.low = Some(inline_key(&node, first - 1)?);
            }
            if fences.high.is_none() && last < node.n() {
                fences.high = Some(inline_key(&node, last)?);
            }
            if fences.low.is_some() && fences.high.is_some() {
                break;
            }
        }
        Ok(fences)
    }
}

fn inline_key(node: &Node<'_>, i: usize) -> Result<Vec<u8>, StorageError> {
    let mut key = Vec::new();
    node.push_inline_key(i, &mut key)?;
    Ok(key)
}
