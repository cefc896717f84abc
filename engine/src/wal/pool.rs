//! Segment files that are free.
//!
//! A file with a header of this database was ready when it was headed. Any other one found (short, empty, or left by a crash before its
//! sync) is made ready anew (`making`).
//!
//! One of them may be *promised*: the segment that is written to names it as the next (`next`), so it is not given up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::making::{FreeFile, Haste, Made, NewFile, ReadyFile, ReserveError, Unmade, open};
use super::position::WalConfig;
use super::survey::{file_name, file_number};
use crate::disk::{Disk, DiskFile, OpenMode};

/// The free files.
#[derive(Debug)]
pub(super) struct Pool {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    free: Vec<FreeFile>,
    reserved: VecDeque<ReadyFile>,
    /// The first reserved file is promised.
    is_promised: bool,
    next_number: u32,
    is_ordered: bool,
}

/// Files that the log has given up and that are yet to be removed. That takes as long as the disk likes, so it is done without a lock
/// that a commit waits for; until then nobody else has a use for their names.
#[derive(Debug)]
#[must_use]
pub struct Surplus {
    disk: Arc<dyn Disk>,
    files: Vec<FreeFile>,
}

impl Surplus {
    /// Removes the files. What can't be removed is left, and goes back to the log it came from (`Wal::take_back`): it does no harm.
    pub fn remove(mut self) -> Option<Self> {
        while let Some(file) = self.files.pop() {
            failpoint!("wal.segment.remove");
            if self.disk.remove(&file.name).is_err() {
                self.files.push(file);
                return Some(self);
            }
        }
        None
    }
}

impl Pool {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        config: &WalConfig,
        free: Vec<FreeFile>,
        next_number: u32,
    ) -> Self {
        Self {
            disk,
            segment_len: config.segment_len,
            free,
            reserved: VecDeque::new(),
            is_promised: false,
            next_number,
            is_ordered: false,
        }
    }

    /// How many files are free, reserved ones among them.
    pub(super) fn len(&self) -> usize {
        self.free.len() + self.reserved.len()
    }

    /// Whether one of them needs no space to be used.
    pub(super) fn has_ready(&self) -> bool {
        !self.reserved.is_empty() || self.free.iter().any(|file| file.ready)
    }

    /// Makes sure that `count` calls of [`Self::take`] will have a file.
    pub(super) fn reserve(&mut self, count: u64) -> Result<(), ReserveError> {
        while (self.reserved.len() as u64) < count {
            let file = match self.free.iter().rposition(|file| file.ready) {
                Some(index) => self.open(index)?,
                None => match self.free.pop() {
                    Some(leftover) => self.make(leftover.name, OpenMode::Write)?,
                    None => self.create()?,
                },
            };
            self.reserved.push_back(file);
        }
        Ok(())
    }

    /// A reserved file; the promised one, if there is one.
    pub(super) fn take(&mut self) -> Option<ReadyFile> {
        self.is_promised = false;
        self.reserved.pop_front()
    }

    /// Promises the file that [`Self::take`] will return, and says its number; `None` where none is ready.
    pub(super) fn promise(&mut self) -> Option<u32> {
        if self.reserved.is_empty() {
            let index = self.free.iter().rposition(|file| file.ready)?;
            // Want of a descriptor, say, is met again where the file is needed.
            let file = self.open(index).ok()?;
            self.reserved.push_back(file);
        }
        let number = file_number(&self.reserved.front()?.name)?;
        self.is_promised = true;
        Some(number)
    }

    /// Whether [`Self::take`] will return what was promised.
    pub(super) fn is_promised(&self) -> bool {
        self.is_promised
    }

    /// Takes a file in whose last use has ended.
    pub(super) fn put(&mut self, file: FreeFile) {
        self.free.push(file);
    }

    /// Gives files up until at most `count` and what is promised are free, first those that are not ready.
    pub(super) fn trim(&mut self, count: usize) -> Surplus {
        let promised = usize::from(self.is_promised);
        let others = self.reserved.drain(promised.min(self.reserved.len())..);
        self.free.extend(others.map(|file| FreeFile {
            name: file.name,
            ready: true,
        }));
        self.free.sort_by_key(|file| !file.ready);
        let count = count.saturating_sub(promised).min(self.free.len());
        Surplus {
            disk: Arc::clone(&self.disk),
            files: self.free.split_off(count),
        }
    }

    /// Takes back what could not be removed.
    pub(super) fn take_back(&mut self, surplus: Surplus) {
        self.free.extend(surplus.files);
    }

    fn open(&mut self, index: usize) -> Result<ReadyFile, ReserveError> {
        let Some(name) = self.free.get(index).map(|file| file.name.clone()) else {
            return self.create();
        };
        let file = self.handle(&name, OpenMode::Write)?;
        self.free.swap_remove(index);
        Ok(ReadyFile { name, file })
    }

    fn create(&mut self) -> Result<ReadyFile, ReserveError> {
        let name = self.next_name();
        self.make(name, OpenMode::Create)
    }

    fn make(&mut self, name: String, mode: OpenMode) -> Result<ReadyFile, ReserveError> {
        let result = self.to_make(name, mode).make(Haste::AtOnce);
        result.map_err(|Unmade { left, error }| {
            self.free.extend(left);
            error
        })
    }

    fn to_make(&self, name: String, mode: OpenMode) -> NewFile {
        NewFile {
            disk: Arc::clone(&self.disk),
            segment_len: self.segment_len,
            name,
            mode,
        }
    }

    fn handle(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>, ReserveError> {
        open(&*self.disk, name, mode)
    }

    /// How many files need no space to be used.
    pub(super) fn ready(&self) -> usize {
        let found = self.free.iter().filter(|file| file.ready).count();
        self.reserved.len().saturating_add(found)
    }

    /// Whether a file that was ordered is yet to be delivered.
    pub(super) fn awaits_delivery(&self) -> bool {
        self.is_ordered
    }

    /// Gives a file away, to be made ready by somebody who does not have the pool.
    pub(super) fn order(&mut self) -> NewFile {
        self.is_ordered = true;
        let unready = self.free.iter().rposition(|file| !file.ready);
        if let Some(found) = unready.map(|index| self.free.swap_remove(index)) {
            return self.to_make(found.name, OpenMode::Write);
        }
        let name = self.next_name();
        self.to_make(name, OpenMode::Create)
    }

    /// Takes what was ordered.
    pub(super) fn deliver(&mut self, made: Made) -> Result<(), ReserveError> {
        self.is_ordered = false;
        match made {
            Ok(ready) => {
                self.reserved.push_back(ready);
                Ok(())
            }
            Err(Unmade { left, error }) => {
                self.free.extend(left);
                Err(error)
            }
        }
    }

    fn next_name(&mut self) -> String {
        let name = file_name(self.next_number);
        self.next_number = self.next_number.saturating_add(1);
        name
    }
}
