//! The way to the leaf that one write goes to, found out before the write is made.
//!
//! It is what the pages were that it was found in: whoever goes it sees to it that they are the same, all of them, and untouched.

use super::handle::Tree;
use super::path::{Path, Step};
use crate::btree::node::Node;
use crate::ids::PageNo;
use crate::pages::{HeldPages, ReadPages};

/// Inner nodes on a way that is kept: enough for hundreds of millions of entries.
const KEPT_MAX: usize = 4;

/// A way to a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Foreseen {
    leaf: PageNo,
    /// The nodes above it, the root first, and which of its children each goes on to.
    above: [(PageNo, u32); KEPT_MAX],
    len: usize,
}

impl Tree {
    /// Asks the processor for all of the leaf that is responsible for `key`, of `len` bytes, and returns the way there, if all of it is
    /// in memory.
    pub fn foresee(self, pages: &impl ReadPages, key: &[u8], len: usize) -> Option<Foreseen> {
        let held = pages.hold();
        let foreseen = find(&held, self.root(), key);
        if let Some(trace) = foreseen.and_then(|way| held.trace(way.leaf)) {
            trace.prefetch_all(len);
        }
        foreseen
    }
}

fn find(held: &impl HeldPages, root: PageNo, key: &[u8]) -> Option<Foreseen> {
    let mut way = Foreseen {
        leaf: root,
        above: [(PageNo(0), 0); KEPT_MAX],
        len: 0,
    };
    let mut level = None;
    while level != Some(0) {
        let image = held.page(way.leaf)?;
        let node = Node::open_plain(way.leaf, image.bytes(), level)?;
        if node.is_leaf() {
            break;
        }
        let sought = node.look_for(key)?;
        let child = node.find_plain(&sought)?.upper();
        *way.above.get_mut(way.len)? = (way.leaf, u32::try_from(child).ok()?);
        way.len += 1;
        way.leaf = node.plain_child(child)?;
        level = node.level().checked_sub(1);
    }
    Some(way)
}

impl Foreseen {
    /// The same way, as changes go it.
    pub(super) fn path(&self) -> Path {
        let above = self.above.iter().take(self.len);
        Path {
            above: above
                .map(|(no, child)| Step {
                    no: *no,
                    child: *child as usize,
                })
                .collect(),
            leaf: self.leaf,
        }
    }
}
