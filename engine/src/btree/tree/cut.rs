//! Where to cut a row of entries in two.
//!
//! Cutting narrows the fences of both parts, so their prefixes may grow; where a part is widened (a
//! neighbour gives entries away) its prefix shrinks and its entries grow. So each place is tried with the
//! prefixes it would have.

use std::ops::Range;

use super::path::{Fences, shared_len};
use crate::btree::node::{Entries, InlineKey, Tail, common_prefix_len, damage};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::WritePages;

/// A prefix that is longer by `k` bytes saves at least `k - 4` on each key: heads hold 4 bytes in any case.
/// So a node that was full may need a prefix up to so much shorter than its fences allow.
const PREFIX_SLACK_BYTES: usize = 4;

/// Two nodes that the entries fit in.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The first entry of the right leaf, or the separator between inner nodes.
    pub(super) at: usize,
    pub(super) left: Range<usize>,
    pub(super) left_prefix_len: usize,
    pub(super) right: Range<usize>,
    pub(super) right_prefix_len: usize,
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

/// The longest useful prefix with which the entries in `range`, between `low` and `high`, fit a node.
pub(super) fn fitting_prefix(
    entries: &Entries,
    range: &Range<usize>,
    low: Option<&[u8]>,
    high: Option<&[u8]>,
) -> Option<usize> {
    if range.is_empty() {
        return (entries.size(0..0, 0) <= entries.capacity()).then_some(0);
    }
    let longest = shared_len(low, high);
    let shortest = longest.saturating_sub(PREFIX_SLACK_BYTES);
    (shortest..=longest)
        .rev()
        .chain([entries.prefix_len().min(longest)])
        .find(|len| entries.size(range.clone(), *len) <= entries.capacity())
}

/// The cut just before the newest entry, if that is the last, or just after it, if it is the first: keys
/// that come in order leave full nodes behind. Otherwise the evenest.
pub(super) fn choose(entries: &Entries, fences: &Fences, newest: Option<usize>) -> Option<Cut> {
    let (first, last) = limits(entries)?;
    let edge = match newest {
        Some(i) if i + 1 == entries.n() => Some(last),
        Some(0) => Some(first),
        _ => None,
    };
    edge.and_then(|at| cut_at(entries, fences, at))
        .or_else(|| choose_nearest(entries, fences, entries.n()))
}

/// The evenest cut, if it is nearer to even than one `within` entries away.
fn choose_nearest(entries: &Entries, fences: &Fences, within: usize) -> Option<Cut> {
    let (first, last) = limits(entries)?;
    let middle = middle(entries).clamp(first, last);
    (0..within).find_map(|distance| {
        let below = middle.checked_sub(distance).filter(|at| *at >= first);
        let above = Some(middle + distance).filter(|at| distance > 0 && *at <= last);
        [below, above]
            .into_iter()
            .flatten()
            .find_map(|at| cut_at(entries, fences, at))
    })
}

/// The evenest cut that is evener than the one at `present`.
pub(super) fn choose_evener(entries: &Entries, fences: &Fences, present: usize) -> Option<Cut> {
    let (first, last) = limits(entries)?;
    let middle = middle(entries).clamp(first, last);
    choose_nearest(entries, fences, middle.abs_diff(present))
}

/// The cut that leaves most in the left node, if that is more than `present` entries.
pub(super) fn choose_fullest(entries: &Entries, fences: &Fences, present: usize) -> Option<Cut> {
    let (first, last) = limits(entries)?;
    let more = first.max(present.checked_add(1)?)..=last;
    more.rev().find_map(|at| cut_at(entries, fences, at))
}

/// The first and the last place where a cut leaves entries on both sides.
fn limits(entries: &Entries) -> Option<(usize, usize)> {
    let last = entries
        .n()
        .checked_sub(if entries.is_leaf() { 1 } else { 2 })?;
    (last >= 1).then_some((1, last))
}

/// Where half of the bytes are on each side.
fn middle(entries: &Entries) -> usize {
    let prefix_len = entries.prefix_len();
    let half = entries.size(0..entries.n(), prefix_len) / 2;
    let mut left = prefix_len;
    for i in 0..entries.n() {
        left += entries.size(i..i + 1, prefix_len) - prefix_len;
        if left > half {
            return i;
        }
    }
    entries.n()
}

fn cut_at(entries: &Entries, fences: &Fences, at: usize) -> Option<Cut> {
    let left = 0..at;
    let right = if entries.is_leaf() { at } else { at + 1 }..entries.n();
    let separator = Some(inline_separator(entries, at)?);
    let left_prefix_len = fitting_prefix(entries, &left, fences.low.as_deref(), separator)?;
    let right_prefix_len = fitting_prefix(entries, &right, separator, fences.high.as_deref())?;
    Some(Cut {
        at,
        left,
        left_prefix_len,
        right,
        right_prefix_len,
    })
}

/// The inline part of the separator of a cut: the shortest key above the left leaf's last one and not above
/// the right one's first; between inner nodes the entry itself.
fn inline_separator(entries: &Entries, at: usize) -> Option<&[u8]> {
    let right = entries.item(at).ok()?.key.inline;
    if !entries.is_leaf() {
        return Some(right);
    }
    let left = entries.item(at.checked_sub(1)?).ok()?.key.inline;
    Some(
        right
            .get(..=common_prefix_len(left, right))
            .unwrap_or(right),
    )
}

/// The separator of a cut, its end stored in an extent if it is long.
pub(super) fn separator(
    pages: &mut impl WritePages,
    entries: &Entries,
    at: usize,
) -> Result<Separator, StorageError> {
    let right = entries.item(at)?.key;
    if !entries.is_leaf() {
        return Ok(Separator::of(&right));
    }
    let left = entries.item(at.saturating_sub(1))?.key;
    let shared = common_prefix_len(left.inline, right.inline);
    if let Some(inline) = right.inline.get(..=shared) {
        return Ok(Separator {
            inline: inline.to_vec(),
            len: inline.len(),
            tail: None,
        });
    }
    let (left_end, right_end) = (
        end_of(pages, entries, &left)?,
        end_of(pages, entries, &right)?,
    );
    let Some(end) = right_end.get(..=common_prefix_len(&left_end, &right_end)) else {
        return Err(damage(entries.no(), "keys that ascend", "two that do not"));
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
    entries: &Entries,
    key: &InlineKey<'_>,
) -> Result<Vec<u8>, StorageError> {
    match Tail::of(key, entries.inline_max()) {
        Some(tail) => Ok(tail.load(entries.no(), pages)?.to_vec()),
        None => Ok(Vec::new()),
    }
}
