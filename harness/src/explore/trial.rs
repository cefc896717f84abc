//! A target on a disk, with every call guarded: a panic, a hang or an error becomes a violation.

use std::sync::Arc;

use super::caught::{PanicNote, caught};
use super::evidence::{broke_down, no_hang, no_panic, refused, too_late};
use super::failpoint::{self, Reached};
use super::setup::Setup;
use crate::failpoints::{Watch, Watched};
use crate::oracle::{History, Observed, RowKey, TableId, Violation};
use crate::scenario::CheckKind;
use crate::sim::{SimConfig, SimDisk};
use crate::survival::Survival;
use crate::target::{Ability, ClientId, Mode, Session, TargetError};
use crate::trace::{DiskState, Mark, Trace, TracePosition};
use crate::workload::{
    Clients, Desk, Features, Marks, Record, Script, Stopped, Taken, catalog_value,
};

impl Marks for SimDisk {
    fn mark(&self, mark: Mark) -> TracePosition {
        SimDisk::mark(self, mark);
        self.position()
    }
}

/// A target at work on a disk.
pub(super) struct Trial<'s> {
    setup: &'s Setup,
    disk: SimDisk,
    session: Option<Box<dyn Session>>,
    watcher: Watched,
    pub(super) violations: Vec<Violation>,
    pub(super) features: Features,
    /// The newest backup of an earlier life, with those that it builds on.
    pub(super) earlier: Vec<String>,
    taken: Vec<Taken>,
    /// What clients did so far.
    pub(super) script: Script,
}

/// What a trial leaves.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) trace: Trace,
    /// How often each elision dropped something.
    pub(super) elisions_fired: Vec<u64>,
    /// How often each plant of an ignored failure had one to ignore.
    pub(super) ignored_fired: Vec<u64>,
    pub(super) violations: Vec<Violation>,
    pub(super) features: Features,
    /// Named places of the engine that were watched and reached.
    pub(super) failpoints: Reached,
    /// Backups and restore points that were asked for.
    pub(super) taken: Vec<Taken>,
    /// What clients did.
    pub(super) script: Script,
    /// Operations that could have been slow, and those that were.
    pub(super) slow: (u64, u64),
}

impl<'s> Trial<'s> {
    /// An empty disk.
    pub(super) fn new(setup: &'s Setup) -> Self {
        Self::on(setup, SimDisk::new(setup.run_config()))
    }

    /// A disk as a crash left it.
    pub(super) fn boot(setup: &'s Setup, state: DiskState) -> Self {
        let config: SimConfig = setup.recovery_config();
        Self::on(setup, SimDisk::boot(state, config))
    }

    /// A disk as a power cut left it, decided where it is looked at.
    pub(super) fn boot_lazily(setup: &'s Setup, survival: Survival) -> Self {
        Self::on(
            setup,
            SimDisk::boot_lazily(survival, setup.recovery_config()),
        )
    }

    /// The same disk after the process was killed, nothing lost.
    pub(super) fn killed(&self) -> Self {
        Self::on(
            self.setup,
            self.disk.boot_again(self.setup.recovery_config()),
        )
    }

    fn on(setup: &'s Setup, disk: SimDisk) -> Self {
        Self {
            setup,
            watcher: setup.places.watcher(&disk),
            disk,
            session: None,
            violations: Vec::new(),
            features: Features::new(),
            earlier: Vec::new(),
            taken: Vec::new(),
            script: Script::default(),
        }
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.disk.calls()
    }

    /// Opens the target. Returns the moment after.
    pub(super) fn open(&mut self, mode: Mode) -> Option<TracePosition> {
        let (setup, disk) = (self.setup, self.disk.clone());
        let opened = self.watched(|| setup.target.open_simulated(&disk, &setup.options, mode));
        let opened = match opened {
            Err(note) => Err(no_panic("open", &note)),
            Ok(_) if self.disk.is_hung() => Err(no_hang("open", self.disk.calls())),
            Ok(Err(error)) => Err(refused(CheckKind::Durability, "cannot-open", &error)),
            Ok(Ok(session)) => match session.breakdown() {
                Some(breakdown) => Err(broke_down("open", breakdown)),
                None => Ok(session),
            },
        };
        match opened {
            Ok(session) => self.session = Some(session),
            Err(violation) => {
                self.violations.push(violation);
                return None;
            }
        }
        Some(Marks::mark(&self.disk, Mark::Opened))
    }

    /// Reads all rows of all tables.
    pub(super) fn observe(&mut self, tables: &[String], observed: &mut Observed) -> Option<()> {
        observed.clear();
        let listed = if self.changes_tables() {
            Some(self.listed_tables()?)
        } else {
            None
        };
        let is_listed = |name: &String| listed.as_ref().is_none_or(|all| all.contains(name));
        for (table, name) in (0..).zip(tables).filter(|(_, name)| is_listed(name)) {
            let mut row = |key: &[u8], value: &[u8]| observed.push(TableId(table), key, value);
            let scanned = self.call("scan", |session| session.scan(name, &mut row))?;
            self.or_violation(scanned, CheckKind::Durability, "cannot-read")?;
        }
        for name in listed.iter().flatten() {
            observed.push(TableId::CATALOG, name.as_bytes(), &catalog_value());
        }
        Some(())
    }

    /// The tables that are there, where this may change.
    fn listed_tables(&mut self) -> Option<Vec<String>> {
        let listed = self.call("tables", |session| session.tables(None))?;
        self.or_violation(listed, CheckKind::Durability, "cannot-list-tables")
    }

    fn changes_tables(&self) -> bool {
        self.setup.batch.scenario.workload.changes_tables()
    }

    /// Looks at rows one by one, and shows what is there wherever that is no error.
    pub(super) fn look_up<'r>(
        &mut self,
        tables: &[String],
        rows: impl Iterator<Item = &'r RowKey>,
        sink: &mut dyn FnMut(&RowKey, Option<&[u8]>),
    ) {
        let client = ClientId::default();
        let begun = self.call("begin", |session| session.begin(client));
        if !matches!(begun, Some(Ok(()))) {
            return;
        }
        for row in rows {
            let Some(table) = tables.get(usize::from(row.table.0)) else {
                continue;
            };
            let Some(value) = self.call("get", |session| session.get(client, table, &row.key))
            else {
                return;
            };
            if let Ok(value) = value {
                sink(row, value.as_deref());
            }
        }
    }

    /// The target's own check.
    pub(super) fn verify(&mut self) -> Option<()> {
        let checked = self.call("verify", |session| session.verify())?;
        let problems = self.or_violation(checked, CheckKind::Integrity, "cannot-verify")?;
        let first = problems.first()?;
        let shape = super::evidence::shape_of(first);
        let actual = problems.join("; ");
        let expected = "the target's own check finds nothing";
        let violation = Violation::new(CheckKind::Integrity, shape, expected, actual);
        self.violations.push(violation);
        None
    }

    /// Lets clients work, and notes what they did. Nothing breaks while they do, so all must go well.
    pub(super) fn work(
        &mut self,
        clients: &mut Clients,
        history: &mut History,
        work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<()> {
        let done = self.attempt(clients, history, work)?;
        done.map_err(|error| self.violations.push(stopped(&error)))
            .ok()
    }

    /// The same where they may fail. Nothing if the target broke down.
    pub(super) fn attempt(
        &mut self,
        clients: &mut Clients,
        history: &mut History,
        work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<Result<(), Stopped>> {
        let record = self.record(std::mem::take(history));
        let done = self.attempt_on(&record, clients, work);
        *history = self.take(&record);
        done
    }

    /// Where clients note what they do.
    pub(super) fn record(&self, history: History) -> Record {
        Record::of(history, self.earlier.clone())
    }

    /// What restoring a backup gives: its rows, or why it was refused; nothing if the target broke down over it.
    pub(super) fn restored(
        &mut self,
        taken: &Taken,
        tables: &[String],
    ) -> Option<Result<Observed, TargetError>> {
        let (setup, disk) = (self.setup, self.disk.clone());
        let mut copy = Self::on(setup, SimDisk::new(Setup::restore_config()));
        let to = Arc::new(copy.disk.clone());
        let restore = || {
            let (copied, options) = (taken.copied(), &setup.options);
            setup.target.restore(Arc::new(disk), copied, options, to)
        };
        let restored = match self.watched(restore) {
            Err(note) => Err(no_panic("restore", &note)),
            Ok(_) if self.disk.is_hung() || copy.disk.is_hung() => {
                Err(no_hang("restore", copy.disk.calls()))
            }
            Ok(restored) => Ok(restored),
        };
        match restored {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(Err(error)),
            Err(violation) => {
                self.violations.push(violation);
                return None;
            }
        }
        let mut observed = Observed::default();
        let shown = copy
            .open(Mode::Existing)
            .and_then(|_| copy.observe(tables, &mut observed));
        self.violations.extend(copy.finish().violations);
        shown.map(|()| Ok(observed))
    }

    /// Takes over what was noted. Returns the history.
    pub(super) fn take(&mut self, record: &Record) -> History {
        let noted = record.take();
        self.violations.extend(noted.violations);
        for (feature, count) in noted.features {
            *self.features.entry(feature).or_default() += count;
        }
        self.taken.extend(noted.taken);
        self.script.lines.extend(noted.lines);
        noted.history
    }

    /// Lets clients work on this thread.
    pub(super) fn work_on(
        &mut self,
        record: &Record,
        clients: &mut Clients,
        work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<()> {
        let done = self.attempt_on(record, clients, work)?;
        done.map_err(|error| self.violations.push(stopped(&error)))
            .ok()
    }

    /// The same where they may fail. Nothing if the target broke down.
    pub(super) fn attempt_on(
        &mut self,
        record: &Record,
        clients: &mut Clients,
        work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<Result<(), Stopped>> {
        let tables = clients.tables().to_vec();
        let disk = self.disk.clone();
        let changes_tables = self.changes_tables();
        self.call("a transaction", |session| {
            let (marks, tables) = (&disk, tables.as_slice());
            work(
                clients,
                &mut Desk {
                    session,
                    marks,
                    record,
                    tables,
                    changes_tables,
                },
            )
        })
    }

    /// Whether the target can do this.
    pub(super) fn can(&self, ability: Ability) -> bool {
        self.setup.target.can(ability)
    }

    /// Takes a checkpoint.
    pub(super) fn checkpoint(&mut self) -> Option<()> {
        let taken = self.call("checkpoint", |session| session.checkpoint())?;
        self.or_violation(taken, CheckKind::Durability, "cannot-take-a-checkpoint")
    }

    /// Closes the target cleanly.
    pub(super) fn close(&mut self) -> Option<()> {
        let session = self.session.take()?;
        let closed = self.watched(|| session.close());
        let closed = closed.map_err(|note| no_panic("close", &note));
        match closed {
            Ok(closed) => {
                let closed = closed.map_err(|error| match &error.breakdown {
                    Some(breakdown) => broke_down("close", breakdown),
                    None => refused(CheckKind::Durability, "cannot-close", &error),
                });
                let closed = closed.map_err(|violation| self.violations.push(violation));
                closed.ok()
            }
            Err(violation) => {
                self.violations.push(violation);
                None
            }
        }
    }

    /// Turns the power off, lets the target go, and hands out what happened.
    pub(super) fn finish(mut self) -> Ended {
        let trace = self.disk.finish();
        let session = self.session.take();
        if let Err(note) = self.watched(|| drop(session)) {
            self.violations.push(no_panic("drop", &note));
        }
        let late = self.disk.late();
        self.violations.extend(late.map(|late| too_late(&late)));
        Ended {
            failpoints: failpoint::reached(&trace),
            trace,
            elisions_fired: self.disk.elisions_fired(),
            ignored_fired: self.disk.ignored_fired(),
            violations: self.violations,
            features: self.features,
            taken: self.taken,
            script: self.script,
            slow: self.disk.slow_operations(),
        }
    }

    /// The disk.
    pub(super) fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Who watches the named places of the engine, for threads beside this one.
    pub(super) fn watcher(&self) -> Watched {
        self.watcher.clone()
    }

    /// Calls, watched, and catches a panic.
    fn watched<T>(&self, call: impl FnOnce() -> T) -> Result<T, PanicNote> {
        let _watch = Watch::by(&self.watcher);
        caught(call)
    }

    /// The open target, if it is.
    pub(super) fn session(&self) -> Option<&dyn Session> {
        self.session.as_deref()
    }

    fn call<T>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut dyn Session) -> T,
    ) -> Option<T> {
        let session = self.session.as_deref_mut()?;
        let _watch = Watch::by(&self.watcher);
        let result = caught(|| call(session)).map_err(|note| no_panic(name, &note));
        let result = match (result, session.breakdown()) {
            (Ok(_), _) if self.disk.is_hung() => Err(no_hang(name, self.disk.calls())),
            (Ok(_), Some(breakdown)) => Err(broke_down(name, breakdown)),
            (result, _) => result,
        };
        result
            .map_err(|violation| self.violations.push(violation))
            .ok()
    }

    fn or_violation<T>(
        &mut self,
        result: Result<T, TargetError>,
        check: CheckKind,
        shape: &str,
    ) -> Option<T> {
        result
            .map_err(|error| self.violations.push(refused(check, shape, &error)))
            .ok()
    }
}

/// A workload that did not go on.
pub(super) fn stopped(stopped: &Stopped) -> Violation {
    let shape = format!("cannot-go-on/{}", stopped.call);
    refused(CheckKind::Durability, &shape, &stopped.error)
}
