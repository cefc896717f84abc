//! A node's entries, taken out of their page so that they can be cut anew: for a split, a merge, a compaction.

use std::ops::Range;

use super::item::{InlineKey, Item, Payload};
use super::layout::{damage, key_inline_max};
use super::row::Row;
use super::view::{Node, ValueRef};
use crate::error::StorageError;
use crate::ids::PageNo;

/// The entries of one node, or of two neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    no: PageNo,
    level: u8,
    page_size: usize,
    prefix_len: usize,
    /// The leftmost child of an inner node.
    first_child: PageNo,
    bytes: Vec<u8>,
    items: Vec<Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    key: Range<usize>,
    key_len: usize,
    tail: Option<PageNo>,
    payload: StoredPayload,
}

#[derive(Clone, Debug)]
enum StoredPayload {
    Value(Range<usize>),
    Extent { first: PageNo, len: u64 },
    Child(PageNo),
}

impl Entries {
    /// The entries of `node`. Its cells must not overlap, or few bytes could ask for much memory.
    pub(crate) fn decode(node: &Node<'_>) -> Result<Self, StorageError> {
        let first_child = if node.is_leaf() {
            PageNo(0)
        } else {
            node.child(0)?
        };
        let mut entries = Self {
            no: node.no(),
            level: node.level(),
            page_size: node.page_size(),
            prefix_len: node.prefix().len(),
            first_child,
            bytes: Vec::with_capacity(2 * node.page_size()),
            items: Vec::with_capacity(node.n() + 1),
        };
        let mut cells = 0;
        for i in 0..node.n() {
            cells += entries.push_decoded(node, i)?;
            if cells > node.heap_len() {
                return Err(damage(
                    node.no(),
                    "cells apart from each other",
                    "some that overlap",
                ));
            }
        }
        Ok(entries)
    }

    /// Takes entry `i` over, and returns the length of its cell.
    fn push_decoded(&mut self, node: &Node<'_>, i: usize) -> Result<usize, StorageError> {
        let start = self.bytes.len();
        let (key, payload, cell) = if node.is_leaf() {
            let entry = node.leaf_entry(i)?;
            (entry.key, Some(entry.value), entry.cell)
        } else {
            let (key, cell) = node.separator(i)?;
            (key, None, cell)
        };
        let key_len = node.push_inline(&key, &mut self.bytes);
        let key_bytes = start..self.bytes.len();
        let payload = match payload {
            Some(ValueRef::Inline(range)) => StoredPayload::Value(self.keep(node.slice(range)?)),
            Some(ValueRef::Extent { first, len }) => StoredPayload::Extent { first, len },
            None => StoredPayload::Child(node.child(i + 1)?),
        };
        self.items.push(Stored {
            key: key_bytes,
            key_len,
            tail: key.tail.map(|tail| tail.first),
            payload,
        });
        Ok(cell.len())
    }

    fn keep(&mut self, piece: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        start..self.bytes.len()
    }

    fn store(&mut self, item: &Item<'_>) -> Stored {
        Stored {
            key: self.keep(item.key.inline),
            key_len: item.key.len,
            tail: item.key.tail,
            payload: match item.payload {
                Payload::Value(value) => StoredPayload::Value(self.keep(value)),
                Payload::Extent { first, len } => StoredPayload::Extent { first, len },
                Payload::Child(child) => StoredPayload::Child(child),
            },
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.level == 0
    }

    pub(crate) fn inline_max(&self) -> usize {
        key_inline_max(self.page_size)
    }

    /// Entry `i`.
    pub(crate) fn item(&self, i: usize) -> Result<Item<'_>, StorageError> {
        let stored = self.items.get(i).ok_or_else(|| self.missing(i))?;
        self.view(stored).ok_or_else(|| self.missing(i))
    }

    fn view(&self, stored: &Stored) -> Option<Item<'_>> {
        Some(Item {
            key: InlineKey {
                inline: self.bytes.get(stored.key.clone())?,
                len: stored.key_len,
                tail: stored.tail,
            },
            payload: match &stored.payload {
                StoredPayload::Value(range) => Payload::Value(self.bytes.get(range.clone())?),
                StoredPayload::Extent { first, len } => Payload::Extent {
                    first: *first,
                    len: *len,
                },
                StoredPayload::Child(child) => Payload::Child(*child),
            },
        })
    }

    #[cold]
    pub(crate) fn missing(&self, i: usize) -> StorageError {
        damage(
            self.no,
            "enough entries in a node",
            format!("{} without {i}", self.n()),
        )
    }

    /// The entries, in their order.
    pub(crate) fn items(&self) -> Vec<Item<'_>> {
        self.items
            .iter()
            .filter_map(|stored| self.view(stored))
            .collect()
    }

    /// The row of `items`, which are these entries, or some of them and others.
    pub(crate) fn row<'a>(&self, items: &'a [Item<'a>]) -> Row<'a> {
        Row {
            no: self.no,
            level: self.level,
            page_size: self.page_size,
            prefix_len: self.prefix_len,
            first_child: self.first_child,
            items,
        }
    }

    /// Puts `item` before entry `i`.
    pub(crate) fn insert(&mut self, i: usize, item: &Item<'_>) -> Result<(), StorageError> {
        if i > self.n() {
            return Err(self.missing(i));
        }
        let stored = self.store(item);
        self.items.insert(i, stored);
        Ok(())
    }

    /// Takes entry `i` out.
    pub(crate) fn remove(&mut self, i: usize) -> Result<(), StorageError> {
        if i >= self.n() {
            return Err(self.missing(i));
        }
        self.items.remove(i);
        Ok(())
    }

    /// Gives separator `i` another key.
    pub(crate) fn set_key(&mut self, i: usize, key: &InlineKey<'_>) -> Result<(), StorageError> {
        let inline = self.keep(key.inline);
        let Some(stored) = self.items.get_mut(i) else {
            return Err(self.missing(i));
        };
        stored.key = inline;
        stored.key_len = key.len;
        stored.tail = key.tail;
        Ok(())
    }

    /// The child to the left of separator `i`.
    pub(crate) fn child(&self, i: usize) -> Result<PageNo, StorageError> {
        let Some(before) = i.checked_sub(1) else {
            return Ok(self.first_child);
        };
        match self.item(before)?.payload {
            Payload::Child(child) => Ok(child),
            _ => Err(self.missing(i)),
        }
    }

    /// Appends the entries of `right`. Between inner nodes goes `separator`, the parent's.
    pub(crate) fn append(
        &mut self,
        separator: &InlineKey<'_>,
        right: &Self,
    ) -> Result<(), StorageError> {
        if right.level != self.level {
            return Err(damage(
                right.no,
                "a neighbour at the same level",
                right.level,
            ));
        }
        if !self.is_leaf() {
            let item = Item {
                key: *separator,
                payload: Payload::Child(right.first_child),
            };
            self.insert(self.n(), &item)?;
        }
        for item in right.items() {
            self.insert(self.n(), &item)?;
        }
        self.prefix_len = self.prefix_len.min(right.prefix_len);
        Ok(())
    }
}
