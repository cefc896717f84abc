//! Entries as a cursor passes them: taken apart with as few checks as B4 allows, and compared across leaves.

use std::cmp::Ordering;
use std::ops::Range;

use super::item::LEAF_CELL_HEADER_BYTES;
use super::layout::{HEAD_BYTES, HEADER_BYTES, Header, key_inline_max};
use super::view::Node;
use crate::error::StorageError;
use crate::pages::ReadPages;

/// An entry of which key and value lie in the leaf.
pub(crate) struct WholeEntry<'a> {
    /// The key bytes after the prefix that the head holds; zeroes behind a shorter key's.
    pub(crate) head: [u8; HEAD_BYTES],
    /// What begins with the key bytes after those.
    pub(crate) body: &'a [u8],
    /// How long the key is after the prefix.
    pub(crate) suffix_len: usize,
    /// Where in the page the value is.
    pub(crate) value: Range<usize>,
}

impl WholeEntry<'_> {
    /// The key bytes after those in the head.
    pub(crate) fn rest(&self) -> &[u8] {
        let rest = self.body.get(..self.suffix_len.saturating_sub(HEAD_BYTES));
        rest.unwrap_or_default()
    }
}

/// What `open` found in a page, in little room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound {
    n: u16,
    prefix_len: u16,
    /// One less than the header's: a page's end fits.
    below_heap: u16,
    garbage: u16,
    level: u8,
}

impl Sound {
    /// Of a node that was opened. Its fields were 16 bits wide in the page.
    pub(crate) fn of(node: &Node<'_>) -> Self {
        let header = &node.header;
        let narrow = |field: usize| u16::try_from(field).unwrap_or(u16::MAX);
        Self {
            n: narrow(header.n),
            prefix_len: narrow(header.prefix_len),
            below_heap: narrow(header.heap_lo.saturating_sub(1)),
            garbage: narrow(header.garbage),
            level: header.level,
        }
    }

    /// The header that `open` found.
    #[inline]
    pub(crate) fn header(self) -> Header {
        Header {
            n: usize::from(self.n),
            prefix_len: usize::from(self.prefix_len),
            level: self.level,
            heap_lo: usize::from(self.below_heap) + 1,
            garbage: usize::from(self.garbage),
        }
    }
}

impl<'a> Node<'a> {
    /// Shows where the cells of entries of a leaf begin, if what the page says is right. Good for nothing but asking for them.
    #[inline]
    pub(crate) fn likely_cells(&self, entries: Range<usize>, mut show: impl FnMut(usize)) {
        let n = self.header.n;
        let slots = HEADER_BYTES + HEAD_BYTES * n;
        let these = slots + 2 * entries.start.min(n)..slots + 2 * entries.end.min(n);
        let these = self.bytes.get(these).unwrap_or_default();
        for slot in these.as_chunks::<2>().0 {
            show(usize::from(u16::from_le_bytes(*slot)));
        }
    }

    /// Entry `i` of a leaf, if all of it lies in the page, as it should. What else it may be, or what is wrong with it,
    /// `leaf_entry` says.
    #[inline]
    pub(crate) fn whole_entry(&self, i: usize) -> Option<WholeEntry<'a>> {
        let Header {
            n,
            prefix_len,
            heap_lo,
            ..
        } = self.header;
        if i >= n {
            return None;
        }
        let page = self.bytes;
        let (head_at, slot_at) = (HEADER_BYTES + 4 * i, HEADER_BYTES + 4 * n + 2 * i);
        let mut head: [u8; HEAD_BYTES] = page.get(head_at..head_at + 4)?.try_into().ok()?;
        head.reverse();
        let slot: [u8; 2] = page.get(slot_at..slot_at + 2)?.try_into().ok()?;
        let slot = usize::from(u16::from_le_bytes(slot));
        if slot < heap_lo {
            return None;
        }
        let cell = page.get(slot..page.len().wrapping_sub(prefix_len))?;
        let (fields, body) = cell.split_first_chunk::<LEAF_CELL_HEADER_BYTES>()?;
        let [suffix_low, suffix_high, value_low, value_high, flags] = *fields;
        let suffix_len = usize::from(u16::from_le_bytes([suffix_low, suffix_high]));
        let value_len = usize::from(u16::from_le_bytes([value_low, value_high]));
        let rest_len = suffix_len.saturating_sub(HEAD_BYTES);
        let is_apart = flags != 0 || prefix_len + suffix_len > key_inline_max(page.len());
        if is_apart || rest_len + value_len > body.len() {
            return None;
        }
        let start = slot + LEAF_CELL_HEADER_BYTES + rest_len;
        Some(WholeEntry {
            head,
            body,
            suffix_len,
            value: start..start + value_len,
        })
    }
}

impl Node<'_> {
    /// The first eight bytes of key `i`, or its bytes and zeroes, as a number that orders as they do. Of a key of no sense, some
    /// number.
    #[inline]
    fn first_bytes(&self, i: usize) -> Option<u64> {
        let prefix_len = self.header.prefix_len;
        if prefix_len >= 8 {
            return Some(u64::from_be_bytes(*self.prefix().first_chunk()?));
        }
        // The prefix is at the page's end: the last eight bytes without those before it.
        let tail = u64::from_be_bytes(*self.bytes.last_chunk()?);
        let head = u64::from(u32::from_le_bytes(*self.heads().get(i)?)) << 32;
        if prefix_len == 0 {
            return Some(head);
        }
        let bits = 8 * prefix_len;
        Some(tail << (64 - bits) | head >> bits)
    }

    /// Whether the last key is below the first one of `above`, by the bytes that need no cell. If not, `cmp_keys` knows.
    #[inline]
    pub(crate) fn is_plainly_below(&self, above: &Node<'_>) -> bool {
        let last = self.first_bytes(self.header.n.wrapping_sub(1));
        matches!((last, above.first_bytes(0)), (Some(last), Some(first)) if last < first)
    }
}

/// Compares key `i` of one node with key `j` of another one of the same tree. Neither is put together.
pub(crate) fn cmp_keys(
    pages: &impl ReadPages,
    (one, i): (&Node<'_>, usize),
    (other, j): (&Node<'_>, usize),
) -> Result<Ordering, StorageError> {
    let (x, y) = (one.key(i)?, other.key(j)?);
    let inline = x.with_head_bytes(|x_head| {
        y.with_head_bytes(|y_head| {
            let x_pieces = [one.prefix(), x_head, x.rest];
            cmp_pieces(x_pieces, [other.prefix(), y_head, y.rest])
        })
    });
    if inline != Ordering::Equal {
        return Ok(inline);
    }
    // Keys are cut at one length, so a key that has more than what is inline is the longer one.
    match (x.tail, y.tail) {
        (None, None) => Ok(Ordering::Equal),
        (None, Some(_)) => Ok(Ordering::Less),
        (Some(_), None) => Ok(Ordering::Greater),
        (Some(x), Some(y)) => {
            let x = x.load(one.no(), pages)?;
            Ok((*x).cmp(&*y.load(other.no(), pages)?))
        }
    }
}

/// Compares two strings of bytes that are given in pieces.
fn cmp_pieces<'p>(
    xs: impl IntoIterator<Item = &'p [u8]>,
    ys: impl IntoIterator<Item = &'p [u8]>,
) -> Ordering {
    let (mut xs, mut ys) = (xs.into_iter(), ys.into_iter());
    let (mut x, mut y): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if x.is_empty()
            && let Some(next) = xs.next()
        {
            x = next;
            continue;
        }
        if y.is_empty()
            && let Some(next) = ys.next()
        {
            y = next;
            continue;
        }
        let len = x.len().min(y.len());
        if len == 0 {
            return x.len().cmp(&y.len());
        }
        let ((x_here, x_rest), (y_here, y_rest)) = (x.split_at(len), y.split_at(len));
        match x_here.cmp(y_here) {
            Ordering::Equal => (x, y) = (x_rest, y_rest),
            unequal => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_compare_as_the_whole_does_however_it_is_cut() {
        let words: [&[u8]; 6] = [b"", b"a", b"ab", b"abcdef", b"abcdeg", b"b"];
        for (x, y) in words.iter().flat_map(|x| words.map(|y| (*x, y))) {
            for (i, j) in (0..=x.len()).flat_map(|i| (0..=y.len()).map(move |j| (i, j))) {
                let cut = |w: &'static [u8], at: usize| [&w[..at / 2], &w[at / 2..at], &w[at..]];
                let order = cmp_pieces(cut(x, i), cut(y, j));
                assert_eq!(order, x.cmp(y), "{x:?} cut at {i}, {y:?} at {j}");
            }
        }
    }
}
