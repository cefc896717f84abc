//! An open file of a simulated disk, and a lock on one.

use std::io;
use std::sync::{Arc, MutexGuard};

use lightning_db::disk::{DiskFile, DiskLock, OpenMode};
use lightning_db::sync::pause;

use super::disk::SimDisk;
use super::machine::{Machine, end_of};
use crate::trace::{InodeId, Name, Operation};

/// An open file.
#[derive(Debug)]
pub(super) struct SimFile {
    disk: SimDisk,
    inode: InodeId,
    name: Name,
    mode: OpenMode,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, inode: InodeId, name: Name, mode: OpenMode) -> Self {
        Self {
            disk,
            inode,
            name,
            mode,
        }
    }

    /// Begins a call that changes the file.
    fn enter_to_write(&self) -> io::Result<MutexGuard<'_, Machine>> {
        let machine = self.disk.enter()?;
        match self.mode {
            OpenMode::Read => Err(io::ErrorKind::PermissionDenied.into()),
            OpenMode::Write | OpenMode::Create => Ok(machine),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut machine = self.disk.enter()?;
        machine.look_at_bytes(self.inode, offset, buf.len() as u64);
        let whole = machine.file(self.inode)?.read(offset, buf);
        if whole {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut machine = self.enter_to_write()?;
        end_of(offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        machine.look_before_write(self.inode, offset, bytes.len() as u64);
        let file = machine.label(self.inode, &self.name);
        machine.perform(Operation::Write {
            file,
            offset,
            bytes: Arc::from(bytes),
        });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut machine = self.disk.enter()?;
        machine.look_at_len(self.inode);
        Ok(machine.file(self.inode)?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut machine = self.enter_to_write()?;
        end_of(len, 0)?;
        machine.look_before_cut(self.inode, len);
        let file = machine.label(self.inode, &self.name);
        machine.perform(Operation::SetLen { file, len });
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut machine = self.enter_to_write()?;
        end_of(offset, len)?;
        machine.look_at_len(self.inode);
        let file = machine.label(self.inode, &self.name);
        machine.perform(Operation::Allocate { file, offset, len });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut machine = self.disk.enter()?;
        let file = machine.label(self.inode, &self.name);
        machine.perform(Operation::Sync(file));
        drop(machine);
        pause();
        Ok(())
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> io::Result<()> {
        self.enter_to_write().map(drop)
    }
}

/// A held lock.
#[derive(Debug)]
pub(super) struct SimLock {
    disk: SimDisk,
    inode: InodeId,
}

impl SimLock {
    pub(super) fn new(disk: SimDisk, inode: InodeId) -> Self {
        Self { disk, inode }
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.machine().unlock(self.inode);
    }
}

impl DiskLock for SimLock {}
