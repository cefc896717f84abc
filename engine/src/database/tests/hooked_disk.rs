//! A disk that does something else first, once, when a file is read, written or locked: an interleaving without threads.

use std::fmt;
use std::io::Result;
use std::sync::Arc;

use crate::disk::faulty::Operation;
use crate::disk::{Disk, DiskFile, DiskLock, MemoryDisk, OpenMode};
use crate::sync::{Mutex, lock};

/// A disk in memory. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct HookedDisk {
    inner: MemoryDisk,
    hook: Arc<Mutex<Option<Hook>>>,
}

struct Hook {
    operation: Operation,
    name: &'static str,
    run: Box<dyn FnOnce() -> Result<()> + Send>,
}

#[derive(Debug)]
struct HookedFile {
    inner: Arc<dyn DiskFile>,
    name: String,
    disk: HookedDisk,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook({:?} of {})", self.operation, self.name)
    }
}

impl HookedDisk {
    /// Calls `run` before the next operation of this sort on the file; its error is the operation's.
    pub(super) fn before(
        &self,
        operation: Operation,
        name: &'static str,
        run: impl FnOnce() -> Result<()> + Send + 'static,
    ) {
        *lock(&self.hook) = Some(Hook {
            operation,
            name,
            run: Box::new(run),
        });
    }

    /// Whether it was called.
    pub(super) fn has_run(&self) -> bool {
        lock(&self.hook).is_none()
    }

    fn meet(&self, operation: Operation, name: &str) -> Result<()> {
        let hook = lock(&self.hook).take_if(|h| h.operation == operation && h.name == name);
        hook.map_or(Ok(()), |hook| (hook.run)())
    }
}

impl Disk for HookedDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(HookedFile {
            inner,
            name: name.to_owned(),
            disk: self.clone(),
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        self.inner.create_dir(name)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        self.meet(Operation::Lock, name)?;
        self.inner.lock(name)
    }
}

impl DiskFile for HookedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.meet(Operation::Read, &self.name)?;
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.disk.meet(Operation::Write, &self.name)?;
        self.inner.write_at(offset, bytes)
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.allocate(offset, len)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.start_writeback(offset, len)
    }
}
