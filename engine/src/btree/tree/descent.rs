//! The way from the root to the leaf that is responsible for a key.
//!
//! B3: each step goes down by exactly one level, so that no cycle of damaged pages can hang it.

use crate::btree::node::{Found, Header, Node, ValueRef, damage, load_extent};
use crate::btree::value::Value;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{HeldPages, PageImage, ReadPages};

/// Where a key is in a tree, or would be.
pub(super) struct Place {
    pub(super) leaf: PageNo,
    pub(super) image: PageImage,
    /// What was found sound in `image`.
    header: Header,
    pub(super) found: Found,
}

/// How far a descent came.
#[derive(Clone, Copy)]
struct Step {
    no: PageNo,
    /// The level that the node must have; none for the root.
    level: Option<u8>,
}

/// Where a descent through held pages ended.
enum End {
    Place(Place),
    /// The node must be asked for: it is not in memory, or a key in it is not.
    Missing(Step),
}

impl Place {
    /// Finds `key` in the tree under `root`. Nodes in memory are borrowed, all under one hold; the leaf's image is kept.
    pub(super) fn find(
        pages: &impl ReadPages,
        root: PageNo,
        key: &[u8],
    ) -> Result<Self, StorageError> {
        let mut step = Step {
            no: root,
            level: None,
        };
        loop {
            let held = pages.hold();
            let end = Self::find_held(&held, step, key);
            step = match held.settle(end)? {
                End::Place(place) => return Ok(place),
                End::Missing(step) => step,
            };
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
            step = Step::down(&node, node.child_index(pages, key)?)?;
        }
    }

    fn find_held(held: &impl HeldPages, mut step: Step, key: &[u8]) -> Result<End, StorageError> {
        loop {
            let Some(image) = held.page(step.no) else {
                return Ok(End::Missing(step));
            };
            let node = Node::open_at(step.no, image.bytes(), step.level)?;
            let Some(found) = node.search_inline(key)? else {
                return Ok(End::Missing(step));
            };
            if node.is_leaf() {
                return Ok(End::Place(Self {
                    leaf: step.no,
                    image: image.to_image(),
                    header: node.header(),
                    found,
                }));
            }
            step = Step::down(&node, found.upper())?;
        }
    }

    /// The key's value, if there is one.
    pub(super) fn into_value(self, pages: &impl ReadPages) -> Result<Option<Value>, StorageError> {
        let Found::At(i) = self.found else {
            return Ok(None);
        };
        let value = Node::reopen(self.leaf, &self.image, self.header).value(i)?;
        resolve(pages, self.leaf, self.image, value).map(Some)
    }
}

impl Step {
    /// The step to child `i` of `node`.
    fn down(node: &Node<'_>, i: usize) -> Result<Self, StorageError> {
        Ok(Self {
            no: node.child(i)?,
            level: node.level().checked_sub(1),
        })
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
