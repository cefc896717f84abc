//! The private pages of one commit group, and what becomes of them when it is published.
//!
//! Invariants:
//! 1. Nothing that a group does can be seen before `publish`; a group that is dropped leaves no trace.
//! 2. A page freed at a version is given out again only when no snapshot below that version lives (P3).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::image::{Image, ImageRef, Trace};
use crate::map::{Grant, Need, Purpose};
use crate::pages::{HeldPages, ReadPages, WritePages};

use super::cache::Editing;
use super::cleaner::Cleaner;
use super::content::{self, Content, Kind};
use super::dirty::{Amount, DirtyPage, DirtySet};
use super::disk_pages::misfit;
use super::free_pages::FreePages;
use super::link::Item;
use super::page_table::{Found, Hold};
use super::private_pages::{Place, Private, PrivatePages};
use super::publish::Below;
use super::store::PageStore;

/// What the one writer at a time owns: free page numbers, the dirty set, and what is yet to be cleaned.
#[derive(Debug)]
pub struct PageWriter {
    free: FreePages,
    next: PageNo,
    dirty: DirtySet,
    /// What a checkpoint is writing.
    writing: Amount,
    /// What checkpoints have room for.
    grant: Grant,
    cleaner: Cleaner,
    /// Of the group under way.
    pages: PrivatePages,
}

/// What a group holds is told to the cache in steps: this share of what its newest member may hold, and at most so many bytes.
const TOLD_SHARE: u64 = 64;
const TOLD_BYTES: u64 = 256 << 10;
/// Pages due that a commit looks at, at least, for whatever was put off: some tens of microseconds.
const CLEANED_LEAST: usize = 128;
/// And a checkpoint, at a time.
const CLEANED_AT_ONCE: usize = 512;
/// Pages whose headers are asked for at a time.
const ASKED_FOR: usize = 16;

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
            writing: Amount::default(),
            grant: Grant::default(),
            cleaner: Cleaner::default(),
            pages: PrivatePages::default(),
        }
    }

    /// Starts a group on top of what is published.
    pub fn begin<'w>(&'w mut self, store: &'w PageStore) -> Group<'w> {
        Group {
            base: store.snapshots.published(),
            next: self.next,
            store,
            writer: self,
            extents: BTreeMap::new(),
            taken: Vec::new(),
            recycled: Vec::new(),
            freed: Vec::new(),
            private: 0,
            tables_changed: false,
            told: 0,
            allowed: None,
        }
    }

    /// The dirty set so far; a new one begins. It counts until it is dropped or put back.
    pub fn take_dirty(&mut self) -> DirtySet {
        let taken = std::mem::take(&mut self.dirty);
        self.writing = taken.amount();
        taken
    }

    /// Returns what `take_dirty` gave to an attempt that was abandoned.
    pub fn put_back_dirty(&mut self, mut older: DirtySet) {
        older.merge(std::mem::take(&mut self.dirty));
        self.dirty = older;
        self.writing = Amount::default();
    }

    /// What `take_dirty` gave is on disk.
    pub fn drop_dirty(&mut self) {
        self.writing = Amount::default();
        self.end_grant();
    }

    /// The next group has to ask for room, however much was granted.
    pub fn end_grant(&mut self) {
        self.grant = Grant::default();
    }

    /// Whether a checkpoint would write nothing.
    pub fn dirty_is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Memory held by dirty pages, in bytes; those that a checkpoint is writing among them.
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_amount().bytes
    }

    /// What the next checkpoint has to write, and the one that is under way.
    pub fn dirty_amount(&self) -> Amount {
        self.dirty.amount().and(self.writing)
    }

    /// What checkpoints have to write.
    pub fn need(&self) -> Need {
        let dirty = self.dirty_amount();
        Need {
            slots: dirty.slots,
            entries: dirty.entries,
            page_end: self.next,
        }
    }

    /// Forgets the free page numbers at the end: they count as never given out.
    pub fn give_back_tail(&mut self) {
        self.next = self.free.cut_tail(self.next);
    }

    /// The page numbers that can be given out.
    pub fn free_pages(&self) -> &FreePages {
        &self.free
    }

    /// The page numbers that wait for old snapshots to end.
    pub fn waiting(&self) -> impl Iterator<Item = PageNo> + '_ {
        self.cleaner.waiting()
    }

    /// One more than the highest page number ever given out.
    pub fn page_end(&self) -> PageNo {
        self.next
    }

    /// Frees versions and page numbers that no snapshot needs any more, and makes room in memory. Returns whether there is more to be
    /// freed: it is done in parts, so that nobody waits long for the writer's lock.
    pub fn clean(&mut self, store: &PageStore) -> bool {
        let mut edit = store.table.edit();
        let is_more = self.clean_under(&mut edit, store, CLEANED_AT_ONCE);
        store.make_room(&mut edit);
        is_more
    }

    /// As `clean`, of at most so many pages, but that room is made later.
    fn clean_under(&mut self, edit: &mut Editing<'_>, store: &PageStore, at_most: usize) -> bool {
        let visible = store.snapshots.visible();
        let bound = (&visible, at_most);
        self.cleaner.clean(edit, &store.disk, bound, &mut self.free)
    }

    /// Frees at least as much as a group adds, so that what is left to be freed does not grow; all of it where memory is short.
    fn clean_for_group(&mut self, edit: &mut Editing<'_>, store: &PageStore, freed: usize) {
        let adds = self.pages.len().saturating_add(freed);
        let at_most = adds.saturating_mul(2).max(CLEANED_LEAST);
        if self.clean_under(edit, store, at_most) && store.lacks_room(edit) {
            self.clean_under(edit, store, usize::MAX);
        }
    }

    /// Gives up what old snapshots hold beyond their limit. Before a group is published: what that supersedes is
    /// seen by the group's own members, whose snapshots end with it.
    fn shed(&mut self, edit: &mut Editing<'_>, store: &PageStore) {
        let bound = (&*store.snapshots, store.snapshot_bytes);
        self.cleaner.shed(edit, &store.disk, bound, &mut self.free);
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
    extents: BTreeMap<PageNo, (Image, u32)>,
    /// Numbers taken from `writer.free`.
    taken: Vec<(PageNo, u32)>,
    /// Numbers that this group allocated and freed again.
    recycled: Vec<(PageNo, u32)>,
    freed: Vec<(PageNo, u32, Below)>,
    /// Bytes of its images.
    private: u64,
    tables_changed: bool,
    /// As far as the cache knows.
    told: u64,
    /// How many bytes it may hold, and how many of these are for its newest member.
    allowed: Option<(u64, u64)>,
}

impl Group<'_> {
    /// The version it builds on.
    pub fn base(&self) -> Version {
        self.base
    }

    /// Whether all pages are still what they are at `base`.
    pub fn is_untouched(&self) -> bool {
        self.writer.pages.is_empty() && self.freed.is_empty() && self.extents.is_empty()
    }

    /// The version of the last commit that changed the catalog on which it builds.
    pub fn tables_as_of(&self) -> Version {
        Version(self.store.tables_changed.load(Acquire))
    }

    /// Publishes the group as `version`, which follows `base`: readers that begin from now on see it.
    pub fn publish(mut self, version: Version) {
        let (store, writer) = (self.store, &mut *self.writer);
        let mut edit = store.table.edit();
        writer.clean_for_group(&mut edit, store, self.freed.len());
        writer.shed(&mut edit, store);
        let cleaner = &mut writer.cleaner;
        let mut push = |edit: &mut Editing<'_>, page, item, below| {
            store.push(edit, page, (version, item), below);
            cleaner.supersede(page);
        };
        let freed = std::mem::take(&mut self.freed);
        for (first, count, below) in &freed {
            push(&mut edit, *first, Item::Other(Content::Freed), *below);
            for page in first.get()..first.get().saturating_add(*count) {
                writer.dirty.insert(PageNo(page), DirtyPage::Freed);
            }
        }
        let mut pages = writer.pages.drain();
        let mut asked_for: usize = 0;
        while let Some((page, Private { image, is_new })) = pages.next() {
            asked_for = asked_for.checked_sub(1).unwrap_or_else(|| {
                let next = || pages.as_slice().iter().take(ASKED_FOR);
                edit.parts().0.prefetch(next().map(|(page, _)| *page));
                next().for_each(|(_, private)| private.image.borrow().trace().prefetch_notes());
                ASKED_FOR
            });
            let dirty = DirtyPage::Page(version, image.clone());
            writer.dirty.insert(page, dirty);
            let below = if is_new { Below::Nothing } else { Below::Page };
            push(&mut edit, page, Item::Image(image), below);
        }
        drop(pages);
        for (first, (image, count)) in std::mem::take(&mut self.extents) {
            let dirty = DirtyPage::Extent(version, image.clone(), count);
            writer.dirty.insert(first, dirty);
            let item = content::resident(Kind::Extent, image, None);
            push(&mut edit, first, item, Below::Nothing);
        }
        edit.parts().1.private = 0;
        self.told = 0;
        store.make_room(&mut edit);
        drop(edit);
        for (first, count) in self.recycled.drain(..) {
            writer.free.give(first, count);
        }
        self.taken.clear();
        self.next = writer.next;
        if self.tables_changed {
            // Before anybody can see the version: whoever does finds this.
            store.tables_changed.store(version.get(), Release);
        }
        store.snapshots.publish(version);
        for (first, count, _) in freed {
            writer.cleaner.free(first, count);
        }
    }

    /// Whether checkpoints have room for this, by what was granted.
    pub fn is_covered(&self) -> bool {
        let sum = |counts: &mut dyn Iterator<Item = u32>| counts.map(u64::from).sum::<u64>();
        let pieces = sum(&mut self.extents.values().map(|(_, count)| *count));
        let freed = sum(&mut self.freed.iter().map(|(_, count, _)| *count));
        let slots = pieces.saturating_add(self.writer.pages.len() as u64);
        let before = self.writer.need();
        // At most: what is dirty already counts twice.
        let need = Need {
            slots: before.slots.saturating_add(slots),
            entries: before.entries.saturating_add(slots).saturating_add(freed),
            ..before
        };
        self.writer.grant.covers(&need)
    }

    /// What checkpoints would have to write if this were published.
    pub fn need(&self) -> Need {
        let mut change = Change::default();
        for (page, _) in self.writer.pages.iter() {
            change.replace(&self.writer.dirty, page, 1);
        }
        for (first, (_, count)) in &self.extents {
            let pieces = first.get()..first.get().saturating_add(*count);
            pieces.for_each(|no| change.replace(&self.writer.dirty, PageNo(no), 1));
        }
        for (first, count, _) in &self.freed {
            let pieces = first.get()..first.get().saturating_add(*count);
            pieces.for_each(|no| change.replace(&self.writer.dirty, PageNo(no), 0));
        }
        change.of(self.writer.need())
    }

    /// Whether there are more pages afterwards.
    pub fn purpose(&self) -> Purpose {
        let new = self.writer.pages.iter().filter(|(_, page)| page.is_new);
        let pieces = self.extents.values().map(|(_, count)| u64::from(*count));
        let added = pieces.fold(new.count() as u64, u64::saturating_add);
        let freed = self.freed.iter().map(|(_, count, _)| u64::from(*count));
        if added > freed.sum() {
            Purpose::Add
        } else {
            Purpose::Rewrite
        }
    }

    /// Checkpoints have room for so much.
    pub fn accept(&mut self, grant: Grant) {
        self.writer.grant = grant;
    }

    /// A transaction begins, whose changes may hold `bytes` of page images.
    pub fn begin_member(&mut self, bytes: u64) {
        self.allowed = Some((self.private.saturating_add(bytes), bytes));
    }

    fn grow(&mut self, bytes: u64) -> Result<(), StorageError> {
        let private = self.private.saturating_add(bytes);
        if let Some((end, allowed)) = self.allowed.filter(|(end, _)| private > *end) {
            let needed = private.saturating_sub(end).saturating_add(allowed);
            return Err(StorageError::limit("memory", needed, allowed));
        }
        self.private = private;
        let allowed = self.allowed.map_or(0, |(_, allowed)| allowed);
        if private
            > self
                .told
                .saturating_add(TOLD_BYTES.min(allowed / TOLD_SHARE))
        {
            self.told = private;
            self.store.set_private(private);
        }
        Ok(())
    }

    /// Makes the first private copy of a page.
    fn copy(&mut self, no: PageNo, published: Image) -> Result<&mut [u8], StorageError> {
        self.grow(published.len() as u64)?;
        self.writer.dirty.touch(no);
        let image = Image::from(&*published);
        drop(published);
        let is_new = false;
        let private = self.writer.pages.insert(no, Private { image, is_new });
        let private = private.ok_or_else(|| misfit(no, "a private page", "none"))?;
        Ok(private.image.make_mut())
    }

    fn private_mut(&mut self, no: PageNo, place: Place) -> Result<&mut [u8], StorageError> {
        let private = self.writer.pages.at_mut(place);
        let private = private.ok_or_else(|| misfit(no, "a private page", "none"))?;
        Ok(private.image.make_mut())
    }

    fn shrink(&mut self, bytes: usize) {
        self.private = self.private.saturating_sub(bytes as u64);
    }

    fn take(&mut self, count: u32) -> Result<PageNo, StorageError> {
        if let Some(first) = self.writer.free.take(count) {
            self.taken.push((first, count));
            return Ok(first);
        }
        let first = self.writer.next;
        let end = first.get().checked_add(count);
        self.writer.next = end.map(PageNo).ok_or_else(|| {
            let needed = u64::from(first.get()).saturating_add(u64::from(count));
            StorageError::limit("pages", needed, u64::from(u32::MAX))
        })?;
        Ok(first)
    }
}

/// How a group changes what is dirty.
#[derive(Debug, Default)]
struct Change {
    added: Amount,
    removed: Amount,
}

impl Change {
    /// A page takes `slots` slots from now on.
    fn replace(&mut self, dirty: &DirtySet, page: PageNo, slots: u64) {
        let now = Amount {
            bytes: 0,
            slots,
            entries: 1,
        };
        self.added = self.added.and(now);
        if let Some(before) = dirty.get(page) {
            self.removed = self.removed.and(before.amount());
        }
    }

    fn of(&self, before: Need) -> Need {
        let after = |before: u64, added: u64, removed: u64| {
            before.saturating_add(added).saturating_sub(removed)
        };
        Need {
            slots: after(before.slots, self.added.slots, self.removed.slots),
            entries: after(before.entries, self.added.entries, self.removed.entries),
            ..before
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        // After `publish` there is nothing left to return.
        for (first, count) in self.taken.drain(..) {
            self.writer.free.give(first, count);
        }
        self.writer.next = self.next;
        self.writer.pages.clear();
        if self.told > 0 {
            self.store.set_private(0);
        }
    }
}

impl Group<'_> {
    /// The version at which this is to be published.
    pub fn next_version(&self) -> Version {
        Version(self.base.get().saturating_add(1))
    }
}

/// What a group sees in memory: its own pages, and those that are published.
#[derive(Debug)]
pub struct HeldGroup<'g> {
    hold: Hold<'g, Content>,
    pages: &'g PrivatePages,
    base: Version,
}

impl HeldPages for HeldGroup<'_> {
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        if let Some(private) = self.pages.get(no) {
            return Some(private.image.borrow());
        }
        match self.hold.find(no, self.base) {
            Found::Content(item) => item.see_page(),
            Found::NotLoaded | Found::NotYet => None,
        }
    }

    fn trace(&self, no: PageNo) -> Option<Trace> {
        self.hold.trace(no)
    }
}

impl ReadPages for Group<'_> {
    type Held<'h>
        = HeldGroup<'h>
    where
        Self: 'h;

    fn hold(&self) -> HeldGroup<'_> {
        HeldGroup {
            hold: self.store.table.hold(),
            pages: &self.writer.pages,
            base: self.base,
        }
    }

    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        match self.writer.pages.get(no) {
            Some(private) => Ok(private.image.clone()),
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
        let Some(place) = self.writer.pages.place(no) else {
            let published = self.store.page_at(no, self.base)?;
            return self.copy(no, published);
        };
        self.private_mut(no, place)
    }

    fn page_mut_of(&mut self, no: PageNo, image: Image) -> Result<&mut [u8], StorageError> {
        let Some(place) = self.writer.pages.place(no) else {
            return self.copy(no, image);
        };
        drop(image);
        self.private_mut(no, place)
    }

    fn page_anew(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        if self.writer.pages.get(no).is_none() {
            self.grow(self.store.page_size() as u64)?;
            let image = Image::zeroed(self.store.page_size());
            let is_new = false;
            self.writer.pages.insert(no, Private { image, is_new });
        }
        self.page_mut(no)
    }

    fn adopt(&mut self, no: PageNo, copy: Image) -> Result<bool, StorageError> {
        if !self.freed.is_empty() || self.writer.pages.place(no).is_some() {
            return Ok(false);
        }
        self.grow(copy.len() as u64)?;
        self.writer.dirty.touch(no);
        let is_new = false;
        self.writer.pages.insert(
            no,
            Private {
                image: copy,
                is_new,
            },
        );
        Ok(true)
    }

    fn allocate(&mut self) -> Result<PageNo, StorageError> {
        self.grow(self.store.page_size() as u64)?;
        let reusable = self.recycled.iter().rposition(|(_, count)| *count == 1);
        let page = match reusable {
            Some(index) => self.recycled.swap_remove(index).0,
            None => self.take(1)?,
        };
        let image = Image::zeroed(self.store.page_size());
        let is_new = true;
        self.writer.pages.insert(page, Private { image, is_new });
        Ok(page)
    }

    fn free(&mut self, no: PageNo) -> Result<(), StorageError> {
        match self.writer.pages.remove(no) {
            Some(private) => {
                self.shrink(private.image.len());
                if private.is_new {
                    self.recycled.push((no, 1));
                } else {
                    self.freed.push((no, 1, Below::Page));
                }
            }
            None => self.freed.push((no, 1, Below::Page)),
        }
        Ok(())
    }

    fn allocate_extent(&mut self, value: &[u8]) -> Result<PageNo, StorageError> {
        let count = self
            .store
            .extent_pages(value.len() as u64)
            .ok_or_else(|| StorageError::limit("pages", value.len() as u64, u64::from(u32::MAX)))?;
        self.grow(value.len() as u64)?;
        let first = self.take(count)?;
        self.extents.insert(first, (Image::from(value), count));
        Ok(first)
    }

    fn note_tables_changed(&mut self) {
        self.tables_changed = true;
    }

    fn free_extent(&mut self, first: PageNo, len: u64) -> Result<(), StorageError> {
        if let Some((image, count)) = self.extents.remove(&first) {
            self.shrink(image.len());
            self.recycled.push((first, count));
            return Ok(());
        }
        if !self.store.is_chained(first) {
            // Nobody has read it: its slots are pinned when this is published, if they are what they should be.
            self.store.disk.addresses(first, len)?;
        }
        let count = self.store.extent_pages(len);
        let count = count.ok_or_else(|| misfit(first, "an extent", &format!("{len} bytes")))?;
        self.freed.push((first, count, Below::Extent(len)));
        Ok(())
    }
}
