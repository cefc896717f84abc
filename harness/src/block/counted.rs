//! A real disk whose use is counted: how many operations, and how many files are open. After a budget of operations nothing is answered
//! any more, so that what never ends does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use lightning_db::disk::{Disk, DiskFile, DiskLock, OpenMode};

/// A disk that counts.
#[derive(Clone, Debug)]
pub struct CountedDisk {
    inner: Arc<dyn Disk>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    calls: AtomicU64,
    calls_max: u64,
    open: AtomicU64,
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn DiskFile>,
    counts: Arc<Counts>,
}

impl CountedDisk {
    /// Counts what is asked of `inner`, and answers so many calls.
    pub fn new(inner: Arc<dyn Disk>, calls_max: u64) -> Self {
        let counts = Counts {
            calls: AtomicU64::new(0),
            calls_max,
            open: AtomicU64::new(0),
        };
        Self {
            inner,
            counts: Arc::new(counts),
        }
    }

    /// Operations so far.
    pub fn calls(&self) -> u64 {
        self.counts.calls.load(Relaxed)
    }

    /// Whether the budget is used up.
    pub fn is_hung(&self) -> bool {
        self.calls() > self.counts.calls_max
    }

    /// Files that are open now.
    pub fn open_files(&self) -> u64 {
        self.counts.open.load(Relaxed)
    }
}

impl Counts {
    fn ask(&self) -> io::Result<()> {
        if self.calls.fetch_add(1, Relaxed) < self.calls_max {
            return Ok(());
        }
        Err(io::Error::other("the budget of operations is used up"))
    }
}

impl Disk for CountedDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.counts.ask()?;
        let inner = self.inner.open(name, mode)?;
        self.counts.open.fetch_add(1, Relaxed);
        Ok(Arc::new(CountedFile {
            inner,
            counts: Arc::clone(&self.counts),
        }))
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.counts.ask()?;
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.remove(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.counts.ask()?;
        self.inner.lock(name)
    }
}

impl Drop for CountedFile {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Relaxed);
    }
}

impl DiskFile for CountedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.write_at(offset, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.counts.ask()?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        self.counts.ask()?;
        self.inner.start_writeback(offset, len)
    }
}

#[cfg(test)]
mod tests {
    use lightning_db::disk::MemoryDisk;

    use super::*;

    #[test]
    fn operations_and_open_files_are_counted_until_the_budget_is_used_up() {
        let disk = CountedDisk::new(Arc::new(MemoryDisk::new()), 3);
        let file = disk.open("file", OpenMode::Create).unwrap();
        file.write_at(0, b"bytes").unwrap();
        assert_eq!((disk.calls(), disk.open_files()), (2, 1));
        file.sync().unwrap();
        assert!(!disk.is_hung());
        assert!(file.sync().is_err() && disk.is_hung());
        drop(file);
        assert_eq!(disk.open_files(), 0);
    }
}
