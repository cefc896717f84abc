//! Exploring a batch, and running one of its cases again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3;

use super::case::{CasePath, Crash, LIVE, Left};
use super::evidence::{Failed, outcome_of};
use super::examine::{Examination, Examined, Next};
use super::kept;
use super::life::{Ground, Life, survivor};
use super::points;
use super::setup::{PlantNumber, Setup};
use super::sweep::Rerun;
use crate::batch::{
    Batch, BatchResult, CaseId, CaseResult, ExploreError, FaultCounts, Finding, Inconclusive,
    ON_THREADS,
};
use crate::crash::{CrashWalker, Sample, is_journaled, is_spoilt};
use crate::oracle::{History, Obligations, Observed, Violation};
use crate::rng::Rng;
use crate::scenario::{CheckKind, Chore, CrashModel, Fault, Feature, PowerLoss};
use crate::target::{Promise, Promises};
use crate::trace::{DiskState, Entry, TracePosition};
use crate::workload::Features;

/// So many states of a batch that hang say enough.
const HANGS_MAX: usize = 2;

/// One state in so many is examined twice: five in a hundred.
pub(super) const TWICE: u128 = 20;
/// Share of sampled states that are recovered a second time.
const REOPENED: f64 = 0.25;
/// Share of recovered states that are cut again.
const CUT_AGAIN: f64 = 1.0 / 8.0;
/// Survivals drawn at a crash point of a later generation, at most.
const LATER_SAMPLES: u32 = 3;
/// Timelines kept for findings that look alike.
const TIMELINES_MAX: usize = 3;

/// Explores a batch. Each case is announced before it is run, so that whoever watches can name it if it
/// ends the process.
pub fn run_batch(
    batch: &Batch,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    explore_all(&Setup::new(batch)?, None, announce)
}

/// Explores a batch until it shows a finding with this fingerprint.
pub fn hunt(
    batch: &Batch,
    wanted: &str,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    let hasty = Setup::new(batch)?.in_search_of(wanted);
    let found = explore_all(&hasty, Some(wanted.to_owned()), announce)?;
    if !hasty.is_hasty() || !found.shows(wanted) {
        return Ok(found);
    }
    // What hung when little was waited for may be slow.
    explore_all(&Setup::new(batch)?, Some(wanted.to_owned()), announce)
}

#[cfg(test)]
pub(super) fn run_with(
    setup: &Setup,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    explore_all(setup, None, announce)
}

fn explore_all(
    setup: &Setup,
    wanted: Option<String>,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    let mut explorer = Explorer::new(setup, announce);
    explorer.wanted = wanted;
    let life = explorer.live()?;
    explorer.result.operations = life.script.operations();
    if explorer.result.findings.is_empty() {
        for (place, fault) in setup.batch.scenario.faults.iter().enumerate() {
            match fault {
                Fault::IoError(fault) => explorer.sweep(fault)?,
                // Two of another plane; and the disk of each life is slow.
                Fault::Kill(_) | Fault::Resource(_) | Fault::Latency(_) => {}
                Fault::Failpoint(fault) => explorer.stop_at_failpoints(place, fault, &life)?,
                Fault::Damage(fault) => explorer.damage(fault, &life),
                Fault::DevicePowerLoss(fault) => explorer.device(fault)?,
                // The sweep cuts the power where storage has failed.
                Fault::PowerLoss(_) if setup.batch.scenario.io_error().is_some() => {}
                Fault::PowerLoss(fault) => {
                    let points = points::first(&life, fault);
                    explorer.explore(fault, &life, &CasePath::start(place), &points)?;
                }
            }
        }
    }
    let mut result = explorer.result;
    for (plant, shown) in setup.bugs_shown() {
        note_plant(&mut result, plant, shown);
    }
    Ok(result)
}

/// Runs one case of a batch again.
pub fn run_case(batch: &Batch, case: &CaseId) -> Result<CaseResult, ExploreError> {
    let setup = Setup::new(batch)?;
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(&setup, &mut ignore);
    let life = explorer.live()?;
    let mut result = CaseResult {
        options: setup.options.clone(),
        ..CaseResult::default()
    };
    if case.0 == LIVE || !explorer.result.findings.is_empty() {
        return Ok(explorer.result.into_case(result));
    }
    if let Some(fault) = batch.scenario.device_power_loss() {
        explorer.device(fault)?;
        return Ok(explorer.result.into_case(result));
    }
    let unknown = || ExploreError::UnknownCase(case.clone());
    let path = CasePath::parse(case).ok_or_else(unknown)?;
    if let (Some(harm), Some(fault)) = (&path.harm, batch.scenario.damage()) {
        let state = explorer.rerun_harm(fault, &life, harm);
        result.operations = life.script.operations();
        result.files = files(&state.ok_or_else(unknown)?);
        return Ok(explorer.result.into_case(result));
    }
    let state = match explorer.rerun_trouble(&path)? {
        Rerun::Nothing => explorer.rerun_crashes(life, &path)?,
        Rerun::Life(life) => explorer.rerun_crashes(*life, &path)?,
        Rerun::End(state) => state,
    };
    let state = state.ok_or_else(unknown)?;
    result.files = files(&state);
    result.operations = explorer.operations;
    Ok(explorer.result.into_case(result))
}

pub(super) struct Explorer<'s> {
    pub(super) setup: &'s Setup,
    pub(super) announce: &'s mut dyn FnMut(&CaseId),
    pub(super) skip: BTreeSet<CaseId>,
    pub(super) tables: Rc<[String]>,
    pub(super) observed: Observed,
    pub(super) seen: HashSet<u128>,
    timelines: BTreeMap<(String, bool), usize>,
    /// The fingerprint of the finding that ends the exploration.
    wanted: Option<String>,
    /// Which of the orders that are drawn for threads the first life takes.
    pub(super) turns: u64,
    /// What clients did in the run in which storage failed last.
    pub(super) operations: usize,
    pub(super) result: BatchResult,
}

/// A crash of a life, with what is the same for all its samples.
pub(super) struct Cut<'a> {
    pub(super) fault: &'a PowerLoss,
    pub(super) life: &'a Life,
    pub(super) path: &'a CasePath,
    pub(super) at: TracePosition,
    pub(super) state: &'a DiskState,
    pub(super) ground: &'a Ground,
    pub(super) obligations: &'a Obligations,
}

impl<'s> Explorer<'s> {
    pub(super) fn new(setup: &'s Setup, announce: &'s mut dyn FnMut(&CaseId)) -> Self {
        let tables = setup
            .clients(setup.rng.clone(), &History::new())
            .tables()
            .into();
        let result = BatchResult {
            options: setup.options.clone(),
            promises: promise_texts(&setup.promises),
            ..BatchResult::default()
        };
        Self {
            setup,
            announce,
            skip: setup.batch.skip.iter().cloned().collect(),
            tables,
            observed: Observed::default(),
            seen: HashSet::new(),
            timelines: BTreeMap::new(),
            wanted: None,
            turns: 0,
            operations: 0,
            result,
        }
    }

    pub(super) fn note_undecided(&mut self, case: CaseId) {
        let reason = "overlapping transactions have more orders than are tried".to_owned();
        self.result.inconclusive.push(Inconclusive { case, reason });
    }

    /// Cuts a life at all of `points`.
    pub(super) fn explore(
        &mut self,
        fault: &PowerLoss,
        life: &Life,
        path: &CasePath,
        points: &[TracePosition],
    ) -> Result<(), ExploreError> {
        let generation = path.crashes.len();
        let model = fault.model_of(generation);
        let mut walker = CrashWalker::new(&life.trace);
        for &at in points {
            walker.advance_to(at);
            self.result.crash_points += 1;
            let ground = life.ground(at, model);
            let state = walker.state();
            let obligations = ground.obligations(&self.setup.promises);
            let (ground, obligations) = (&ground, &obligations);
            self.explore_point(&Cut {
                fault,
                life,
                path,
                at,
                state,
                ground,
                obligations,
            })?;
        }
        Ok(())
    }

    fn explore_point(&mut self, cut: &Cut<'_>) -> Result<(), ExploreError> {
        if let Some(leaves) = cut.fault.leaves_of(cut.path.crashes.len())
            && self.cover_point(cut, leaves)?
        {
            return Ok(());
        }
        self.result.sampled_points += 1;
        self.sample_point(cut)
    }

    fn sample_point(&mut self, cut: &Cut<'_>) -> Result<(), ExploreError> {
        let owed = cut.obligations.digest(&cut.ground.history);
        let samples = match cut.fault.samples.get() {
            _ if !cut.state.is_pending() => 1,
            samples if !cut.path.is_start() => samples.min(LATER_SAMPLES),
            samples => samples,
        };
        for sample in (0..samples).map(Sample) {
            if self.is_done() {
                return Ok(());
            }
            let case = cut.case(Left::Sample(sample));
            let id = case.id();
            if self.skip.contains(&id) {
                continue;
            }
            self.result.generated += 1;
            self.note_fired(cut);
            let state = cut.survivor(sample);
            let key = self.key(cut, &state, owed);
            if self.seen.insert(key) {
                (self.announce)(&id);
                self.result.distinct.push(key);
                let life = self.check(cut, &case, &state, key.is_multiple_of(TWICE))?;
                self.explore_later(cut, &case, life)?;
            }
        }
        Ok(())
    }

    /// Notes a power cut.
    pub(super) fn note_cut(&mut self, cut: &Cut<'_>) {
        self.result.faults_fired += 1;
        let model = cut.fault.model_of(cut.path.crashes.len());
        self.note_variety(format!("power-loss: {model}"), true);
        self.note_threads("power-loss", true);
    }

    /// Notes a fault that could have come to clients on threads of their own, and whether it did.
    pub(super) fn note_threads(&mut self, fault: &str, has_fired: bool) {
        if self.setup.batch.scenario.workload.has_threads() {
            self.note_variety(format!("{fault}: {ON_THREADS}"), has_fired);
        }
    }

    /// Notes how many operations could have been slow, and how many were.
    pub(super) fn note_slow(&mut self, (matched, slow): (u64, u64)) {
        if self.setup.batch.scenario.latency().is_some() {
            let counts = self.result.faults.entry("latency".to_owned()).or_default();
            counts.armed += matched;
            counts.fired += slow;
        }
    }

    /// Notes a variety of a fault that could have come, and whether it did.
    pub(super) fn note_variety(&mut self, name: String, has_fired: bool) {
        let FaultCounts { armed, fired } = self.result.faults.entry(name).or_default();
        *armed += 1;
        *fired += u64::from(has_fired);
    }

    /// Cuts the life after a state, if there is one.
    pub(super) fn explore_later(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        life: Option<Life>,
    ) -> Result<(), ExploreError> {
        let Some(life) = life else { return Ok(()) };
        let later = self.later_points(&life, cut, case);
        self.explore(cut.fault, &life, case, &later)
    }

    /// Whether the life after a state is to be cut again.
    pub(super) fn is_cut_again(cut: &Cut<'_>, case: &CasePath, rng: &Rng) -> bool {
        let is_last = case.crashes.len() >= cut.fault.generations.get() as usize;
        !is_last && rng.split("next", 0).chance(CUT_AGAIN)
    }

    /// Checks one state. Returns the life after it, if that is to be cut again.
    pub(super) fn check(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        state: &DiskState,
        twice: bool,
    ) -> Result<Option<Life>, ExploreError> {
        let rng = case.rng(cut.life)?;
        let next = if Self::is_cut_again(cut, case, &rng) {
            Next::Life
        } else {
            Next::End
        };
        let examination = Examination {
            setup: self.setup,
            ground: cut.ground,
            obligations: cut.obligations,
            rng: &rng,
            next,
            reopened: REOPENED,
            tables: &self.tables,
        };
        let mut examined = examination.run(state.clone(), &mut self.observed);
        let is_a_process = self.setup.target.is_a_process();
        let mut again = || examination.run(state.clone(), &mut self.observed);
        if twice && !examined.agrees(&again(), is_a_process) {
            return Err(internal(&format!(
                "case {} ends differently when repeated",
                case.id()
            )));
        }
        let is_last = case.crashes.len() >= cut.fault.generations.get() as usize;
        if examined.life.is_none() && !is_last && self.reaches_new_places(cut, &examined.failpoints)
        {
            let next = Next::Life;
            examined = Examination {
                next,
                ..examination
            }
            .run(state.clone(), &mut self.observed);
        }
        let life = examined.life.take();
        let is_good = self.note_examined(cut, case, examined, || state.clone());
        Ok(life.filter(|_| is_good).map(|life| Life {
            spoilt: cut.is_spoilt(state),
            unordered: cut.is_unordered(state),
            ..life
        }))
    }

    /// Notes what an examination gave; false if something that was asked for is broken.
    pub(super) fn note_examined(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        mut examined: Examined,
        state: impl FnOnce() -> DiskState,
    ) -> bool {
        if cut.ground.kinds.void(&self.setup.promises) {
            self.result.unpromised += 1;
            examined.drop_what_is_not_promised();
        }
        self.note(&examined);
        self.note_chore(cut);
        if examined.is_undecided {
            self.note_undecided(case.id());
            return false;
        }
        let failed: Vec<_> = examined
            .violations
            .into_iter()
            .filter(|violation| self.is_asked(violation))
            .collect();
        let is_good = failed.is_empty();
        self.note_outcome(outcome_of(&failed));
        if !is_good {
            self.note_failed(cut, case, &state(), failed);
        }
        is_good
    }

    /// Notes how a state ended.
    pub(super) fn note_outcome(&mut self, outcome: &str) {
        *self.result.outcomes.entry(outcome.to_owned()).or_default() += 1;
    }

    /// One finding for each check that failed.
    fn note_failed(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        state: &DiskState,
        violations: Vec<Violation>,
    ) {
        let mut checks = BTreeSet::new();
        let unordered = cut.is_unordered(state);
        for violation in violations {
            if !checks.insert(violation.check) {
                continue;
            }
            let alike = (violation.fingerprint(), unordered);
            let shown = self.timelines.entry(alike).or_default();
            *shown += 1;
            let failed = Failed {
                case: &case.id(),
                generation: case.crashes.len() - 1,
                at: cut.at,
                trace: &cut.life.trace,
                before: cut.state,
                after: state,
                spoilt: cut.is_spoilt(state),
                unordered,
            };
            let finding: Finding = failed.finding(violation, *shown <= TIMELINES_MAX);
            self.result.findings.push(finding);
        }
    }

    /// Goes to the crashes of a case, the first of them one of `first`.
    fn rerun_crashes(
        &mut self,
        first: Life,
        path: &CasePath,
    ) -> Result<Option<DiskState>, ExploreError> {
        match self.setup.batch.scenario.faults.get(path.fault) {
            Some(Fault::PowerLoss(fault)) => self.rerun(fault, first, path),
            Some(Fault::Failpoint(fault)) => match fault.as_power_loss() {
                Some(fault) => self.rerun(&fault, first, path),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Goes to one case. Returns the state it begins with; nothing if there is no such case.
    fn rerun(
        &mut self,
        fault: &PowerLoss,
        first: Life,
        path: &CasePath,
    ) -> Result<Option<DiskState>, ExploreError> {
        let mut life = first;
        let mut done = path.before_crashes();
        let count = path.crashes.len();
        for (generation, crash) in path.crashes.iter().enumerate() {
            if crash.at > life.trace.end() {
                return Ok(None);
            }
            let model = fault.model_of(generation);
            let mut walker = CrashWalker::new(&life.trace);
            walker.advance_to(crash.at);
            let ground = life.ground(crash.at, model);
            let (at, state) = (crash.at, walker.state());
            let obligations = ground.obligations(&self.setup.promises);
            let (path, ground, obligations) = (&done, &ground, &obligations);
            let cut = Cut {
                fault,
                life: &life,
                path,
                at,
                state,
                ground,
                obligations,
            };
            let case = done.then(crash.clone());
            let Some((state, next)) = self.step(&cut, &case, &crash.left)? else {
                return Ok(None);
            };
            if generation + 1 == count {
                return Ok(Some(state));
            }
            let Some(next) = next else { return Ok(None) };
            life = next;
            done = case;
        }
        Ok(None)
    }

    /// What one crash of a case left, and the life after it, if that is cut again; nothing if there is no such case.
    pub(super) fn step(
        &mut self,
        cut: &Cut<'_>,
        case: &CasePath,
        left: &Left,
    ) -> Result<Option<(DiskState, Option<Life>)>, ExploreError> {
        match left {
            Left::Sample(sample) => {
                let state = cut.survivor(*sample);
                let next = self.check(cut, case, &state, false)?;
                Ok(Some((state, next)))
            }
            Left::Decided(decisions) => self.rerun_leaf(cut, case, decisions),
        }
    }

    pub(super) fn key(&self, cut: &Cut<'_>, state: &DiskState, owed: u128) -> u128 {
        let mut hasher = Xxh3::new();
        hasher.update(&state.digest().to_le_bytes());
        hasher.update(&self.setup.digest.to_le_bytes());
        hasher.update(&owed.to_le_bytes());
        let model = cut.fault.model_of(cut.path.crashes.len());
        hasher.update(&[u8::from(cut.ground.exists), model as u8]);
        if !cut.ground.kept.is_empty() {
            hasher.update(&kept::digest(&cut.ground.kept).to_le_bytes());
        }
        hasher.digest128()
    }

    /// Whether there are states enough, or hangs: each of those costs all the patience that there is.
    pub(super) fn is_done(&self) -> bool {
        let findings = self.result.findings.iter();
        let hangs = findings.filter(|finding| finding.check == CheckKind::NoHang);
        let is_wanted = |finding: &Finding| self.wanted.as_ref() == Some(&finding.fingerprint);
        self.result.distinct.len() as u64 >= self.setup.batch.states_max
            || hangs.take(HANGS_MAX).count() == HANGS_MAX
            || self.wanted.is_some() && self.result.findings.iter().any(is_wanted)
    }

    /// Panics and hangs are never passed over; other checks are those that the scenario names.
    pub(super) fn is_asked(&self, violation: &Violation) -> bool {
        matches!(violation.check, CheckKind::NoPanic | CheckKind::NoHang)
            || self.setup.batch.scenario.asks_for(violation.check)
    }

    pub(super) fn note(&mut self, examined: &Examined) {
        self.result.checked += 1;
        for &check in &examined.seen {
            *self.result.checks_seen.entry(check).or_default() += 1;
        }
        self.result
            .recovery_operations
            .record(examined.recovery_calls);
        self.result.timing.recovery_us.record(examined.recovery_us);
        self.note_elisions(&examined.elisions_fired);
        self.note_features(&examined.features);
        self.note_reached(&examined.failpoints);
    }

    pub(super) fn note_elisions(&mut self, fired: &[u64]) {
        for (plant, &fired) in self.setup.elided_by().zip(fired) {
            note_plant(&mut self.result, plant, fired);
        }
    }

    /// Notes how often failures were ignored as planted.
    pub(super) fn note_ignored(&mut self, fired: &[u64]) {
        for (plant, &fired) in self.setup.ignored_by().zip(fired) {
            note_plant(&mut self.result, plant, fired);
        }
    }

    /// Notes a crash inside of what was no transaction.
    fn note_chore(&mut self, cut: &Cut<'_>) {
        let doing = cut.life.doing(cut.at);
        let is = |chore: Chore| doing == Some(chore.name());
        let features = [
            (Chore::Compaction, Feature::CrashesInCompactions),
            (Chore::Backup, Feature::CrashesInBackups),
        ];
        for (_, feature) in features.into_iter().filter(|&(chore, _)| is(chore)) {
            *self.result.features.entry(feature).or_default() += 1;
        }
    }

    pub(super) fn note_features(&mut self, features: &Features) {
        for (&feature, count) in features {
            *self.result.features.entry(feature).or_default() += count;
        }
    }
}

impl Cut<'_> {
    /// Whether it took media worse than POSIX has them to leave `state`.
    fn is_spoilt(&self, state: &DiskState) -> bool {
        let model = self.fault.model_of(self.path.crashes.len());
        self.life.spoilt || model == CrashModel::Media && is_spoilt(self.state, state)
    }

    /// Whether the crash left what `posix` allows and no journaling file system leaves.
    fn is_unordered(&self, state: &DiskState) -> bool {
        let model = self.fault.model_of(self.path.crashes.len());
        self.life.unordered || model == CrashModel::Posix && !is_journaled(self.state, state)
    }

    /// One of the cases of this crash.
    pub(super) fn case(&self, left: Left) -> CasePath {
        self.path.then(Crash { at: self.at, left })
    }

    fn survivor(&self, sample: Sample) -> DiskState {
        let model = self.fault.model_of(self.path.crashes.len());
        let left = Left::Sample(sample);
        let rng = self.life.rng_of(&Crash { at: self.at, left });
        survivor(self.state, model, sample, &rng)
    }
}

impl CasePath {
    /// The generator of all that follows from the last crash, which is one of `life`.
    pub(super) fn rng(&self, life: &Life) -> Result<Rng, ExploreError> {
        let crash = self.crashes.last();
        crash
            .map(|crash| life.rng_of(crash))
            .ok_or_else(|| internal("a case without a crash"))
    }
}

impl BatchResult {
    fn shows(&self, fingerprint: &str) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.fingerprint == fingerprint)
    }

    /// Of a batch that ran one case.
    fn into_case(self, case: CaseResult) -> CaseResult {
        let first = self.inconclusive.into_iter().next();
        CaseResult {
            findings: self.findings,
            inconclusive: first.map(|first| first.reason),
            ..case
        }
    }
}

impl Examined {
    /// Of a target that promises nothing only panics and hangs are told.
    pub(super) fn drop_what_is_not_promised(&mut self) {
        let owed = |check: CheckKind| matches!(check, CheckKind::NoPanic | CheckKind::NoHang);
        let count = self.violations.len();
        self.is_undecided = false;
        self.violations.retain(|violation| owed(violation.check));
        self.seen.retain(|&check| owed(check));
        if count > 0 {
            self.life = None;
        }
    }

    /// Whether two examinations of one state came to the same. Of a process that is what it showed and what it broke: how many of its
    /// calls reach the disk is up to the system.
    pub(super) fn agrees(&self, other: &Self, is_a_process: bool) -> bool {
        let end = |examined: &Self| examined.life.as_ref().map(|life| life.trace.end());
        self.showed == other.showed
            && self.violations == other.violations
            && (is_a_process || self.calls == other.calls && end(self) == end(other))
    }
}

/// Each level's promises, in the words of the driver protocol.
pub fn promise_texts(promises: &Promises) -> BTreeMap<String, String> {
    let text = |process: Promise, power: Promise| {
        format!("process {}, power {}", process.name(), power.name())
    };
    promises
        .iter()
        .map(|(level, process, power)| (level.name().to_owned(), text(process, power)))
        .collect()
}

pub(super) fn files(state: &DiskState) -> BTreeMap<String, Vec<u8>> {
    let bytes = |entry| match entry {
        Entry::File(inode) => state.file(inode).map(crate::trace::FileState::bytes),
        Entry::Directory => None,
    };
    let names = state.names().iter();
    names
        .filter_map(|(name, entry)| Some((name.to_string(), bytes(entry)?)))
        .collect()
}

pub(super) fn note_plant(result: &mut BatchResult, plant: PlantNumber, fired: u64) {
    let fired_before = result.elisions_fired.entry(format!("plant {plant}"));
    *fired_before.or_default() += fired;
}

pub(super) fn internal(text: &str) -> ExploreError {
    ExploreError::Internal(text.to_owned())
}
