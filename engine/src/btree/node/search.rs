//! Finding a key in a node: the heads first, and the cells only among equal heads.

use std::cmp::Ordering;

use super::item::head_of;
use super::layout::{HEAD_BYTES, damage};
use super::view::{KeyRef, Node};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::pages::ReadPages;

/// Where a key is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Entry `i` has this key.
    At(usize),
    /// Entries below `i` have smaller keys, the others larger ones.
    Before(usize),
}

impl Found {
    /// How many entries are smaller.
    pub(crate) const fn lower(self) -> usize {
        match self {
            Self::At(i) | Self::Before(i) => i,
        }
    }

    /// How many entries are smaller or equal.
    pub(crate) const fn upper(self) -> usize {
        match self {
            Self::At(i) => i + 1,
            Self::Before(i) => i,
        }
    }
}

impl Node<'_> {
    /// Finds `key`, which must be in the range of keys that this node is responsible for: its prefix is
    /// taken for granted.
    pub(crate) fn search(&self, pages: &impl ReadPages, key: &[u8]) -> Result<Found, StorageError> {
        let found = self.search_with(key, |stored, suffix| {
            stored.cmp_suffix(self.no, pages, suffix).map(Some)
        })?;
        Ok(found.unwrap_or(Found::Before(0)))
    }

    /// As `search`, without looking into other pages: none if that is needed.
    #[inline]
    pub(crate) fn search_inline(&self, key: &[u8]) -> Result<Option<Found>, StorageError> {
        self.search_with(key, |stored, suffix| Ok(stored.cmp_inline(suffix)))
    }

    /// `compare` compares a key with one whose suffix has the same head, or gives up.
    #[inline]
    fn search_with(
        &self,
        key: &[u8],
        mut compare: impl FnMut(KeyRef<'_>, &[u8]) -> Result<Option<Ordering>, StorageError>,
    ) -> Result<Option<Found>, StorageError> {
        let Some(suffix) = key.get(self.header.prefix_len..) else {
            return Err(damage(
                self.no,
                "a prefix of the key sought",
                "a longer one",
            ));
        };
        let head = head_of(suffix);
        let heads = self.heads();
        let mut low = lower_bound(heads, head);
        let mut high = low + equal_run(heads.get(low..).unwrap_or_default(), head);
        while low < high {
            let middle = low.midpoint(high);
            match compare(self.key(middle)?, suffix)? {
                None => return Ok(None),
                Some(Ordering::Less) => low = middle + 1,
                Some(Ordering::Greater) => high = middle,
                Some(Ordering::Equal) => return Ok(Some(Found::At(middle))),
            }
        }
        Ok(Some(Found::Before(low)))
    }

    /// The index of the child that is responsible for `key`.
    pub(crate) fn child_index(
        &self,
        pages: &impl ReadPages,
        key: &[u8],
    ) -> Result<usize, StorageError> {
        Ok(self.search(pages, key)?.upper())
    }

    /// Whether head `i` is that of `key`, which is key `i` put together from its cell.
    pub(crate) fn check_head(&self, i: usize, key: &[u8]) -> Result<(), StorageError> {
        let head = head_of(key.get(self.header.prefix_len..).unwrap_or_default());
        match self
            .heads()
            .get(i)
            .map(|stored| u32::from_le_bytes(*stored))
        {
            Some(stored) if stored == head => Ok(()),
            stored => Err(damage(
                self.no,
                &format!("head {head:#x}"),
                format!("{stored:x?} at {i}"),
            )),
        }
    }
}

impl KeyRef<'_> {
    /// Compares this key with one whose suffix has the same head. Heads are padded with zeroes, so of two
    /// suffixes that fit them the shorter is a prefix of the longer.
    fn cmp_suffix(
        &self,
        no: PageNo,
        pages: &impl ReadPages,
        suffix: &[u8],
    ) -> Result<Ordering, StorageError> {
        match (self.cmp_inline(suffix), self.tail) {
            (Some(order), _) => Ok(order),
            (None, None) => Ok(Ordering::Equal),
            (None, Some(tail)) => {
                let end = suffix.get(HEAD_BYTES + self.rest.len()..);
                Ok((*tail.load(no, pages)?).cmp(end.unwrap_or_default()))
            }
        }
    }

    /// As `cmp_suffix`, without the tail; none if that decides.
    #[inline]
    pub(super) fn cmp_inline(&self, suffix: &[u8]) -> Option<Ordering> {
        let heads = || {
            let sought = suffix.len().min(HEAD_BYTES);
            self.suffix_len.min(HEAD_BYTES).cmp(&sought)
        };
        let rest = suffix.get(HEAD_BYTES..).unwrap_or_default();
        if self.tail.is_none() {
            return Some(heads().then_with(|| self.rest.cmp(rest)));
        }
        let Some(inline) = rest.get(..self.rest.len()) else {
            return Some(heads().then_with(|| self.rest.cmp(rest)));
        };
        match heads().then_with(|| self.rest.cmp(inline)) {
            Ordering::Equal => None,
            unequal => Some(unequal),
        }
    }
}

/// How many heads at the beginning of `heads`, which ascend, are `head`.
#[inline]
fn equal_run(heads: &[[u8; HEAD_BYTES]], head: u32) -> usize {
    let is_equal = |h: &[u8; HEAD_BYTES]| u32::from_le_bytes(*h) == head;
    match heads {
        [] => 0,
        [first, ..] if !is_equal(first) => 0,
        [_, second, ..] if is_equal(second) => {
            heads.partition_point(|h| u32::from_le_bytes(*h) <= head)
        }
        _ => 1,
    }
}

/// So many heads are counted, rather than searched further: a few vectors' worth.
const COUNTED: usize = 32;
/// So many are counted at once where there are fewer: a vector's worth.
const FEW: usize = 4;

/// How many heads are below `head`, if they ascend. Branch-free: the compiler makes the steps of the binary search
/// conditional moves, and the count at its end vector comparisons.
#[inline]
pub(super) fn lower_bound(heads: &[[u8; HEAD_BYTES]], head: u32) -> usize {
    let is_place_below = |i: usize| heads.get(i).is_some_and(|h| is_below(*h, head));
    let mut base = 0;
    let mut len = heads.len();
    while len > COUNTED {
        let half = len / 2;
        base += usize::from(is_place_below(base + half - 1)) * half;
        len -= half;
    }
    // Those before `base` are below: a whole window may begin among them.
    let start = base.min(heads.len().saturating_sub(COUNTED));
    let rest = heads.get(start..).unwrap_or_default();
    if let Some(window) = rest.first_chunk::<COUNTED>() {
        return start + count_below(window, head);
    }
    let (blocks, tail) = rest.as_chunks::<FEW>();
    let in_blocks: usize = blocks.iter().map(|block| count_below(block, head)).sum();
    let in_tail: usize = tail.iter().map(|h| usize::from(is_below(*h, head))).sum();
    in_blocks + in_tail
}

#[inline]
fn is_below(stored: [u8; HEAD_BYTES], head: u32) -> bool {
    u32::from_le_bytes(stored) < head
}

/// How many heads are below `head`, in any order.
#[inline]
fn count_below<const HEADS: usize>(heads: &[[u8; HEAD_BYTES]; HEADS], head: u32) -> usize {
    let below: u32 = heads.iter().map(|h| u32::from(is_below(*h, head))).sum();
    below as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_bound_agrees_with_the_library_at_every_length() {
        for n in (0..70_u32).chain([127, 128, 300]) {
            let heads: Vec<[u8; 4]> = (0..n).map(|i| (i / 3 * 10).to_le_bytes()).collect();
            for head in 0..=n * 4 {
                let expected = heads.partition_point(|h| u32::from_le_bytes(*h) < head);
                assert_eq!(lower_bound(&heads, head), expected, "{n} heads, {head}");
            }
        }
    }
}
