//! Writing a node's entries back, in several nodes if they have become too many for one.

use super::cut::{self, Fill, Piece, Separator};
use super::path::{Path, Step};
use crate::btree::node::{
    Entries, Item, LEVEL_MAX, Node, Payload, Plan, Row, build, damage, insert_separator,
};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};

/// A separator on its way into a node, with the child to the right of it.
type Raised = (Separator, PageNo);

/// The entries of page `no`.
pub(super) fn decode(pages: &impl ReadPages, no: PageNo) -> Result<Entries, StorageError> {
    let image = pages.page(no)?;
    Entries::decode(&Node::open(no, &image)?)
}

/// Writes some of the entries in one node, page `no`.
pub(super) fn write(
    pages: &mut impl WritePages,
    no: PageNo,
    row: &Row<'_>,
    piece: &Piece,
) -> Result<(), StorageError> {
    let plan = Plan {
        row,
        range: piece.range.clone(),
        prefix_len: piece.prefix_len,
    };
    build(pages.page_mut(no)?, no, &plan)
}

/// Makes `row` the entries of the node at `depth`. If they do not fit, it is split into as many as they need, and the
/// one above it gets the separators, by the same rule.
pub(super) fn store(
    pages: &mut impl WritePages,
    path: &Path,
    depth: usize,
    row: &Row<'_>,
    fill: Fill,
) -> Result<(), StorageError> {
    let no = path.page(depth);
    let fences = path.fences(pages, depth)?;
    let pieces = cut::divide(row, fences.edges(), fill)
        .ok_or_else(|| damage(no, "entries that fit nodes", row.n()))?;
    if let [whole] = pieces.as_slice() {
        return write(pages, no, row, whole);
    }
    let Some(above) = path.step_to(depth) else {
        return grow(pages, path, row, &pieces);
    };
    let raised = write_all(pages, no, row, &pieces)?;
    raise(pages, path, depth - 1, above, &raised)
}

/// Writes `pieces` into page `first` and new ones.
fn write_all(
    pages: &mut impl WritePages,
    first: PageNo,
    row: &Row<'_>,
    pieces: &[Piece],
) -> Result<Vec<Raised>, StorageError> {
    let mut raised = Vec::with_capacity(pieces.len());
    for (i, piece) in pieces.iter().enumerate() {
        if i == 0 {
            write(pages, first, row, piece)?;
            continue;
        }
        let start = piece.range.start;
        let at = if row.is_leaf() {
            start
        } else {
            start.saturating_sub(1)
        };
        let separator = cut::separator(pages, row, at)?;
        let no = pages.allocate()?;
        write(pages, no, row, piece)?;
        raised.push((separator, no));
    }
    Ok(raised)
}

fn item((separator, child): &Raised) -> Item<'_> {
    Item {
        key: separator.key(),
        payload: Payload::Child(*child),
    }
}

/// The root keeps its page number: its content moves down into new pages.
fn grow(
    pages: &mut impl WritePages,
    path: &Path,
    row: &Row<'_>,
    pieces: &[Piece],
) -> Result<(), StorageError> {
    if row.level >= LEVEL_MAX {
        let root = path.page(0);
        return Err(damage(root, "a level up to 40", "a tree that needs more"));
    }
    let first_child = pages.allocate()?;
    let raised = write_all(pages, first_child, row, pieces)?;
    let items: Vec<_> = raised.iter().map(item).collect();
    let above = Row {
        level: row.level + 1,
        prefix_len: 0,
        first_child,
        items: &items,
        ..*row
    };
    store(pages, path, 0, &above, Fill::Loose)
}

/// Puts separators behind child `step.child` of the node at `depth`.
fn raise(
    pages: &mut impl WritePages,
    path: &Path,
    depth: usize,
    step: Step,
    raised: &[Raised],
) -> Result<(), StorageError> {
    let Step { no, child } = step;
    let mut rest = raised;
    let mut at = child;
    while let Some((next, others)) = rest.split_first() {
        if !insert_separator(pages.page_mut(no)?, no, at, &item(next))? {
            break;
        }
        rest = others;
        at += 1;
    }
    if rest.is_empty() {
        return Ok(());
    }
    let entries = decode(pages, no)?;
    let mut items = entries.items();
    if at > items.len() {
        return Err(entries.missing(at));
    }
    let is_last = at == items.len();
    items.splice(at..at, rest.iter().map(item));
    let fill = if is_last {
        Fill::Ascending
    } else {
        Fill::Loose
    };
    store(pages, path, depth, &entries.row(&items), fill)
}
