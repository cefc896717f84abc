//! Verifying a whole tree: B1 (order and fences), the shape of each node, B3 (levels), and that no page is
//! reached twice. It goes on after a problem, with whatever is still reachable.

use std::collections::BTreeSet;

use super::node::{Node, damage, load_extent};
use super::tree::{Reached, extents};
use super::value::Key;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::ReadPages;

/// Something wrong in a tree.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The page that shows it.
    pub page: PageNo,
    /// What it is.
    pub error: StorageError,
}

/// A check under way.
pub(super) struct Check<'a, P, V> {
    pages: &'a P,
    visit: V,
    seen: BTreeSet<PageNo>,
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

impl<'a, P: ReadPages, V: FnMut(Reached)> Check<'a, P, V> {
    /// Checks the tree under `root`; see `Tree::check`.
    pub(super) fn run(pages: &'a P, root: PageNo, visit: V) -> Vec<Problem> {
        let mut check = Self {
            pages,
            visit,
            seen: BTreeSet::new(),
            problems: Vec::new(),
        };
        check.page(root, &Expected::default());
        check.problems
    }

    fn note(&mut self, page: PageNo, result: Result<(), StorageError>) {
        if let Err(error) = result {
            self.problems.push(Problem { page, error });
        }
    }

    fn page(&mut self, no: PageNo, expected: &Expected<'_>) {
        if !self.seen.insert(no) {
            return self.note(no, Err(damage(no, "a page with one parent", "a second")));
        }
        (self.visit)(Reached::Page(no));
        let image = match self.pages.page(no) {
            Ok(image) => image,
            Err(error) => return self.note(no, Err(error)),
        };
        match Node::open_at(no, &image, expected.level) {
            Ok(node) => self.node(&node, expected),
            Err(error) => self.note(no, Err(error)),
        }
    }

    fn node(&mut self, node: &Node<'_>, expected: &Expected<'_>) {
        self.extents(node);
        let keys = check_shape(node, expected).and_then(|()| self.keys(node, expected));
        let keys = keys.unwrap_or_else(|error| {
            self.note(node.no(), Err(error));
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

    fn extents(&mut self, node: &Node<'_>) {
        let mut reached = Vec::new();
        let result = extents(node, |extent| reached.push(extent));
        self.note(node.no(), result);
        for extent in reached {
            (self.visit)(extent);
            if let Reached::Extent { first, len } = extent {
                let loaded = load_extent(node.no(), self.pages, first, len);
                self.note(node.no(), loaded.map(drop));
            }
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
