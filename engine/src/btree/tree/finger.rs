//! A place in a tree that moves on through ascending keys, from the lowest node that is responsible for the next one.

use smallvec::SmallVec;

use super::path::{Path, Step};
use crate::btree::node::Node;
use crate::btree::value::Key;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{HeldPages, PageImage, ReadPages};

/// The way to the leaf that was visited last.
///
/// It is good as long as no inner node changes; then it must be lifted.
#[derive(Debug)]
pub(super) struct Finger {
    path: Path,
    /// For each step, its node's level and the separator behind the child that the way goes on to.
    steps: SmallVec<[(u8, Option<Key>); 4]>,
    /// Whether it asks for all of the leaf as soon as it knows which one that is: it will be copied.
    pub(super) asks: bool,
}

impl Finger {
    /// Nowhere yet.
    pub(super) fn new(root: PageNo) -> Self {
        Self {
            path: Path {
                above: SmallVec::new(),
                leaf: root,
            },
            steps: SmallVec::new(),
            asks: true,
        }
    }

    /// At the leaf that a way leads to, for one write: what lies behind it is not known.
    pub(super) fn at(path: Path) -> Self {
        Self {
            path,
            steps: SmallVec::new(),
            asks: false,
        }
    }

    /// Begins at the root next time.
    pub(super) fn lift(&mut self) {
        if let Some(first) = self.path.above.first() {
            self.path.leaf = first.no;
        }
        self.path.above.clear();
        self.steps.clear();
    }

    /// The way to where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The lowest key beyond the leaf; none at the tree's end.
    pub(super) fn high(&self) -> Option<&[u8]> {
        self.high_of(self.steps.len())
    }

    /// The lowest key beyond the node at `depth`.
    fn high_of(&self, depth: usize) -> Option<&[u8]> {
        let mut above = self.steps.iter().take(depth).rev();
        above.find_map(|(_, high)| high.as_deref())
    }

    /// Goes to the leaf that is responsible for `key`, which is above all keys that it went to before. Returns the leaf's image.
    /// The last key needs no fence behind it.
    pub(super) fn seek(
        &mut self,
        pages: &impl ReadPages,
        key: &[u8],
        is_last: bool,
    ) -> Result<PageImage, StorageError> {
        let mut depth = self.steps.len().saturating_sub(1);
        while self.high_of(depth).is_some_and(|high| high <= key) {
            depth = depth.saturating_sub(1);
        }
        let mut no = self.path.page(depth);
        let mut level = self.steps.get(depth).map(|(level, _)| *level);
        self.path.above.truncate(depth);
        self.steps.truncate(depth);
        let held = pages.hold();
        while let Some(image) = held.page(no) {
            let node = Node::open_at(no, image.bytes(), level)?;
            if node.is_leaf() {
                self.path.leaf = no;
                let image = image.to_image();
                return held.settle(Ok(image));
            }
            let Some(child) = node.search_inline(key)? else {
                break;
            };
            let child = child.upper();
            if child < node.n() && !is_last && node.key(child)?.tail.is_some() {
                break;
            }
            if self.asks
                && node.level() == 1
                && let Some(leaf) = held.trace(node.child(child)?)
            {
                leaf.prefetch_all(image.len());
            }
            (no, level) = self.go_on(pages, &node, (child, is_last))?;
        }
        // Something has to be loaded, which nobody may who holds pages.
        drop(held);
        loop {
            let image = pages.page(no)?;
            let node = Node::open_at(no, &image, level)?;
            if node.is_leaf() {
                self.path.leaf = no;
                return Ok(image);
            }
            let child = node.child_index(pages, key)?;
            (no, level) = self.go_on(pages, &node, (child, is_last))?;
        }
    }

    /// Notes that the way goes on to child `child`, and returns which page that is, and its level.
    fn go_on(
        &mut self,
        pages: &impl ReadPages,
        node: &Node<'_>,
        (child, is_last): (usize, bool),
    ) -> Result<(PageNo, Option<u8>), StorageError> {
        let is_inside = !is_last && child < node.n();
        let high = is_inside.then(|| node.full_key(pages, child)).transpose()?;
        let no = node.no();
        self.path.above.push(Step { no, child });
        self.steps.push((node.level(), high));
        Ok((node.child(child)?, node.level().checked_sub(1)))
    }
}
