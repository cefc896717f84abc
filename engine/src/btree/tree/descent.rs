//! The way from the root to the leaf that is responsible for a key.
//!
//! B3: each step goes down by exactly one level, so that no cycle of damaged pages can hang it.

use crate::btree::node::{Found, Header, Node, ValueRef, damage, load_extent};
use crate::btree::value::Value;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{PageImage, ReadPages};

/// Where a key is in a tree, or would be.
pub(super) struct Place {
    pub(super) leaf: PageNo,
    pub(super) image: PageImage,
    /// What was found sound in `image`.
    header: Header,
    pub(super) found: Found,
}

impl Place {
    /// Finds `key` in the tree under `root`.
    pub(super) fn find(
        pages: &impl ReadPages,
        root: PageNo,
        key: &[u8],
    ) -> Result<Self, StorageError> {
        let mut no = root;
        let mut level = None;
        loop {
            let image = pages.page(no)?;
            let node = Node::open_at(no, &image, level)?;
            if node.is_leaf() {
                let found = node.search(pages, key)?;
                let header = node.header();
                return Ok(Self {
                    leaf: no,
                    image,
                    header,
                    found,
                });
            }
            no = node.child(node.child_index(pages, key)?)?;
            level = node.level().checked_sub(1);
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
