//! The three files of the map, with errors that name them, and writes gathered into runs.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::disk_format::{SUPERBLOCK_OFFSETS, Superblock};
use crate::error::StorageError;

pub(super) const DATA: &str = "data";
pub(super) const MAP: &str = "map";
pub(super) const DOUBLEWRITE: &str = "doublewrite";

/// Writes are gathered up to this length.
const RUN_LEN_MAX: usize = 1 << 20;

/// An open file that knows its name.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    name: &'static str,
    file: Arc<dyn DiskFile>,
}

impl NamedFile {
    pub(super) fn open(
        disk: &dyn Disk,
        name: &'static str,
        mode: OpenMode,
    ) -> Result<Self, StorageError> {
        let operation = if mode == OpenMode::Create {
            "create"
        } else {
            "open"
        };
        let file = disk
            .open(name, mode)
            .map_err(|e| StorageError::io(operation, name, e))?;
        Ok(Self { name, file })
    }

    /// Opens a file that may be missing.
    pub(super) fn find(
        disk: &dyn Disk,
        name: &'static str,
        mode: OpenMode,
    ) -> Result<Option<Self>, StorageError> {
        match disk.open(name, mode) {
            Ok(file) => Ok(Some(Self { name, file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("open", name, error)),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Fills `buf`; a file that ends before it is `Corruption`.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_at(offset, buf).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                let expected = format!("{} bytes", buf.len());
                return StorageError::corruption(
                    self.name,
                    offset,
                    None,
                    expected,
                    "the file's end",
                );
            }
            StorageError::io("read", self.name, error)
        })
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_at(offset, bytes)
            .map_err(|e| StorageError::io("write", self.name, e))
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.file
            .sync()
            .map_err(|e| StorageError::io("sync", self.name, e))
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<(), StorageError> {
        self.file
            .start_writeback(offset, len)
            .map_err(|e| StorageError::io("write", self.name, e))
    }

    pub(super) fn len(&self) -> Result<u64, StorageError> {
        self.file
            .len()
            .map_err(|e| StorageError::io("length", self.name, e))
    }

    pub(super) fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file
            .set_len(len)
            .map_err(|e| StorageError::io("set length", self.name, e))
    }

    pub(super) fn allocate(&self, offset: u64, len: u64) -> Result<(), StorageError> {
        self.file
            .allocate(offset, len)
            .map_err(|e| StorageError::io("allocate", self.name, e))
    }

    /// Writes both superblock copies of this file.
    pub(super) fn write_superblocks(&self, superblock: &Superblock) -> Result<(), StorageError> {
        let sector = superblock.encode();
        SUPERBLOCK_OFFSETS
            .iter()
            .try_for_each(|&offset| self.write(offset, &sector))
    }
}

/// The map's files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) data: NamedFile,
    pub(super) map: NamedFile,
    pub(super) doublewrite: NamedFile,
}

/// Gathers writes that follow one another into runs.
#[derive(Debug)]
pub(super) struct RunWriter {
    file: NamedFile,
    start: u64,
    bytes: Vec<u8>,
    /// The disk is to begin with a run as soon as it is written.
    pub(super) begins_at_once: bool,
}

impl RunWriter {
    pub(super) fn new(file: &NamedFile) -> Self {
        Self {
            file: file.clone(),
            start: 0,
            bytes: Vec::new(),
            begins_at_once: false,
        }
    }

    /// Takes bytes for `offset` and returns the taken copy, which may still be changed until the next call.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) -> Result<&mut [u8], StorageError> {
        let follows = self.start.saturating_add(self.bytes.len() as u64) == offset;
        if !follows || self.bytes.len().saturating_add(bytes.len()) > RUN_LEN_MAX {
            self.flush()?;
            self.start = offset;
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Ok(self.bytes.split_at_mut(at).1)
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), StorageError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let (start, len) = (std::mem::take(&mut self.start), self.bytes.len() as u64);
        let written = self.file.write(start, &self.bytes);
        self.bytes.clear();
        written?;
        if self.begins_at_once {
            self.file.start_writeback(start, len)?;
        }
        Ok(())
    }
}
