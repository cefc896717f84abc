//! One file: what its readers see, and what of it is not yet durable.
//!
//! 1. `chunks` hold the newest bytes; all bytes at or past `len` are zero.
//! 2. `pending` has an entry exactly for the chunks changed since the last sync, with their base.
//! 3. The size is a variable of its own: `base_len`, then `sizes`, oldest first; the newest is `len`.
//! 4. Reads go through `read` alone: the place where a survival could be decided at first look.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::chunk::{CHUNK_LEN, Chunk};
use super::disk::Order;
use super::sectors::{PendingChunk, SectorSize, SectorVersions, Version};

/// No simulated file grows past this many bytes.
pub const FILE_LEN_MAX: u64 = 1 << 32;

/// A length that the file was given and no sync has covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeVersion {
    /// The operation that set it.
    pub order: Order,
    /// In bytes.
    pub len: u64,
}

/// Cuts that did not happen.
#[derive(Clone, Debug, Default)]
pub struct LostCuts {
    all: Vec<SizeVersion>,
}

impl LostCuts {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the zeroes that operation `order` brought to the sector at `offset` did not reach the disk. Whole blocks
    /// are cut off together with the length; in the block that the file was to end in, zeroes are written, and first.
    pub fn took(&self, offset: u64, order: Order) -> bool {
        self.frees(offset, |cut| cut == order)
    }

    /// Whether one of them was to free the block of the sector at `offset` before operation `order`, or by it.
    pub fn precede(&self, offset: u64, order: Order) -> bool {
        self.frees(offset, |cut| cut <= order)
    }

    fn frees(&self, offset: u64, is_one: impl Fn(Order) -> bool) -> bool {
        let block = CHUNK_LEN as u64;
        let mut all = self.all.iter();
        all.any(|cut| is_one(cut.order) && offset >= cut.len.next_multiple_of(block))
    }
}

/// A write that no sync has covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingWrite {
    /// The operation.
    pub order: Order,
    /// Its first byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// The content of an inode.
#[derive(Clone, Debug, Default)]
pub struct FileState {
    pub(super) sector: SectorSize,
    pub(super) len: u64,
    pub(super) chunks: Vec<Chunk>,
    pub(super) base_len: u64,
    pub(super) sizes: Vec<SizeVersion>,
    pub(super) pending: BTreeMap<usize, PendingChunk>,
    pub(super) writes: Vec<PendingWrite>,
    /// What a sync that failed has left in the cache as if it were on disk: chunks whose newest version is no newer.
    pub(super) abandoned: Option<Order>,
    pub(super) hash: OnceLock<u128>,
}

impl FileState {
    /// An empty file.
    pub(super) fn new(sector: SectorSize) -> Self {
        Self {
            sector,
            ..Self::default()
        }
    }

    /// The unit in which its unsynced bytes survive.
    pub fn sector(&self) -> SectorSize {
        self.sector
    }

    /// The length that readers see.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether readers see no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a power cut could change it.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty() || !self.sizes.is_empty()
    }

    /// Fills `buf` with the newest bytes from `offset`; false, and `buf` untouched, if the file ends before.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> bool {
        let fits = offset
            .checked_add(buf.len() as u64)
            .is_some_and(|end| end <= self.len);
        if fits {
            for span in Spans::new(offset, buf.len()) {
                let bytes = &self.chunk(span.chunk).bytes()[span.start..span.end];
                buf[span.done..span.done + bytes.len()].copy_from_slice(bytes);
            }
        }
        fits
    }

    /// All of the newest bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.len)];
        self.read(0, &mut bytes);
        bytes
    }

    /// The length that is durable, then those that are not yet, oldest first.
    pub fn sizes(&self) -> impl Iterator<Item = SizeVersion> {
        let base = SizeVersion {
            order: Order::BASE,
            len: self.base_len,
        };
        std::iter::once(base).chain(self.sizes.iter().copied())
    }

    /// The cuts after the operation that gave the file a length: if that length survives, they did not happen.
    pub fn cuts_after(&self, order: Order) -> LostCuts {
        LostCuts {
            all: self.cuts().filter(|cut| cut.order > order).collect(),
        }
    }

    /// The operations that shortened the file, with the length that each gave it, oldest first.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = SizeVersion> {
        let before = self.sizes();
        let shortened = before.zip(&self.sizes);
        shortened.filter_map(|(before, &size)| (size.len < before.len).then_some(size))
    }

    /// The newest change of the length that no sync has covered.
    pub(crate) fn newest_size(&self) -> Option<Order> {
        self.sizes.iter().map(|size| size.order).max()
    }

    /// The write that was operation `order`, if no sync has covered it.
    pub(crate) fn write_of(&self, order: Order) -> Option<&PendingWrite> {
        let at = self
            .writes
            .binary_search_by_key(&order, |write| write.order);
        self.writes.get(at.ok()?)
    }

    /// The writes that no sync has covered, oldest first.
    pub fn writes(&self) -> &[PendingWrite] {
        &self.writes
    }

    /// The sectors with versions that no sync has covered, ascending: the offset of each and its versions.
    pub fn pending_sectors(&self) -> impl Iterator<Item = (u64, SectorVersions<'_>)> {
        self.pending.iter().flat_map(move |(&chunk, pending)| {
            pending.sectors().map(move |sector| {
                let offset = (chunk * CHUNK_LEN + sector * self.sector.bytes()) as u64;
                (offset, pending.of(sector, self.sector))
            })
        })
    }

    /// The file after a power cut that left it `len` bytes long and, of each pending sector, the last version
    /// that `keeps` accepts; its base if none.
    #[must_use]
    pub fn survivor(&self, len: u64, mut keeps: impl FnMut(u64, Order) -> bool) -> Self {
        let mut file = self.resolved();
        for (&at, pending) in &self.pending {
            let chosen = Choice::of(pending, |sector, order| {
                keeps(
                    (at * CHUNK_LEN + sector * self.sector.bytes()) as u64,
                    order,
                )
            });
            chosen.put(file.chunk_mut(at), pending, self.sector);
        }
        file.end_at(len);
        file
    }

    /// The file after a power cut of which nothing is decided yet: as long as it can be, its sectors as they were
    /// last written. `decide_len` and `decide_sector` put in what survived.
    pub(crate) fn undecided(&self) -> Self {
        let len = self.sizes().map(|size| size.len).max().unwrap_or(self.len);
        let mut file = self.resolved();
        (file.len, file.base_len) = (len, len);
        file
    }

    /// Puts the length that survived in place of the longest possible. Until then no write may reach past the
    /// shortest possible, nor the length change.
    pub(crate) fn decide_len(&mut self, len: u64) {
        debug_assert!(
            self.sizes.is_empty(),
            "the length is decided before it changes"
        );
        self.hash = OnceLock::new();
        self.end_at(len);
        for (&at, pending) in &mut self.pending {
            let kept = index(len).saturating_sub(at * CHUNK_LEN);
            if kept < CHUNK_LEN {
                pending.base.bytes_mut()[kept..].fill(0);
            }
        }
    }

    /// Puts what survived of a sector in place of its newest version: its first bytes, zeroes after. Until then no
    /// write may have touched it.
    pub(crate) fn decide_sector(&mut self, offset: u64, bytes: &[u8]) {
        let (at, first) = (index(offset) / CHUNK_LEN, index(offset) % CHUNK_LEN);
        let (kept, end) = (first + bytes.len(), first + self.sector.bytes());
        let put = |chunk: &mut Chunk| {
            let now = chunk.bytes();
            if now[first..kept] != *bytes || now[kept..end].iter().any(|&byte| byte != 0) {
                chunk.bytes_mut()[first..kept].copy_from_slice(bytes);
                chunk.bytes_mut()[kept..end].fill(0);
            }
        };
        self.hash = OnceLock::new();
        if let Some(pending) = self.pending.get_mut(&at) {
            put(&mut pending.base);
        }
        put(self.chunk_mut(at));
    }

    /// A file of which nothing is pending, with other bytes at `offset`, inside its length.
    #[must_use]
    pub(crate) fn overlaid(&self, offset: u64, bytes: &[u8]) -> Self {
        let mut file = self.clone();
        file.hash = OnceLock::new();
        for span in Spans::new(offset, bytes.len()) {
            let new = &bytes[span.done..span.done + (span.end - span.start)];
            file.chunk_mut(span.chunk).bytes_mut()[span.start..span.end].copy_from_slice(new);
        }
        file.end_at(self.len);
        file
    }

    /// The same newest bytes, nothing pending.
    pub(super) fn resolved(&self) -> Self {
        Self {
            sector: self.sector,
            len: self.len,
            chunks: self.chunks.clone(),
            base_len: self.len,
            sizes: Vec::new(),
            pending: BTreeMap::new(),
            writes: Vec::new(),
            abandoned: None,
            hash: OnceLock::new(),
        }
    }

    /// The file without what operation `order` wrote at or past `kept`: that write was cut there.
    #[must_use]
    pub fn without_tail(&self, order: Order, kept: u64) -> Self {
        let mut file = self.clone();
        file.hash = OnceLock::new();
        for (&at, pending) in &mut file.pending {
            let first = (at * CHUNK_LEN) as u64;
            let keeps = |sector: usize, wrote: Order| {
                wrote != order || first + ((sector * self.sector.bytes()) as u64) < kept
            };
            let chosen = Choice::of(pending, keeps);
            chosen.put(chunk_mut(&mut file.chunks, at), pending, self.sector);
            pending
                .versions
                .retain(|version| keeps(version.sector, version.order));
        }
        file.pending
            .retain(|_, pending| !pending.versions.is_empty());
        file.lose_growth(order, kept);
        file
    }

    /// Takes back what operation `order` added to the length past `kept`.
    fn lose_growth(&mut self, order: Order, kept: u64) {
        let mut given = None;
        while let Some(size) = self.sizes.pop_if(|size| size.order == order) {
            given = given.or(Some(size));
        }
        if let Some(size) = given {
            let before = self.sizes().last().map_or(self.base_len, |size| size.len);
            self.len = before.max(size.len.min(kept));
            if self.len != before {
                self.sizes.push(SizeVersion {
                    order,
                    len: self.len,
                });
            }
        }
        if let Some(write) = self.writes.pop_if(|write| write.order == order) {
            let len = kept.saturating_sub(write.offset).min(write.len);
            if len > 0 {
                self.writes.push(PendingWrite { len, ..write });
            }
        }
    }

    /// Writes `bytes` at `offset`.
    pub(super) fn write(&mut self, offset: u64, bytes: &Arc<[u8]>, order: Order) {
        self.hash = OnceLock::new();
        for span in Spans::new(offset, bytes.len()) {
            self.write_chunk(&span, bytes, order);
        }
        self.writes.push(PendingWrite {
            order,
            offset,
            len: bytes.len() as u64,
        });
        self.grow(offset + bytes.len() as u64, order);
    }

    fn write_chunk(&mut self, span: &Span, bytes: &Arc<[u8]>, order: Order) {
        let size = self.sector.bytes();
        for sector in span.start / size..span.end.div_ceil(size) {
            let (first, end) = (sector * size, (sector + 1) * size);
            let (from, to) = (span.start.max(first), span.end.min(end));
            let start = span.done + (from - span.start);
            let new = &bytes[start..start + (to - from)];
            let is_dirty_again = self.abandoned.is_some() && self.pending.contains_key(&span.chunk);
            if !is_dirty_again && self.chunk(span.chunk).bytes()[from..to] == *new {
                continue;
            }
            self.change(span.chunk, |chunk| {
                chunk[from..to].copy_from_slice(new);
                if to - from == size {
                    Version::part(sector, order, Arc::clone(bytes), start)
                } else {
                    Version::part(sector, order, Arc::from(&chunk[first..end]), 0)
                }
            });
        }
    }

    /// Changes one sector of a chunk, keeping the chunk's base and the new version.
    fn change(&mut self, at: usize, edit: impl FnOnce(&mut [u8; CHUNK_LEN]) -> Version) {
        let chunk = chunk_mut(&mut self.chunks, at);
        let pending = self
            .pending
            .entry(at)
            .or_insert_with(|| PendingChunk::new(chunk.clone()));
        pending.versions.push(edit(chunk.bytes_mut()));
    }

    /// Cuts the file or grows it with zeroes.
    pub(super) fn set_len(&mut self, len: u64, order: Order) {
        self.hash = OnceLock::new();
        if len < self.len {
            self.zero_from(len, order);
        }
        self.resize(len, order);
    }

    /// Makes sure that the file reaches to `end`. Where it does already, but by writes that no sync has covered, it may be that this length is on disk
    /// and theirs are not: a file system writes it down at once, and theirs with their bytes.
    pub(super) fn allocate(&mut self, end: u64, order: Order) {
        if end >= self.len {
            return self.set_len(end, order);
        }
        let is_longer = |size: &&SizeVersion| size.len > end && self.write_of(size.order).is_some();
        let longer = self.sizes.iter().rev().take_while(is_longer);
        let at = self.sizes.len() - longer.count();
        let before = at.checked_sub(1).and_then(|at| self.sizes.get(at));
        if before.map_or(self.base_len, |size| size.len) < end {
            self.sizes.insert(at, SizeVersion { order, len: end });
        }
    }

    /// Adds zeroes to the versions of the sectors at or past `len`.
    fn zero_from(&mut self, len: u64, order: Order) {
        let size = self.sector.bytes();
        let len = index(len);
        for at in len / CHUNK_LEN..self.chunks.len() {
            let kept = len.saturating_sub(at * CHUNK_LEN);
            for sector in kept / size..CHUNK_LEN / size {
                let (first, end) = (sector * size, (sector + 1) * size);
                let from = kept.max(first);
                if self.chunk(at).bytes()[from..end]
                    .iter()
                    .all(|&byte| byte == 0)
                {
                    continue;
                }
                self.change(at, |chunk| {
                    chunk[from..end].fill(0);
                    if from == first {
                        Version::zeroes(sector, order)
                    } else {
                        Version::part(sector, order, Arc::from(&chunk[first..end]), 0)
                    }
                });
            }
        }
    }

    /// Makes the file as long as a write asks. The block that it ended in is there already, so the length up to its end may be on disk before the rest.
    fn grow(&mut self, len: u64, order: Order) {
        let edge = self.len.next_multiple_of(CHUNK_LEN as u64);
        if self.len < edge && edge < len {
            self.sizes.push(SizeVersion { order, len: edge });
        }
        self.resize(self.len.max(len), order);
    }

    fn resize(&mut self, len: u64, order: Order) {
        if len != self.len {
            self.len = len;
            self.sizes.push(SizeVersion { order, len });
        }
    }

    /// Makes all durable, but for what an earlier sync failed to: the system takes that for written, until it is written again.
    /// The newest operation that this covered, if it covered any.
    pub(super) fn sync(&mut self) -> Option<Order> {
        let newest = self.newest();
        let abandoned = self.abandoned;
        self.pending.retain(|_, chunk| {
            let last = chunk.versions.last().map(|version| version.order);
            abandoned.is_some_and(|abandoned| last.is_some_and(|last| last <= abandoned))
        });
        self.sizes.clear();
        self.writes.clear();
        self.base_len = self.len;
        newest
    }

    /// Fails to make anything durable. What is pending stays so for good; with `dropped` pages that did not reach the disk are as they
    /// were before: the first of them, and some of the others.
    pub(super) fn fail_sync(&mut self, dropped: bool) {
        let newest = self.newest();
        if !dropped {
            self.abandoned = newest;
            return;
        }
        self.hash = OnceLock::new();
        let salt = newest.map_or(0, |newest| newest.0);
        for (place, (at, pending)) in (0_u64..).zip(std::mem::take(&mut self.pending)) {
            if place == 0 || (place + salt).is_multiple_of(2) {
                chunk_mut(&mut self.chunks, at).clone_from(&pending.base);
            }
        }
        self.writes.clear();
    }

    /// The newest operation that no sync has covered.
    pub fn newest(&self) -> Option<Order> {
        let written = self.writes.last().map(|write| write.order);
        let sized = self.newest_size();
        let cut = self
            .pending
            .values()
            .filter_map(|p| p.versions.last().map(|v| v.order))
            .max();
        written.max(sized).max(cut)
    }

    /// Sets the length; what lies past it is zero from then on.
    fn end_at(&mut self, len: u64) {
        let end = index(len);
        self.chunks.truncate(end.div_ceil(CHUNK_LEN));
        let tail = end % CHUNK_LEN;
        if tail != 0 && self.chunks.len() == end / CHUNK_LEN + 1 {
            let chunk = chunk_mut(&mut self.chunks, end / CHUNK_LEN);
            if chunk.bytes()[tail..].iter().any(|&byte| byte != 0) {
                chunk.bytes_mut()[tail..].fill(0);
            }
        }
        self.len = len;
        self.base_len = len;
    }

    fn chunk(&self, at: usize) -> &Chunk {
        static HOLE: Chunk = Chunk::HOLE;
        self.chunks.get(at).unwrap_or(&HOLE)
    }

    fn chunk_mut(&mut self, at: usize) -> &mut Chunk {
        chunk_mut(&mut self.chunks, at)
    }
}

fn chunk_mut(chunks: &mut Vec<Chunk>, at: usize) -> &mut Chunk {
    if chunks.len() <= at {
        chunks.resize_with(at + 1, Chunk::default);
    }
    &mut chunks[at]
}

/// Which version of each sector of a chunk was chosen: an index into the chunk's versions, or the base.
struct Choice {
    versions: [Option<usize>; 8],
}

impl Choice {
    fn of(pending: &PendingChunk, mut keeps: impl FnMut(usize, Order) -> bool) -> Self {
        let mut versions = [None; 8];
        for (at, version) in pending.versions.iter().enumerate() {
            if keeps(version.sector, version.order) {
                versions[version.sector] = Some(at);
            }
        }
        Self { versions }
    }

    /// Puts the chosen versions into `chunk`, which holds the newest ones.
    fn put(&self, chunk: &mut Chunk, pending: &PendingChunk, size: SectorSize) {
        if self.versions.iter().all(Option::is_none) {
            chunk.clone_from(&pending.base);
            return;
        }
        for sector in pending.sectors() {
            let span = sector * size.bytes()..(sector + 1) * size.bytes();
            let bytes = match self.versions[sector] {
                Some(at) => pending.versions[at].bytes(size),
                None => &pending.base.bytes()[span.clone()],
            };
            if chunk.bytes()[span.clone()] != *bytes {
                chunk.bytes_mut()[span].copy_from_slice(bytes);
            }
        }
    }
}

/// A range of a file inside one chunk.
struct Span {
    chunk: usize,
    start: usize,
    end: usize,
    /// Bytes of the range before this span.
    done: usize,
}

/// The pieces of a range of a file, chunk by chunk.
struct Spans {
    at: usize,
    done: usize,
    len: usize,
}

impl Spans {
    fn new(offset: u64, len: usize) -> Self {
        Self {
            at: index(offset),
            done: 0,
            len,
        }
    }
}

impl Iterator for Spans {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let start = self.at % CHUNK_LEN;
        let take = (CHUNK_LEN - start).min(self.len - self.done);
        let span = Span {
            chunk: self.at / CHUNK_LEN,
            start,
            end: start + take,
            done: self.done,
        };
        self.at += take;
        self.done += take;
        (take > 0).then_some(span)
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
