//! Where a backup is: a name on a disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::error::StorageError;

/// A backup's file, whether it is there or is to be written.
#[derive(Clone, Debug)]
pub struct BackupFile {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) name: String,
}

impl BackupFile {
    /// The file at `path`. Its directory exists.
    pub fn at(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| StorageError::io("name", &shown, io::ErrorKind::InvalidInput.into()))?;
        let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let disk = RealDisk::open(parent.unwrap_or_else(|| Path::new(".")))
            .map_err(|error| StorageError::io("open the directory", &shown, error))?;
        Ok(Self::on(Arc::new(disk), name))
    }

    /// The file `name` on any storage.
    pub fn on(disk: Arc<dyn Disk>, name: &str) -> Self {
        let name = name.to_owned();
        Self { disk, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
