//! How a segment file is made ready.
//!
//! A file is *ready* once it is as long as a segment, has been written from end to end, and its name is durable: then writing
//! into it never needs space. Nothing here touches a file in which the log lies, so a failure is clean unless a write or sync failed for
//! another reason than want of space (L5).
//!
//! A file may be made beside the log: `Wal::order_segment` gives its name away, so nobody else knows it until `Wal::deliver` takes
//! the file in. A crash in between leaves a free file that is not ready.

use std::sync::Arc;

use super::position::DIRECTORY;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::StorageError;
use crate::sync::let_others_in;

static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// A free file.
#[derive(Debug)]
pub struct FreeFile {
    pub(super) name: String,
    pub(super) ready: bool,
}

/// A ready file, open for writing.
#[derive(Clone, Debug)]
pub struct ReadyFile {
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
}

/// Why no file could be made ready.
#[derive(Debug)]
pub enum ReserveError {
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

/// Whether somebody waits for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// A commit does.
    AtOnce,
    /// Nobody does; those who sync the log meanwhile are to notice little of it.
    Paced,
}

/// A file to be made ready.
#[derive(Debug)]
pub struct NewFile {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segment_len: u64,
    pub(super) name: String,
    pub(super) mode: OpenMode,
}

/// A file that could not be made ready, and what there is of it.
#[derive(Debug)]
pub struct Unmade {
    pub(super) left: Option<FreeFile>,
    pub(super) error: ReserveError,
}

/// What became of a file that was to be made ready.
pub type Made = Result<ReadyFile, Unmade>;

impl NewFile {
    /// Makes the file ready, slowly, without a lock.
    pub fn make_beside_the_log(self) -> Made {
        self.make(Haste::Paced)
    }

    /// Makes the file ready. Where that fails its space is given back. A file that was found keeps its name: it is
    /// listed in the `LogEnd` that a session which could not start begins with again.
    pub(super) fn make(self, haste: Haste) -> Made {
        let Self {
            disk,
            segment_len,
            name,
            mode,
        } = self;
        let file = match open(&*disk, &name, mode) {
            Ok(file) => file,
            Err(error) => {
                let left = (mode == OpenMode::Write).then_some(FreeFile { name, ready: false });
                return Err(Unmade { left, error });
            }
        };
        failpoint!("wal.segment.named");
        match fill(&*file, &name, (segment_len, haste)).and_then(|()| sync_names(&*disk)) {
            Ok(()) => Ok(ReadyFile { name, file }),
            Err(error) => {
                let is_gone = mode == OpenMode::Create && disk.remove(&name).is_ok();
                let left = (!is_gone).then(|| {
                    // If it cannot be cut either it keeps its space, which does no harm.
                    drop(file.set_len(0));
                    FreeFile { name, ready: false }
                });
                Err(Unmade { left, error })
            }
        }
    }
}

fn sync_names(disk: &dyn Disk) -> Result<(), ReserveError> {
    failpoint!("wal.segment.filled");
    let synced = disk.sync_dir(DIRECTORY);
    synced.map_err(|error| ReserveError::of_write(StorageError::io("sync", DIRECTORY, error)))
}

pub(super) fn open(
    disk: &dyn Disk,
    name: &str,
    mode: OpenMode,
) -> Result<Arc<dyn DiskFile>, ReserveError> {
    let opened = disk.open(name, mode);
    opened.map_err(|error| ReserveError::Clean(StorageError::io("open", name, error)))
}

/// Writes a file full of zeroes, exactly as long as a segment, and syncs it. Paced it goes to the disk piece by piece: a sync of all of
/// it would keep the disk from the log's for as long as it takes.
fn fill(file: &dyn DiskFile, name: &str, (len, haste): (u64, Haste)) -> Result<(), ReserveError> {
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
        if haste == Haste::Paced {
            file.start_writeback(at, count as u64)
                .map_err(|error| written("write", error))?;
            let_others_in();
        }
        at += count as u64;
    }
    file.sync().map_err(|error| written("sync", error))
}
