//! A file that gets its name when all of it is there and durable: a crash leaves the whole file or none under that name.

use std::io;
use std::sync::Arc;

use super::contract::{Disk, DiskFile, OpenMode};
use crate::error::StorageError;

/// What a file is called until it is complete.
pub const PARTIAL: &str = ".partial";
/// Writes are gathered up to this length.
const RUN_LEN_MAX: usize = 1 << 20;

/// A file being written.
#[derive(Debug)]
pub struct NewFile {
    disk: Arc<dyn Disk>,
    name: String,
    file: Arc<dyn DiskFile>,
    written: u64,
    gathered: Vec<u8>,
    is_complete: bool,
}

impl NewFile {
    /// Starts a file. What an attempt that was cut off left under its name until then is removed.
    pub fn create(disk: &Arc<dyn Disk>, name: &str) -> Result<Self, StorageError> {
        let partial = format!("{name}{PARTIAL}");
        match disk.remove(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::io("remove", &partial, error));
            }
            Ok(()) | Err(_) => {}
        }
        let file = disk
            .open(&partial, OpenMode::Create)
            .map_err(|error| StorageError::io("create", &partial, error))?;
        Ok(Self {
            disk: Arc::clone(disk),
            name: name.to_owned(),
            file,
            written: 0,
            gathered: Vec::new(),
            is_complete: false,
        })
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.written.saturating_add(self.gathered.len() as u64)
    }

    /// Appends.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        if self.gathered.len().saturating_add(bytes.len()) > RUN_LEN_MAX {
            self.flush()?;
        }
        if bytes.len() >= RUN_LEN_MAX {
            self.write(self.written, bytes)?;
            self.written = self.written.saturating_add(bytes.len() as u64);
        } else {
            self.gathered.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Writes over what was appended before.
    pub fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.flush()?;
        self.write(offset, bytes)
    }

    /// Makes it durable, and then gives it its name, which replaces a file of that name.
    pub fn finish(mut self) -> Result<(), StorageError> {
        self.flush()?;
        let failed = |operation, error| StorageError::io(operation, &self.name, error);
        self.file.sync().map_err(|error| failed("sync", error))?;
        failpoint!("new-file.synced", fails);
        self.disk
            .rename(&self.partial(), &self.name)
            .map_err(|error| failed("rename", error))?;
        self.is_complete = true;
        failpoint!("new-file.renamed", fails);
        let dir = self.name.rsplit_once('/').map_or("", |(dir, _)| dir);
        self.disk
            .sync_dir(dir)
            .map_err(|error| StorageError::io("sync", "the directory", error))
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if !self.gathered.is_empty() {
            self.write(self.written, &self.gathered)?;
            self.written = self.written.saturating_add(self.gathered.len() as u64);
            self.gathered.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_at(offset, bytes);
        written.map_err(|error| StorageError::io("write", &self.name, error))
    }

    fn partial(&self) -> String {
        format!("{}{PARTIAL}", self.name)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_complete {
            // What stays is no file of the name, and the next attempt removes it.
            drop(self.disk.remove(&self.partial()));
        }
    }
}
