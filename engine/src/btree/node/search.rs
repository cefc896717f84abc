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
        let mut high = low;
        if heads
            .get(low)
            .is_some_and(|h| u32::from_le_bytes(*h) == head)
        {
            high += heads.get(low..).map_or(0, |equal| {
                equal.partition_point(|h| u32::from_le_bytes(*h) <= head)
            });
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle)?.cmp_suffix(self.no, pages, suffix)? {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Found::At(middle)),
            }
        }
        Ok(Found::Before(low))
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
        let heads = self
            .suffix_len
            .min(HEAD_BYTES)
            .cmp(&suffix.len().min(HEAD_BYTES));
        let rest = suffix.get(HEAD_BYTES..).unwrap_or_default();
        let Some(tail) = self.tail else {
            return Ok(heads.then_with(|| self.rest.cmp(rest)));
        };
        let Some((inline, end)) = rest.split_at_checked(self.rest.len()) else {
            return Ok(heads.then_with(|| self.rest.cmp(rest)));
        };
        match heads.then_with(|| self.rest.cmp(inline)) {
            Ordering::Equal => Ok((*tail.load(no, pages)?).cmp(end)),
            unequal => Ok(unequal),
        }
    }
}

/// How many heads are below `head`. Branch-free: the compiler makes the step a conditional move.
fn lower_bound(heads: &[[u8; HEAD_BYTES]], head: u32) -> usize {
    let is_below = |i: usize| heads.get(i).is_some_and(|h| u32::from_le_bytes(*h) < head);
    let mut base = 0;
    let mut len = heads.len();
    while len > 1 {
        let half = len / 2;
        base += usize::from(is_below(base + half - 1)) * half;
        len -= half;
    }
    base + usize::from(len == 1 && is_below(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_bound_agrees_with_the_library_at_every_length() {
        for n in 0..70_u32 {
            let heads: Vec<[u8; 4]> = (0..n).map(|i| (i / 3 * 10).to_le_bytes()).collect();
            for head in 0..=n * 4 {
                let expected = heads.partition_point(|h| u32::from_le_bytes(*h) < head);
                assert_eq!(lower_bound(&heads, head), expected, "{n} heads, {head}");
            }
        }
    }
}
