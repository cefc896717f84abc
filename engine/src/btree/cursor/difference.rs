//! Where two trees, or one tree at two versions, first differ.
//!
//! Both are walked side by side. A leaf that is the same image on both sides is passed without a look at its entries; so
//! of one tree at two versions only the leaves that changed are read closely. An inner node that is the same says nothing
//! about what lies below it: page numbers stay.

use std::cmp::Ordering;
use std::ops::Bound;

use super::walk::Walk;
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
            a.pass_leaf();
            b.pass_leaf();
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
