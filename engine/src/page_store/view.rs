//! The pages as one snapshot sees them.

use std::cell::Cell;
use std::sync::Arc;

use crate::error::{SnapshotTooOld, StorageError};
use crate::ids::{PageNo, Version};
use crate::image::{Image, ImageRef};
use crate::pages::{HeldPages, ReadPages};

use super::content::Content;
use super::page_table::{Found, Hold};
use super::snapshots::Snapshot;
use super::store::PageStore;

/// A snapshot together with the store it sees. A clone shares the snapshot.
#[derive(Clone, Debug)]
pub struct View {
    store: Arc<PageStore>,
    snapshot: Arc<Snapshot>,
}

impl View {
    /// A view of what is published now.
    pub fn new(store: &Arc<PageStore>) -> Result<Self, StorageError> {
        let snapshot = Arc::new(store.snapshots().register()?);
        Ok(Self {
            store: Arc::clone(store),
            snapshot,
        })
    }

    /// The version it sees.
    pub fn version(&self) -> Version {
        self.snapshot.version()
    }
}

impl View {
    /// What a snapshot that has expired reads may be anything, so the mark is looked at afterwards.
    #[inline]
    fn checked<T>(&self, pages: u64, read: Result<T, StorageError>) -> Result<T, StorageError> {
        self.snapshot.note_page_reads(pages);
        if self.snapshot.is_expired() {
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

/// What a view sees in memory.
#[derive(Debug)]
pub struct HeldView<'v> {
    hold: Hold<'v, Content>,
    view: &'v View,
    pages: Cell<u64>,
}

impl HeldPages for HeldView<'_> {
    #[inline]
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        self.pages.set(self.pages.get().wrapping_add(1));
        match self.hold.find(no, self.view.version()) {
            Found::Content(item) => item.see_page(),
            Found::NotLoaded | Found::NotYet => None,
        }
    }

    #[inline]
    fn settle<T>(self, read: Result<T, StorageError>) -> Result<T, StorageError> {
        self.view.checked(self.pages.get(), read)
    }
}

impl ReadPages for View {
    type Held<'h> = HeldView<'h>;

    #[inline]
    fn hold(&self) -> HeldView<'_> {
        HeldView {
            hold: self.store.table.hold(),
            view: self,
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
}
