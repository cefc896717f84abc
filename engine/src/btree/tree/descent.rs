//! The way from the root to the leaf that is responsible for a key.
//!
//! B3: each step goes down by exactly one level, so that no cycle of damaged pages can hang it.

use std::ops::Range;

use crate::btree::node::{Found, Header, Node, Probe, ValueRef, damage, load_extent, probe};
use crate::btree::value::Value;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::ImageRef;
use crate::pages::{HeldPages, PageImage, ReadPages};

/// Where a key is in a tree, or would be.
struct Place {
    leaf: PageNo,
    image: PageImage,
    /// What was found sound in `image`.
    header: Header,
    found: Found,
}

/// How far a descent came.
#[derive(Clone, Copy)]
struct Step {
    no: PageNo,
    /// The level that the node must have; none for the root.
    level: Option<u8>,
}

impl Place {
    /// Goes on from `step`, and loads what is not in memory.
    fn find_from(pages: &impl ReadPages, mut step: Step, key: &[u8]) -> Result<Self, StorageError> {
        loop {
            let image = pages.page(step.no)?;
            let node = Node::open_at(step.no, &image, step.level)?;
            if node.is_leaf() {
                let (header, found) = (node.header(), node.search(pages, key)?);
                return Ok(Self {
                    leaf: step.no,
                    image,
                    header,
                    found,
                });
            }
            step = Step {
                no: node.child(node.child_index(pages, key)?)?,
                level: node.level().checked_sub(1),
            };
        }
    }

    /// The key's value, if there is one.
    fn into_value(self, pages: &impl ReadPages) -> Result<Option<Value>, StorageError> {
        let Found::At(i) = self.found else {
            return Ok(None);
        };
        let value = Node::reopen(self.leaf, &self.image, self.header).value(i)?;
        resolve(pages, self.leaf, self.image, value).map(Some)
    }
}

/// The value of `key` in the tree under `root`, if it is there.
#[inline]
pub(super) fn get(
    pages: &impl ReadPages,
    root: PageNo,
    key: &[u8],
) -> Result<Option<Value>, StorageError> {
    let held = pages.hold();
    let found = probe_held(&held, root, key, |image, range| {
        Value::new(image.to_image(), range)
    });
    match found {
        Ok(found) => held.settle(Ok(found)),
        Err(step) => {
            drop(held);
            Place::find_from(pages, step, key)?.into_value(pages)
        }
    }
}

/// Whether `key` is in the tree under `root`.
pub(super) fn contains(
    pages: &impl ReadPages,
    root: PageNo,
    key: &[u8],
) -> Result<bool, StorageError> {
    let held = pages.hold();
    match probe_held(&held, root, key, |_, _| Some(())) {
        Ok(found) => held.settle(Ok(found.is_some())),
        Err(step) => {
            drop(held);
            let place = Place::find_from(pages, step, key)?;
            Ok(matches!(place.found, Found::At(_)))
        }
    }
}

/// What `take` makes of the leaf and the value of `key`; nothing if the key is not there. Or how far the descent came, if it met something that
/// is not plain.
#[inline]
fn probe_held<R>(
    held: &impl HeldPages,
    root: PageNo,
    key: &[u8],
    take: impl FnOnce(ImageRef<'_>, Range<usize>) -> Option<R>,
) -> Result<Option<R>, Step> {
    let mut step = Step::first(root);
    loop {
        let image = held.page(step.no).ok_or(step)?;
        match probe(step.no, image.bytes(), step.level, key).ok_or(step)? {
            Probe::Child(no, level) => {
                step = Step {
                    no,
                    level: Some(level),
                }
            }
            Probe::Absent => return Ok(None),
            Probe::Value(range) => return take(image, range).map(Some).ok_or(step),
        }
    }
}

impl Step {
    const fn first(root: PageNo) -> Self {
        Self {
            no: root,
            level: None,
        }
    }
}

/// The value that `value` in page `no` stands for.
pub(in crate::btree) fn resolve(
    pages: &impl ReadPages,
    no: PageNo,
    image: PageImage,
    value: ValueRef,
) -> Result<Value, StorageError> {
    match value {
        ValueRef::Inline(range) => {
            Value::new(image, range).ok_or_else(|| damage(no, "a value in the page", "one outside"))
        }
        ValueRef::Extent { first, len } => load_extent(no, pages, first, len).map(Value::whole),
    }
}
