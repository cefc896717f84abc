//! Where things stand in a page, and how long they may be. Pure.
//!
//! The header's fields `n`, `prefix_len`, `level`, `kind`, `heap_lo` and `garbage` are the tree's; the
//! rest of the first 32 bytes belongs to others and is never touched.
//!
//! ```text
//! leaf : heads u32[n] | slots u16[n] | free | cells | prefix
//! inner: heads u32[n] | children u32[n+1] | slots u16[n] | free | cells | prefix
//! ```
//!
//! A slot is the offset of a cell. `heap_lo` is the lowest cell's offset (0 stands for 65,536), `garbage`
//! the bytes of removed cells above it. Integers are little-endian; a head is the big-endian number of
//! the 4 key bytes after the prefix, padded with zeroes.

use std::fmt::Display;

use crate::error::StorageError;
use crate::ids::PageNo;

/// Where the heads begin.
pub(crate) const HEADER_BYTES: usize = 32;
/// The key bytes in a head.
pub(crate) const HEAD_BYTES: usize = 4;
/// The highest level a node can have: with at least two children each, no tree is deeper.
pub(crate) const LEVEL_MAX: u8 = 40;
/// The longest key, in bytes.
pub(crate) const KEY_LEN_MAX: usize = u16::MAX as usize;

const N: usize = 8;
const PREFIX_LEN: usize = 10;
const LEVEL: usize = 12;
pub(super) const KIND: usize = 13;
const HEAP_LO: usize = 14;
const GARBAGE: usize = 16;
/// The end of the header's bytes that are the tree's; they begin at `N`.
pub(crate) const OWN_HEADER: std::ops::Range<usize> = N..18;

/// Whether a node holds values or children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Leaf,
    Inner,
}

impl Kind {
    /// What a node at `level` is.
    pub(crate) const fn at(level: u8) -> Self {
        if level == 0 { Self::Leaf } else { Self::Inner }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Inner => 2,
        }
    }

    /// Bytes in the arrays for each entry.
    pub(crate) const fn entry_bytes(self) -> usize {
        match self {
            Self::Leaf => 6,
            Self::Inner => 10,
        }
    }

    /// Where the arrays of `n` entries end.
    pub(crate) const fn arrays_end(self, n: usize) -> usize {
        self.slots_start(n) + 2 * n
    }

    /// Where the slots begin among `n` entries.
    pub(crate) const fn slots_start(self, n: usize) -> usize {
        match self {
            Self::Leaf => HEADER_BYTES + 4 * n,
            Self::Inner => HEADER_BYTES + 8 * n + 4,
        }
    }
}

/// The tree's part of a page header. `heap_lo` and `n` are checked against the page by the reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) n: usize,
    pub(crate) prefix_len: usize,
    pub(crate) level: u8,
    pub(crate) heap_lo: usize,
    pub(crate) garbage: usize,
}

impl Header {
    /// The header of `page`; none if the page is too short or its kind and level do not agree.
    #[inline]
    pub(crate) fn read(page: &[u8]) -> Option<Self> {
        let level = *page.get(LEVEL)?;
        if *page.get(KIND)? != Kind::at(level).byte() {
            return None;
        }
        let heap_lo = usize::from(u16_at(page, HEAP_LO)?);
        Some(Self {
            n: usize::from(u16_at(page, N)?),
            prefix_len: usize::from(u16_at(page, PREFIX_LEN)?),
            level,
            heap_lo: if heap_lo == 0 { 1 << 16 } else { heap_lo },
            garbage: usize::from(u16_at(page, GARBAGE)?),
        })
    }

    /// Whether a page of `len` bytes can hold what this says. [`Node::open`](super::Node::open) says why not.
    #[inline]
    pub(crate) fn fits(&self, len: usize) -> bool {
        let arrays_end = Kind::at(self.level).arrays_end(self.n);
        self.level <= LEVEL_MAX
            && self.prefix_len <= PREFIX_BYTES_MAX
            && self.heap_lo >= arrays_end
            && self.heap_lo + self.prefix_len <= len
    }

    /// Writes the tree's fields; none if one is out of range.
    pub(crate) fn write(&self, page: &mut [u8]) -> Option<()> {
        put_u16(page, N, self.n)?;
        put_u16(page, PREFIX_LEN, self.prefix_len)?;
        *page.get_mut(LEVEL)? = self.level;
        *page.get_mut(KIND)? = Kind::at(self.level).byte();
        put_u16(page, HEAP_LO, self.heap_lo & 0xFFFF)?;
        put_u16(page, GARBAGE, self.garbage)
    }
}

/// Whether a page may have this length.
pub(crate) const fn is_page_size(len: usize) -> bool {
    len.is_power_of_two() && len >= 4096 && len <= 65_536
}

/// A longer key has its rest, from this length on, in an extent.
pub(crate) const fn key_inline_max(page_size: usize) -> usize {
    page_size / 8
}

/// The longest prefix. In the smallest page it just leaves an inline head to every key; in larger ones it
/// bounds the memory that taking a node of very many keys apart needs.
pub(crate) const PREFIX_BYTES_MAX: usize = key_inline_max(4096) - HEAD_BYTES;

/// Bytes in a leaf's arrays for each entry.
pub(crate) const fn leaf_entry_bytes() -> usize {
    Kind::Leaf.entry_bytes()
}

/// A longer value is in an extent.
pub(crate) const fn value_inline_max(page_size: usize) -> usize {
    page_size / 4
}

/// How many leading bytes both have in common.
pub(crate) fn common_prefix_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Damage in page `no`. Its file offset is for the page source to fill in.
#[cold]
pub(crate) fn damage(no: PageNo, expected: &str, actual: impl Display) -> StorageError {
    StorageError::corruption("data", 0, Some(no), expected, actual.to_string())
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(crate) fn put_u16(bytes: &mut [u8], offset: usize, value: usize) -> Option<()> {
    let value = u16::try_from(value).ok()?;
    put(bytes, offset, &value.to_le_bytes())
}

pub(crate) fn put_u32(bytes: &mut [u8], offset: usize, value: u32) -> Option<()> {
    put(bytes, offset, &value.to_le_bytes())
}

/// Copies `piece` to `offset`; none if it does not fit there.
pub(crate) fn put(bytes: &mut [u8], offset: usize, piece: &[u8]) -> Option<()> {
    let end = offset.checked_add(piece.len())?;
    bytes.get_mut(offset..end)?.copy_from_slice(piece);
    Some(())
}
