//! A disk in memory that records what is done to it.
//!
//! Threads that share it are interleaved at its calls. A change happens when its call ends, a sync when its call begins: others may
//! run before any call does what it does, and once more before a sync returns. So a sync covers exactly what ended before it began.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lightning_db::disk::{Disk, DiskFile, DiskLock, OpenMode};
use lightning_db::sync::pause;

use super::config::SimConfig;
use super::error::SimError;
use super::file::{SimFile, SimLock};
use super::injection::{Failures, Injection, Injector};
use super::lazy::Lazy;
use super::machine::Machine;
use crate::scenario::IoOperation;
use crate::survival::Survival;
use crate::trace::{DiskState, Entry, Mark, Name, Operation, Trace, TracePosition};

/// Calls that a spare disk takes.
const SPARE_CALLS_MAX: u64 = 20_000;

/// A simulated disk. Clones share it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    machine: Arc<Mutex<Machine>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(config: SimConfig) -> Self {
        Self::boot(DiskState::new(config.sector), config)
    }

    /// A disk that holds `state`, with what is pending in it: nothing after a power cut.
    pub fn boot(state: DiskState, config: SimConfig) -> Self {
        Self {
            machine: Arc::new(Mutex::new(Machine::new(state, config))),
        }
    }

    /// A disk after a power cut: what survived is decided as it is looked at. Only newest contents are ever right here: a
    /// trace of it starts with a state in which nothing is decided.
    pub fn boot_lazily(survival: Survival, config: SimConfig) -> Self {
        let disk = Self::boot(survival.undecided().boot().clone(), config);
        disk.machine().lazy = Some(Lazy::new(survival));
        disk
    }

    /// A second disk that holds what this one does after a process crash that loses nothing. What is undecided stays so, and
    /// will be decided alike for both. What fails, fails on: from here on by what the second disk does.
    #[must_use]
    pub fn boot_again(&self, config: SimConfig) -> Self {
        let (mut state, lazy, mut injector) = {
            let machine = self.machine();
            let injector = machine.injector.clone();
            (machine.state.clone(), machine.lazy.clone(), injector)
        };
        state.settle();
        if let Some(injector) = &mut injector {
            injector.boot(&state);
        }
        let disk = Self::boot(state, config);
        disk.machine().lazy = lazy;
        disk.machine().injector = injector;
        disk
    }

    /// A second disk that holds what readers of this one see, in working order whatever became of this one: for somebody who has to
    /// leave in good order, and of whom nothing is expected any more.
    #[must_use]
    pub fn spare(&self) -> Self {
        let mut state = self.machine().state.clone();
        state.settle();
        let config = SimConfig {
            operation_budget: SPARE_CALLS_MAX,
            ..SimConfig::default()
        };
        Self::boot(state, config)
    }

    /// Lets operations fail from now on.
    pub fn inject(&self, injection: Injection) {
        let mut machine = self.machine();
        let mut injector = Injector::new(injection);
        injector.boot(&machine.state);
        machine.injector = Some(injector);
    }

    /// Lets no more operations fail.
    pub fn lift(&self) {
        if let Some(injector) = &mut self.machine().injector {
            injector.lift();
        }
    }

    /// Whether no more operations will fail.
    pub fn is_sound(&self) -> bool {
        let machine = self.machine();
        machine.injector.as_ref().is_none_or(Injector::is_over)
    }

    /// What failed, in this boot and those before it.
    pub fn failures(&self) -> Failures {
        let machine = self.machine();
        let injector = machine.injector.as_ref();
        injector.map_or_else(Failures::default, |injector| injector.failures.clone())
    }

    /// Puts what the workload saw into the sequence of operations. Does nothing once the power is off.
    pub fn mark(&self, mark: Mark) {
        self.machine().mark(mark);
    }

    /// The target is at a named place of its protocols. An error lets it fail there.
    pub fn at_failpoint(&self, name: &'static str) -> io::Result<()> {
        self.machine().at_failpoint(name)
    }

    /// The present moment: the number of events so far.
    pub fn position(&self) -> TracePosition {
        TracePosition::after(self.machine().events.len())
    }

    /// What the disk holds now. Where survival is undecided, the newest.
    pub fn state(&self) -> DiskState {
        self.machine().state.clone()
    }

    /// How many calls, reads included, were made.
    pub fn calls(&self) -> u64 {
        self.machine().calls
    }

    /// How many files are open: every descriptor that somebody holds.
    pub fn open_files(&self) -> u64 {
        self.machine().open_files
    }

    /// Whether the budget of operations was used up.
    pub fn is_hung(&self) -> bool {
        self.machine().stopped == Some(SimError::Hang)
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.machine().check_power() == Err(SimError::PowerOff)
    }

    /// How often each elision of the configuration dropped an operation.
    pub fn elisions_fired(&self) -> Vec<u64> {
        self.machine()
            .elisions
            .iter()
            .map(|armed| armed.fired)
            .collect()
    }

    /// How often a failed sync was said to have worked, for each of the configuration's.
    pub fn ignored_fired(&self) -> Vec<u64> {
        let machine = self.machine();
        machine.ignored.iter().map(|&(_, count)| count).collect()
    }

    /// Turns the power off and hands out what happened since boot.
    pub fn finish(&self) -> Trace {
        let mut machine = self.machine();
        machine.stopped.get_or_insert(SimError::PowerOff);
        Trace {
            start: machine.start.clone(),
            events: std::mem::take(&mut machine.events),
        }
    }

    /// Writes what readers see into a real directory.
    pub fn materialize(&self, dir: &Path) -> io::Result<()> {
        self.state().materialize(dir)
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call that looks at names.
    pub(super) fn enter_names(&self) -> io::Result<MutexGuard<'_, Machine>> {
        let mut machine = self.enter()?;
        machine.look_at_names();
        Ok(machine)
    }

    /// Begins a call. Other threads may run first, so what the call does happens at its end.
    pub(super) fn enter(&self) -> io::Result<MutexGuard<'_, Machine>> {
        pause();
        let mut machine = self.machine();
        machine.enter()?;
        Ok(machine)
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let operation = match mode {
            OpenMode::Read | OpenMode::Write => IoOperation::Open,
            OpenMode::Create => IoOperation::Create,
        };
        self.take_time(operation, name);
        let mut machine = self.enter_names()?;
        let inode = match mode {
            OpenMode::Read => {
                let found = machine.find(name)?;
                machine.fail_to_read(name)?;
                found
            }
            OpenMode::Write => {
                let found = machine.find(name)?;
                machine.fail(IoOperation::Open, name)?;
                found
            }
            OpenMode::Create => machine.create(name)?,
        };
        drop(machine);
        Ok(Arc::new(SimFile::new(
            self.clone(),
            inode,
            Name::from(name),
            mode,
        )))
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut machine = self.enter_names()?;
        if machine.state.names().get(name) == Some(Entry::Directory) {
            return Ok(());
        }
        machine.check_free(name)?;
        machine.fail(IoOperation::Create, name)?;
        machine.perform(Operation::CreateDir {
            name: Name::from(name),
        });
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut machine = self.enter_names()?;
        machine.find_dir(dir)?;
        machine.fail_to_read(dir)?;
        Ok(machine.state.names().list(dir))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.take_time(IoOperation::Rename, to);
        self.enter_names()?.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.take_time(IoOperation::Remove, name);
        let mut machine = self.enter_names()?;
        machine.find(name)?;
        machine.fail(IoOperation::Remove, name)?;
        machine.perform(Operation::Remove {
            name: Name::from(name),
        });
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut machine = self.enter_names()?;
        machine.find_dir(dir)?;
        machine.fail(IoOperation::SyncDir, dir)?;
        machine.perform(Operation::SyncDir {
            dir: Name::from(dir),
        });
        drop(machine);
        self.take_time(IoOperation::SyncDir, dir);
        pause();
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let inode = self.enter_names()?.lock(name)?;
        Ok(Box::new(SimLock::new(self.clone(), inode)))
    }
}
