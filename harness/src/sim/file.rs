//! An open file of a simulated disk, and a lock on one.

use std::io;
use std::sync::{Arc, MutexGuard};

use lightning_db::disk::{DiskFile, DiskLock, OpenMode};
use lightning_db::sync::pause;

use super::disk::SimDisk;
use super::machine::{Machine, end_of};
use crate::scenario::IoOperation;
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
        disk.machine().open_files += 1;
        Self {
            disk,
            inode,
            name,
            mode,
        }
    }

    /// Fails an operation on the file if it is to fail.
    fn fail(&self, machine: &mut Machine, operation: IoOperation) -> io::Result<()> {
        let file = machine.label(self.inode, &self.name);
        machine.fail(operation, &file.name)
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

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut machine = self.disk.machine();
        machine.open_files = machine.open_files.saturating_sub(1);
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.take_time(IoOperation::Read, &self.name);
        let mut machine = self.disk.enter()?;
        self.fail(&mut machine, IoOperation::Read)?;
        machine.look_at_bytes(self.inode, offset, buf.len() as u64);
        let whole = machine.file(self.inode)?.read(offset, buf);
        if whole {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.take_time(IoOperation::Write, &self.name);
        let mut machine = self.enter_to_write()?;
        end_of(offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let file = machine.label(self.inode, &self.name);
        let range = (self.inode, offset, bytes.len() as u64);
        let failed = machine.fail_in_range(IoOperation::Write, &file.name, range);
        let written = match failed {
            Ok(()) => bytes,
            Err(_) => &bytes[..machine.partial(bytes.len())],
        };
        if !written.is_empty() {
            machine.look_before_write(self.inode, offset, written.len() as u64);
            machine.perform(Operation::Write {
                file,
                offset,
                bytes: Arc::from(written),
            });
        }
        failed
    }

    fn len(&self) -> io::Result<u64> {
        let mut machine = self.disk.enter()?;
        self.fail(&mut machine, IoOperation::Read)?;
        machine.look_at_len(self.inode);
        Ok(machine.file(self.inode)?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.take_time(IoOperation::SetLen, &self.name);
        let mut machine = self.enter_to_write()?;
        end_of(len, 0)?;
        self.fail(&mut machine, IoOperation::SetLen)?;
        machine.look_before_cut(self.inode, len);
        let file = machine.label(self.inode, &self.name);
        machine.perform(Operation::SetLen { file, len });
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.disk.take_time(IoOperation::Allocate, &self.name);
        let mut machine = self.enter_to_write()?;
        end_of(offset, len)?;
        let file = machine.label(self.inode, &self.name);
        machine.fail_in_range(IoOperation::Allocate, &file.name, (self.inode, offset, len))?;
        machine.look_at_len(self.inode);
        machine.perform(Operation::Allocate { file, offset, len });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut machine = self.disk.enter()?;
        let file = machine.label(self.inode, &self.name);
        if let Err(error) = machine.fail(IoOperation::Sync, &file.name) {
            let is_ignored = machine.ignores_failed_sync(&file.name);
            if let Some(dropped) = machine.failed_sync() {
                machine.perform(Operation::FailSync { file, dropped });
            }
            return if is_ignored { Ok(()) } else { Err(error) };
        }
        machine.perform(Operation::Sync(file));
        drop(machine);
        self.disk.take_time(IoOperation::Sync, &self.name);
        pause();
        Ok(())
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> io::Result<()> {
        let mut machine = self.enter_to_write()?;
        let file = machine.label(self.inode, &self.name);
        // It needs no space: what it is about was written.
        machine.fail_in_range(IoOperation::Write, &file.name, (self.inode, 0, 0))
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
