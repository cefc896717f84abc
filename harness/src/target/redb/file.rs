//! The one file of a redb database, and the way it comes to be.
//!
//! 1. The calls are those of redb's own file backend: positioned reads and writes, `set_len`, and a sync of the file.
//!    redb never syncs a directory: that is its user's part, as is a name that stands for a whole database. So a new
//!    database is created under another name, and renamed once redb has returned it, as a careful user does.
//! 2. A file that exists under the database's own name was created whole. That it is empty is never taken for new.
//! 3. Once it is dead, every call fails, so that what redb still writes when it is dropped reaches no disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db::disk::{Disk, DiskFile, OpenMode};

use crate::target::{ErrorKind, Mode, TargetError};

/// The database's name.
const NAME: &str = "redb.db";
/// Its name while it is created.
const NEW: &str = "redb.db.new";

/// The file that holds a database.
#[derive(Clone, Debug)]
pub struct RedbFile {
    file: Arc<dyn DiskFile>,
    dead: Arc<AtomicBool>,
}

impl RedbFile {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        let dead = Arc::default();
        Self { file, dead }
    }

    /// Lets every later call fail.
    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    fn alive(&self) -> io::Result<&dyn DiskFile> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(io::Error::other("the process has ended"));
        }
        Ok(&*self.file)
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.alive()?.len()
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.alive()?.read_at(offset, out)
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        self.alive()?.set_len(len)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.alive()?.sync()
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.alive()?.write_at(offset, bytes)
    }
}

/// Opens the database's file, or creates it, and lets `open` make a database of it.
pub(super) fn open_with<T>(
    disk: &dyn Disk,
    mode: Mode,
    open: impl FnOnce(RedbFile) -> Result<T, TargetError>,
) -> Result<T, TargetError> {
    match (disk.open(NAME, OpenMode::Write), mode) {
        (Ok(file), _) => {
            if file.is_empty().map_err(|error| failed(&error))? {
                let text = format!("{NAME} is empty");
                return Err(TargetError::refused(ErrorKind::Corruption, text));
            }
            open(RedbFile::new(file))
        }
        (Err(error), Mode::CreateOrOpen) if error.kind() == io::ErrorKind::NotFound => {
            create(disk, open)
        }
        (Err(error), _) => Err(failed(&error)),
    }
}

fn create<T>(
    disk: &dyn Disk,
    open: impl FnOnce(RedbFile) -> Result<T, TargetError>,
) -> Result<T, TargetError> {
    let file = new_file(disk).map_err(|error| failed(&error))?;
    let database = open(RedbFile::new(file))?;
    disk.rename(NEW, NAME)
        .and_then(|()| disk.sync_dir(""))
        .map_err(|error| failed(&error))?;
    Ok(database)
}

/// An empty file, in the place of what a creation that was cut off has left.
fn new_file(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
    match disk.remove(NEW) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(NEW, OpenMode::Create)?;
    file.sync()?;
    disk.sync_dir("")?;
    Ok(file)
}

fn failed(error: &io::Error) -> TargetError {
    TargetError::refused(ErrorKind::Io, format!("{NAME}: {error}"))
}
