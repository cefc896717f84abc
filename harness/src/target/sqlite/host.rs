//! What all files of one session share: the disk, and whether the process still lives.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lightning_db::disk::{Disk, DiskFile, MemoryDisk, OpenMode};
use xxhash_rust::xxh3::Xxh3;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// It is created if it is not there.
    pub(super) create: bool,
    /// It must not be there.
    pub(super) exclusive: bool,
}

/// The disk of one session.
#[derive(Debug)]
pub(super) struct Host {
    disk: Arc<dyn Disk>,
    killed: AtomicBool,
}

impl Host {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            killed: AtomicBool::new(false),
        }
    }

    /// From now on every call fails, as if the process had ended.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    /// The disk, while the process lives.
    pub(super) fn disk(&self) -> io::Result<&dyn Disk> {
        if self.killed.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(self.disk.as_ref())
    }

    /// Opens a file, or creates it.
    pub(super) fn open(&self, name: &str, how: Opening) -> io::Result<Arc<dyn DiskFile>> {
        let disk = self.disk()?;
        if how.exclusive && how.create {
            return disk.open(name, OpenMode::Create);
        }
        match disk.open(name, OpenMode::Write) {
            Err(error) if how.create && error.kind() == io::ErrorKind::NotFound => {
                disk.open(name, OpenMode::Create)
            }
            opened => opened,
        }
    }

    /// A file without a name, which no crash leaves anything of.
    pub(super) fn open_temporary() -> io::Result<Arc<dyn DiskFile>> {
        MemoryDisk::new().open("temporary", OpenMode::Create)
    }

    /// Whether there is such a file that is not empty, which is what SQLite's own file system takes for existence.
    pub(super) fn has(&self, name: &str) -> io::Result<bool> {
        match self.disk()?.open(name, OpenMode::Read) {
            Ok(file) => Ok(file.len()? > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A number that differs where any file differs.
    pub(super) fn digest(&self) -> io::Result<u64> {
        let disk = self.disk()?;
        let mut hasher = Xxh3::new();
        for name in disk.list("")? {
            let file = disk.open(&name, OpenMode::Read)?;
            let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
            let mut bytes = vec![0; len];
            file.read_at(0, &mut bytes)?;
            hasher.update(name.as_bytes());
            hasher.update(&(len as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        Ok(hasher.digest())
    }
}
