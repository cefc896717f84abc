//! The state behind a simulated disk: what it holds, what was done to it, and whether it still runs.
//!
//! 1. One call at a time, under one lock: operations and marks share one sequence.
//! 2. Once the power is off, or the budget is used up, nothing changes any more.
//! 3. A call is checked first, recorded second, applied third; what fails is not recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::config::SimConfig;
use super::elision::Armed;
use super::error::SimError;
use super::injection::Injector;
use super::lazy::Lazy;
use super::places::SyncPlaces;
use super::slowness::Slowness;
use crate::scenario::{FileGlob, IoOperation};
use crate::trace::{
    DiskState, Effect, Entry, Event, FILE_LEN_MAX, FileRef, FileState, InodeId, Mark, Name,
    Operation, TracePosition,
};

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) start: DiskState,
    pub(super) state: DiskState,
    pub(super) events: Vec<Event>,
    pub(super) elisions: Vec<Armed>,
    pub(super) injector: Option<Injector>,
    pub(super) slowness: Option<Slowness>,
    /// The files of which failed syncs are ignored, and how often they were.
    pub(super) ignored: Vec<(FileGlob, u64)>,
    pub(super) calls: u64,
    /// Descriptors that somebody holds.
    pub(super) open_files: u64,
    pub(super) stopped: Option<SimError>,
    /// What a power cut has left open and nobody has looked at, if that is decided as it is read.
    pub(super) lazy: Option<Lazy>,
    budget: u64,
    crash_after: Option<TracePosition>,
    locked: BTreeSet<InodeId>,
    labels: BTreeMap<InodeId, Name>,
    /// Commits that were requested and not answered.
    in_flight: u32,
    places: SyncPlaces,
    /// What the target was asked for beside transactions and has not done yet.
    doing: Option<&'static str>,
}

impl Machine {
    pub(super) fn new(start: DiskState, config: SimConfig) -> Self {
        Self {
            places: SyncPlaces::new(&start),
            state: start.clone(),
            start,
            events: Vec::new(),
            elisions: config.elide.into_iter().map(Armed::new).collect(),
            injector: None,
            slowness: config.latency.map(Slowness::new),
            ignored: config.ignore.into_iter().map(|file| (file, 0)).collect(),
            calls: 0,
            open_files: 0,
            stopped: None,
            lazy: None,
            budget: config.operation_budget,
            crash_after: config.crash_after,
            locked: BTreeSet::new(),
            labels: BTreeMap::new(),
            in_flight: 0,
            doing: None,
        }
    }

    /// Stops the machine if its time has come.
    pub(super) fn check_power(&mut self) -> Result<(), SimError> {
        let now = TracePosition::after(self.events.len());
        if self.stopped.is_none() && self.crash_after.is_some_and(|at| now >= at) {
            self.stopped = Some(SimError::PowerOff);
        }
        self.stopped.map_or(Ok(()), Err)
    }

    /// Begins a call.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        self.check_power()?;
        self.calls += 1;
        if let Some(slowness) = &mut self.slowness {
            slowness.tick();
        }
        if self.calls > self.budget {
            self.stopped = Some(SimError::Hang);
            return Err(SimError::Hang.into());
        }
        Ok(())
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if self.check_power().is_ok() {
            if let Some(slowness) = &mut self.slowness {
                slowness.follow(&mark);
            }
            match mark {
                Mark::Request(_) => self.in_flight += 1,
                Mark::Acknowledged(_) | Mark::Failed(_) | Mark::Unknown(_) => {
                    self.in_flight = self.in_flight.saturating_sub(1);
                }
                Mark::Began(what) => self.doing = Some(what),
                Mark::Ended(_) => self.doing = None,
                Mark::Opened
                | Mark::Failpoint(_)
                | Mark::Through(_)
                | Mark::Failure(_)
                | Mark::Note(_) => {}
            }
            self.record(Event::Mark(mark));
        }
    }

    /// Records an operation, and does it unless an elision drops it.
    pub(super) fn perform(&mut self, operation: Operation) {
        let mut dropped = false;
        let place = if self.elisions.is_empty() {
            None
        } else {
            self.places.place_of(&operation)
        };
        for armed in &mut self.elisions {
            dropped |= armed.drops(&operation, self.in_flight, self.doing, place.as_ref());
        }
        if let Some(injector) = &mut self.injector {
            injector.follow(&operation);
        }
        let effect = if dropped {
            Effect::Elided
        } else {
            Effect::Applied
        };
        self.record(Event::Operation { operation, effect });
    }

    fn record(&mut self, event: Event) {
        if !self.elisions.is_empty() {
            self.places.follow(&event);
        }
        self.state.apply(&event);
        self.events.push(event);
    }

    /// The file that has a name.
    pub(super) fn find(&self, name: &str) -> io::Result<InodeId> {
        match valid(name).map(|()| self.state.names().get(name))? {
            Some(Entry::File(inode)) => Ok(inode),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Refuses what is not a directory.
    pub(super) fn find_dir(&self, dir: &str) -> io::Result<()> {
        if !dir.is_empty() {
            valid(dir)?;
        }
        match self.state.names().get(dir) {
            Some(Entry::Directory) => Ok(()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Refuses a name that nothing could be created under.
    pub(super) fn check_free(&self, name: &str) -> io::Result<()> {
        valid(name)?;
        self.find_dir(name.rfind('/').map_or("", |at| &name[..at]))?;
        match self.state.names().get(name) {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(()),
        }
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<InodeId> {
        self.check_free(name)?;
        self.fail(IoOperation::Create, name)?;
        let inode = self.state.next_inode();
        let name = Name::from(name);
        self.labels.insert(inode, Arc::clone(&name));
        self.perform(Operation::Create(FileRef { inode, name }));
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.find(from)?;
        self.fail(IoOperation::Rename, to)?;
        match self.check_free(to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if self.find(to)? == inode => return Ok(()),
            Ok(()) | Err(_) => {}
        }
        let (from, to) = (Name::from(from), Name::from(to));
        self.perform(Operation::Rename {
            from,
            to: Arc::clone(&to),
        });
        if self.find(&to).is_ok_and(|found| found == inode) {
            self.labels.insert(inode, to);
        }
        Ok(())
    }

    /// The file with its latest known name.
    pub(super) fn label(&mut self, inode: InodeId, name: &Name) -> FileRef {
        let name = self.labels.entry(inode).or_insert_with(|| Arc::clone(name));
        FileRef {
            inode,
            name: Arc::clone(name),
        }
    }

    pub(super) fn file(&self, inode: InodeId) -> io::Result<&FileState> {
        self.state
            .file(inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes the lock on a file.
    pub(super) fn lock(&mut self, name: &str) -> io::Result<InodeId> {
        let found = self.find(name);
        if found.is_ok() {
            self.fail(IoOperation::Open, name)?;
        }
        let inode = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(name)?,
            found => found?,
        };
        if self.locked.insert(inode) {
            Ok(inode)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    pub(super) fn unlock(&mut self, inode: InodeId) {
        self.locked.remove(&inode);
    }
}

/// The end of a range, if a file may reach that far.
pub(super) fn end_of(offset: u64, len: u64) -> io::Result<u64> {
    offset
        .checked_add(len)
        .filter(|&end| end <= FILE_LEN_MAX)
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// Refuses names that leave the directory or stand for nothing.
fn valid(name: &str) -> io::Result<()> {
    let odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
    if name.split('/').any(odd) {
        Err(io::ErrorKind::InvalidInput.into())
    } else {
        Ok(())
    }
}
