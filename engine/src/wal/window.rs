//! A piece of a segment in memory, moved forward as it is read.
//!
//! Pieces start small, since most logs are short, and double. A frame larger than a piece is fetched whole; at
//! most the start of a frame is read twice.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::StorageError;

const PIECE_MIN: u64 = 4 * 1024;
const PIECE_MAX: u64 = 256 * 1024;

/// Reads bytes of one segment, in order for the most part.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    name: String,
    /// How much of the file may be read, in bytes.
    len: u64,
    /// Where `bytes` starts.
    start: u64,
    bytes: Vec<u8>,
    piece: u64,
}

impl Window {
    pub(super) fn open(disk: &dyn Disk, name: &str, len: u64) -> Result<Self, StorageError> {
        let file = disk
            .open(name, OpenMode::Read)
            .map_err(|error| StorageError::io("open", name, error))?;
        Ok(Self {
            file,
            name: name.to_owned(),
            len,
            start: 0,
            bytes: Vec::new(),
            piece: PIECE_MIN,
        })
    }

    /// `len` bytes from `offset`; `None` where the file ends before.
    pub(super) fn get(&mut self, offset: u64, len: u64) -> Result<Option<&[u8]>, StorageError> {
        let Some(end) = offset.checked_add(len).filter(|end| *end <= self.len) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.fetch(offset, end)?;
        }
        let found = index(offset - self.start)
            .zip(index(len))
            .and_then(|(from, len)| self.bytes.get(from..)?.get(..len));
        Ok(found)
    }

    /// Moves the window to `offset`, at least up to `end`, which lies within the file.
    fn fetch(&mut self, offset: u64, end: u64) -> Result<(), StorageError> {
        let stop = self.len.min(end.max(offset.saturating_add(self.piece)));
        self.piece = (self.piece * 2).min(PIECE_MAX);
        self.bytes.clear();
        self.bytes
            .resize(index(stop - offset).unwrap_or_default(), 0);
        self.start = offset;
        let result = read(&*self.file, &self.name, offset, &mut self.bytes);
        if result.is_err() {
            self.bytes.clear();
        }
        result
    }
}

/// Fills `bytes`, and names the file where that fails.
pub(super) fn read(
    file: &dyn DiskFile,
    name: &str,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), StorageError> {
    file.read_at(offset, bytes)
        .map_err(|error| StorageError::io("read", name, error))
}

/// Segments are at most 1 GiB long.
fn index(offset: u64) -> Option<usize> {
    usize::try_from(offset).ok()
}
