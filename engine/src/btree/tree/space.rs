//! How much of its pages a tree uses.

use super::handle::Tree;
use crate::btree::node::{Node, ValueRef};
use crate::error::StorageError;
use crate::pages::ReadPages;

/// What a tree takes, and what of that holds something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeSpace {
    /// Entries.
    pub entries: u64,
    /// Pages of nodes.
    pub nodes: u64,
    /// Bytes in use in nodes, headers among them.
    pub used_bytes: u64,
    /// Extents of large values and of long keys' ends.
    pub extents: u64,
    /// Pages of extents.
    pub extent_pages: u64,
    /// Bytes in extents.
    pub extent_bytes: u64,
    /// Bytes of values, wherever they are.
    pub value_bytes: u64,
}

impl Tree {
    /// Walks the tree: each node is read once, no extent is. `pages_of` says how many pages an extent of a length takes.
    pub fn space(
        self,
        pages: &impl ReadPages,
        pages_of: impl Fn(u64) -> u64,
    ) -> Result<TreeSpace, StorageError> {
        let mut space = TreeSpace::default();
        // Each goes down a level (B3), so this ends even if pages are damaged.
        let mut waiting = vec![(self.root(), None)];
        while let Some((no, level)) = waiting.pop() {
            let image = pages.page(no)?;
            let node = Node::open_at(no, &image, level)?;
            space.nodes += 1;
            space.used_bytes += node.used() as u64;
            for i in 0..node.n() {
                if let Some(tail) = node.key(i)?.tail {
                    space.add_extent(tail.len, &pages_of);
                }
                if node.is_leaf() {
                    space.entries += 1;
                    space.value_bytes += match node.value(i)? {
                        ValueRef::Inline(range) => range.len() as u64,
                        ValueRef::Extent { len, .. } => {
                            space.add_extent(len, &pages_of);
                            len
                        }
                    };
                }
            }
            if let Some(below) = node.level().checked_sub(1) {
                for i in 0..=node.n() {
                    waiting.push((node.child(i)?, Some(below)));
                }
            }
        }
        Ok(space)
    }
}

impl TreeSpace {
    fn add_extent(&mut self, len: u64, pages_of: &impl Fn(u64) -> u64) {
        self.extents += 1;
        self.extent_pages = self.extent_pages.saturating_add(pages_of(len));
        self.extent_bytes = self.extent_bytes.saturating_add(len);
    }
}
