//! Writing a node's entries back, in two nodes if they have become too many for one.

use super::cut::{self, Cut, Separator};
use super::path::Path;
use crate::btree::node::{
    Entries, Item, LEVEL_MAX, Node, Payload, Plan, build, damage, insert_separator,
};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::{ReadPages, WritePages};

/// The entries of page `no`.
pub(super) fn decode(pages: &impl ReadPages, no: PageNo) -> Result<Entries, StorageError> {
    let image = pages.page(no)?;
    Entries::decode(&Node::open(no, &image)?)
}

/// Writes the entries in one node, page `no`.
pub(super) fn write(
    pages: &mut impl WritePages,
    no: PageNo,
    plan: &Plan<'_>,
) -> Result<(), StorageError> {
    build(pages.page_mut(no)?, no, plan)
}

/// Makes `entries` those of the node at `depth`. If they do not fit, the node is split, and the one above
/// it gets a separator, by the same rule. `newest` is the entry that was inserted last, if one was.
pub(super) fn store(
    pages: &mut impl WritePages,
    path: &Path,
    depth: usize,
    entries: &Entries,
    newest: Option<usize>,
) -> Result<(), StorageError> {
    let no = path.page(depth);
    let fences = path.fences(pages, depth)?;
    let range = 0..entries.n();
    let (low, high) = (fences.low.as_deref(), fences.high.as_deref());
    if let Some(prefix_len) = cut::fitting_prefix(entries, &range, low, high) {
        return write(
            pages,
            no,
            &Plan {
                entries,
                range,
                prefix_len,
            },
        );
    }
    let cut = cut::choose(entries, &fences, newest)
        .ok_or_else(|| damage(no, "entries that fit two nodes", entries.n()))?;
    let separator = cut::separator(pages, entries, cut.at)?;
    match path.step_to(depth) {
        None => split_root(pages, no, entries, &cut, &separator),
        Some(above) => {
            let right = pages.allocate()?;
            write_both(pages, entries, &cut, (no, right))?;
            let item = Item {
                key: separator.key(),
                payload: Payload::Child(right),
            };
            if insert_separator(pages.page_mut(above.no)?, above.no, above.child, &item)? {
                return Ok(());
            }
            let mut parent = decode(pages, above.no)?;
            parent.insert(above.child, &item)?;
            store(pages, path, depth - 1, &parent, Some(above.child))
        }
    }
}

/// Writes the two parts of `cut` into the pages `left` and `right`.
pub(super) fn write_both(
    pages: &mut impl WritePages,
    entries: &Entries,
    cut: &Cut,
    (left, right): (PageNo, PageNo),
) -> Result<(), StorageError> {
    let (range, prefix_len) = (cut.left.clone(), cut.left_prefix_len);
    write(
        pages,
        left,
        &Plan {
            entries,
            range,
            prefix_len,
        },
    )?;
    let (range, prefix_len) = (cut.right.clone(), cut.right_prefix_len);
    write(
        pages,
        right,
        &Plan {
            entries,
            range,
            prefix_len,
        },
    )
}

/// The root keeps its page number: its content moves down into two new pages.
fn split_root(
    pages: &mut impl WritePages,
    root: PageNo,
    entries: &Entries,
    cut: &Cut,
    separator: &Separator,
) -> Result<(), StorageError> {
    if entries.level() >= LEVEL_MAX {
        return Err(damage(root, "a level up to 40", "a tree that needs more"));
    }
    let (left, right) = (pages.allocate()?, pages.allocate()?);
    write_both(pages, entries, cut, (left, right))?;
    let mut above = Entries::above(entries, left);
    above.insert(
        0,
        &Item {
            key: separator.key(),
            payload: Payload::Child(right),
        },
    )?;
    write(
        pages,
        root,
        &Plan {
            entries: &above,
            range: 0..1,
            prefix_len: 0,
        },
    )
}
