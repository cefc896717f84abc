//! Where two trees, or one tree at two versions, first differ.
//!
//! Both are walked side by side. A leaf that is the same image on both sides is passed without a look at its entries; so
//! of one tree at two versions only the leaves that changed are read closely. An inner node that is the same says nothing
//! about what lies below it: page numbers stay.

use std::cmp::Ordering;
use std::ops::Bound;

use super::{Direction, Frame, Position, ends};
use crate::btree::node::{Node, ValueRef};
use crate::btree::tree::Tree;
use crate::btree::value::Key;
use crate::error::StorageError;
use crate::pages::ReadPages;

/// The first key within `bounds` that only one side has, or that has another value on the other side; a value that was
/// written anew to an extent counts as another one. No tree is an empty one.
pub fn first_difference(
    (a_pages, a): (&impl ReadPages, Option<Tree>),
    (b_pages, b): (&impl ReadPages, Option<Tree>),
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
) -> Result<Option<Key>, StorageError> {
    let mut a = Walk::new(a_pages, a, bounds)?;
    let mut b = Walk::new(b_pages, b, bounds)?;
    loop {
        match (a.settle()?, b.settle()?) {
            (false, false) => return Ok(None),
            (true, false) => return a.key().map(Some),
            (false, true) => return b.key().map(Some),
            (true, true) => {}
        }
        if a.is_at_the_same_leaf(&b) {
            a.pass_leaf()?;
            b.pass_leaf()?;
            continue;
        }
        let (key, other) = (a.key()?, b.key()?);
        match key.cmp(&other) {
            Ordering::Less => return Ok(Some(key)),
            Ordering::Greater => return Ok(Some(other)),
            Ordering::Equal if !a.has_the_value_of(&b)? => return Ok(Some(key)),
            Ordering::Equal => {}
        }
        a.pass_entry();
        b.pass_entry();
    }
}

/// The entries of one side, from front to back.
struct Walk<'p, P> {
    pages: &'p P,
    /// None: there is nothing.
    ends: Option<(Position, Position)>,
}

impl<'p, P: ReadPages> Walk<'p, P> {
    fn new(
        pages: &'p P,
        tree: Option<Tree>,
        (low, high): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Self, StorageError> {
        let ends = tree.map(|tree| ends(pages, tree.root(), low, high));
        Ok(Self {
            pages,
            ends: ends.transpose()?,
        })
    }

    /// Goes on to a leaf with an entry at the front. False if there is no more.
    fn settle(&mut self) -> Result<bool, StorageError> {
        let Some((front, back)) = &mut self.ends else {
            return Ok(false);
        };
        while front.cmp_indexes(back) == Ordering::Less {
            let Some(frame) = front.frames.last() else {
                return Ok(false);
            };
            if frame.index < Node::open_at(frame.no, &frame.image, Some(0))?.n() {
                return Ok(true);
            }
            if !front.step_to_leaf(self.pages, Direction::Up)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn frame(&self) -> Option<&Frame> {
        self.ends.as_ref()?.0.frames.last()
    }

    fn entry(&self) -> Result<(Node<'_>, usize), StorageError> {
        let frame = self.frame();
        let frame = frame
            .ok_or_else(|| StorageError::corruption("data", 0, None, "a way to a leaf", "none"))?;
        let node = Node::open_at(frame.no, &frame.image, Some(0))?;
        Ok((node, frame.index))
    }

    fn key(&self) -> Result<Key, StorageError> {
        let (node, i) = self.entry()?;
        node.full_key(self.pages, i)
    }

    fn is_at_the_same_leaf<Q: ReadPages>(&self, other: &Walk<'_, Q>) -> bool {
        match (self.frame(), other.frame()) {
            (Some(a), Some(b)) => a.no == b.no && a.index == b.index && a.image.is_same(&b.image),
            _ => false,
        }
    }

    fn has_the_value_of<Q: ReadPages>(&self, other: &Walk<'_, Q>) -> Result<bool, StorageError> {
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

    fn pass_entry(&mut self) {
        if let Some((front, _)) = &mut self.ends
            && let Some(frame) = front.frames.last_mut()
        {
            frame.index = frame.index.saturating_add(1);
        }
    }

    fn pass_leaf(&mut self) -> Result<(), StorageError> {
        if let Some((front, back)) = &mut self.ends {
            front.pass_leaf(back)?;
        }
        Ok(())
    }
}
