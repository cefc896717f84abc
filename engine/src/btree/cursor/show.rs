//! The first entries of a range, shown one after the other to whoever says beforehand how many there may be.
//!
//! That is known from the start, and so nothing is asked for that nobody will read, and all else is early: the leaf that comes next is
//! entered before the entries of this one are shown, so that its cells arrive meanwhile.
//!
//! Nothing is held while entries are shown but the images of at most two leaves: who looks at them may take his time, and read or
//! write whatever he likes.

use std::ops::Bound;

use super::key_buffer::KeyBuffer;
use super::position::{Frame, Position};
use super::{Direction, Seek};
use crate::btree::node::{ValueRef, load_extent};
use crate::btree::tree::Tree;
use crate::error::StorageError;
use crate::pages::ReadPages;

/// Whom entries are shown: keys and values.
pub type See<'s> = dyn FnMut(&[u8], &[u8]) + 's;

/// Shows `see` the first `count` entries of `tree` within `bounds`, ascending; returns how many there were. Those before the place of an
/// error are shown.
pub fn show<P: ReadPages>(
    pages: &P,
    tree: Tree,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    count: usize,
    see: &mut See<'_>,
) -> Result<usize, StorageError> {
    if count == 0 {
        return Ok(0);
    }
    let (start, end) = (Seek::from(bounds.0), Seek::to(bounds.1));
    let mut place = Position::seek_many(pages, tree.root(), (Direction::Up, start), count)?;
    let mut key = KeyBuffer::new();
    let mut left = count;
    loop {
        let first = place.leaf.index;
        let node = place.leaf.node();
        let (n, stop) = (node.n(), end.place_in(pages, &node)?);
        let here = stop.saturating_sub(first).min(left);
        left -= here;
        let goes_on = left > 0 && stop == n;
        let beyond = if goes_on {
            place.leave_leaf(pages, Direction::Up, left)
        } else {
            Ok(None)
        };
        let leaf = match &beyond {
            Ok(Some(leaf)) => leaf,
            Ok(None) | Err(_) => &place.leaf,
        };
        show_leaf(pages, leaf, (first, here), &mut key, see)?;
        if beyond?.is_none() {
            return Ok(count - left);
        }
    }
}

/// Shows so many entries of a leaf.
#[inline]
fn show_leaf(
    pages: &impl ReadPages,
    leaf: &Frame,
    (first, count): (usize, usize),
    key: &mut KeyBuffer,
    see: &mut See<'_>,
) -> Result<(), StorageError> {
    let node = leaf.node();
    let prefix = node.prefix();
    key.begin(prefix);
    for i in first..first + count {
        let entry = node.whole_entry(i);
        let value = entry
            .as_ref()
            .and_then(|entry| leaf.image.get(entry.value.clone()));
        if let (Some(entry), Some(value)) = (&entry, value) {
            key.replace(prefix, entry);
            see(key, value);
        } else {
            show_apart(pages, leaf, i, see)?;
        }
    }
    Ok(())
}

/// Shows an entry that does not lie whole in its leaf, or not as it should.
#[cold]
fn show_apart(
    pages: &impl ReadPages,
    leaf: &Frame,
    i: usize,
    see: &mut See<'_>,
) -> Result<(), StorageError> {
    let node = leaf.node();
    let entry = node.leaf_entry(i)?;
    let key = node.assemble(pages, &entry.key)?;
    match entry.value {
        ValueRef::Inline(range) => see(&key, node.slice(range)?),
        ValueRef::Extent { first, len } => {
            see(&key, &load_extent(leaf.no, pages, first, len)?);
        }
    }
    Ok(())
}
