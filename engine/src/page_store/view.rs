//! The pages as one snapshot sees them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

use crate::error::{SnapshotTooOld, StorageError};
use crate::ids::{PageNo, Version};
use crate::image::{Image, ImageRef, Trace};
use crate::pages::{HeldPages, ReadPages};

use super::content::Content;
use super::page_table::{Found, Hold};
use super::snapshots::Seat;
use super::store::PageStore;

/// A snapshot together with the store it sees. A clone shares the snapshot.
#[derive(Debug)]
pub struct View {
    store: Arc<PageStore>,
    seat: Seat,
}

/// A snapshot of a store that somebody else holds: for one read, without a count that other threads change too.
#[derive(Debug)]
pub struct Glance<'s> {
    sight: Sight<'s>,
}

/// What a view or a glance sees.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'s> {
    store: &'s PageStore,
    seat: Seat,
}

/// What a sight sees in memory.
#[derive(Debug)]
pub struct HeldSight<'s> {
    hold: Hold<'s, Content>,
    sight: Sight<'s>,
    pages: Cell<u64>,
}

impl View {
    /// A view of what is published now.
    pub fn new(store: &Arc<PageStore>) -> Result<Self, StorageError> {
        let seat = store.snapshots().register()?;
        Ok(Self {
            store: Arc::clone(store),
            seat,
        })
    }

    /// The version it sees.
    pub fn version(&self) -> Version {
        self.seat.version()
    }

    /// What it sees.
    #[inline]
    pub fn sight(&self) -> Sight<'_> {
        Sight {
            store: &self.store,
            seat: self.seat,
        }
    }
}

impl Clone for View {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            seat: self.store.snapshots.share(self.seat),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.store.snapshots.release(self.seat);
    }
}

impl<'s> Glance<'s> {
    /// A glance at what is published now.
    #[inline]
    pub fn new(store: &'s PageStore) -> Result<Self, StorageError> {
        let seat = store.snapshots.register()?;
        let sight = Sight { store, seat };
        Ok(Self { sight })
    }

    /// What it sees.
    #[inline]
    pub const fn sight(&self) -> Sight<'_> {
        self.sight
    }
}

impl Drop for Glance<'_> {
    #[inline]
    fn drop(&mut self) {
        self.sight.store.snapshots.release(self.sight.seat);
    }
}

impl Sight<'_> {
    /// The version it sees.
    #[inline]
    pub const fn version(&self) -> Version {
        self.seat.version()
    }

    /// The version of the commit that made the catalog what it is for this snapshot; none if there is a newer one, so that it is not
    /// known. Versions before the store was opened count as one.
    #[inline]
    pub fn tables_as_of(&self) -> Option<Version> {
        let changed = Version(self.store.tables_changed.load(Acquire));
        (changed <= self.version()).then_some(changed)
    }

    /// What a snapshot that has expired reads may be anything, so the mark is looked at afterwards.
    #[inline]
    fn checked<T>(self, pages: u64, read: Result<T, StorageError>) -> Result<T, StorageError> {
        let snapshots = &self.store.snapshots;
        snapshots.note_page_reads(self.seat, pages);
        if snapshots.is_expired(self.seat) {
            return Err(self.too_old());
        }
        read
    }

    #[cold]
    fn too_old(&self) -> StorageError {
        StorageError::SnapshotTooOld(Box::new(SnapshotTooOld {
            version: self.version(),
            limit: "snapshot_bytes",
        }))
    }
}

impl HeldPages for HeldSight<'_> {
    #[inline]
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        self.pages.set(self.pages.get().wrapping_add(1));
        match self.hold.find(no, self.sight.version()) {
            Found::Content(item) => item.see_page(),
            Found::NotLoaded | Found::NotYet => None,
        }
    }

    #[inline]
    fn trace(&self, no: PageNo) -> Option<Trace> {
        self.hold.trace(no)
    }

    #[inline]
    fn settle<T>(self, read: Result<T, StorageError>) -> Result<T, StorageError> {
        self.sight.checked(self.pages.get(), read)
    }
}

/// What is published, in memory, as of a version that is the newest one as long as the writer's lock is held: for whoever works for the
/// one who holds it. What is found later means nothing, though it may be looked at.
#[derive(Debug)]
pub struct Published<'s> {
    hold: Hold<'s, Content>,
    at: Version,
}

impl PageStore {
    /// What is published as of `at`, held.
    pub fn hold_published(&self, at: Version) -> Published<'_> {
        Published {
            hold: self.table.hold(),
            at,
        }
    }
}

impl HeldPages for Published<'_> {
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        match self.hold.find(no, self.at) {
            Found::Content(item) => item.see_page(),
            Found::NotLoaded | Found::NotYet => None,
        }
    }

    fn trace(&self, no: PageNo) -> Option<Trace> {
        self.hold.trace(no)
    }
}

impl<'s> ReadPages for Sight<'s> {
    type Held<'h>
        = HeldSight<'s>
    where
        Self: 'h;

    #[inline]
    fn hold(&self) -> HeldSight<'s> {
        HeldSight {
            hold: self.store.table.hold(),
            sight: *self,
            pages: Cell::new(0),
        }
    }

    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        self.checked(1, self.store.page_at(no, self.version()))
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        self.checked(1, self.store.extent_at(first, len, self.version()))
    }

    fn check_extent(&self, first: PageNo, len: u64) -> Result<(), StorageError> {
        self.store.check_extent_at(first, len, self.version())
    }

    fn read_ahead(&self, upcoming: &[PageNo]) {
        self.store.read_ahead(upcoming, self.version());
    }
}

impl ReadPages for View {
    type Held<'h> = HeldSight<'h>;

    #[inline]
    fn hold(&self) -> HeldSight<'_> {
        self.sight().hold()
    }

    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        self.sight().page(no)
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        self.sight().extent(first, len)
    }

    fn check_extent(&self, first: PageNo, len: u64) -> Result<(), StorageError> {
        self.sight().check_extent(first, len)
    }

    fn read_ahead(&self, upcoming: &[PageNo]) {
        self.sight().read_ahead(upcoming);
    }
}
