//! A disk for tests that fails as told, counts what is asked of it, and remembers the order.
//!
//! A failed operation has no effect on the disk below. It knows nothing of power cuts.

use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::contract::{Disk, DiskFile, DiskLock, OpenMode};

/// What can be asked of a disk, and so fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Open,
    CreateDir,
    List,
    Rename,
    Remove,
    SyncDir,
    Lock,
    Read,
    Write,
    Len,
    SetLen,
    Allocate,
    Sync,
    StartWriteback,
}

/// One thing asked of the disk, failed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) name: String,
    /// Of reads and writes; 0 otherwise.
    pub(crate) offset: u64,
    /// Of reads and writes; 0 otherwise.
    pub(crate) len: u64,
}

/// A disk that fails as told. A clone shares the faults and the record.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk {
    inner: Arc<dyn Disk>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<Asked>,
    faults: Vec<Fault>,
    space: Option<u64>,
    /// Operations that took space, or would have.
    growths: u64,
    /// Which of them find the disk full.
    full: Option<Range<u64>>,
    /// How many operations still pass before the disk is gone.
    life: Option<u64>,
}

#[derive(Debug)]
struct Fault {
    /// Any operation if `None`.
    operation: Option<Operation>,
    /// How many fitting operations still pass before it.
    passes: u64,
    kind: ErrorKind,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    name: String,
    disk: FaultyDisk,
}

impl FaultyDisk {
    pub(crate) fn new(inner: impl Disk + 'static) -> Self {
        Self {
            inner: Arc::new(inner),
            state: Arc::default(),
        }
    }

    /// Fails once, at the `nth` operation from now, from 0, of this sort (of any, if `None`).
    pub(crate) fn fail_nth(&self, operation: Option<Operation>, nth: u64, kind: ErrorKind) {
        self.state().faults.push(Fault {
            operation,
            passes: nth,
            kind,
        });
    }

    /// Fails every operation from the `nth` from now on, from 0.
    pub(crate) fn end_at(&self, nth: u64) {
        self.state().life = Some(nth);
    }

    /// From now on files may grow by `bytes` in all; beyond, the disk is full. `None`: no bound.
    pub(crate) fn set_space(&self, bytes: Option<u64>) {
        self.state().space = bytes;
    }

    /// The disk is full for those operations that would take space whose numbers, counted from now, from 0, are in `growths`.
    pub(crate) fn fill_at(&self, growths: Range<u64>) {
        let mut state = self.state();
        (state.growths, state.full) = (0, Some(growths));
    }

    /// From now on there is space. How many operations would have taken some since `fill_at`.
    pub(crate) fn empty(&self) -> u64 {
        let mut state = self.state();
        state.full = None;
        state.growths
    }

    /// Forgets the record and the faults that have not fired, and hands out the record.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        let mut state = self.state();
        state.faults.clear();
        std::mem::take(&mut state.asked)
    }

    /// Whether each fault has fired.
    pub(crate) fn all_fired(&self) -> bool {
        self.state().faults.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, operation: Operation, name: &str, offset: u64, len: usize) -> Result<()> {
        let mut state = self.state();
        let name = name.to_owned();
        state.asked.push(Asked {
            operation,
            name,
            offset,
            len: len as u64,
        });
        state.fault(operation).map_or(Ok(()), |kind| {
            Err(Error::new(kind, "a fault of the test's"))
        })
    }
}

impl State {
    /// Counts the operation against every fault; the first that is due fires.
    fn fault(&mut self, operation: Operation) -> Option<ErrorKind> {
        match &mut self.life {
            Some(0) => return Some(ErrorKind::Other),
            Some(life) => *life -= 1,
            None => {}
        }
        let mut due = None;
        for (index, fault) in self.faults.iter_mut().enumerate() {
            if fault.operation.is_some_and(|wanted| wanted != operation) {
                continue;
            }
            if fault.passes > 0 {
                fault.passes -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        due.map(|index| self.faults.remove(index).kind)
    }
}

impl Disk for FaultyDisk {
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        self.ask(Operation::Open, name, 0, 0)?;
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(FaultyFile {
            inner,
            name: name.to_owned(),
            disk: self.clone(),
        }))
    }

    fn create_dir(&self, name: &str) -> Result<()> {
        self.ask(Operation::CreateDir, name, 0, 0)?;
        self.inner.create_dir(name)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.ask(Operation::List, dir, 0, 0)?;
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.ask(Operation::Rename, from, 0, 0)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.ask(Operation::Remove, name, 0, 0)?;
        self.inner.remove(name)
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.ask(Operation::SyncDir, dir, 0, 0)?;
        self.inner.sync_dir(dir)
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DiskLock>> {
        self.ask(Operation::Lock, name, 0, 0)?;
        self.inner.lock(name)
    }
}

impl FaultyFile {
    fn ask(&self, operation: Operation, offset: u64, len: usize) -> Result<()> {
        self.disk.ask(operation, &self.name, offset, len)
    }

    /// Takes what growing to `len` costs out of the space left.
    fn grow_to(&self, len: u64) -> Result<()> {
        let growth = len.saturating_sub(self.inner.len()?);
        let mut state = self.disk.state();
        if growth > 0 {
            let number = state.growths;
            state.growths += 1;
            if state
                .full
                .as_ref()
                .is_some_and(|full| full.contains(&number))
            {
                return Err(ErrorKind::StorageFull.into());
            }
        }
        if let Some(space) = &mut state.space {
            *space = space.checked_sub(growth).ok_or(ErrorKind::StorageFull)?;
        }
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.ask(Operation::Read, offset, buf.len())?;
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.ask(Operation::Write, offset, bytes.len())?;
        self.grow_to(offset.saturating_add(bytes.len() as u64))?;
        self.inner.write_at(offset, bytes)
    }

    fn len(&self) -> Result<u64> {
        self.ask(Operation::Len, 0, 0)?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.ask(Operation::SetLen, 0, 0)?;
        self.grow_to(len)?;
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.ask(Operation::Allocate, 0, 0)?;
        self.grow_to(offset.saturating_add(len))?;
        self.inner.allocate(offset, len)
    }

    fn sync(&self) -> Result<()> {
        self.ask(Operation::Sync, 0, 0)?;
        self.inner.sync()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.ask(Operation::StartWriteback, 0, 0)?;
        self.inner.start_writeback(offset, len)
    }
}

#[test]
fn the_nth_operation_of_a_sort_fails_once() {
    let disk = FaultyDisk::new(super::MemoryDisk::new());
    disk.fail_nth(Some(Operation::Sync), 1, ErrorKind::Other);
    let file = disk.open("f", OpenMode::Create).unwrap();
    file.sync().unwrap();
    assert!(!disk.all_fired());
    assert!(file.sync().is_err());
    assert!(disk.all_fired());
    file.sync().unwrap();
    assert_eq!(disk.take_asked().len(), 4);
}

#[test]
fn growth_beyond_the_space_is_a_full_disk() {
    let disk = FaultyDisk::new(super::MemoryDisk::new());
    let file = disk.open("f", OpenMode::Create).unwrap();
    disk.set_space(Some(10));
    file.write_at(0, &[1; 8]).unwrap();
    file.write_at(0, &[2; 8]).unwrap();
    assert_eq!(
        file.allocate(0, 11).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(file.len().unwrap(), 8);
    disk.set_space(None);
    file.set_len(100).unwrap();
}

#[test]
fn of_the_operations_that_take_space_those_chosen_find_none() {
    let disk = FaultyDisk::new(super::MemoryDisk::new());
    let file = disk.open("f", OpenMode::Create).unwrap();
    disk.fill_at(1..2);
    file.write_at(0, &[1; 8]).unwrap();
    file.write_at(0, &[2; 8]).unwrap();
    let refused = file.set_len(9).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    file.set_len(9).unwrap();
    assert_eq!(disk.empty(), 3);
}
