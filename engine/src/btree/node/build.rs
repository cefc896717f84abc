//! Writing a whole node.

use std::ops::Range;

use super::item::Payload;
use super::layout::{
    HEADER_BYTES, Header, Kind, OWN_HEADER, PREFIX_BYTES_MAX, damage, put, put_u16, put_u32,
};
use super::row::Row;
use crate::error::StorageError;
use crate::ids::PageNo;

/// A node to be written.
pub(crate) struct Plan<'a> {
    /// Where the entries come from.
    pub(crate) row: &'a Row<'a>,
    /// Which of them the node gets.
    pub(crate) range: Range<usize>,
    /// How much of its keys is put once at its end; all of them share so much.
    pub(crate) prefix_len: usize,
}

/// Writes `plan` into `page`, page `no`. Unused bytes are zeroed, so that equal content is equal bytes.
/// `Corruption` if the entries do not fit or do not share the prefix, which only damage brings about;
/// the page is unusable then.
pub(crate) fn build(page: &mut [u8], no: PageNo, plan: &Plan<'_>) -> Result<(), StorageError> {
    let Plan {
        row,
        range,
        prefix_len,
    } = plan;
    let shared = match row.item(range.start) {
        Some(first) if !range.is_empty() => first.key.inline.get(..*prefix_len),
        _ => (*prefix_len == 0).then_some(&[][..]),
    };
    let Some(shared) = shared.filter(|_| *prefix_len <= PREFIX_BYTES_MAX) else {
        return Err(damage(no, "keys that share the node's prefix", "others"));
    };
    if page.len() != row.page_size {
        return Err(damage(no, "pages of one size", page.len()));
    }
    write(page, plan, shared).ok_or_else(|| damage(no, "entries that fit a node", range.len()))
}

/// None if the entries do not fit, or do not share the prefix.
fn write(page: &mut [u8], plan: &Plan<'_>, prefix: &[u8]) -> Option<()> {
    let (row, prefix_len) = (plan.row, plan.prefix_len);
    let kind = Kind::at(row.level);
    let items = row.items.get(plan.range.clone())?;
    let n = items.len();
    let (slots, arrays_end) = (kind.slots_start(n), kind.arrays_end(n));
    let mut heap_lo = page.len() - prefix_len;
    put(page, heap_lo, prefix)?;
    if kind == Kind::Inner {
        let first = row.child(plan.range.start)?;
        put_u32(page, HEADER_BYTES + 4 * n, first.get())?;
    }
    for (i, item) in items.iter().enumerate() {
        if !item.key.inline.starts_with(prefix) {
            return None;
        }
        let cell_len = item.cell_len(prefix_len);
        let cell_end = heap_lo;
        heap_lo = heap_lo
            .checked_sub(cell_len)
            .filter(|start| *start >= arrays_end)?;
        item.write_cell(prefix_len, page.get_mut(heap_lo..cell_end)?)?;
        put_u32(page, HEADER_BYTES + 4 * i, item.head(prefix_len))?;
        put_u16(page, slots + 2 * i, item.slot(prefix_len, heap_lo))?;
        if let Payload::Child(child) = item.payload {
            put_u32(page, HEADER_BYTES + 4 * n + 4 * (i + 1), child.get())?;
        }
    }
    page.get_mut(arrays_end..heap_lo)?.fill(0);
    let header = Header {
        n,
        prefix_len,
        level: row.level,
        heap_lo,
        garbage: 0,
    };
    header.write(page)
}

/// Makes the tree's part of page `no` equal to that of `from`.
pub(crate) fn copy_content(page: &mut [u8], no: PageNo, from: &[u8]) -> Result<(), StorageError> {
    for range in [OWN_HEADER, HEADER_BYTES..page.len()] {
        match (page.get_mut(range.clone()), from.get(range)) {
            (Some(to), Some(from)) if to.len() == from.len() => to.copy_from_slice(from),
            _ => return Err(damage(no, "pages of one size", from.len())),
        }
    }
    Ok(())
}

/// Makes `page` an empty leaf.
pub(crate) fn build_empty_leaf(page: &mut [u8], no: PageNo) -> Result<(), StorageError> {
    let heap_lo = page.len();
    if let Some(body) = page.get_mut(HEADER_BYTES..) {
        body.fill(0);
    }
    let header = Header {
        n: 0,
        prefix_len: 0,
        level: 0,
        heap_lo,
        garbage: 0,
    };
    header
        .write(page)
        .ok_or_else(|| damage(no, "a page of 4 KiB to 64 KiB", heap_lo))
}
