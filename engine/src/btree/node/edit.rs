//! Changing a leaf in place.

use std::ops::Range;

use super::item::{Item, Payload};
use super::layout::{HEADER_BYTES, Header, Kind, damage, put_u16, put_u32};
use super::view::{Node, ValueRef};
use crate::error::StorageError;
use crate::ids::PageNo;

/// What came of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The entry is there.
    Yes,
    /// The bytes of removed cells must be gathered first.
    AfterCompaction,
    /// The node is too full.
    NoRoom,
}

/// Puts `item` before entry `i` of the leaf `page` if there is room.
pub(crate) fn insert_cell(
    page: &mut [u8],
    no: PageNo,
    i: usize,
    item: &Item<'_>,
) -> Result<Inserted, StorageError> {
    let node = Node::open_at(no, page, Some(0))?;
    let header = node.header;
    if !item.key.inline.starts_with(node.prefix()) || i > header.n {
        return Err(damage(no, "a node whose prefix the key has", "another"));
    }
    let cell_len = item.cell_len(header.prefix_len);
    let needed = cell_len + Kind::Leaf.entry_bytes();
    if node.gap() < needed {
        let has_garbage = node.gap() + header.garbage >= needed;
        return Ok(if has_garbage {
            Inserted::AfterCompaction
        } else {
            Inserted::NoRoom
        });
    }
    open_slot(page, header, i, item, cell_len)
        .map(|()| Inserted::Yes)
        .ok_or_else(|| damage(no, "room for a cell", "none"))
}

/// The gap holds the entry: moves the arrays apart and fills it in.
fn open_slot(
    page: &mut [u8],
    header: Header,
    i: usize,
    item: &Item<'_>,
    cell_len: usize,
) -> Option<()> {
    let n = header.n;
    let heap_lo = header.heap_lo.checked_sub(cell_len)?;
    let (old, new) = (Kind::Leaf.slots_start(n), Kind::Leaf.slots_start(n + 1));
    shift(page, old + 2 * i..old + 2 * n, new + 2 * (i + 1))?;
    shift(page, old..old + 2 * i, new)?;
    shift(
        page,
        HEADER_BYTES + 4 * i..HEADER_BYTES + 4 * n,
        HEADER_BYTES + 4 * (i + 1),
    )?;
    put_u32(page, HEADER_BYTES + 4 * i, item.head(header.prefix_len))?;
    put_u16(page, new + 2 * i, heap_lo)?;
    item.write_cell(
        header.prefix_len,
        page.get_mut(heap_lo..heap_lo + cell_len)?,
    )?;
    Header {
        n: n + 1,
        heap_lo,
        ..header
    }
    .write(page)
}

/// Puts a separator before separator `i` of the inner node `page`, with its child to the right of it, if
/// there is room without moving cells.
pub(crate) fn insert_separator(
    page: &mut [u8],
    no: PageNo,
    i: usize,
    item: &Item<'_>,
) -> Result<bool, StorageError> {
    let node = Node::open(no, page)?;
    let header = node.header;
    let Payload::Child(child) = item.payload else {
        return Err(damage(no, "a child to the right of a separator", "a value"));
    };
    if node.is_leaf() || i > header.n {
        return Err(damage(no, "an inner node with enough keys", header.n));
    }
    let cell_len = item.cell_len(header.prefix_len);
    let has_prefix = item.key.inline.starts_with(node.prefix());
    if !has_prefix || node.gap() < cell_len + Kind::Inner.entry_bytes() {
        return Ok(false);
    }
    open_separator(page, header, i, item, child)
        .map(|()| true)
        .ok_or_else(|| damage(no, "room for a separator", "none"))
}

/// The gap holds the separator: moves the arrays apart, the last one first, and fills it in.
fn open_separator(
    page: &mut [u8],
    header: Header,
    i: usize,
    item: &Item<'_>,
    child: PageNo,
) -> Option<()> {
    let n = header.n;
    let cell_len = item.cell_len(header.prefix_len);
    let heap_lo = header.heap_lo.checked_sub(cell_len)?;
    let (old, new) = (Kind::Inner.slots_start(n), Kind::Inner.slots_start(n + 1));
    shift(page, old + 2 * i..old + 2 * n, new + 2 * (i + 1))?;
    shift(page, old..old + 2 * i, new)?;
    let (old, children) = (HEADER_BYTES + 4 * n, HEADER_BYTES + 4 * (n + 1));
    shift(
        page,
        old + 4 * (i + 1)..old + 4 * (n + 1),
        children + 4 * (i + 2),
    )?;
    shift(page, old..old + 4 * (i + 1), children)?;
    let head = HEADER_BYTES + 4 * i;
    shift(page, head..HEADER_BYTES + 4 * n, head + 4)?;
    put_u32(page, head, item.head(header.prefix_len))?;
    put_u32(page, children + 4 * (i + 1), child.get())?;
    put_u16(page, new + 2 * i, item.slot(header.prefix_len, heap_lo))?;
    item.write_cell(
        header.prefix_len,
        page.get_mut(heap_lo..heap_lo + cell_len)?,
    )?;
    Header {
        n: n + 1,
        heap_lo,
        ..header
    }
    .write(page)
}

/// Takes entry `i` out of the leaf `page`.
pub(crate) fn remove_cell(page: &mut [u8], no: PageNo, i: usize) -> Result<(), StorageError> {
    let node = Node::open_at(no, page, Some(0))?;
    let header = node.header;
    let cell = node.cell_range(i)?;
    close_slot(page, header, i, &cell)
        .ok_or_else(|| damage(no, "a cell in the page", format!("{i} at {}", cell.start)))
}

fn close_slot(page: &mut [u8], header: Header, i: usize, cell: &Range<usize>) -> Option<()> {
    let n = header.n;
    let (old, new) = (
        Kind::Leaf.slots_start(n),
        Kind::Leaf.slots_start(n.checked_sub(1)?),
    );
    shift(
        page,
        HEADER_BYTES + 4 * (i + 1)..HEADER_BYTES + 4 * n,
        HEADER_BYTES + 4 * i,
    )?;
    shift(page, old..old + 2 * i, new)?;
    shift(page, old + 2 * (i + 1)..old + 2 * n, new + 2 * i)?;
    let (heap_lo, garbage) = if cell.start == header.heap_lo {
        (cell.end, header.garbage)
    } else {
        (header.heap_lo, header.garbage + cell.len())
    };
    Header {
        n: n - 1,
        heap_lo,
        garbage,
        ..header
    }
    .write(page)
}

/// Puts `value` over the value of entry `i` if that is inline and as long.
pub(crate) fn overwrite_value(
    page: &mut [u8],
    no: PageNo,
    i: usize,
    value: &[u8],
) -> Result<bool, StorageError> {
    let ValueRef::Inline(range) = Node::open_at(no, page, Some(0))?.value(i)? else {
        return Ok(false);
    };
    match page.get_mut(range) {
        Some(old) if old.len() == value.len() => {
            old.copy_from_slice(value);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Gathers the bytes of removed cells of the leaf `page`.
pub(crate) fn compact(page: &mut [u8], no: PageNo) -> Result<(), StorageError> {
    let old = page.to_vec();
    let node = Node::open_at(no, &old, Some(0))?;
    let header = node.header;
    let arrays_end = Kind::Leaf.arrays_end(header.n);
    let slots = Kind::Leaf.slots_start(header.n);
    let mut heap_lo = node.cells_end();
    let mut keep = |i: usize, cell: Range<usize>| {
        let end = heap_lo;
        heap_lo = end
            .checked_sub(cell.len())
            .filter(|start| *start >= arrays_end)?;
        page.get_mut(heap_lo..end)?.copy_from_slice(old.get(cell)?);
        put_u16(page, slots + 2 * i, heap_lo)
    };
    for i in 0..header.n {
        keep(i, node.cell_range(i)?)
            .ok_or_else(|| damage(no, "cells apart from each other", "some that overlap"))?;
    }
    finish_compaction(page, header, arrays_end..heap_lo)
        .ok_or_else(|| damage(no, "cells in the page", "others"))
}

fn finish_compaction(page: &mut [u8], header: Header, gap: Range<usize>) -> Option<()> {
    let heap_lo = gap.end;
    page.get_mut(gap)?.fill(0);
    Header {
        heap_lo,
        garbage: 0,
        ..header
    }
    .write(page)
}

fn shift(page: &mut [u8], from: Range<usize>, to: usize) -> Option<()> {
    let fits = from.start <= from.end && from.end <= page.len();
    if !fits || to + from.len() > page.len() {
        return None;
    }
    page.copy_within(from, to);
    Some(())
}
