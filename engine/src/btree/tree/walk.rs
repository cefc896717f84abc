//! Every page and extent of a tree that is sound.

use std::collections::BTreeSet;

use crate::btree::node::{Node, ValueRef, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::ReadPages;

/// Something that belongs to a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// A node.
    Page(PageNo),
    /// The extent of a value, or of the end of a long key or separator.
    Extent {
        /// Its first page.
        first: PageNo,
        /// Its length in bytes.
        len: u64,
    },
}

/// Calls `found` for the extents that `node` refers to.
fn extents(node: &Node<'_>, mut found: impl FnMut(Reached)) -> Result<(), StorageError> {
    for i in 0..node.n() {
        if let Some(tail) = node.key(i)?.tail {
            found(Reached::Extent {
                first: tail.first,
                len: tail.len,
            });
        }
        if node.is_leaf()
            && let ValueRef::Extent { first, len } = node.value(i)?
        {
            found(Reached::Extent { first, len });
        }
    }
    Ok(())
}

/// All that belongs to the tree under `root`, each once. `Corruption` if anything is reached twice, `Limit` if
/// there is more than `reached_max`.
pub(super) fn collect(
    pages: &impl ReadPages,
    root: PageNo,
    reached_max: u64,
) -> Result<BTreeSet<Reached>, StorageError> {
    let mut all = BTreeSet::from([Reached::Page(root)]);
    let mut waiting = vec![(root, None)];
    while let Some((no, level)) = waiting.pop() {
        let image = pages.page(no)?;
        let node = Node::open_at(no, &image, level)?;
        let mut reached = Vec::new();
        extents(&node, |extent| reached.push(extent))?;
        if !node.is_leaf() {
            for i in 0..=node.n() {
                let child = node.child(i)?;
                reached.push(Reached::Page(child));
                waiting.push((child, node.level().checked_sub(1)));
            }
        }
        for one in reached {
            if !all.insert(one) {
                return Err(damage(no, "pages with one owner", format!("{one:?} twice")));
            }
        }
        let needed = u64::try_from(all.len()).unwrap_or(u64::MAX);
        if needed > reached_max {
            return Err(StorageError::limit("freed_pages", needed, reached_max));
        }
    }
    Ok(all)
}

/// What of a tree can be reached, and where damage ended the way.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) reached: BTreeSet<Reached>,
    pub(super) lost: Vec<(PageNo, StorageError)>,
}

/// As much as can be found of what belongs to the tree under `root`, damaged nodes among it; other errors than `Corruption` end
/// it. Nothing but the damage if something is reached twice: then it is not known whose it is.
pub(super) fn collect_remains(
    pages: &impl ReadPages,
    root: PageNo,
) -> Result<Remains, StorageError> {
    let mut remains = Remains::default();
    remains.reached.insert(Reached::Page(root));
    let mut waiting = vec![(root, None)];
    while let Some((no, level)) = waiting.pop() {
        let mut below = Vec::new();
        match what_is_below(pages, (no, level), &mut below) {
            Ok(()) => {}
            Err(error @ StorageError::Corruption(_)) => remains.lost.push((no, error)),
            Err(error) => return Err(error),
        }
        for (one, level) in below {
            if !remains.reached.insert(one) {
                let error = damage(no, "pages with one owner", format!("{one:?} twice"));
                let lost = vec![(no, error)];
                let reached = BTreeSet::new();
                return Ok(Remains { reached, lost });
            }
            if let Reached::Page(child) = one {
                waiting.push((child, level));
            }
        }
    }
    Ok(remains)
}

/// Adds what node `no` refers to, as far as it can be read.
fn what_is_below(
    pages: &impl ReadPages,
    (no, level): (PageNo, Option<u8>),
    below: &mut Vec<(Reached, Option<u8>)>,
) -> Result<(), StorageError> {
    let image = pages.page(no)?;
    let node = Node::open_at(no, &image, level)?;
    if !node.is_leaf() {
        for i in 0..=node.n() {
            let child = Reached::Page(node.child(i)?);
            below.push((child, node.level().checked_sub(1)));
        }
    }
    extents(&node, |extent| below.push((extent, None)))
}
