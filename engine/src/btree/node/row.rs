//! Entries in a row, wherever their bytes are: those of one node or of many.

use std::ops::Range;

use super::Payload;
use super::item::Item;
use super::layout::{HEADER_BYTES, Kind, key_inline_max};
use crate::ids::PageNo;

/// Entries of one level, in ascending order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The page that they come from.
    pub(crate) no: PageNo,
    pub(crate) level: u8,
    pub(crate) page_size: usize,
    /// A prefix length that all of them are sure to share.
    pub(crate) prefix_len: usize,
    /// The child to the left of the first separator, between inner nodes.
    pub(crate) first_child: PageNo,
    pub(crate) items: &'a [Item<'a>],
}

impl<'a> Row<'a> {
    pub(crate) fn n(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.level == 0
    }

    pub(crate) fn item(&self, i: usize) -> Option<&'a Item<'a>> {
        self.items.get(i)
    }

    /// The child to the left of separator `i`.
    pub(crate) fn child(&self, i: usize) -> Option<PageNo> {
        let Some(before) = i.checked_sub(1) else {
            return Some(self.first_child);
        };
        match self.item(before)?.payload {
            Payload::Child(child) => Some(child),
            Payload::Value(_) | Payload::Extent { .. } => None,
        }
    }

    /// The entries from `start` on, as a row of their own.
    pub(crate) fn from(&self, start: usize) -> Self {
        Self {
            items: self.items.get(start..).unwrap_or_default(),
            first_child: self.child(start).unwrap_or(self.first_child),
            ..*self
        }
    }

    /// Bytes that entry `i` takes in a node with a prefix of `prefix_len` bytes.
    pub(crate) fn item_size(&self, i: usize, prefix_len: usize) -> usize {
        let entry = Kind::at(self.level).entry_bytes();
        self.item(i)
            .map_or(0, |item| entry + item.cell_len(prefix_len))
    }

    /// Bytes that a node without entries takes.
    pub(crate) fn fixed_size(&self) -> usize {
        Kind::at(self.level).arrays_end(0) - HEADER_BYTES
    }

    /// Bytes that the entries in `range` take in a node with a prefix of `prefix_len` bytes, prefix included.
    pub(crate) fn size(&self, range: Range<usize>, prefix_len: usize) -> usize {
        let items = range.map(|i| self.item_size(i, prefix_len)).sum::<usize>();
        self.fixed_size() + items + prefix_len
    }

    /// Bytes that a node's entries can take.
    pub(crate) fn capacity(&self) -> usize {
        self.page_size - HEADER_BYTES
    }

    pub(crate) fn inline_max(&self) -> usize {
        key_inline_max(self.page_size)
    }
}
