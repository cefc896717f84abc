//! The pending versions of the sectors of one chunk.
//!
//! 1. The base is the chunk as it was when its first write of this boot that no sync has covered came.
//! 2. A version is a whole sector: a partial write is laid over what the sector showed at that time.
//! 3. A write that changes nothing about a sector adds no version: equal bytes are one.

use std::sync::Arc;

use super::chunk::{CHUNK_LEN, Chunk};
use super::disk::Order;

/// The unit in which unsynced bytes survive: a power of two, at most a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectorSize(u16);

impl SectorSize {
    /// 512 bytes.
    pub const DEFAULT: Self = Self(512);

    /// Sectors of `bytes`: 512, 1024, 2048 or 4096.
    pub fn new(bytes: u64) -> Option<Self> {
        match bytes {
            512 | 1024 | 2048 | 4096 => u16::try_from(bytes).ok().map(Self),
            _ => None,
        }
    }

    /// In bytes.
    pub fn bytes(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for SectorSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[derive(Clone, Debug)]
enum Content {
    Zeroes,
    Part { of: Arc<[u8]>, start: usize },
}

/// One version of one sector.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Which sector of the chunk, from 0.
    pub(crate) sector: usize,
    /// The operation that wrote it.
    pub(crate) order: Order,
    content: Content,
}

impl Version {
    pub(crate) fn zeroes(sector: usize, order: Order) -> Self {
        Self {
            sector,
            order,
            content: Content::Zeroes,
        }
    }

    pub(crate) fn part(sector: usize, order: Order, of: Arc<[u8]>, start: usize) -> Self {
        Self {
            sector,
            order,
            content: Content::Part { of, start },
        }
    }

    /// The sector's bytes.
    pub(crate) fn bytes(&self, size: SectorSize) -> &[u8] {
        const ZEROES: [u8; CHUNK_LEN] = [0; CHUNK_LEN];
        match &self.content {
            Content::Zeroes => &ZEROES[..size.bytes()],
            Content::Part { of, start } => &of[*start..*start + size.bytes()],
        }
    }
}

/// Base and pending versions of the sectors of one chunk.
#[derive(Clone, Debug)]
pub(crate) struct PendingChunk {
    pub(crate) base: Chunk,
    /// Oldest first.
    pub(crate) versions: Vec<Version>,
}

impl PendingChunk {
    pub(crate) fn new(base: Chunk) -> Self {
        Self {
            base,
            versions: Vec::with_capacity(8),
        }
    }

    /// The sectors with pending versions, ascending, as bits.
    fn touched(&self) -> u8 {
        self.versions
            .iter()
            .fold(0, |bits, version| bits | 1 << version.sector)
    }

    /// The sectors with pending versions, ascending.
    pub(crate) fn sectors(&self) -> impl Iterator<Item = usize> + use<> {
        let touched = self.touched();
        (0..8).filter(move |sector| touched >> sector & 1 == 1)
    }

    /// The versions of a sector: its base, then what was written, oldest first.
    pub(crate) fn of(&self, sector: usize, size: SectorSize) -> SectorVersions<'_> {
        let start = sector * size.bytes();
        let base = &self.base.bytes()[start..start + size.bytes()];
        let mut all = Vec::with_capacity(2);
        all.push((Order::BASE, base));
        all.extend(
            self.versions
                .iter()
                .filter(|version| version.sector == sector)
                .map(|version| (version.order, version.bytes(size))),
        );
        SectorVersions { all }
    }
}

/// The versions of one sector: the base first, the newest last.
#[derive(Clone, Debug)]
pub struct SectorVersions<'a> {
    all: Vec<(Order, &'a [u8])>,
}

impl<'a> SectorVersions<'a> {
    /// Base and pending versions with the operations that wrote them (`Order::BASE` for the base), oldest first.
    pub fn all(&self) -> &[(Order, &'a [u8])] {
        &self.all
    }

    /// Without the versions that `is_lost` says of.
    #[must_use]
    pub fn without(mut self, is_lost: impl Fn(Order) -> bool) -> Self {
        self.all.retain(|&(order, _)| !is_lost(order));
        self
    }

    /// The different versions, if the sector's bytes from `kept` on are lost to the file's end.
    pub fn distinct(&self, kept: usize) -> usize {
        let cut = |bytes: &'a [u8]| &bytes[..kept.min(bytes.len())];
        let fresh = |(at, (_, bytes)): (usize, &(Order, &'a [u8]))| {
            self.all[..at]
                .iter()
                .all(|(_, older)| cut(older) != cut(bytes))
        };
        self.all
            .iter()
            .enumerate()
            .filter(|&item| fresh(item))
            .count()
    }
}
