//! A page read as a node.
//!
//! B4: no byte of the page can cause a panic or a read outside of it. `open` checks the header against
//! the page; each slot and cell is checked when it is looked at.

use std::ops::Range;

use super::closed_off::no_node;
use super::item::{
    EXTENT_REF_BYTES, INNER_CELL_HEADER_BYTES, InlineKey, LEAF_CELL_HEADER_BYTES, TAIL_REF_BYTES,
    VALUE_IN_EXTENT,
};
use super::layout::{
    HEAD_BYTES, HEADER_BYTES, Header, KEY_LEN_MAX, Kind, LEVEL_MAX, PREFIX_BYTES_MAX, damage,
    is_page_size, key_inline_max, u16_at, u32_at, u64_at,
};
use crate::btree::value::Key;
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::Image;
use crate::pages::ReadPages;

/// A page whose header is sound.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(super) no: PageNo,
    pub(super) bytes: &'a [u8],
    pub(super) header: Header,
}

/// A key in a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRef<'a> {
    pub(super) head: u32,
    /// The whole key's length after the prefix.
    pub(super) suffix_len: usize,
    pub(super) rest: &'a [u8],
    pub(crate) tail: Option<Tail>,
}

/// The extent that holds the end of a long key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) first: PageNo,
    pub(crate) len: u64,
}

impl KeyRef<'_> {
    /// The key bytes that the head holds.
    pub(super) fn with_head_bytes<R>(&self, then: impl FnOnce(&[u8]) -> R) -> R {
        let head = self.head.to_be_bytes();
        then(
            head.get(..self.suffix_len.min(HEAD_BYTES))
                .unwrap_or_default(),
        )
    }
}

impl Tail {
    /// The extent of `key`, in pages that keep `inline_max` bytes of a key inline.
    pub(crate) fn of(key: &InlineKey<'_>, inline_max: usize) -> Option<Self> {
        let len = u64::try_from(key.len.checked_sub(inline_max)?).ok()?;
        key.tail.map(|first| Self { first, len })
    }

    /// The key's end.
    pub(crate) fn load(self, no: PageNo, pages: &impl ReadPages) -> Result<Image, StorageError> {
        load_extent(no, pages, self.first, self.len)
    }
}

/// A value in a leaf.
#[derive(Clone, Debug)]
pub(crate) enum ValueRef {
    /// Where in the page.
    Inline(Range<usize>),
    Extent {
        first: PageNo,
        len: u64,
    },
}

/// An entry of a leaf.
pub(crate) struct LeafEntry<'a> {
    pub(crate) key: KeyRef<'a>,
    pub(crate) value: ValueRef,
    /// The bytes of the page that its cell takes.
    pub(super) cell: Range<usize>,
}

impl LeafEntry<'_> {
    /// How many bytes of the page its cell takes.
    pub(crate) fn cell_len(&self) -> usize {
        self.cell.len()
    }
}

/// The extent that page `no` refers to, of exactly the length that it says.
pub(crate) fn load_extent(
    no: PageNo,
    pages: &impl ReadPages,
    first: PageNo,
    len: u64,
) -> Result<Image, StorageError> {
    let image = pages.extent(first, len)?;
    if u64::try_from(image.len()) == Ok(len) {
        Ok(image)
    } else {
        Err(damage(
            no,
            &format!("an extent of {len} bytes"),
            image.len(),
        ))
    }
}

impl<'a> Node<'a> {
    /// Reads page `no`. `Corruption` if its header does not describe a node.
    pub(crate) fn open(no: PageNo, bytes: &'a [u8]) -> Result<Self, StorageError> {
        if !is_page_size(bytes.len()) {
            return Err(damage(no, "a page of 4 KiB to 64 KiB", bytes.len()));
        }
        let header = Header::read(bytes).ok_or_else(|| no_node(no, bytes))?;
        if header.level > LEVEL_MAX {
            return Err(damage(no, "a level up to 40", header.level));
        }
        if header.prefix_len > PREFIX_BYTES_MAX {
            return Err(damage(
                no,
                "a prefix that leaves room for a head",
                header.prefix_len,
            ));
        }
        let arrays_end = Kind::at(header.level).arrays_end(header.n);
        if header.heap_lo < arrays_end || header.heap_lo > bytes.len() - header.prefix_len {
            return Err(damage(
                no,
                "cells between arrays and prefix",
                header.heap_lo,
            ));
        }
        Ok(Self { no, bytes, header })
    }

    /// As `open`; the node must be at `level` if one is given (B3).
    pub(crate) fn open_at(
        no: PageNo,
        bytes: &'a [u8],
        level: Option<u8>,
    ) -> Result<Self, StorageError> {
        let node = Self::open(no, bytes)?;
        match level {
            Some(level) if level != node.header.level => Err(damage(
                no,
                &format!("a node at level {level}"),
                node.header.level,
            )),
            _ => Ok(node),
        }
    }

    /// Reads page `no` again: `header` is what `open` found in the same bytes.
    pub(crate) const fn reopen(no: PageNo, bytes: &'a [u8], header: Header) -> Self {
        Self { no, bytes, header }
    }

    /// For `reopen`.
    pub(crate) const fn header(&self) -> Header {
        self.header
    }

    pub(crate) fn no(&self) -> PageNo {
        self.no
    }

    /// How many keys it has.
    pub(crate) fn n(&self) -> usize {
        self.header.n
    }

    pub(crate) fn level(&self) -> u8 {
        self.header.level
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.header.level == 0
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::at(self.header.level)
    }

    pub(crate) fn page_size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes between the arrays and the cells.
    pub(crate) fn gap(&self) -> usize {
        self.header
            .heap_lo
            .saturating_sub(self.kind().arrays_end(self.header.n))
    }

    /// Bytes that entries can be put in, once the garbage is gathered.
    pub(crate) fn room(&self) -> usize {
        self.gap() + self.header.garbage
    }

    /// Bytes of the page that are in use, its header among them.
    pub(crate) fn used(&self) -> usize {
        self.page_size()
            .saturating_sub(self.gap() + self.header.garbage)
    }

    /// Whether less than a quarter of the page is in use, or nothing.
    pub(crate) fn is_underfull(&self) -> bool {
        let room = self.page_size() - HEADER_BYTES;
        let used = room.saturating_sub(self.gap() + self.header.garbage);
        self.n() == 0 || used < room / 4
    }

    /// What all keys begin with.
    pub(crate) fn prefix(&self) -> &'a [u8] {
        self.bytes.get(self.cells_end()..).unwrap_or_default()
    }

    pub(super) fn cells_end(&self) -> usize {
        self.bytes.len() - self.header.prefix_len
    }

    /// The heads, each little-endian.
    pub(super) fn heads(&self) -> &'a [[u8; HEAD_BYTES]] {
        let heads = self
            .bytes
            .get(HEADER_BYTES..HEADER_BYTES + HEAD_BYTES * self.header.n);
        heads.unwrap_or_default().as_chunks().0
    }

    /// Child `i` of an inner node with `n` keys, `i` up to and including `n`.
    pub(crate) fn child(&self, i: usize) -> Result<PageNo, StorageError> {
        let at = HEADER_BYTES + HEAD_BYTES * self.header.n + 4 * i;
        match u32_at(self.bytes, at) {
            Some(child) if !self.is_leaf() && i <= self.header.n && child != 0 => Ok(PageNo(child)),
            _ => Err(damage(self.no, "a child page", format!("none at {i}"))),
        }
    }

    /// Where the cell of entry `i` begins, or the suffix's length (0 to 4) of a separator without one.
    fn slot(&self, i: usize) -> Result<usize, StorageError> {
        let slot = u16_at(self.bytes, self.kind().slots_start(self.header.n) + 2 * i);
        match slot.map(usize::from) {
            Some(slot) if i < self.header.n && self.is_slot(slot) => Ok(slot),
            slot => Err(damage(
                self.no,
                "a slot in the page",
                format!("{slot:?} at {i}"),
            )),
        }
    }

    fn is_slot(&self, slot: usize) -> bool {
        slot >= self.header.heap_lo || (slot <= HEAD_BYTES && !self.is_leaf())
    }

    /// Key `i`.
    pub(crate) fn key(&self, i: usize) -> Result<KeyRef<'a>, StorageError> {
        self.key_cell(i).map(|(key, _)| key)
    }

    /// Key `i`, and where its part of the cell ends.
    fn key_cell(&self, i: usize) -> Result<(KeyRef<'a>, usize), StorageError> {
        let slot = self.slot(i)?;
        self.decode_key(i, slot)
            .ok_or_else(|| damage(self.no, "a cell in the page", format!("key {i} at {slot}")))
    }

    fn decode_key(&self, i: usize, slot: usize) -> Option<(KeyRef<'a>, usize)> {
        let head = u32::from_le_bytes(*self.heads().get(i)?);
        if slot <= HEAD_BYTES {
            return Some((
                KeyRef {
                    head,
                    suffix_len: slot,
                    rest: &[],
                    tail: None,
                },
                slot,
            ));
        }
        let cells = self.bytes.get(..self.cells_end())?;
        let suffix_len = usize::from(u16_at(cells, slot)?);
        let len = self.header.prefix_len + suffix_len;
        let inline_max = key_inline_max(self.bytes.len());
        if len > KEY_LEN_MAX {
            return None;
        }
        let inline_suffix = len.min(inline_max) - self.header.prefix_len;
        let rest_at = slot
            + match self.kind() {
                Kind::Leaf => LEAF_CELL_HEADER_BYTES,
                Kind::Inner => INNER_CELL_HEADER_BYTES,
            };
        let rest_end = rest_at + inline_suffix.saturating_sub(HEAD_BYTES);
        let rest = cells.get(rest_at..rest_end)?;
        if len <= inline_max {
            return Some((
                KeyRef {
                    head,
                    suffix_len,
                    rest,
                    tail: None,
                },
                rest_end,
            ));
        }
        let first = PageNo(u32_at(cells, rest_end)?);
        let len = u64::try_from(len - inline_max).ok()?;
        let tail = Some(Tail { first, len });
        Some((
            KeyRef {
                head,
                suffix_len,
                rest,
                tail,
            },
            rest_end + TAIL_REF_BYTES,
        ))
    }

    /// Entry `i` of a leaf, taken apart once.
    pub(crate) fn leaf_entry(&self, i: usize) -> Result<LeafEntry<'a>, StorageError> {
        let slot = self.slot(i)?;
        self.decode_leaf_entry(i, slot).ok_or_else(|| {
            damage(
                self.no,
                "a cell in the page",
                format!("entry {i} at {slot}"),
            )
        })
    }

    fn decode_leaf_entry(&self, i: usize, slot: usize) -> Option<LeafEntry<'a>> {
        let (key, key_end) = self.decode_key(i, slot)?;
        let value = self.decode_value(slot, key_end)?;
        let end = match &value {
            ValueRef::Inline(range) => range.end,
            ValueRef::Extent { .. } => key_end + EXTENT_REF_BYTES,
        };
        Some(LeafEntry {
            key,
            value,
            cell: slot..end,
        })
    }

    /// Value `i` of a leaf.
    pub(crate) fn value(&self, i: usize) -> Result<ValueRef, StorageError> {
        self.leaf_entry(i).map(|entry| entry.value)
    }

    fn decode_value(&self, slot: usize, start: usize) -> Option<ValueRef> {
        if !self.is_leaf() {
            return None;
        }
        let cells = self.bytes.get(..self.cells_end())?;
        let len = usize::from(u16_at(cells, slot + 2)?);
        let range = start..start + len;
        let bytes = cells.get(range.clone())?;
        match *cells.get(slot + 4)? {
            0 => Some(ValueRef::Inline(range)),
            VALUE_IN_EXTENT if len == EXTENT_REF_BYTES => Some(ValueRef::Extent {
                len: u64_at(bytes, 0)?,
                first: PageNo(u32_at(bytes, 8)?),
            }),
            _ => None,
        }
    }

    /// The bytes of the page that the cell of entry `i` takes; empty for a separator without a cell.
    pub(crate) fn cell_range(&self, i: usize) -> Result<Range<usize>, StorageError> {
        if self.is_leaf() {
            return self.leaf_entry(i).map(|entry| entry.cell);
        }
        self.separator(i).map(|(_, cell)| cell)
    }

    /// Key `i` of an inner node, and the bytes of the page that its cell takes, if it has one.
    pub(super) fn separator(&self, i: usize) -> Result<(KeyRef<'a>, Range<usize>), StorageError> {
        let slot = self.slot(i)?;
        let (key, end) = self.key_cell(i)?;
        Ok((key, if slot <= HEAD_BYTES { 0..0 } else { slot..end }))
    }

    /// The bytes of the page in `range`.
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<&'a [u8], StorageError> {
        self.bytes
            .get(range)
            .ok_or_else(|| damage(self.no, "a cell in the page", "one outside"))
    }

    /// Key `i`, put together; its end is loaded if it is elsewhere.
    pub(crate) fn full_key(&self, pages: &impl ReadPages, i: usize) -> Result<Key, StorageError> {
        self.assemble(pages, &self.key(i)?)
    }

    /// A key of this node, put together.
    pub(crate) fn assemble(
        &self,
        pages: &impl ReadPages,
        key: &KeyRef<'_>,
    ) -> Result<Key, StorageError> {
        let mut full = Key::with_capacity(self.header.prefix_len + key.suffix_len);
        full.push(self.prefix());
        key.with_head_bytes(|head| full.push(head));
        full.push(key.rest);
        if let Some(tail) = key.tail {
            full.push(&tail.load(self.no, pages)?);
        }
        Ok(full)
    }

    /// Appends the inline part of key `i` to `bytes`, and returns the whole key's length.
    pub(crate) fn push_inline_key(
        &self,
        i: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, StorageError> {
        Ok(self.push_inline(&self.key(i)?, bytes))
    }

    /// Appends the inline part of `key` to `bytes`, and returns the whole key's length.
    pub(super) fn push_inline(&self, key: &KeyRef<'_>, bytes: &mut Vec<u8>) -> usize {
        bytes.extend_from_slice(self.prefix());
        key.with_head_bytes(|head| bytes.extend_from_slice(head));
        bytes.extend_from_slice(key.rest);
        self.header.prefix_len + key.suffix_len
    }

    pub(crate) fn garbage(&self) -> usize {
        self.header.garbage
    }

    /// Bytes between the lowest cell and the prefix.
    pub(crate) fn heap_len(&self) -> usize {
        self.cells_end().saturating_sub(self.header.heap_lo)
    }
}
