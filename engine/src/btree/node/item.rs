//! An entry on its way into a node, and the cell that holds it.
//!
//! ```text
//! leaf cell : suffix_len u16 | value_len u16 | flags u8 | rest | tail u32? | value, or len u64, first u32
//! inner cell: suffix_len u16 | rest | tail u32?
//! ```
//!
//! The suffix is the key after the prefix; the rest is what of it is neither in the head nor in the key's
//! extent. A separator whose suffix fits its head has no cell: its slot is the suffix's length, 0 to 4.
//! Where a key is cut depends on the key and the page size alone, so that its extent never moves.

use super::layout::{HEAD_BYTES, put, put_u16, put_u32};
use crate::ids::PageNo;

/// Flag of a leaf cell: the value is in an extent.
pub(crate) const VALUE_IN_EXTENT: u8 = 1;
/// Bytes before the rest in a leaf cell.
pub(crate) const LEAF_CELL_HEADER_BYTES: usize = 5;
/// Bytes before the rest in an inner cell.
pub(crate) const INNER_CELL_HEADER_BYTES: usize = 2;
/// Bytes of a reference to a value's extent.
pub(crate) const EXTENT_REF_BYTES: usize = 12;
/// Bytes of a reference to a key's extent, whose length follows from the key's.
pub(crate) const TAIL_REF_BYTES: usize = 4;

/// A whole key: its first `key_inline_max` bytes, its length, and where the rest is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InlineKey<'a> {
    pub(crate) inline: &'a [u8],
    pub(crate) len: usize,
    pub(crate) tail: Option<PageNo>,
}

/// What stands beside a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// A leaf's value.
    Value(&'a [u8]),
    /// A leaf's value, elsewhere.
    Extent { first: PageNo, len: u64 },
    /// An inner node's child to the right of the key.
    Child(PageNo),
}

/// A key with what stands beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) key: InlineKey<'a>,
    pub(crate) payload: Payload<'a>,
}

impl Item<'_> {
    /// The head of the key after a prefix of `prefix_len` bytes.
    pub(crate) fn head(&self, prefix_len: usize) -> u32 {
        head_of(self.key.inline.get(prefix_len..).unwrap_or_default())
    }

    fn suffix_len(&self, prefix_len: usize) -> usize {
        self.key.len.saturating_sub(prefix_len)
    }

    fn rest(&self, prefix_len: usize) -> &[u8] {
        self.key
            .inline
            .get(prefix_len + HEAD_BYTES..)
            .unwrap_or_default()
    }

    /// Bytes of the cell, 0 for a separator without one.
    pub(crate) fn cell_len(&self, prefix_len: usize) -> usize {
        let rest = self.rest(prefix_len).len();
        let key = rest
            + if self.key.tail.is_some() {
                TAIL_REF_BYTES
            } else {
                0
            };
        match self.payload {
            Payload::Value(value) => LEAF_CELL_HEADER_BYTES + key + value.len(),
            Payload::Extent { .. } => LEAF_CELL_HEADER_BYTES + key + EXTENT_REF_BYTES,
            Payload::Child(_) if self.suffix_len(prefix_len) <= HEAD_BYTES => 0,
            Payload::Child(_) => INNER_CELL_HEADER_BYTES + key,
        }
    }

    /// The slot of a cell at `offset`, or of none.
    pub(crate) fn slot(&self, prefix_len: usize, offset: usize) -> usize {
        match self.payload {
            Payload::Child(_) if self.suffix_len(prefix_len) <= HEAD_BYTES => {
                self.suffix_len(prefix_len)
            }
            _ => offset,
        }
    }

    /// Writes the cell into `cell`, which is `cell_len` long; none if a length is out of range.
    pub(crate) fn write_cell(&self, prefix_len: usize, cell: &mut [u8]) -> Option<()> {
        if cell.is_empty() {
            return Some(());
        }
        put_u16(cell, 0, self.suffix_len(prefix_len))?;
        let mut at = self.write_payload_header(cell)?;
        let rest = self.rest(prefix_len);
        put(cell, at, rest)?;
        at += rest.len();
        if let Some(tail) = self.key.tail {
            put_u32(cell, at, tail.get())?;
            at += TAIL_REF_BYTES;
        }
        match self.payload {
            Payload::Value(value) => put(cell, at, value),
            Payload::Extent { first, len } => {
                put(cell, at, &len.to_le_bytes())?;
                put_u32(cell, at + 8, first.get())
            }
            Payload::Child(_) => Some(()),
        }
    }

    /// Writes what stands between the suffix's length and the rest, and says where the rest begins.
    fn write_payload_header(&self, cell: &mut [u8]) -> Option<usize> {
        let (value_len, flags) = match self.payload {
            Payload::Value(value) => (value.len(), 0),
            Payload::Extent { .. } => (EXTENT_REF_BYTES, VALUE_IN_EXTENT),
            Payload::Child(_) => return Some(INNER_CELL_HEADER_BYTES),
        };
        put_u16(cell, 2, value_len)?;
        put(cell, 4, &[flags])?;
        Some(LEAF_CELL_HEADER_BYTES)
    }
}

/// The head of a key's bytes after the prefix.
pub(crate) fn head_of(suffix: &[u8]) -> u32 {
    if let Some(head) = suffix.first_chunk::<HEAD_BYTES>() {
        return u32::from_be_bytes(*head);
    }
    let mut head = [0; HEAD_BYTES];
    for (to, from) in head.iter_mut().zip(suffix) {
        *to = *from;
    }
    u32::from_be_bytes(head)
}
