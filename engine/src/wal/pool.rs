//! Segment files that are free, and the making of new ones.
//!
//! A file is *ready* once it is as long as a segment, has been written from end to end, and its name is durable: then writing
//! into it never needs space. A file with a header of this database was ready when it was headed. Any other one found (short, empty,
//! or left by a crash before its sync) is made ready anew. Nothing here touches a file in which the log lies, so a failure
//! is clean unless a write or sync failed for another reason than want of space (L5).

use std::collections::VecDeque;
use std::sync::Arc;

use super::position::{DIRECTORY, WalConfig};
use super::survey::file_name;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::StorageError;

static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// A free file.
#[derive(Debug)]
pub(super) struct FreeFile {
    pub(super) name: String,
    pub(super) ready: bool,
}

/// A ready file, open for writing.
#[derive(Clone, Debug)]
pub(super) struct ReadyFile {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
}

/// Why no file could be made ready.
#[derive(Debug)]
pub(super) enum ReserveError {
    /// Nothing has happened.
    Clean(StorageError),
    /// The storage failed.
    Fatal(StorageError),
}

impl ReserveError {
    pub(super) fn into_storage(self) -> StorageError {
        match self {
            Self::Clean(error) | Self::Fatal(error) => error,
        }
    }

    /// An error of a write or sync: clean only where there was no space.
    fn of_write(error: StorageError) -> Self {
        if error.is_full() {
            Self::Clean(error)
        } else {
            Self::Fatal(error)
        }
    }
}

/// The free files.
#[derive(Debug)]
pub(super) struct Pool {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    free: Vec<FreeFile>,
    reserved: VecDeque<ReadyFile>,
    next_number: u32,
}

impl Pool {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        config: &WalConfig,
        free: Vec<FreeFile>,
        next_number: u32,
    ) -> Self {
        Self {
            disk,
            segment_len: config.segment_len,
            free,
            reserved: VecDeque::new(),
            next_number,
        }
    }

    /// How many files are free, reserved ones among them.
    pub(super) fn len(&self) -> usize {
        self.free.len() + self.reserved.len()
    }

    /// Whether one of them needs no space to be used.
    pub(super) fn has_ready(&self) -> bool {
        !self.reserved.is_empty() || self.free.iter().any(|file| file.ready)
    }

    /// Makes sure that `count` calls of [`Self::take`] will have a file.
    pub(super) fn reserve(&mut self, count: u64) -> Result<(), ReserveError> {
        while (self.reserved.len() as u64) < count {
            let file = match self.free.iter().rposition(|file| file.ready) {
                Some(index) => self.open(index)?,
                None => match self.free.pop() {
                    Some(leftover) => self.make(leftover.name, OpenMode::Write)?,
                    None => self.create()?,
                },
            };
            self.reserved.push_back(file);
        }
        Ok(())
    }

    /// A reserved file.
    pub(super) fn take(&mut self) -> Option<ReadyFile> {
        self.reserved.pop_front()
    }

    /// Takes a file in whose last use has ended.
    pub(super) fn put(&mut self, file: FreeFile) {
        self.free.push(file);
    }

    /// Removes files until at most `count` are free, first those that are not ready. What can't be removed stays: it does no harm.
    pub(super) fn trim(&mut self, count: usize) {
        self.free
            .extend(self.reserved.drain(..).map(|file| FreeFile {
                name: file.name,
                ready: true,
            }));
        self.free.sort_by_key(|file| !file.ready);
        while self.free.len() > count {
            let Some(file) = self.free.pop() else { return };
            failpoint!("wal.segment.remove");
            if self.disk.remove(&file.name).is_err() {
                self.free.push(file);
                return;
            }
        }
    }

    fn open(&mut self, index: usize) -> Result<ReadyFile, ReserveError> {
        let Some(name) = self.free.get(index).map(|file| file.name.clone()) else {
            return self.create();
        };
        let file = self.handle(&name, OpenMode::Write)?;
        self.free.swap_remove(index);
        Ok(ReadyFile { name, file })
    }

    fn create(&mut self) -> Result<ReadyFile, ReserveError> {
        let name = file_name(self.next_number);
        self.next_number = self.next_number.saturating_add(1);
        self.make(name, OpenMode::Create)
    }

    /// Makes a file ready. Where that fails its space is given back. A file that was found keeps its name: it is
    /// listed in the `LogEnd` that a session which could not start begins with again.
    fn make(&mut self, name: String, mode: OpenMode) -> Result<ReadyFile, ReserveError> {
        let file = match self.handle(&name, mode) {
            Ok(file) => file,
            Err(error) => {
                if mode == OpenMode::Write {
                    self.free.push(FreeFile { name, ready: false });
                }
                return Err(error);
            }
        };
        failpoint!("wal.segment.named");
        match fill(&*file, &name, self.segment_len).and_then(|()| self.sync_names()) {
            Ok(()) => Ok(ReadyFile { name, file }),
            Err(error) => {
                let is_gone = mode == OpenMode::Create && self.disk.remove(&name).is_ok();
                if !is_gone {
                    // If it cannot be cut either it keeps its space, which does no harm.
                    drop(file.set_len(0));
                    self.free.push(FreeFile { name, ready: false });
                }
                Err(error)
            }
        }
    }

    fn sync_names(&self) -> Result<(), ReserveError> {
        failpoint!("wal.segment.filled");
        let synced = self.disk.sync_dir(DIRECTORY);
        synced.map_err(|error| ReserveError::of_write(StorageError::io("sync", DIRECTORY, error)))
    }

    fn handle(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>, ReserveError> {
        let opened = self.disk.open(name, mode);
        opened.map_err(|error| ReserveError::Clean(StorageError::io("open", name, error)))
    }
}

/// Writes a file full of zeroes, exactly as long as a segment, and syncs it.
fn fill(file: &dyn DiskFile, name: &str, len: u64) -> Result<(), ReserveError> {
    let clean = |operation, error| ReserveError::Clean(StorageError::io(operation, name, error));
    let written =
        |operation, error| ReserveError::of_write(StorageError::io(operation, name, error));
    file.allocate(0, len)
        .map_err(|error| clean("allocate", error))?;
    file.set_len(len).map_err(|error| clean("resize", error))?;
    let mut at = 0;
    while at < len {
        let count = usize::try_from(len - at)
            .unwrap_or(usize::MAX)
            .min(ZEROES.len());
        let zeroes = ZEROES.get(..count).unwrap_or(&ZEROES);
        file.write_at(at, zeroes)
            .map_err(|error| written("write", error))?;
        at += count as u64;
    }
    file.sync().map_err(|error| written("sync", error))
}
