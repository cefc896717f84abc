//! A real disk under a process that is to end at one of its operations.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::journal::Entry;
use super::voice::{die, say};
use crate::scenario::{Elision, OperationKind};
use lightning_db::disk::{Disk, DiskFile, DiskLock, OpenMode, RealDisk};
use nix::sys::signal::Signal;

/// At which operation the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    Never,
    Kill(u64),
    Stop(u64),
}

/// Counts operations, and ends the process at one.
#[derive(Clone, Debug)]
pub(super) struct DoomedDisk {
    inner: Arc<RealDisk>,
    clock: Arc<Clock>,
}

#[derive(Debug)]
struct Clock {
    operations: AtomicU64,
    doom: Doom,
    dropped: Vec<(usize, Elision)>,
}

#[derive(Debug)]
struct DoomedFile {
    name: String,
    inner: Arc<dyn DiskFile>,
    clock: Arc<Clock>,
}

impl Clock {
    /// Whether a planted bug drops a write into this file.
    fn drops_write(&self, name: &str) -> bool {
        let is_meant = |elision: &Elision| {
            elision.operation == OperationKind::Write && elision.file.matches(name)
        };
        let plant = self.dropped.iter().find(|(_, elision)| is_meant(elision));
        if let Some((plant, _)) = plant {
            say(&Entry::Dropped(*plant));
        }
        plant.is_some()
    }

    /// Does an operation, if the process lives.
    fn tick<T>(&self, operation: impl FnOnce() -> T) -> T {
        let now = self.operations.fetch_add(1, SeqCst) + 1;
        match self.doom {
            Doom::Stop(at) if at == now => die(Signal::SIGSTOP),
            Doom::Kill(at) if at == now && at.is_multiple_of(2) => die(Signal::SIGKILL),
            Doom::Never | Doom::Kill(_) | Doom::Stop(_) => {}
        }
        let done = operation();
        if self.doom == Doom::Kill(now) {
            die(Signal::SIGKILL);
        }
        done
    }
}

impl DoomedDisk {
    /// `dropped`: planted bugs that drop writes, by their places in the file.
    pub(super) fn new(inner: RealDisk, doom: Doom, dropped: Vec<(usize, Elision)>) -> Self {
        Self {
            inner: Arc::new(inner),
            clock: Arc::new(Clock {
                operations: AtomicU64::new(0),
                doom,
                dropped,
            }),
        }
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.clock.operations.load(SeqCst)
    }
}

impl Disk for DoomedDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.clock.tick(|| self.inner.open(name, mode))?;
        let clock = Arc::clone(&self.clock);
        let name = name.to_owned();
        Ok(Arc::new(DoomedFile { name, inner, clock }))
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.clock.tick(|| self.inner.create_dir(name))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.clock.tick(|| self.inner.list(dir))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.clock.tick(|| self.inner.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.clock.tick(|| self.inner.remove(name))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.clock.tick(|| self.inner.sync_dir(dir))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.clock.tick(|| self.inner.lock(name))
    }
}

impl DiskFile for DoomedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.clock.tick(|| self.inner.read_at(offset, buf))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.clock.drops_write(&self.name) {
            return Ok(());
        }
        self.clock.tick(|| self.inner.write_at(offset, bytes))
    }

    fn len(&self) -> io::Result<u64> {
        self.clock.tick(|| self.inner.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.clock.tick(|| self.inner.set_len(len))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.clock.tick(|| self.inner.allocate(offset, len))
    }

    fn sync(&self) -> io::Result<()> {
        self.clock.tick(|| self.inner.sync())
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        self.clock.tick(|| self.inner.start_writeback(offset, len))
    }
}
