//! Deletion, and what keeps nodes filled: a node that is less than a quarter full is merged with a
//! neighbour, or takes entries from it.
//!
//! Where neither fits, because entries would lose a long prefix, a node that is not empty stays as it is.
//! An empty one never stays: taking one entry from a neighbour, or both going into one node, always fits. A damaged
//! neighbour is left alone, and the other one taken; where there is none, only a node that became empty makes the
//! deletion fail.

use super::cut::{self, Cut, Fill, Piece, Separator};
use super::path::{Fences, Path, Step};
use super::store::{decode, store, write};
use crate::btree::node::{Entries, Node, Tail, copy_content, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};

/// Gives back the extent of a key that has one.
fn free_tail(pages: &mut impl WritePages, tail: Option<Tail>) -> Result<(), StorageError> {
    tail.map_or(Ok(()), |tail| pages.free_extent(tail.first, tail.len))
}

/// Fills up the node at `depth`, and then each node above it that lost an entry by that.
pub(super) fn fill_up(
    pages: &mut impl WritePages,
    path: &Path,
    mut depth: usize,
) -> Result<(), StorageError> {
    while let Some(above) = path.step_to(depth) {
        if !is_underfull(pages, path.page(depth))?
            || !fill_from_neighbour(pages, path, depth, above)?
        {
            return Ok(());
        }
        depth -= 1;
    }
    shrink_root(pages, path.page(0))
}

fn is_underfull(pages: &impl ReadPages, no: PageNo) -> Result<bool, StorageError> {
    let image = pages.page(no)?;
    Ok(Node::open(no, &image)?.is_underfull())
}

/// Two neighbours, the children `index` and `index + 1` of the node above.
pub(super) struct Pair {
    pub(super) index: usize,
    pub(super) left: PageNo,
    pub(super) right: PageNo,
    separator: Separator,
    /// Where in the joined entries the right node's begin, or the separator is.
    pub(super) boundary: usize,
    pub(super) entries: Entries,
}

/// Merges the node at `depth` with a neighbour or takes entries from it. Whether the node above lost an entry.
fn fill_from_neighbour(
    pages: &mut impl WritePages,
    path: &Path,
    depth: usize,
    above: Step,
) -> Result<bool, StorageError> {
    let mut parent = decode(pages, above.no)?;
    let Some(pair) = readable_pair(pages, &parent, above.child, path.page(depth))? else {
        return Ok(false);
    };
    let fences = path.fences_of_pair(pages, depth, Some(pair.index))?;
    if merge(pages, (path, depth), (&mut parent, &pair), &fences)? {
        return Ok(true);
    }
    let items = pair.entries.items();
    let row = pair.entries.row(&items);
    let Some(cut) = cut::choose_evener(&row, fences.edges(), pair.boundary) else {
        return Ok(false);
    };
    recut(pages, (path, depth), (&mut parent, &pair), &cut)?;
    Ok(false)
}

/// Puts a pair at `depth` into one node, if they fit. `parent` is the node above.
pub(super) fn merge(
    pages: &mut impl WritePages,
    (path, depth): (&Path, usize),
    (parent, pair): (&mut Entries, &Pair),
    fences: &Fences,
) -> Result<bool, StorageError> {
    let items = pair.entries.items();
    let row = pair.entries.row(&items);
    let range = 0..row.n();
    let Some(prefix_len) = cut::fitting_prefix(&row, &range, fences.edges()) else {
        return Ok(false);
    };
    write(pages, pair.left, &row, &Piece { range, prefix_len })?;
    pages.free(pair.right)?;
    free_separator(pages, pair)?;
    parent.remove(pair.index)?;
    store_entries(pages, path, depth - 1, parent)?;
    Ok(true)
}

fn store_entries(
    pages: &mut impl WritePages,
    path: &Path,
    depth: usize,
    entries: &Entries,
) -> Result<(), StorageError> {
    let items = entries.items();
    store(pages, path, depth, &entries.row(&items), Fill::Loose)
}

/// Divides a pair at `depth` anew. `parent` is the node above.
pub(super) fn recut(
    pages: &mut impl WritePages,
    (path, depth): (&Path, usize),
    (parent, pair): (&mut Entries, &Pair),
    cut: &Cut,
) -> Result<(), StorageError> {
    let items = pair.entries.items();
    let row = pair.entries.row(&items);
    let separator = cut::separator(pages, &row, cut.at)?;
    write(pages, pair.left, &row, &cut.left)?;
    write(pages, pair.right, &row, &cut.right)?;
    free_separator(pages, pair)?;
    parent.set_key(pair.index, &separator.key())?;
    store_entries(pages, path, depth - 1, parent)
}

/// The node with its left neighbour, or if that is damaged or none with its right one. None where neither can be
/// read and the node is not empty.
fn readable_pair(
    pages: &impl ReadPages,
    parent: &Entries,
    child: usize,
    no: PageNo,
) -> Result<Option<Pair>, StorageError> {
    let first = read_pair(pages, parent, child.saturating_sub(1));
    let Err(error @ StorageError::Corruption(_)) = first else {
        return first.map(Some);
    };
    let has_right = child > 0 && child < parent.n();
    if let Some(Ok(pair)) = has_right.then(|| read_pair(pages, parent, child)) {
        return Ok(Some(pair));
    }
    let image = pages.page(no)?;
    let is_empty = Node::open(no, &image)?.n() == 0;
    if is_empty { Err(error) } else { Ok(None) }
}

pub(super) fn read_pair(
    pages: &impl ReadPages,
    parent: &Entries,
    index: usize,
) -> Result<Pair, StorageError> {
    let separator = Separator::of(&parent.item(index)?.key);
    let (left, right) = (parent.child(index)?, parent.child(index + 1)?);
    if left == right {
        return Err(damage(left, "a page with one parent", "two references"));
    }
    let mut entries = decode(pages, left)?;
    let boundary = entries.n();
    if entries.level().checked_add(1) != Some(parent.level()) {
        return Err(damage(
            left,
            "a node one level below its parent",
            entries.level(),
        ));
    }
    entries.append(&separator.key(), &decode(pages, right)?)?;
    Ok(Pair {
        index,
        left,
        right,
        separator,
        boundary,
        entries,
    })
}

/// The old separator between leaves is of no use any more; between inner nodes it has come down.
fn free_separator(pages: &mut impl WritePages, pair: &Pair) -> Result<(), StorageError> {
    if pair.entries.is_leaf() {
        free_tail(
            pages,
            Tail::of(&pair.separator.key(), pair.entries.inline_max()),
        )?;
    }
    Ok(())
}

/// A root with a single child takes that child's content.
fn shrink_root(pages: &mut impl WritePages, root: PageNo) -> Result<(), StorageError> {
    loop {
        let image = pages.page(root)?;
        let node = Node::open(root, &image)?;
        if node.is_leaf() || node.n() > 0 {
            return Ok(());
        }
        let (child, level) = (node.child(0)?, node.level().checked_sub(1));
        drop(image);
        let content = pages.page(child)?;
        Node::open_at(child, &content, level)?;
        copy_content(pages.page_mut(root)?, root, &content)?;
        drop(content);
        pages.free(child)?;
    }
}
