//! A node looked into for one key, without a word about what is wrong.
//!
//! What a point look-up needs in the common case: every check of `Node::open`, `Node::search` and `Node::leaf_entry` that stands between it
//! and the answer, and none of their descriptions. Whatever is not plain (damage, a key or a value in an extent) gives nothing, and the
//! caller asks those instead. So this never says more than they would.

use std::cmp::Ordering;
use std::ops::Range;

use super::item::{LEAF_CELL_HEADER_BYTES, head_of};
use super::layout::{
    HEAD_BYTES, HEADER_BYTES, Header, is_page_size, key_inline_max, u16_at, u32_at,
};
use super::search::{Found, lower_bound};
use super::view::Node;
use crate::ids::PageNo;

/// What a node says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A child is responsible for it, which must be at this level.
    Child(PageNo, u8),
    /// It is not there.
    Absent,
    /// Its value is these bytes of the page.
    Value(Range<usize>),
}

/// A key that a node is looked into for.
pub(crate) struct Sought<'k> {
    key: &'k [u8],
    suffix: &'k [u8],
    head: u32,
    /// The first entry whose key may be this one, or larger.
    pub(crate) candidate: usize,
}

impl<'a> Node<'a> {
    /// As `open_at`: none if anything is wrong.
    #[inline]
    pub(crate) fn open_plain(no: PageNo, page: &'a [u8], level: Option<u8>) -> Option<Self> {
        let header = Header::read(page.first_chunk::<HEADER_BYTES>()?)?;
        let is_level = level.is_none_or(|level| level == header.level);
        let is_plain = is_level && is_page_size(page.len()) && header.fits(page.len());
        is_plain.then_some(Self::reopen(no, page, header))
    }

    /// As `child`: none if there is none.
    #[inline]
    pub(crate) fn plain_child(&self, i: usize) -> Option<PageNo> {
        let at = HEADER_BYTES + HEAD_BYTES * self.header.n + 4 * i;
        let is_there = self.header.level > 0 && i <= self.header.n;
        let child = u32_at(self.bytes, at).filter(|child| is_there && *child != 0);
        child.map(PageNo)
    }

    /// Begins to look for `key`, whose prefix is taken for granted; none if the prefix is longer.
    #[inline]
    pub(crate) fn look_for<'k>(&self, key: &'k [u8]) -> Option<Sought<'k>> {
        let suffix = key.get(self.header.prefix_len..)?;
        let head = head_of(suffix);
        let candidate = lower_bound(self.heads(), head);
        Some(Sought {
            key,
            suffix,
            head,
            candidate,
        })
    }

    /// As `search`: none if other pages must be asked, or anything is wrong.
    #[inline]
    pub(crate) fn find_plain(&self, sought: &Sought<'_>) -> Option<Found> {
        if self.has_head(sought.candidate, sought.head) {
            return self.find_among_equals(sought);
        }
        Some(Found::Before(sought.candidate))
    }

    #[inline]
    fn has_head(&self, i: usize, head: u32) -> bool {
        let stored = self.heads().get(i);
        stored.is_some_and(|stored| u32::from_le_bytes(*stored) == head)
    }

    fn find_among_equals(&self, sought: &Sought<'_>) -> Option<Found> {
        let Sought {
            key,
            suffix,
            head,
            candidate,
        } = *sought;
        if !self.is_leaf() || self.has_head(candidate + 1, head) {
            return self.search_inline(key).ok()?;
        }
        let entry = self.whole_entry(candidate)?;
        let lens = entry
            .suffix_len
            .min(HEAD_BYTES)
            .cmp(&suffix.len().min(HEAD_BYTES));
        let rest = suffix.get(HEAD_BYTES..).unwrap_or_default();
        Some(match lens.then_with(|| entry.rest().cmp(rest)) {
            Ordering::Less => Found::Before(candidate + 1),
            Ordering::Equal => Found::At(candidate),
            Ordering::Greater => Found::Before(candidate),
        })
    }
}

/// Looks for `key` in page `no`, which must be at `level` if one is given, and responsible for the key.
#[inline]
pub(crate) fn probe(no: PageNo, page: &[u8], level: Option<u8>, key: &[u8]) -> Option<Probe> {
    let node = Node::open_plain(no, page, level)?;
    let header = node.header;
    let suffix = key.get(header.prefix_len..)?;
    let heads = node.heads();
    let head = head_of(suffix);
    let low = lower_bound(heads, head);
    let is_head = |i: usize| heads.get(i).is_some_and(|h| u32::from_le_bytes(*h) == head);
    if let Some(below) = header.level.checked_sub(1) {
        let child = if is_head(low) {
            node.search_inline(key).ok()??.upper()
        } else {
            low
        };
        let at = HEADER_BYTES + HEAD_BYTES * header.n + 4 * child;
        let child = u32_at(page, at).filter(|child| *child != 0)?;
        return Some(Probe::Child(PageNo(child), below));
    }
    if !is_head(low) {
        return Some(Probe::Absent);
    }
    if is_head(low + 1) {
        return match node.search_inline(key).ok()?? {
            Found::At(i) => value_of(&node, i, suffix),
            Found::Before(_) => Some(Probe::Absent),
        };
    }
    value_of(&node, low, suffix)
}

/// The value of entry `i`, if that is the entry of `suffix`, which has its head.
#[inline]
fn value_of(node: &Node<'_>, i: usize, suffix: &[u8]) -> Option<Probe> {
    let Header {
        n,
        prefix_len,
        heap_lo,
        ..
    } = node.header;
    let page = node.bytes;
    let slot = usize::from(u16_at(page, HEADER_BYTES + HEAD_BYTES * n + 2 * i)?);
    let cells = page.get(..page.len().checked_sub(prefix_len)?)?;
    let (cell, rest) = cells
        .get(slot..)?
        .split_first_chunk::<LEAF_CELL_HEADER_BYTES>()?;
    let [suffix_low, suffix_high, value_low, value_high, flags] = *cell;
    let suffix_len = usize::from(u16::from_le_bytes([suffix_low, suffix_high]));
    let value_len = usize::from(u16::from_le_bytes([value_low, value_high]));
    let is_inline = prefix_len + suffix_len <= key_inline_max(page.len());
    if slot < heap_lo || flags != 0 || !is_inline || suffix_len != suffix.len() {
        return None;
    }
    let own = suffix.get(HEAD_BYTES..).unwrap_or_default();
    let (stored, rest) = rest.split_at_checked(own.len())?;
    if stored != own || rest.len() < value_len {
        return None;
    }
    let start = slot + LEAF_CELL_HEADER_BYTES + own.len();
    Some(Probe::Value(start..start + value_len))
}
