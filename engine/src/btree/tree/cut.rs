//! Where to cut a row of entries into nodes.
//!
//! Cutting narrows the fences of the parts, so their prefixes may grow; where a part is widened (a
//! neighbour gives entries away) its prefix shrinks and its entries grow. So each place is tried with the
//! prefixes it would have.

use std::ops::Range;

use super::path::shared_len;
use crate::btree::node::{InlineKey, Row, Tail, common_prefix_len, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::WritePages;

/// A prefix that is longer by `k` bytes saves at least `k - 4` on each key: heads hold 4 bytes in any case.
/// So a node that was full may need a prefix up to so much shorter than its fences allow.
const PREFIX_SLACK_BYTES: usize = 4;

/// The part of a node that is filled where keys may come between others: nodes that are full to the last byte
/// would be cut in two by the first of them.
const LOOSE: (usize, usize) = (7, 8);

/// No entry takes fewer bytes.
const ENTRY_BYTES_MIN: usize = 10;

/// The inline parts of what separates entries from those before and behind them; none at the tree's edge.
pub(super) type Edges<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Two nodes that the entries fit in.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The first entry of the right leaf, or the separator between inner nodes.
    pub(super) at: usize,
    pub(super) left: Piece,
    pub(super) right: Piece,
}

/// Entries that fit one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) prefix_len: usize,
}

/// How entries are shared out among nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Keys come in order: nodes are left as full as they can be.
    Ascending,
    /// Keys come in descending order: so many entries are new, and go before all others.
    Descending(usize),
    /// Some room is left in each.
    Loose,
}

/// A separator on its way into a node.
#[derive(Clone, Debug)]
pub(super) struct Separator {
    inline: Vec<u8>,
    len: usize,
    tail: Option<PageNo>,
}

impl Separator {
    pub(super) fn key(&self) -> InlineKey<'_> {
        InlineKey {
            inline: &self.inline,
            len: self.len,
            tail: self.tail,
        }
    }

    /// A key, as it is.
    pub(super) fn of(key: &InlineKey<'_>) -> Self {
        Self {
            inline: key.inline.to_vec(),
            len: key.len,
            tail: key.tail,
        }
    }
}

/// The longest useful prefix with which the entries in `range` fit a node between `edges`.
pub(super) fn fitting_prefix(
    row: &Row<'_>,
    range: &Range<usize>,
    edges: Edges<'_>,
) -> Option<usize> {
    if range.is_empty() {
        return (row.fixed_size() <= row.capacity()).then_some(0);
    }
    let (longest, capacity) = (shared_len(edges.0, edges.1), row.capacity());
    let least = row.size(range.clone(), longest);
    if least <= capacity {
        return Some(longest);
    }
    // A shorter prefix saves its own bytes and no others.
    if least > capacity + longest {
        return None;
    }
    let shortest = longest.saturating_sub(PREFIX_SLACK_BYTES);
    (shortest..longest)
        .rev()
        .chain([row.prefix_len.min(longest)])
        .find(|len| row.size(range.clone(), *len) <= capacity)
}

/// The nodes for all entries, one after the other. Between inner nodes an entry is left out: their separator.
pub(super) fn divide(row: &Row<'_>, edges: Edges<'_>, fill: Fill) -> Option<Vec<Piece>> {
    let whole = 0..row.n();
    if row.n() * ENTRY_BYTES_MIN <= row.capacity()
        && let Some(prefix_len) = fitting_prefix(row, &whole, edges)
    {
        return Some(vec![Piece {
            range: whole,
            prefix_len,
        }]);
    }
    let (part, whole) = LOOSE;
    let limit = row.capacity();
    match fill {
        Fill::Ascending => fill_up(row, edges, limit),
        Fill::Descending(new) => {
            divide_before(row, edges, new).or_else(|| divide(row, edges, Fill::Loose))
        }
        Fill::Loose => {
            let mut pieces = fill_up(row, edges, limit / whole * part)?;
            even_out(row, edges, &mut pieces);
            Some(pieces)
        }
    }
}

/// One node after the other, each filled up to `limit` bytes.
fn fill_up(row: &Row<'_>, (mut low, high): Edges<'_>, limit: usize) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    loop {
        let piece = take(row, start, (low, high), limit)?;
        let end = piece.range.end;
        pieces.push(piece);
        if end == row.n() {
            return Some(pieces);
        }
        low = Some(inline_separator(row, end)?);
        start = if row.is_leaf() { end } else { end + 1 };
    }
}

/// As many entries from `start` on as fit into `limit` bytes.
fn take(row: &Row<'_>, start: usize, (low, high): Edges<'_>, limit: usize) -> Option<Piece> {
    let n = row.n();
    let (mut best, mut sum, mut prefix) = (None, 0, None);
    for end in start + 1..=n {
        let above = if end == n {
            high
        } else {
            Some(inline_separator(row, end)?)
        };
        // It shrinks from entry to entry, and seldom.
        let mut prefix_len = shared_len(low, above);
        if prefix == Some(prefix_len) {
            sum += row.item_size(end - 1, prefix_len);
        } else {
            sum = row.size(start..end, prefix_len) - prefix_len;
            prefix = Some(prefix_len);
        }
        if sum + prefix_len > limit {
            let may_fit = prefix_len > 0 && limit == row.capacity();
            let shorter = may_fit.then(|| fitting_prefix(row, &(start..end), (low, above)));
            match shorter.flatten() {
                Some(shorter) => prefix_len = shorter,
                None => break,
            }
        }
        // Of inner entries one goes up, and one at least remains.
        if row.is_leaf() || end == n || end + 1 < n {
            let range = start..end;
            best = Some(Piece { range, prefix_len });
        }
    }
    best
}

/// New entries, and then those that were there, in one node as before.
fn divide_before(row: &Row<'_>, (low, high): Edges<'_>, new: usize) -> Option<Vec<Piece>> {
    if !row.is_leaf() || new == 0 || new >= row.n() {
        return None;
    }
    let separator = Some(inline_separator(row, new)?);
    let prefix_len = fitting_prefix(row, &(new..row.n()), (separator, high))?;
    let before = Row {
        items: row.items.get(..new)?,
        ..*row
    };
    let mut pieces = fill_up(&before, (low, separator), row.capacity())?;
    pieces.push(Piece {
        range: new..row.n(),
        prefix_len,
    });
    Some(pieces)
}

/// Shares the entries of the last two nodes out evenly.
fn even_out(row: &Row<'_>, (low, high): Edges<'_>, pieces: &mut Vec<Piece>) {
    let Some(before) = pieces.len().checked_sub(2).and_then(|i| pieces.get(i)) else {
        return;
    };
    let start = before.range.start;
    let below = if row.is_leaf() {
        start
    } else {
        start.saturating_sub(1)
    };
    let low = if start == 0 {
        low
    } else {
        inline_separator(row, below)
    };
    let rest = row.from(start);
    let Some(cut) = choose_nearest(&rest, (low, high), rest.n()) else {
        return;
    };
    pieces.truncate(pieces.len().saturating_sub(2));
    for part in [cut.left, cut.right] {
        let range = part.range.start + start..part.range.end + start;
        pieces.push(Piece { range, ..part });
    }
}

/// The evenest cut, if it is nearer to even than one `within` entries away.
fn choose_nearest(row: &Row<'_>, edges: Edges<'_>, within: usize) -> Option<Cut> {
    let (first, last) = limits(row)?;
    let middle = middle(row).clamp(first, last);
    (0..within).find_map(|distance| {
        let below = middle.checked_sub(distance).filter(|at| *at >= first);
        let above = Some(middle + distance).filter(|at| distance > 0 && *at <= last);
        [below, above]
            .into_iter()
            .flatten()
            .find_map(|at| cut_at(row, edges, at))
    })
}

/// The evenest cut that is evener than the one at `present`.
pub(super) fn choose_evener(row: &Row<'_>, edges: Edges<'_>, present: usize) -> Option<Cut> {
    let (first, last) = limits(row)?;
    let middle = middle(row).clamp(first, last);
    choose_nearest(row, edges, middle.abs_diff(present))
}

/// The cut that leaves most in the left node, if that is more than `present` entries.
pub(super) fn choose_fullest(row: &Row<'_>, edges: Edges<'_>, present: usize) -> Option<Cut> {
    let (first, last) = limits(row)?;
    let more = first.max(present.checked_add(1)?)..=last;
    more.rev().find_map(|at| cut_at(row, edges, at))
}

/// The first and the last place where a cut leaves entries on both sides.
fn limits(row: &Row<'_>) -> Option<(usize, usize)> {
    let last = row.n().checked_sub(if row.is_leaf() { 1 } else { 2 })?;
    (last >= 1).then_some((1, last))
}

/// Where half of the bytes are on each side.
fn middle(row: &Row<'_>) -> usize {
    let prefix_len = row.prefix_len;
    let half = row.size(0..row.n(), prefix_len) / 2;
    let mut left = prefix_len;
    for i in 0..row.n() {
        left += row.fixed_size() + row.item_size(i, prefix_len);
        if left > half {
            return i;
        }
    }
    row.n()
}

fn cut_at(row: &Row<'_>, (low, high): Edges<'_>, at: usize) -> Option<Cut> {
    let left = 0..at;
    let right = if row.is_leaf() { at } else { at + 1 }..row.n();
    let separator = Some(inline_separator(row, at)?);
    let left_prefix_len = fitting_prefix(row, &left, (low, separator))?;
    let right_prefix_len = fitting_prefix(row, &right, (separator, high))?;
    Some(Cut {
        at,
        left: Piece {
            range: left,
            prefix_len: left_prefix_len,
        },
        right: Piece {
            range: right,
            prefix_len: right_prefix_len,
        },
    })
}

/// The inline part of the separator of a cut: the shortest key above the left leaf's last one and not above
/// the right one's first; between inner nodes the entry itself.
fn inline_separator<'a>(row: &Row<'a>, at: usize) -> Option<&'a [u8]> {
    let right = row.item(at)?.key.inline;
    if !row.is_leaf() {
        return Some(right);
    }
    let left = row.item(at.checked_sub(1)?)?.key.inline;
    Some(
        right
            .get(..=common_prefix_len(left, right))
            .unwrap_or(right),
    )
}

/// The separator of a cut, its end stored in an extent if it is long.
pub(super) fn separator(
    pages: &mut impl WritePages,
    row: &Row<'_>,
    at: usize,
) -> Result<Separator, StorageError> {
    let key = |i: usize| {
        let item = row.item(i).map(|item| item.key);
        item.ok_or_else(|| damage(row.no, "enough entries in a node", i))
    };
    let right = key(at)?;
    if !row.is_leaf() {
        return Ok(Separator::of(&right));
    }
    let left = key(at.saturating_sub(1))?;
    let shared = common_prefix_len(left.inline, right.inline);
    if let Some(inline) = right.inline.get(..=shared) {
        return Ok(Separator {
            inline: inline.to_vec(),
            len: inline.len(),
            tail: None,
        });
    }
    let (left_end, right_end) = (end_of(pages, row, &left)?, end_of(pages, row, &right)?);
    let Some(end) = right_end.get(..=common_prefix_len(&left_end, &right_end)) else {
        return Err(damage(row.no, "keys that ascend", "two that do not"));
    };
    let tail = Some(pages.allocate_extent(end)?);
    Ok(Separator {
        inline: right.inline.to_vec(),
        len: right.inline.len() + end.len(),
        tail,
    })
}

/// What of `key` is in its extent.
fn end_of(
    pages: &impl WritePages,
    row: &Row<'_>,
    key: &InlineKey<'_>,
) -> Result<Vec<u8>, StorageError> {
    match Tail::of(key, row.inline_max()) {
        Some(tail) => Ok(tail.load(row.no, pages)?.to_vec()),
        None => Ok(Vec::new()),
    }
}
