//! The pages as one snapshot sees them.

use std::sync::Arc;

use crate::error::{SnapshotTooOld, StorageError};
use crate::ids::{PageNo, Version};
use crate::image::Image;
use crate::pages::ReadPages;

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
    fn checked<T>(&self, read: Result<T, StorageError>) -> Result<T, StorageError> {
        self.snapshot.note_page_read();
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

impl ReadPages for View {
    fn page(&self, no: PageNo) -> Result<Image, StorageError> {
        self.checked(self.store.page_at(no, self.version()))
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<Image, StorageError> {
        self.checked(self.store.extent_at(first, len, self.version()))
    }

    fn check_extent(&self, first: PageNo, len: u64) -> Result<(), StorageError> {
        self.store.check_extent_at(first, len, self.version())
    }
}
