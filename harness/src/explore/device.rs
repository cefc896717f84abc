//! Power cuts of a disk under a real file system: one run is recorded, and crash images of its disk are mounted, opened and checked.
//!
//! 1. The workload runs once, on a new file system on a recorded disk. An answer is marked in the disk's own record the moment it is there, so
//!    what was owed is known for every crash point.
//! 2. An image is what the last flush before the crash point covered, and a drawn part of what was written since.
//! 3. When the kernel writes what nobody synced is its own affair: the record differs from run to run. A finding is found again by running its batch again,
//!    on a record made anew.

use std::iter::{once, once_with};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use lightning_db::disk::{Disk, RealDisk};
use xxhash_rust::xxh3::Xxh3;

use super::batch::{Explorer, internal, note_plant};
use super::caught::caught;
use super::evidence::{finding, no_hang, no_panic, refused};
use super::kept::Kept;
use super::life::Ground;
use super::trial::stopped;
use crate::batch::{CaseId, ExploreError, Inconclusive};
use crate::block::{
    BlockEvent, BlockLog, CountedDisk, Device, Flushed, Mounted, Stage, Survival, Unit, survivor,
};
use crate::oracle::{CrashKinds, History, Judgement, Obligations, Observed, TableId, Violation};
use crate::scenario::{CheckKind, DevicePowerLoss};
use crate::target::{Ability, CrashKind, Mode, Session, TargetError};
use crate::trace::{Mark, TracePosition};
use crate::workload::{Clients, Desk, Features, Marks, Record, Stopped, Taken};

/// The database's directory on the file system.
pub(super) const FOLDER: &str = "db";
/// Operations of one opening that are answered: more is a hang.
const CALLS_MAX: u64 = 1 << 22;
/// What switches barriers off.
const NO_BARRIERS: &str = "barrier=0";

impl Marks for Device {
    fn mark(&self, mark: Mark) -> TracePosition {
        TracePosition::after(Device::mark(self, mark))
    }
}

/// What a run on a recorded disk left.
struct Recorded {
    log: BlockLog,
    history: Rc<History>,
    /// Backups and restore points that were asked for.
    taken: Vec<Rc<Taken>>,
    /// The first event of the target's, and the first after its last.
    from: usize,
    to: usize,
}

/// A target at work on a mounted file system.
pub(super) struct Seat {
    session: Option<Box<dyn Session>>,
    /// What the session is open on.
    pub(super) disk: Option<CountedDisk>,
    pub(super) violations: Vec<Violation>,
    features: Features,
    taken: Vec<Taken>,
}

impl Explorer<'_> {
    /// Records a run, and tries crash images of it.
    pub(super) fn device(&mut self, fault: &DevicePowerLoss) -> Result<(), ExploreError> {
        let stage = Stage::set_up().map_err(|error| internal(&format!("no stage: {error}")))?;
        let Some(recorded) = self.record_on(&stage, fault)? else {
            return Ok(());
        };
        let mut flushed = Flushed::new(&recorded.log);
        for (number, at) in self.cuts(fault, &recorded).into_iter().enumerate() {
            if self.is_done() {
                break;
            }
            let case = CaseId(format!("b{at}.s{number}"));
            let survival = Survival::ALL[number % Survival::ALL.len()];
            let rng = self.setup.rng.split("image", number as u64);
            let base = flushed.before(at);
            let left = |unit| survivor(base, &recorded.log, at, survival, unit, &mut rng.clone());
            let image = left(Unit::Sector);
            let ground = recorded.ground(at);
            let obligations = ground.obligations(&self.setup.promises);
            self.result.generated += 1;
            self.result.crash_points += 1;
            self.result.sampled_points += 1;
            let mut hasher = Xxh3::new();
            hasher.update(&image.digest().to_le_bytes());
            hasher.update(&self.setup.digest.to_le_bytes());
            hasher.update(&obligations.digest(&ground.history).to_le_bytes());
            let key = hasher.digest128();
            if self.skip.contains(&case) || !self.seen.insert(key) {
                continue;
            }
            (self.announce)(&case);
            self.result.distinct.push(key);
            let tried = Tried {
                case,
                ground,
                obligations,
                survival,
                at,
            };
            let images = once(image).chain(once_with(|| left(Unit::Block)));
            match stage.mount_one_of(images, fault.file_system) {
                Ok((device, mounted)) => {
                    self.count_fault(fault, 1);
                    self.try_image(&mounted, &device, &tried);
                    drop(mounted);
                    stage.forget(&device);
                }
                Err(error) => {
                    self.count_fault(fault, 0);
                    self.note_unmountable(&tried, &error);
                }
            }
        }
        Ok(())
    }

    /// A cut counts once its disk is mounted: on one that is not nothing is checked.
    fn count_fault(&mut self, fault: &DevicePowerLoss, fired: u64) {
        let name = crate::scenario::Fault::DevicePowerLoss(fault.clone()).name();
        let counts = self.result.faults.entry(name.to_owned()).or_default();
        counts.armed += 1;
        counts.fired += fired;
    }

    /// Crash points, ascending: half of them just before a flush, where most is at stake.
    fn cuts(&self, fault: &DevicePowerLoss, recorded: &Recorded) -> Vec<usize> {
        let mut rng = self.setup.rng.split("cuts", 0);
        let events = recorded.log.events.iter().enumerate();
        let is_flush = |&(_, event): &(usize, &BlockEvent)| matches!(event, BlockEvent::Flush);
        let flushes: Vec<_> = events.filter(is_flush).map(|(at, _)| at).collect();
        let range = recorded.from..=recorded.to;
        let flushes: Vec<_> = flushes
            .into_iter()
            .filter(|at| range.contains(at))
            .collect();
        let length = recorded.to.saturating_sub(recorded.from) + 1;
        let mut draw = || match rng.pick(&flushes) {
            Some(&at) if rng.chance(0.5) => at,
            _ => recorded.from + rng.index(length),
        };
        let mut cuts: Vec<_> = (0..fault.images.get()).map(|_| draw()).collect();
        cuts.sort_unstable();
        cuts
    }

    /// Runs the workload on a new file system.
    fn record_on(
        &mut self,
        stage: &Stage,
        fault: &DevicePowerLoss,
    ) -> Result<Option<Recorded>, ExploreError> {
        let broken = |error: std::io::Error| internal(&format!("{}: {error}", fault.file_system));
        let image = Stage::format(fault.file_system).map_err(broken)?;
        let device = Arc::new(Device::recorded(image));
        let plant = self.setup.without_barriers();
        let options = plant.map_or("", |_| NO_BARRIERS);
        let mounted = stage
            .mount(&device, fault.file_system, options)
            .map_err(broken)?;
        let mut history = History::new();
        history.opened(TracePosition(u64::MAX));
        let from = device.events();
        let mut seat = Seat::new();
        self.run_on(&mut seat, &mounted, &device, &mut history)?;
        let to = device.events();
        let log = device
            .take_log()
            .unwrap_or_else(|| unreachable!("it was recorded"));
        seat.leave();
        drop(mounted);
        stage.forget(&device);
        if let Some(plant) = plant {
            // It showed if the target's syncs came to nothing.
            let flushes = log.flushes_before(to) - log.flushes_before(from);
            note_plant(&mut self.result, plant, u64::from(flushes == 0));
        }
        self.note_features(&seat.features);
        let case = CaseId("recorded".to_owned());
        let asked: Vec<_> = seat
            .violations
            .into_iter()
            .filter(|one| self.is_asked(one))
            .collect();
        let failed = !asked.is_empty();
        let findings = asked.into_iter().map(|violation| finding(&case, violation));
        self.result.findings.extend(findings);
        let recorded = Recorded {
            log,
            history: Rc::new(history),
            taken: seat.taken.into_iter().map(Rc::new).collect(),
            from,
            to,
        };
        Ok((!failed).then_some(recorded))
    }

    fn run_on(
        &self,
        seat: &mut Seat,
        mounted: &Mounted,
        device: &Arc<Device>,
        history: &mut History,
    ) -> Result<Option<()>, ExploreError> {
        let disk = RealDisk::create(mounted.path().join(FOLDER));
        let disk = disk.map_err(|error| internal(&format!("no directory: {error}")))?;
        if seat
            .open(self, Arc::new(disk), Mode::CreateOrOpen)
            .is_none()
        {
            return Ok(None);
        }
        history.opened(Marks::mark(&**device, Mark::Opened));
        let mut clients = self
            .setup
            .clients(self.setup.rng.split("clients", 0), history);
        let transactions = clients.transactions();
        Ok(
            seat.work(self, device, &mut clients, history, |clients, desk| {
                clients.run(desk, transactions)
            }),
        )
    }

    fn try_image(&mut self, mounted: &Mounted, device: &Arc<Device>, tried: &Tried) {
        let mut seat = Seat::new();
        let undecided =
            self.look_at(&mut seat, mounted, device, tried).is_none() && seat.violations.is_empty();
        seat.leave();
        self.result.checked += 1;
        if undecided {
            self.note_undecided(tried.case.clone());
        }
        for violation in seat.violations {
            if self.is_asked(&violation) {
                let actual = format!("{} ({})", violation.actual, tried.describe());
                let violation = Violation {
                    actual,
                    ..violation
                };
                let mut found = finding(&tried.case, violation);
                found.crash_point = tried.at as u64;
                self.result.findings.push(found);
            }
        }
    }

    /// Where barriers are off, the file system itself may be lost, which says nothing of the target; else it is the stage that is broken.
    fn note_unmountable(&mut self, tried: &Tried, error: &std::io::Error) {
        if self.setup.without_barriers().is_none() {
            let reason = format!("the file system does not mount: {error}");
            let case = tried.case.clone();
            self.result.inconclusive.push(Inconclusive { case, reason });
        }
    }

    /// All checks, until one fails. Nothing if one did, or if no verdict was found.
    fn look_at(
        &mut self,
        seat: &mut Seat,
        mounted: &Mounted,
        device: &Arc<Device>,
        tried: &Tried,
    ) -> Option<()> {
        let (ground, obligations) = (&tried.ground, &tried.obligations);
        let booted = self.taken_of(mounted);
        let start = Instant::now();
        // A cut before the directory was durable leaves none.
        let disk = RealDisk::create(mounted.path().join(FOLDER));
        let disk = disk
            .map_err(|error| TargetError::refused(crate::target::ErrorKind::Io, error.to_string()));
        let disk = seat.or_violation(disk, CheckKind::Durability, "no-directory")?;
        let opened = seat.open(self, Arc::new(disk), ground.mode());
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.result.timing.recovery_us.record(took);
        self.note_seen(obligations, ground);
        opened?;
        self.bound_recovery(seat, ground, &booted)?;
        self.observe(seat)?;
        match obligations.judge(&ground.history, &self.observed) {
            Judgement::Legal => {}
            Judgement::Illegal(violations) => {
                seat.violations.extend(violations);
                return None;
            }
            Judgement::Undecided => return None,
        }
        self.look_for_anomalies(seat, tried)?;
        self.verify(seat)?;
        self.recover_again(seat, mounted)?;
        self.restore_copies(seat, mounted, tried)?;
        let first = ground.history.next_sequence();
        let mut history = History::continued(self.observed.to_map(), first);
        let mut clients = self
            .setup
            .clients(self.setup.rng.split("after", 0), &history);
        seat.work(
            self,
            device,
            &mut clients,
            &mut history,
            Clients::commit_one,
        )?;
        self.look_for_leaks(seat, mounted, tried, &booted)
    }

    pub(super) fn see(&mut self, check: CheckKind) {
        *self.result.checks_seen.entry(check).or_default() += 1;
    }

    fn note_seen(&mut self, obligations: &Obligations, ground: &Ground) {
        let mut see = |check| self.see(check);
        see(CheckKind::NoPanic);
        see(CheckKind::NoHang);
        if obligations.least > 0 || ground.exists {
            see(CheckKind::Durability);
        }
        if obligations.most > 0 {
            see(CheckKind::Atomicity);
        }
        if obligations.most > 1 {
            see(CheckKind::PrefixOrder);
        }
    }

    /// Reads all rows of all tables.
    fn observe(&mut self, seat: &mut Seat) -> Option<()> {
        let tables = Rc::clone(&self.tables);
        seat.observe(&tables, &mut self.observed)?;
        if !self.observed.is_empty() {
            self.see(CheckKind::NoGarbage);
        }
        Some(())
    }

    fn verify(&mut self, seat: &mut Seat) -> Option<()> {
        let asked = self.setup.batch.scenario.asks_for(CheckKind::Integrity);
        if !asked || !self.setup.target.can(Ability::Verify) {
            return Some(());
        }
        self.see(CheckKind::Integrity);
        let checked = seat.call("verify", |session| session.verify())?;
        let problems = seat.or_violation(checked, CheckKind::Integrity, "cannot-verify")?;
        if problems.is_empty() {
            return Some(());
        }
        let expected = "the target's own check finds nothing";
        let violation = Violation::new(
            CheckKind::Integrity,
            "problems",
            expected,
            problems.join("; "),
        );
        seat.violations.push(violation);
        None
    }
}

/// A crash image, and what is owed there.
pub(super) struct Tried {
    case: CaseId,
    pub(super) ground: Ground,
    pub(super) obligations: Obligations,
    survival: Survival,
    pub(super) at: usize,
}

impl Tried {
    fn describe(&self) -> String {
        let kept = match self.survival {
            Survival::All => "all",
            Survival::Nothing => "nothing",
            Survival::Prefix => "the first writes and a part of the next one",
            Survival::Writes => "some writes",
            Survival::Sectors => "some sectors",
        };
        format!(
            "the disk lost power after {} events; of what it had not flushed survived: {kept}",
            self.at
        )
    }
}

impl Recorded {
    /// What is owed after a crash before event `at`.
    fn ground(&self, at: usize) -> Ground {
        let at = TracePosition::after(at);
        Ground {
            history: Rc::clone(&self.history),
            at,
            kinds: CrashKinds::one(CrashKind::Power),
            exists: at >= self.history.opened_at(),
            kept: self
                .taken
                .iter()
                .filter_map(|taken| Kept::at(taken, &self.history, at))
                .collect(),
        }
    }
}

impl Seat {
    pub(super) fn new() -> Self {
        Self {
            session: None,
            disk: None,
            violations: Vec::new(),
            features: Features::new(),
            taken: Vec::new(),
        }
    }

    pub(super) fn open(
        &mut self,
        explorer: &Explorer<'_>,
        disk: Arc<dyn Disk>,
        mode: Mode,
    ) -> Option<()> {
        let setup = explorer.setup;
        let disk = CountedDisk::new(disk, CALLS_MAX);
        self.disk = Some(disk.clone());
        let opened = caught(|| setup.target.open(Arc::new(disk), &setup.options, mode));
        let opened = opened.map_err(|note| self.violations.push(no_panic("open", &note)));
        self.is_going_on("open")?;
        self.session =
            Some(self.or_violation(opened.ok()?, CheckKind::Durability, "cannot-open")?);
        Some(())
    }

    /// Whether there is an end to what is asked of the disk.
    fn is_going_on(&mut self, call: &str) -> Option<()> {
        let disk = self.disk.as_ref()?;
        if disk.is_hung() {
            self.violations.push(no_hang(call, disk.calls()));
            return None;
        }
        Some(())
    }

    /// Reads all rows of all tables.
    pub(super) fn observe(&mut self, tables: &[String], observed: &mut Observed) -> Option<()> {
        observed.clear();
        for (table, name) in (0..).zip(tables.iter()) {
            let mut row = |key: &[u8], value: &[u8]| observed.push(TableId(table), key, value);
            let scanned = self.call("scan", |session| session.scan(name, &mut row))?;
            self.or_violation(scanned, CheckKind::Durability, "cannot-read")?;
        }
        Some(())
    }

    /// Closes the database.
    pub(super) fn close(&mut self) -> Option<()> {
        let session = self.session.take()?;
        let closed = caught(|| session.close());
        let closed = closed.map_err(|note| self.violations.push(no_panic("close", &note)));
        self.is_going_on("close")?;
        self.or_violation(closed.ok()?, CheckKind::Durability, "cannot-close")
    }

    pub(super) fn call<T>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut dyn Session) -> T,
    ) -> Option<T> {
        let session = self.session.as_deref_mut()?;
        let result = caught(|| call(session));
        self.is_going_on(name)?;
        result
            .map_err(|note| self.violations.push(no_panic(name, &note)))
            .ok()
    }

    pub(super) fn or_violation<T>(
        &mut self,
        result: Result<T, TargetError>,
        check: CheckKind,
        shape: &str,
    ) -> Option<T> {
        result
            .map_err(|error| self.violations.push(refused(check, shape, &error)))
            .ok()
    }

    /// Lets clients work. Nothing breaks while they do, so all must go well.
    fn work(
        &mut self,
        explorer: &Explorer<'_>,
        device: &Arc<Device>,
        clients: &mut Clients,
        history: &mut History,
        work: impl FnOnce(&mut Clients, &mut Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<()> {
        let record = Record::of(std::mem::take(history), Vec::new());
        let tables = &explorer.tables;
        let done = self.call("a transaction", |session| {
            let marks: &dyn Marks = &**device;
            let mut desk = Desk {
                session,
                marks,
                record: &record,
                tables,
                changes_tables: false,
            };
            work(clients, &mut desk)
        });
        let noted = record.take();
        *history = noted.history;
        self.taken.extend(noted.taken);
        self.violations.extend(noted.violations);
        for (feature, count) in noted.features {
            *self.features.entry(feature).or_default() += count;
        }
        done?
            .map_err(|error| self.violations.push(stopped(&error)))
            .ok()
    }

    /// Lets the target go, as a process that ends does.
    pub(super) fn leave(&mut self) {
        let session = self.session.take();
        if let Err(note) = caught(|| drop(session)) {
            self.violations.push(no_panic("drop", &note));
        }
    }
}
