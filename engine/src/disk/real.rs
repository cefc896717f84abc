//! Files of the operating system.
//!
//! The directory is named by its path, so it must not be moved while open. No file's name is ever resolved
//! outside it (`name`). Whoever wrote through a handle syncs through that same handle: a failed writeback is
//! reported to each handle open at the time, so to it for certain.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place where bytes reach the operating system"
)]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::contract::{Disk, DiskFile, DiskLock, OpenMode};
use super::name;
use crate::sync::sleep;

/// How much is written at once where zeroes must be.
static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// A lock that somebody holds is asked for so many times more, each after so long: a tenth of a second in all. A child that
/// another thread of this process forks holds what the process had locked until it calls `exec`, though it was released here.
const LOCK_RETRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(5);

/// A directory of the operating system's.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
}

#[derive(Debug)]
struct RealFile(File);

/// Holds the lock for as long as its file is open.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl RealDisk {
    /// The directory at `path`, which must exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let root = fs::canonicalize(path)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { root })
    }

    /// The directory at `path`. Where it is missing it is created, durably: so are those above it.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        create_durably(path.as_ref())?;
        Self::open(path)
    }

    /// The directory, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn at(&self, name: &str) -> Result<PathBuf> {
        name::check(name)?;
        Ok(self.root.join(name))
    }

    fn file_at(&self, name: &str) -> Result<PathBuf> {
        name::check_file(name)?;
        Ok(self.root.join(name))
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let path = self.file_at(name)?;
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create_new(true),
        };
        let file = options.open(path)?;
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        let path = self.at(name)?;
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.at(dir)?)? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.file_at(from)?, self.file_at(to)?)
    }

    fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.file_at(name)?)
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        File::open(self.at(dir)?)?.sync_all()
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        let path = self.file_at(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        take_lock(&file, || sleep(LOCK_WAIT))?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

impl DiskLock for RealLock {}

/// Locks `file`; where it is locked already, again after each `wait`, at most `LOCK_RETRIES` times.
fn take_lock(file: &File, mut wait: impl FnMut()) -> Result<()> {
    for _ in 0..LOCK_RETRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => wait(),
            result => return result.map_err(Error::from),
        }
    }
    file.try_lock().map_err(Error::from)
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).ok_or(ErrorKind::InvalidInput)?;
        if len == 0 {
            return if self.len()? < end {
                self.set_len(end)
            } else {
                Ok(())
            };
        }
        loop {
            match fallocate(&self.0, FallocateFlags::empty(), offset, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.grow_by_writing(end),
                result => return result.map_err(Error::from),
            }
        }
    }

    fn sync(&self) -> Result<()> {
        self.0.sync_data()
    }

    /// By advice: Linux starts to write what is dirty in a range that is said not to be needed. (`sync_file_range` has no safe
    /// binding in the crates used here.) Elsewhere this does nothing. It is no error if the advice is not taken.
    #[cfg(target_os = "linux")]
    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        let not_needed = rustix::fs::Advice::DontNeed;
        let len = std::num::NonZeroU64::new(len);
        rustix::fs::fadvise(&self.0, offset, len, not_needed).or(Ok(()))
    }

    #[cfg(not(target_os = "linux"))]
    fn start_writeback(&self, _offset: u64, _len: u64) -> Result<()> {
        Ok(())
    }
}

impl RealFile {
    /// For file systems that cannot allocate: what is new is written. Holes below the old end stay; the
    /// engine makes none.
    fn grow_by_writing(&self, end: u64) -> Result<()> {
        let mut at = self.len()?;
        while at < end {
            let count = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(ZEROES.len());
            self.0
                .write_all_at(ZEROES.get(..count).unwrap_or(&ZEROES), at)?;
            at += count as u64;
        }
        Ok(())
    }
}

/// Creates a directory and what is missing above it, then makes the names durable, innermost first. A
/// directory found there may have been made a moment ago, before a crash: its name is synced as well.
fn create_durably(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if !parent.is_dir() {
        create_durably(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result?,
    }
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with the file `lock`, and two handles of it as two openings have them.
    fn two_handles() -> (tempfile::TempDir, RealDisk, [File; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        let path = dir.path().join("lock");
        let handles = [File::create(&path).unwrap(), File::create(&path).unwrap()];
        (dir, disk, handles)
    }

    #[test]
    fn a_lock_that_is_let_go_during_the_retries_is_taken() {
        let (_dir, _, [held, other]) = two_handles();
        held.try_lock().unwrap();
        let mut held = Some(held);
        let mut waits = 0;
        take_lock(&other, || {
            waits += 1;
            if waits == LOCK_RETRIES {
                drop(held.take());
            }
        })
        .unwrap();
        assert_eq!(waits, LOCK_RETRIES);
    }

    #[test]
    fn a_lock_that_stays_held_is_refused_after_the_last_retry() {
        let (_dir, disk, [held, other]) = two_handles();
        held.try_lock().unwrap();
        let mut waits = 0;
        let error = take_lock(&other, || waits += 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(waits, LOCK_RETRIES);
        assert_eq!(disk.lock("lock").unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(held);
        assert!(disk.lock("lock").is_ok());
    }

    #[test]
    fn a_free_lock_is_taken_without_waiting() {
        let (_dir, _, [_, other]) = two_handles();
        take_lock(&other, || panic!("it waited")).unwrap();
    }
}
