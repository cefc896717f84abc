//! Errors of storage at work: operations that fail, from a chosen one on.
//!
//! 1. What fails is decided by counting the matching operations of a run, across its boots.
//! 2. A failed operation changes nothing, with two exceptions. A write may have got as far as half of its bytes. A sync that fails with
//!    `EIO` leaves what it was to write as docs/design/simulation.md has it.
//! 3. Want of space fails only what needs more than the file has: a write into blocks that were written or allocated never.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::io::Errno;

use super::machine::Machine;
use crate::scenario::{CacheAfter, FileGlob, IoOperation, Lasts, SystemError};
use crate::trace::{CHUNK_LEN, DiskState, InodeId, Mark, Operation};

/// Which operations fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// What the system answers.
    pub error: SystemError,
    /// The kinds of operation.
    pub operations: Vec<IoOperation>,
    /// The files.
    pub file: FileGlob,
    /// The matching operation that is the first to fail, counted from 1.
    pub first: u64,
    /// How many fail from there on.
    pub lasts: Lasts,
    /// What a failed sync does to the cache.
    pub cache: CacheAfter,
    /// The place of the engine that fails, in the place of operations.
    pub failpoint: Option<&'static str>,
}

/// What failed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Operations that could have failed: those of the kinds and files asked for.
    pub matched: u64,
    /// Operations that failed.
    pub count: u64,
    /// Those of them that reading may need.
    pub of_reads: u64,
    /// Syncs that failed and lost pages that readers saw.
    pub lost_pages: u64,
    /// Whether a sync failed so that it matters what becomes of the cache.
    pub failed_sync: bool,
    /// The first, without numbers: `write of wal/#`, or a place of the engine: `wal.sync.before`.
    pub first: Option<String>,
}

/// An injection at work, with its counts.
#[derive(Clone, Debug)]
pub(super) struct Injector {
    injection: Injection,
    is_lifted: bool,
    pub(super) failures: Failures,
    space: Space,
}

/// The blocks that each file has, where it is want of space that is injected.
#[derive(Clone, Debug, Default)]
struct Space {
    blocks: BTreeMap<InodeId, BTreeSet<u64>>,
}

impl Injector {
    pub(super) fn new(injection: Injection) -> Self {
        Self {
            injection,
            is_lifted: false,
            failures: Failures::default(),
            space: Space::default(),
        }
    }

    /// Takes all that is there at a boot for allocated.
    pub(super) fn boot(&mut self, state: &DiskState) {
        self.space = Space::default();
        if self.injection.error.is_want_of_space() {
            for (inode, file) in state.files() {
                self.space.take(inode, 0, file.len());
            }
        }
    }

    pub(super) fn lift(&mut self) {
        self.is_lifted = true;
    }

    /// Whether no matching operation will fail any more.
    pub(super) fn is_over(&self) -> bool {
        let next = self.failures.matched + 1;
        let begun = next.checked_sub(self.injection.first);
        self.is_lifted || begun.is_some_and(|nth| !self.injection.lasts.covers(nth))
    }

    /// Follows what files have.
    pub(super) fn follow(&mut self, operation: &Operation) {
        if !self.injection.error.is_want_of_space() {
            return;
        }
        match operation {
            Operation::Write {
                file,
                offset,
                bytes,
            } => self.space.take(file.inode, *offset, bytes.len() as u64),
            Operation::Allocate { file, offset, len } => self.space.take(file.inode, *offset, *len),
            Operation::SetLen { file, len } => self.space.cut(file.inode, *len),
            _ => {}
        }
    }

    /// Whether this operation fails.
    fn fails(&mut self, operation: IoOperation, name: &str, needs_space: bool) -> bool {
        let wants = !self.injection.error.is_want_of_space() || needs_space;
        let matches = wants
            && self.injection.failpoint.is_none()
            && self.injection.operations.contains(&operation)
            && self.injection.file.matches(name);
        if !matches || self.is_lifted {
            return false;
        }
        let fails = self.is_next_to_fail();
        if fails {
            self.failures.of_reads += u64::from(operation.serves_reads());
            let first = || format!("{operation} of {}", plain(name));
            self.failures.first.get_or_insert_with(first);
        }
        fails
    }

    /// Whether this place of the engine fails.
    fn fails_at(&mut self, name: &'static str) -> bool {
        if self.injection.failpoint != Some(name) || self.is_lifted {
            return false;
        }
        let fails = self.is_next_to_fail();
        if fails {
            self.failures.first.get_or_insert_with(|| name.to_owned());
        }
        fails
    }

    /// Counts one more that could fail.
    fn is_next_to_fail(&mut self) -> bool {
        self.failures.matched += 1;
        let nth = self.failures.matched.checked_sub(self.injection.first);
        let fails = nth.is_some_and(|nth| self.injection.lasts.covers(nth));
        self.failures.count += u64::from(fails);
        fails
    }

    /// How much of a write that fails was written: every second time half of it, in whole sectors.
    fn partial(&self, len: usize) -> usize {
        let errors = [SystemError::Eio, SystemError::Enospc, SystemError::Edquot];
        let is_torn =
            self.failures.matched.is_multiple_of(2) && errors.contains(&self.injection.error);
        if is_torn { len / 2 / 512 * 512 } else { 0 }
    }
}

impl Space {
    fn take(&mut self, inode: InodeId, offset: u64, len: u64) {
        let blocks = self.blocks.entry(inode).or_default();
        blocks.extend(blocks_of(offset, len));
    }

    fn cut(&mut self, inode: InodeId, len: u64) {
        let blocks = self.blocks.entry(inode).or_default();
        blocks.split_off(&len.div_ceil(CHUNK_LEN as u64));
    }

    fn lacks(&self, inode: InodeId, offset: u64, len: u64) -> bool {
        let has = |block| {
            let blocks = self.blocks.get(&inode);
            blocks.is_some_and(|blocks| blocks.contains(&block))
        };
        blocks_of(offset, len).any(|block| !has(block))
    }
}

fn blocks_of(offset: u64, len: u64) -> std::ops::Range<u64> {
    let block = CHUNK_LEN as u64;
    offset / block..offset.saturating_add(len).div_ceil(block)
}

impl Machine {
    /// Fails an operation if it is to fail, and says so in the trace.
    pub(super) fn fail(&mut self, operation: IoOperation, name: &str) -> io::Result<()> {
        self.fail_if(operation, name, true)
    }

    /// The same for opening something only to read it, which a file system that cannot be written allows.
    pub(super) fn fail_to_read(&mut self, name: &str) -> io::Result<()> {
        let injector = self.injector.as_ref();
        if injector.is_some_and(|injector| injector.injection.error == SystemError::Erofs) {
            return Ok(());
        }
        self.fail(IoOperation::Open, name)
    }

    /// The same for one that needs space in a file.
    pub(super) fn fail_in_range(
        &mut self,
        operation: IoOperation,
        name: &str,
        (inode, offset, len): (InodeId, u64, u64),
    ) -> io::Result<()> {
        let injector = self.injector.as_ref();
        let lacks = injector.is_some_and(|injector| injector.space.lacks(inode, offset, len));
        self.fail_if(operation, name, lacks)
    }

    /// The engine is at a named place. An error lets it fail there, and is said in the trace.
    pub(super) fn at_failpoint(&mut self, name: &'static str) -> io::Result<()> {
        self.mark(Mark::Failpoint(name));
        let Some(injector) = self.injector.as_mut() else {
            return Ok(());
        };
        if self.stopped.is_some() || !injector.fails_at(name) {
            return Ok(());
        }
        let error = injector.injection.error;
        self.mark(Mark::Failure(format!("{name} fails: {error}")));
        Err(errno(error).into())
    }

    fn fail_if(&mut self, operation: IoOperation, name: &str, needs: bool) -> io::Result<()> {
        let Some(injector) = &mut self.injector else {
            return Ok(());
        };
        if !injector.fails(operation, name, needs) {
            return Ok(());
        }
        let error = injector.injection.error;
        let of = if name.is_empty() { "." } else { name };
        self.mark(Mark::Failure(format!("{operation} of {of} fails: {error}")));
        Err(errno(error).into())
    }

    /// How much of a write that failed just now was written.
    pub(super) fn partial(&self, len: usize) -> usize {
        let injector = self.injector.as_ref();
        injector.map_or(0, |injector| injector.partial(len))
    }

    /// Whether the target takes a sync that failed just now for done.
    pub(super) fn ignores_failed_sync(&mut self, name: &str) -> bool {
        let mut ignores = false;
        for (file, count) in &mut self.ignored {
            if file.matches(name) {
                *count += 1;
                ignores = true;
            }
        }
        ignores
    }

    /// What a sync that failed just now does to the cache; nothing if it left all as it was.
    pub(super) fn failed_sync(&mut self) -> Option<bool> {
        let injector = self.injector.as_mut()?;
        if injector.injection.error != SystemError::Eio {
            return None;
        }
        let dropped = injector.injection.cache == CacheAfter::Dropped;
        injector.failures.failed_sync = true;
        injector.failures.lost_pages += u64::from(dropped);
        Some(dropped)
    }
}

fn errno(error: SystemError) -> Errno {
    match error {
        SystemError::Eio => Errno::IO,
        SystemError::Enospc => Errno::NOSPC,
        SystemError::Edquot => Errno::DQUOT,
        SystemError::Emfile => Errno::MFILE,
        SystemError::Enfile => Errno::NFILE,
        SystemError::Erofs => Errno::ROFS,
        SystemError::Eintr => Errno::INTR,
    }
}

/// A name without its numbers.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    plain
}
