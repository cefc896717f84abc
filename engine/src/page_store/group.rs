//! The private pages of one commit group, and what becomes of them when it is published.
//!
//! Invariants:
//! 1. Nothing that a group does can be seen before `publish`; a group that is dropped leaves no trace.
//! 2. A page freed at a version is given out again only when no snapshot below that version lives (P3).

use std::collections::{BTreeMap, VecDeque};

use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::pages::{ReadPages, WritePages};

use super::dirty::{DirtyPage, DirtySet};
use super::free_pages::FreePages;
use super::store::{Content, PageStore, misfit};

/// What the one writer at a time owns: free page numbers, the dirty set, and what is yet to be cleaned.
#[derive(Debug)]
pub struct PageWriter {
    free: FreePages,
    next: PageNo,
    dirty: DirtySet,
    freed: VecDeque<(Version, PageNo, u32)>,
    superseded: VecDeque<(Version, PageNo)>,
}

impl PageWriter {
    /// A writer over pages below `next`, of which `free` are not in use.
    pub fn new(free: impl IntoIterator<Item = PageNo>, next: PageNo) -> Self {
        let mut pages = FreePages::default();
        for page in free {
            pages.give(page, 1);
        }
        Self {
            free: pages,
            next: PageNo(next.get().max(1)),
            dirty: DirtySet::default(),
            freed: VecDeque::new(),
            superseded: VecDeque::new(),
        }
    }

    /// Starts a group on top of what is published.
    pub fn begin<'w>(&'w mut self, store: &'w PageStore) -> Group<'w> {
        Group {
            base: store.snapshots.published(),
            next: self.next,
            store,
            writer: self,
            pages: BTreeMap::new(),
            extents: BTreeMap::new(),
            taken: Vec::new(),
            recycled: Vec::new(),
            freed: Vec::new(),
        }
    }

    /// The dirty set so far; a new one begins.
    pub fn take_dirty(&mut self) -> DirtySet {
        std::mem::take(&mut self.dirty)
    }

    /// Returns what `take_dirty` gave to an attempt that was abandoned.
    pub fn put_back_dirty(&mut self, mut older: DirtySet) {
        older.merge(self.take_dirty());
        self.dirty = older;
    }

    /// Whether a checkpoint would write nothing.
    pub fn dirty_is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Memory held by dirty pages, in bytes.
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty.bytes()
    }

    /// The page numbers that can be given out.
    pub fn free_pages(&self) -> &FreePages {
        &self.free
    }

    /// The page numbers that wait for old snapshots to end.
    pub fn waiting(&self) -> impl Iterator<Item = PageNo> + '_ {
        let runs = self.freed.iter();
        runs.flat_map(|(_, first, count)| {
            (first.get()..first.get().saturating_add(*count)).map(PageNo)
        })
    }

    /// One more than the highest page number ever given out.
    pub fn page_end(&self) -> PageNo {
        self.next
    }

    /// Frees the versions and page numbers that no snapshot needs any more.
    pub fn clean(&mut self, store: &PageStore) {
        let floor = store.snapshots.advance_floor();
        while let Some((_, page)) = self
            .superseded
            .pop_front_if(|(version, _)| *version <= floor)
        {
            store.table.prune(page, floor, |content| {
                if let Content::Stored(stored) = content {
                    for piece in &stored.pieces {
                        store.map.unpin(piece.slot);
                    }
                }
            });
        }
        while let Some((_, first, count)) =
            self.freed.pop_front_if(|(version, ..)| *version <= floor)
        {
            self.free.give(first, count);
        }
    }
}

/// Private copies of pages, being changed by one commit group.
#[derive(Debug)]
pub struct Group<'w> {
    store: &'w PageStore,
    writer: &'w mut PageWriter,
    base: Version,
    /// `writer.next` as it was, for a group that is dropped.
    next: PageNo,
    pages: BTreeMap<PageNo, Image>,
    extents: BTreeMap<PageNo, (Image, u32)>,
    /// Numbers taken from `writer.free`.
    taken: Vec<(PageNo, u32)>,
    /// Numbers that this group allocated and freed again.
    recycled: Vec<(PageNo, u32)>,
    freed: Vec<(PageNo, u32)>,
}

impl Group<'_> {
    /// The version it builds on.
    pub fn base(&self) -> Version {
        self.base
    }

    /// Publishes the group as `version`, which follows `base`: readers that begin from now on see it.
    pub fn publish(mut self, version: Version) {
        let (store, writer) = (self.store, &mut *self.writer);
        for (first, count) in self.freed.drain(..) {
            store.table.push(first, version, Content::Freed);
            for page in first.get()..first.get().saturating_add(count) {
                writer.dirty.insert(PageNo(page), DirtyPage::Freed);
            }
            writer.superseded.push_back((version, first));
            writer.freed.push_back((version, first, count));
        }
        for (page, image) in std::mem::take(&mut self.pages) {
            writer
                .dirty
                .insert(page, DirtyPage::Page(version, image.clone()));
            store.table.push(page, version, Content::Page(image));
            writer.superseded.push_back((version, page));
        }
        for (first, (image, count)) in std::mem::take(&mut self.extents) {
            writer
                .dirty
                .insert(first, DirtyPage::Extent(version, image.clone(), count));
            store.table.push(first, version, Content::Extent(image));
            writer.superseded.push_back((version, first));
        }
        for (first, count) in self.recycled.drain(..) {
            writer.free.give(first, count);
        }
        self.taken.clear();
        self.next = writer.next;
        store.snapshots.publish(version);
        writer.clean(store);
    }

    fn take(&mut self, count: u32) -> Result<PageNo, StorageError> {
        if let Some(first) = self.writer.free.take(count) {
            self.taken.push((first, count));
            return Ok(first);
        }
        let first = self.writer.next;
        let end = first.get().checked_add(count);
        self.writer.next = end.map(PageNo).ok_or(StorageError::Limit {
            name: "pages",
            needed: u64::from(first.get()).saturating_add(u64::from(count)),
            allowed: u64::from(u32::MAX),
        })?;
        Ok(first)
    }

    fn is_private_number(&self, page: PageNo) -> bool {
        let within =
            |(first, count): &(PageNo, u32)| page >= *first && page.get() - first.get() < *count;
        page >= self.next || self.taken.iter().any(within)
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        // After `publish` there is nothing left to return.
        for (first, count) in self.taken.drain(..) {
            self.writer.free.give(first, count);
        }
        self.writer.next = self.next;
    }
}

impl Group<'_> {
    /// The version at which this is to be published.
    pub fn next_version(&self) -> Version {
        Version(self.base.get().saturating_add(1))
    }
}

impl ReadPages for Group<'_> {
    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        match self.pages.get(&no) {
            Some(image) => Ok(image.clone()),
            None => self.store.page_at(no, self.base),
        }
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        match self.extents.get(&first) {
            Some((image, _)) if image.len() as u64 == len => Ok(image.clone()),
            Some(_) => Err(misfit(
                first,
                &format!("an extent of {len} bytes"),
                "one of another length",
            )),
            None => self.store.extent_at(first, len, self.base),
        }
    }
}

impl WritePages for Group<'_> {
    fn page_mut(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        if !self.pages.contains_key(&no) {
            let published = self.store.page_at(no, self.base)?;
            self.pages.insert(no, Image::from(&*published));
        }
        let image = self
            .pages
            .get_mut(&no)
            .ok_or_else(|| misfit(no, "a private page", "none"))?;
        Ok(image.make_mut())
    }

    fn allocate(&mut self) -> Result<PageNo, StorageError> {
        let reusable = self.recycled.iter().rposition(|(_, count)| *count == 1);
        let page = match reusable {
            Some(index) => self.recycled.swap_remove(index).0,
            None => self.take(1)?,
        };
        self.pages
            .insert(page, Image::zeroed(self.store.page_size()));
        Ok(page)
    }

    fn free(&mut self, no: PageNo) -> Result<(), StorageError> {
        self.pages.remove(&no);
        let list = if self.is_private_number(no) {
            &mut self.recycled
        } else {
            &mut self.freed
        };
        list.push((no, 1));
        Ok(())
    }

    fn allocate_extent(&mut self, value: &[u8]) -> Result<PageNo, StorageError> {
        let count = self
            .store
            .extent_pages(value.len() as u64)
            .ok_or(StorageError::Limit {
                name: "pages",
                needed: value.len() as u64,
                allowed: u64::from(u32::MAX),
            })?;
        let first = self.take(count)?;
        self.extents.insert(first, (Image::from(value), count));
        Ok(first)
    }

    fn free_extent(&mut self, first: PageNo, len: u64) -> Result<(), StorageError> {
        if let Some((_, count)) = self.extents.remove(&first) {
            self.recycled.push((first, count));
            return Ok(());
        }
        self.store.keep_stored(first, len, self.base)?;
        let count = self.store.extent_pages(len);
        let count = count.ok_or_else(|| misfit(first, "an extent", &format!("{len} bytes")))?;
        self.freed.push((first, count));
        Ok(())
    }
}
