//! A walk over entries that reads no values.

use std::cmp::Ordering;
use std::ops::Bound;

use super::position::{Frame, Position};
use super::{Direction, Range};
use crate::btree::node::{Node, ValueRef};
use crate::btree::tree::Tree;
use crate::btree::value::Key;
use crate::error::StorageError;
use crate::pages::ReadPages;

/// The first `count` keys within `bounds`. No value is read.
pub fn first_keys(
    pages: &impl ReadPages,
    tree: Tree,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    count: usize,
) -> Result<Vec<Key>, StorageError> {
    let mut walk = Walk::new(pages, Some(tree), bounds)?;
    let mut keys = Vec::new();
    while keys.len() < count && walk.settle()? {
        keys.push(walk.key()?);
        walk.pass_entry();
    }
    Ok(keys)
}

/// The entries between two bounds, one after the other. No tree is an empty one.
pub(super) struct Walk<'p, P> {
    pages: &'p P,
    /// None: there is nothing.
    ends: Option<(Position, Position)>,
}

impl<'p, P: ReadPages> Walk<'p, P> {
    /// Starts at the first entry.
    pub(super) fn new(
        pages: &'p P,
        tree: Option<Tree>,
        (low, high): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Self, StorageError> {
        let ends = tree.map(|tree| {
            let range = Range::new(tree.root(), low, high);
            let seek = |direction| {
                let start = range.start(direction);
                Position::seek(pages, range.root, (direction, start))
            };
            Ok((seek(Direction::Up)?, seek(Direction::Down)?))
        });
        Ok(Self {
            pages,
            ends: ends.transpose()?,
        })
    }

    /// Goes on to a leaf with an entry at the front. False if there is no more.
    pub(super) fn settle(&mut self) -> Result<bool, StorageError> {
        let Some((front, back)) = &mut self.ends else {
            return Ok(false);
        };
        while front.cmp_indexes(back) == Ordering::Less {
            if front.leaf.index < front.leaf.node().n() {
                return Ok(true);
            }
            if !front.step_to_leaf(self.pages, Direction::Up)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn frame(&self) -> Option<&Frame> {
        self.ends.as_ref().map(|(front, _)| &front.leaf)
    }

    fn entry(&self) -> Result<(Node<'_>, usize), StorageError> {
        let frame = self.frame();
        let frame = frame
            .ok_or_else(|| StorageError::corruption("data", 0, None, "a way to a leaf", "none"))?;
        Ok((frame.node(), frame.index))
    }

    /// The key of the entry at the front, after `settle` found one.
    pub(super) fn key(&self) -> Result<Key, StorageError> {
        let (node, i) = self.entry()?;
        node.full_key(self.pages, i)
    }

    /// Whether both are at one place of one image of a leaf.
    pub(super) fn is_at_the_same_leaf<Q: ReadPages>(&self, other: &Walk<'_, Q>) -> bool {
        match (self.frame(), other.frame()) {
            (Some(a), Some(b)) => a.no == b.no && a.index == b.index && a.image.is_same(&b.image),
            _ => false,
        }
    }

    /// Whether both entries have one value; of values in extents, one extent.
    pub(super) fn has_the_value_of<Q: ReadPages>(
        &self,
        other: &Walk<'_, Q>,
    ) -> Result<bool, StorageError> {
        let ((a, i), (b, j)) = (self.entry()?, other.entry()?);
        Ok(match (a.value(i)?, b.value(j)?) {
            (ValueRef::Inline(here), ValueRef::Inline(there)) => {
                a.slice(here)? == b.slice(there)?
            }
            (
                ValueRef::Extent { first, len },
                ValueRef::Extent {
                    first: other_first,
                    len: other_len,
                },
            ) => (first, len) == (other_first, other_len),
            _ => false,
        })
    }

    /// Goes on behind the entry.
    pub(super) fn pass_entry(&mut self) {
        if let Some((front, _)) = &mut self.ends {
            front.leaf.index = front.leaf.index.saturating_add(1);
        }
    }

    /// Goes on behind the last entry of the leaf.
    pub(super) fn pass_leaf(&mut self) {
        if let Some((front, back)) = &mut self.ends {
            front.pass_leaf(back);
        }
    }
}
