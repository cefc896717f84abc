//! A disk with a limit of its own: what would go beyond it is refused as if the storage were full.
//!
//! 1. The lengths of all files that were found or created through it never sum up to more than the limit, unless they
//!    did when it was made.
//! 2. An operation that is refused has no effect.
//!
//! It counts lengths, which the engine's files have blocks for; it does not know the storage's own overhead.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sync::{Mutex, lock};

use super::contract::{Disk, DiskFile, DiskLock, OpenMode};

/// A disk below a limit.
#[derive(Debug)]
pub struct QuotaDisk {
    inner: Arc<dyn Disk>,
    quota: Arc<Quota>,
}

#[derive(Debug)]
struct Quota {
    allowed: u64,
    files: Mutex<Files>,
}

/// The length of each file, which changes only under this one's lock, and their sum.
#[derive(Debug, Default)]
struct Files {
    by_name: BTreeMap<String, Arc<AtomicU64>>,
    used: u64,
}

#[derive(Debug)]
struct QuotaFile {
    inner: Arc<dyn DiskFile>,
    quota: Arc<Quota>,
    len: Arc<AtomicU64>,
}

/// Why an operation was refused.
#[derive(Debug)]
struct Exceeded {
    needed: u64,
    allowed: u64,
}

impl std::error::Error for Exceeded {}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, allowed } = self;
        write!(f, "limit disk_bytes: {needed} needed, {allowed} allowed")
    }
}

impl QuotaDisk {
    /// Lets the files in `dirs` of `inner`, and new ones, take `allowed` bytes in all.
    pub fn new(inner: Arc<dyn Disk>, dirs: &[&str], allowed: u64) -> Result<Self> {
        let mut files = Files::default();
        for dir in dirs {
            files.count(inner.as_ref(), dir)?;
        }
        let quota = Arc::new(Quota {
            allowed,
            files: Mutex::new(files),
        });
        Ok(Self { inner, quota })
    }
}

impl Files {
    fn count(&mut self, disk: &dyn Disk, dir: &str) -> Result<()> {
        let names = disk.list(dir).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(error),
        })?;
        for name in names {
            let name = if dir.is_empty() {
                name
            } else {
                format!("{dir}/{name}")
            };
            // What cannot be opened as a file is a directory.
            if let Ok(file) = disk.open(&name, OpenMode::Read) {
                let len = file.len()?;
                self.used = self.used.saturating_add(len);
                self.by_name.insert(name, Arc::new(AtomicU64::new(len)));
            }
        }
        Ok(())
    }

    fn len_of(&mut self, name: &str) -> Arc<AtomicU64> {
        Arc::clone(self.by_name.entry(name.to_owned()).or_default())
    }

    fn forget(&mut self, name: &str) {
        if let Some(len) = self.by_name.remove(name) {
            self.used = self.used.saturating_sub(len.load(Relaxed));
        }
    }
}

impl Quota {
    /// Takes room for a file of length `len` to be `end` bytes long. What a failed operation would have needed stays
    /// taken until the file is cut, removed or found again.
    fn take(&self, len: &AtomicU64, end: u64) -> Result<()> {
        if end <= len.load(Relaxed) {
            return Ok(());
        }
        let mut files = lock(&self.files);
        let more = end.saturating_sub(len.load(Relaxed));
        let (needed, allowed) = (files.used.saturating_add(more), self.allowed);
        if more > 0 && needed > allowed {
            let cause = Exceeded { needed, allowed };
            return Err(Error::new(ErrorKind::StorageFull, cause));
        }
        files.used = needed;
        len.fetch_max(end, Relaxed);
        Ok(())
    }

    /// A file is only `end` bytes long now.
    fn give_back(&self, len: &AtomicU64, end: u64) {
        let mut files = lock(&self.files);
        let less = len.load(Relaxed).saturating_sub(end);
        len.fetch_min(end, Relaxed);
        files.used = files.used.saturating_sub(less);
    }
}

impl Disk for QuotaDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let inner = self.inner.open(name, mode)?;
        let len = lock(&self.quota.files).len_of(name);
        Ok(Arc::new(QuotaFile {
            inner,
            quota: Arc::clone(&self.quota),
            len,
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        self.inner.create_dir(name)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)?;
        let mut files = lock(&self.quota.files);
        files.forget(to);
        if let Some(len) = files.by_name.remove(from) {
            files.by_name.insert(to.to_owned(), len);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)?;
        lock(&self.quota.files).forget(name);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        self.inner.lock(name)
    }
}

impl DiskFile for QuotaFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.quota.take(&self.len, end)?;
        self.inner.write_at(offset, bytes)
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.quota.take(&self.len, len)?;
        self.inner.set_len(len)?;
        self.quota.give_back(&self.len, len);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.quota.take(&self.len, offset.saturating_add(len))?;
        self.inner.allocate(offset, len)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.start_writeback(offset, len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDisk;
    use super::*;

    fn disk(allowed: u64) -> QuotaDisk {
        QuotaDisk::new(Arc::new(MemoryDisk::new()), &[""], allowed).unwrap()
    }

    #[test]
    fn files_grow_up_to_the_limit_together() {
        let disk = disk(100);
        let a = disk.open("a", OpenMode::Create).unwrap();
        let b = disk.open("b", OpenMode::Create).unwrap();
        a.write_at(0, &[1; 60]).unwrap();
        b.allocate(0, 40).unwrap();
        let refused = b.write_at(40, &[1]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert_eq!(
            refused.to_string(),
            "limit disk_bytes: 101 needed, 100 allowed"
        );
        assert_eq!((a.len().unwrap(), b.len().unwrap()), (60, 40));
        a.write_at(10, &[2; 50]).unwrap();
    }

    #[test]
    fn what_is_cut_or_removed_can_be_taken_again() {
        let disk = disk(100);
        let a = disk.open("a", OpenMode::Create).unwrap();
        a.set_len(100).unwrap();
        assert!(a.set_len(101).is_err());
        a.set_len(30).unwrap();
        let b = disk.open("b", OpenMode::Create).unwrap();
        b.set_len(70).unwrap();
        disk.rename("a", "c").unwrap();
        disk.remove("c").unwrap();
        b.set_len(100).unwrap();
        assert!(b.set_len(101).is_err());
    }

    #[test]
    fn files_that_were_there_count() {
        let memory = MemoryDisk::new();
        memory.create_dir("wal").unwrap();
        let file = memory.open("wal/1", OpenMode::Create).unwrap();
        file.set_len(90).unwrap();
        let disk = QuotaDisk::new(Arc::new(memory), &["", "wal", "no such"], 100).unwrap();
        let again = disk.open("wal/1", OpenMode::Write).unwrap();
        assert!(again.set_len(101).is_err());
        again.set_len(100).unwrap();
    }
}
