//! An open file as SQLite sees it: its results are SQLite's codes.
//!
//! Each call does what the same call of SQLite's `os_unix.c` does. In particular a journal or log that was opened with
//! `SQLITE_OPEN_CREATE` has its directory synced after its first own sync, whether or not it was new, and errors of
//! that are passed over.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;

use libsqlite3_sys as ffi;
use lightning_db::disk::DiskFile;

use super::host::Host;
use super::shm::Shm;

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    host: Arc<Host>,
    file: Arc<dyn DiskFile>,
    sync_dir: bool,
    lock: c_int,
    pub(super) shm: Shm,
}

impl OpenFile {
    /// `sync_dir` says whether the first sync is followed by one of the directory.
    pub(super) fn new(host: Arc<Host>, file: Arc<dyn DiskFile>, sync_dir: bool) -> Self {
        let (lock, shm) = (ffi::SQLITE_LOCK_NONE, Shm::default());
        Self {
            host,
            file,
            sync_dir,
            lock,
            shm,
        }
    }

    /// Reads; what lies past the end is zero, and said to be missing.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> c_int {
        code(ffi::SQLITE_IOERR_READ, || {
            self.host.disk()?;
            match self.file.read_at(offset, buf) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                read => return read.map(|()| ffi::SQLITE_OK),
            }
            let there = self.file.len()?.saturating_sub(offset);
            let there = usize::try_from(there).unwrap_or(buf.len()).min(buf.len());
            let (head, tail) = buf.split_at_mut(there);
            tail.fill(0);
            if !head.is_empty() {
                self.file.read_at(offset, head)?;
            }
            Ok(ffi::SQLITE_IOERR_SHORT_READ)
        })
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> c_int {
        code(ffi::SQLITE_IOERR_WRITE, || {
            self.host.disk()?;
            self.file.write_at(offset, bytes)?;
            Ok(ffi::SQLITE_OK)
        })
    }

    pub(super) fn truncate(&self, len: u64) -> c_int {
        code(ffi::SQLITE_IOERR_TRUNCATE, || {
            self.host.disk()?;
            self.file.set_len(len)?;
            Ok(ffi::SQLITE_OK)
        })
    }

    pub(super) fn sync(&mut self) -> c_int {
        code(ffi::SQLITE_IOERR_FSYNC, || {
            let disk = self.host.disk()?;
            self.file.sync()?;
            if std::mem::take(&mut self.sync_dir) {
                // SQLite passes over an error here, so this does too.
                let _ = disk.sync_dir("");
            }
            Ok(ffi::SQLITE_OK)
        })
    }

    /// The length. One byte counts as none, as it does there.
    pub(super) fn len(&self) -> Result<u64, c_int> {
        let len = self.host.disk().and_then(|_| self.file.len());
        match len {
            Ok(1) => Ok(0),
            Ok(len) => Ok(len),
            Err(_) => Err(ffi::SQLITE_IOERR_FSTAT),
        }
    }

    /// Takes a lock. There is one connection, so it is always free.
    pub(super) fn lock(&mut self, level: c_int) -> c_int {
        self.lock = self.lock.max(level);
        ffi::SQLITE_OK
    }

    /// Goes back to a weaker lock.
    pub(super) fn unlock(&mut self, level: c_int) -> c_int {
        self.lock = self.lock.min(level);
        ffi::SQLITE_OK
    }

    /// Whether anyone is about to write.
    pub(super) fn is_reserved(&self) -> bool {
        self.lock >= ffi::SQLITE_LOCK_RESERVED
    }
}

/// The code of a call: its own, or `failed` for an error other than a full disk.
fn code(failed: c_int, call: impl FnOnce() -> io::Result<c_int>) -> c_int {
    match call() {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        Err(_) => failed,
    }
}
