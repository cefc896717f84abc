//! What a crash image is looked at for beside its rows: recovery's work, a second recovery, anomalies, backups, leaks.
//!
//! The same as `examine` asks of a state of the simulated disk, on a mounted file system.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use lightning_db::disk::RealDisk;

use super::batch::Explorer;
use super::device::{FOLDER, Seat, Tried};
use super::kept::{self, Kept, Seen};
use super::leaks::{self, Taken};
use super::life::Ground;
use super::setup::Setup;
use crate::block::Mounted;
use crate::oracle::{Judgement, Observed, Violation};
use crate::scenario::{CheckKind, Feature};
use crate::sim::SimDisk;
use crate::target::{Ability, Mode, TargetError};

/// Share of images whose database is opened again and again.
const REOPENED: f64 = 0.25;

/// What a directory takes, and its log of that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    files: usize,
    bytes: u64,
    log_bytes: u64,
}

impl Found {
    fn taken(self) -> Taken {
        Taken::new(self.files, self.bytes)
    }
}

impl Explorer<'_> {
    /// What the database's directory takes now.
    pub(super) fn taken_of(&self, mounted: &Mounted) -> Found {
        let mut found = Found::default();
        let target = &self.setup.target;
        add(&mut found, &mounted.path().join(FOLDER), "", &|name| {
            target.is_log(name)
        });
        found
    }

    /// What the recovery took is bounded by the log that it found.
    pub(super) fn bound_recovery(
        &mut self,
        seat: &mut Seat,
        ground: &Ground,
        booted: &Found,
    ) -> Option<()> {
        let check = CheckKind::BoundedRecovery;
        if !self.asks_for(check) || !ground.exists {
            return Some(());
        }
        self.see(check);
        let calls = seat.disk.as_ref()?.calls();
        let calls_max = leaks::calls_max_of(booted.log_bytes);
        if calls > calls_max {
            seat.violations.push(leaks::unbounded(calls, calls_max));
            return None;
        }
        Some(())
    }

    /// Whoever is there after the crash saw only what is there.
    pub(super) fn look_for_anomalies(&mut self, seat: &mut Seat, tried: &Tried) -> Option<()> {
        let history = &tried.ground.history;
        if !self.asks_for(CheckKind::Isolation) || tried.obligations.most == 0 {
            return Some(());
        }
        if history.concurrent() > 0 {
            self.see(CheckKind::Isolation);
        }
        let promised = self.setup.promises.isolation();
        match history.anomalies_after(promised, &tried.obligations, &self.observed) {
            Judgement::Legal | Judgement::Undecided => Some(()),
            Judgement::Illegal(violations) => {
                seat.violations.extend(violations);
                None
            }
        }
    }

    /// Lets the recovered target go without a close, and recovers again: nothing may change.
    pub(super) fn recover_again(&mut self, seat: &mut Seat, mounted: &Mounted) -> Option<()> {
        let check = CheckKind::IdempotentRecovery;
        if !self.asks_for(check) {
            return Some(());
        }
        self.see(check);
        let held = seat.violations.len();
        seat.leave();
        let again = self.open_again(seat, mounted);
        let mut observed = Observed::default();
        let tables = Rc::clone(&self.tables);
        let shown = again.and_then(|()| seat.observe(&tables, &mut observed));
        for violation in seat.violations.iter_mut().skip(held) {
            if violation.check == CheckKind::Durability {
                violation.check = check;
                violation.shape = format!("second-recovery/{}", violation.shape);
            }
        }
        shown?;
        if observed.digest() == self.observed.digest() {
            return Some(());
        }
        seat.violations.push(Violation::new(
            check,
            "second-recovery-differs",
            "what the first recovery showed",
            format!("{} rows that are not those", observed.len()),
        ));
        None
    }

    /// Restores backups, each to a disk of its own.
    pub(super) fn restore_copies(
        &mut self,
        seat: &mut Seat,
        mounted: &Mounted,
        tried: &Tried,
    ) -> Option<()> {
        let check = CheckKind::Backup;
        if !self.asks_for(check) {
            return Some(());
        }
        let rng = self.setup.rng.split("copies", tried.at as u64);
        for kept in kept::chosen(&tried.ground.kept, &rng) {
            let restored = self.restored(seat, mounted, kept)?;
            match kept.judge(restored) {
                Ok(Seen::Nothing) => {}
                Ok(Seen::Rows) => {
                    self.see(check);
                    let features = &mut self.result.features;
                    *features.entry(Feature::Restores).or_default() += 1;
                }
                Ok(Seen::Undecided) => return None,
                Err(violation) => {
                    self.see(check);
                    seat.violations.push(violation);
                    return None;
                }
            }
        }
        Some(())
    }

    /// What a backup is restored to shows.
    fn restored(
        &self,
        seat: &mut Seat,
        mounted: &Mounted,
        kept: &Kept,
    ) -> Option<Result<Observed, TargetError>> {
        let copy = SimDisk::new(Setup::restore_config());
        let (from, to) = (directory(mounted), Arc::new(copy.clone()));
        let from = seat.or_violation(from, CheckKind::Backup, "no-directory")?;
        let (target, options) = (&self.setup.target, &self.setup.options);
        let copied = kept.taken.copied();
        let done = seat.call("restore", |_| {
            target.restore(Arc::new(from), copied, options, to)
        })?;
        if let Err(error) = done {
            return Some(Err(error));
        }
        let mut observed = Observed::default();
        let mut other = Seat::new();
        let shown = other
            .open(self, Arc::new(copy), Mode::Existing)
            .and_then(|()| other.observe(&self.tables, &mut observed));
        other.leave();
        seat.violations.append(&mut other.violations);
        shown.map(|()| Ok(observed))
    }

    /// Closes the database, and opens and closes it again and again.
    pub(super) fn look_for_leaks(
        &mut self,
        seat: &mut Seat,
        mounted: &Mounted,
        tried: &Tried,
        booted: &Found,
    ) -> Option<()> {
        let check = CheckKind::NoLeak;
        let mut rng = self.setup.rng.split("leaks", tried.at as u64);
        if !self.asks_for(check) || !rng.chance(REOPENED) {
            return Some(());
        }
        self.see(check);
        close_whole(seat)?;
        let closed = self.taken_of(mounted).taken();
        let booted = tried.ground.exists.then(|| booted.taken().beside(closed));
        let mut rounds = Vec::new();
        for _ in 0..leaks::OPENINGS {
            self.open_again(seat, mounted)?;
            if self.setup.target.can(Ability::Checkpoint) {
                let done = seat.call("checkpoint", |session| session.checkpoint())?;
                seat.or_violation(done, CheckKind::Durability, "cannot-checkpoint")?;
            }
            close_whole(seat)?;
            rounds.push(self.taken_of(mounted).taken());
        }
        let found = leaks::judge(&rounds, booted);
        let is_good = found.is_none();
        seat.violations.extend(found);
        is_good.then_some(())
    }

    fn open_again(&self, seat: &mut Seat, mounted: &Mounted) -> Option<()> {
        let disk = seat.or_violation(directory(mounted), CheckKind::Durability, "no-directory")?;
        seat.open(self, Arc::new(disk), Mode::Existing)
    }

    fn asks_for(&self, check: CheckKind) -> bool {
        self.setup.batch.scenario.asks_for(check)
    }
}

/// Closes the database; afterwards no file is open.
fn close_whole(seat: &mut Seat) -> Option<()> {
    seat.close()?;
    let found = leaks::left_open_of(seat.disk.as_ref()?.open_files());
    let is_good = found.is_none();
    seat.violations.extend(found);
    is_good.then_some(())
}

fn directory(mounted: &Mounted) -> Result<RealDisk, TargetError> {
    let disk = RealDisk::create(mounted.path().join(FOLDER));
    disk.map_err(|error| TargetError::refused(crate::target::ErrorKind::Io, error.to_string()))
}

/// Adds what is below a directory, if it is there.
fn add(found: &mut Found, dir: &Path, prefix: &str, is_log: &dyn Fn(&str) -> bool) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            add(found, &entry.path(), &format!("{name}/"), is_log);
            continue;
        }
        found.files += 1;
        found.bytes += metadata.len();
        if is_log(&name) {
            found.log_bytes += metadata.len();
        }
    }
}
