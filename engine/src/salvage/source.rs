//! The files of a damaged database. A file that is missing is an empty one; nothing is written.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};

/// Files without which nothing is opened.
const FILES: [&str; 3] = ["data", "map", "doublewrite"];

/// A directory that cannot be changed, with empty files where some are missing.
#[derive(Debug)]
pub(super) struct Patient {
    disk: Arc<dyn Disk>,
    empty: MemoryDisk,
}

impl Patient {
    pub(super) fn new(disk: &Arc<dyn Disk>) -> Self {
        Self {
            disk: Arc::clone(disk),
            empty: MemoryDisk::new(),
        }
    }

    /// Whether any file of a database is there.
    pub(super) fn has_files(&self) -> Result<bool> {
        let names = self.disk.list("")?;
        let ours = |name: &String| FILES.contains(&name.as_str()) || name == "wal";
        Ok(names.iter().any(ours))
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::from(ErrorKind::ReadOnlyFilesystem))
}

impl Disk for Patient {
    fn open(&self, name: &str, _mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        match self.disk.open(name, OpenMode::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound && FILES.contains(&name) => {
                match self.empty.open(name, OpenMode::Create) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        self.empty.open(name, OpenMode::Read)
                    }
                    opened => opened,
                }
            }
            opened => opened,
        }
    }

    fn create_dir(&self, _name: &str) -> Result<()> {
        read_only()
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn rename(&self, _from: &str, _to: &str) -> Result<()> {
        read_only()
    }

    fn remove(&self, _name: &str) -> Result<()> {
        read_only()
    }

    fn sync_dir(&self, _name: &str) -> Result<()> {
        read_only()
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        self.disk.lock(name)
    }
}
