//! Verifying a whole tree: B1 (order and fences), the shape of each node, B3 (levels), and that no page is
//! reached twice. It goes on after a problem, with whatever is still reachable.

use super::node::{Node, ValueRef, damage};
use super::page_set::PageSet;
use super::tree::Reached;
use super::value::Key;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::ReadPages;
use crate::recovery_report::KeyRange;

/// Something wrong in a tree.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The page that shows it.
    pub page: PageNo,
    /// What it is.
    pub error: StorageError,
    /// The keys that cannot be reached because of it, where that is known.
    pub keys: Option<KeyRange>,
}

/// A check under way.
pub(super) struct Check<'a, P, V> {
    pages: &'a P,
    visit: V,
    seen: PageSet,
    problems: Vec<Problem>,
}

/// What is known of a node before it is read.
#[derive(Clone, Copy, Default)]
struct Expected<'a> {
    /// None for the root.
    level: Option<u8>,
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
    /// Whether the fences are unknown, because a node above is damaged.
    is_blind: bool,
}

impl Expected<'_> {
    /// The keys that may be in the node.
    fn keys(&self) -> Option<KeyRange> {
        let owned = |fence: Option<&[u8]>| fence.map(<[u8]>::to_vec);
        (!self.is_blind).then(|| KeyRange {
            low: owned(self.low),
            high: owned(self.high),
        })
    }
}

impl<'a, P: ReadPages, V: FnMut(Reached) -> Option<StorageError>> Check<'a, P, V> {
    /// Checks the tree under `root`; see `Tree::check_with`.
    pub(super) fn run(pages: &'a P, root: PageNo, visit: V) -> Vec<Problem> {
        let mut check = Self {
            pages,
            visit,
            seen: PageSet::default(),
            problems: Vec::new(),
        };
        check.page(root, &Expected::default());
        check.problems
    }

    fn note(&mut self, page: PageNo, result: Result<(), StorageError>) {
        if let Err(error) = result {
            self.lose(page, error, None);
        }
    }

    fn lose(&mut self, page: PageNo, error: StorageError, keys: Option<KeyRange>) {
        self.problems.push(Problem { page, error, keys });
    }

    fn page(&mut self, no: PageNo, expected: &Expected<'_>) {
        if !self.seen.insert(no) {
            return self.note(no, Err(damage(no, "a page with one parent", "a second")));
        }
        let known = (self.visit)(Reached::Page(no));
        let is_known = known.is_some();
        if let Some(error) = known {
            self.lose(no, error, expected.keys());
        }
        let image = match self.pages.page(no) {
            Ok(image) => image,
            Err(_) if is_known => return,
            Err(error) => return self.lose(no, error, expected.keys()),
        };
        match Node::open_at(no, &image, expected.level) {
            Ok(node) => self.node(&node, expected),
            Err(error) => self.lose(no, error, expected.keys()),
        }
    }

    fn node(&mut self, node: &Node<'_>, expected: &Expected<'_>) {
        self.extents(node, expected);
        let keys = check_shape(node, expected).and_then(|()| self.keys(node, expected));
        let keys = keys.unwrap_or_else(|error| {
            self.lose(node.no(), error, expected.keys());
            Vec::new()
        });
        if !node.is_leaf() {
            self.children(node, &keys, expected);
        }
    }

    /// Checks the children; their fences are known only if `keys` are.
    fn children(&mut self, node: &Node<'_>, keys: &[Key], expected: &Expected<'_>) {
        for i in 0..=node.n() {
            let below = i.checked_sub(1).and_then(|below| keys.get(below));
            let is_known = keys.len() == node.n() && !expected.is_blind;
            let below = Expected {
                level: node.level().checked_sub(1),
                low: below
                    .map(|key| &**key)
                    .or(expected.low.filter(|_| is_known && i == 0)),
                high: keys
                    .get(i)
                    .map(|key| &**key)
                    .or(expected.high.filter(|_| is_known && i == node.n())),
                is_blind: !is_known,
            };
            match node.child(i) {
                Ok(child) => self.page(child, &below),
                Err(error) => self.note(node.no(), Err(error)),
            }
        }
    }

    fn extents(&mut self, node: &Node<'_>, expected: &Expected<'_>) {
        let pages = self.pages;
        for i in 0..node.n() {
            match node.key(i) {
                Ok(key) => {
                    if let Some(tail) = key.tail {
                        self.extent(node, (tail.first, tail.len), &|| expected.keys());
                    }
                }
                Err(error) => return self.lose(node.no(), error, expected.keys()),
            }
            if node.is_leaf() {
                match node.value(i) {
                    Ok(ValueRef::Inline(_)) => {}
                    Ok(ValueRef::Extent { first, len }) => {
                        let key = || node.full_key(pages, i).ok();
                        self.extent(node, (first, len), &|| {
                            let keys = key().map(|key| KeyRange::of_key(&key));
                            keys.or_else(|| expected.keys())
                        });
                    }
                    Err(error) => return self.lose(node.no(), error, expected.keys()),
                }
            }
        }
    }

    /// Checks one extent, in pieces; `keys` are lost with it.
    fn extent(
        &mut self,
        node: &Node<'_>,
        (first, len): (PageNo, u64),
        keys: &dyn Fn() -> Option<KeyRange>,
    ) {
        let known = (self.visit)(Reached::Extent { first, len });
        let wrong = known.or_else(|| self.pages.check_extent(first, len).err());
        if let Some(error) = wrong {
            self.lose(node.no(), error, keys());
        }
    }

    /// The node's keys, which ascend and lie within its fences.
    fn keys(&self, node: &Node<'_>, expected: &Expected<'_>) -> Result<Vec<Key>, StorageError> {
        let mut keys: Vec<Key> = Vec::with_capacity(node.n());
        for i in 0..node.n() {
            let key = node.full_key(self.pages, i)?;
            let is_above = match keys.last() {
                Some(last) => **last < *key,
                None => expected.low.is_none_or(|low| low <= &*key),
            };
            if !is_above || expected.high.is_some_and(|high| high <= &*key) {
                return Err(damage(
                    node.no(),
                    "ascending keys within the fences",
                    format!("{key:?} at {i}"),
                ));
            }
            node.check_head(i, &key)?;
            keys.push(key);
        }
        Ok(keys)
    }
}

/// B1 and B2 as far as one node shows them, and that its bytes are accounted for.
fn check_shape(node: &Node<'_>, expected: &Expected<'_>) -> Result<(), StorageError> {
    let is_root = expected.level.is_none();
    if node.n() == 0 && !(is_root && node.is_leaf()) {
        return Err(damage(node.no(), "a node with keys", "an empty one"));
    }
    let shares = |fence: Option<&[u8]>| fence.is_some_and(|fence| fence.starts_with(node.prefix()));
    let is_shared = shares(expected.low) && shares(expected.high);
    if !(is_shared || node.prefix().is_empty() || expected.is_blind) {
        return Err(damage(
            node.no(),
            "a prefix that both fences share",
            "another",
        ));
    }
    let mut cells = Vec::with_capacity(node.n());
    for i in 0..node.n() {
        cells.push(node.cell_range(i)?);
    }
    cells.retain(|cell| !cell.is_empty());
    cells.sort_by_key(|cell| cell.start);
    if cells
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.end > b.start))
    {
        return Err(damage(
            node.no(),
            "cells apart from each other",
            "two that overlap",
        ));
    }
    let used: usize = cells.iter().map(std::ops::Range::len).sum();
    if used + node.garbage() != node.heap_len() {
        let expected = format!("{} bytes of cells and garbage", node.heap_len());
        return Err(damage(node.no(), &expected, used + node.garbage()));
    }
    Ok(())
}
