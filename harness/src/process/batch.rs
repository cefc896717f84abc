//! The cases of a run, one after the other, each in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::id;
use std::time::Instant;

use xxhash_rust::xxh3::Xxh3;

use super::cgroup::Cgroup;
use super::host::{Ended, Host, Way};
use super::janitor::Janitor;
use super::job::{ChildJob, End};
use super::machine::lacks;
use super::plan::{Measure, Ordeal, Plan, plans};
use super::small_disk::SmallDisk;
use super::verdict::{Owed, Verdict};
use crate::batch::{
    Batch, BatchResult, CaseId, CaseResult, ExploreError, Finding, Inconclusive, PlantSwitch,
};
use crate::explore::{draw_options, promise_texts};
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::scenario::{CheckKind, ResourceKind};
use crate::target::{self, Options, Promises};

/// The life by which the others are measured.
const MEASURE: &str = "live";
/// Transactions of a life that begins with a recovery.
const TRANSACTIONS_LATER: u32 = 6;

/// Runs all cases of a batch.
pub fn run_batch(
    batch: &Batch,
    announce: &mut dyn FnMut(&CaseId),
) -> Result<BatchResult, ExploreError> {
    let mut runner = Runner::new(batch)?;
    for plan in runner.plans(announce)? {
        if runner.is_done() || batch.skip.contains(&plan.id()) {
            continue;
        }
        announce(&plan.id());
        runner.run(&plan)?;
    }
    runner.note_what_never_came();
    Ok(runner.result)
}

/// Runs one case again.
pub fn run_case(batch: &Batch, case: &CaseId) -> Result<CaseResult, ExploreError> {
    let mut runner = Runner::new(batch)?;
    let plans = runner.plans(&mut |_| ())?;
    if case.0 != MEASURE {
        let plan = plans.into_iter().find(|plan| plan.id() == *case);
        let plan = plan.ok_or_else(|| ExploreError::UnknownCase(case.clone()))?;
        runner.run(&plan)?;
    }
    let result = runner.result;
    let first = result.inconclusive.into_iter().next();
    Ok(CaseResult {
        options: runner.options,
        findings: result.findings,
        inconclusive: first.map(|first| first.reason),
        ..CaseResult::default()
    })
}

struct Runner<'b> {
    batch: &'b Batch,
    options: Options,
    promises: Promises,
    rng: Rng,
    host: Host,
    base: PathBuf,
    result: BatchResult,
    /// How often each way in which the fault can come came.
    fired: BTreeMap<&'static str, u64>,
    /// Ends its waiting, and cleans up, when all else is over.
    _janitor: Janitor,
}

impl<'b> Runner<'b> {
    fn new(batch: &'b Batch) -> Result<Self, ExploreError> {
        let target = target::find(&batch.target).ok_or_else(|| internal("unknown target"))?;
        let rng = Rng::from_seed(batch.seed).split(&batch.scenario.id, u64::from(batch.run));
        let options = draw_options(batch, target.name(), &rng);
        target
            .check_options(&options)
            .map_err(|error| ExploreError::Option {
                target: batch.target.clone(),
                option: error.name.clone(),
                reason: error.reason,
            })?;
        if let Some(why) = lacks(&batch.scenario, &batch.target) {
            return Err(internal(why));
        }
        let base = std::env::temp_dir().join(format!("chaos-process-{}", id()));
        let host = Host::of_this_program().map_err(internal)?;
        let janitor =
            Janitor::hire(&host.program, &base, Cgroup::path().as_deref()).map_err(internal)?;
        fs::create_dir_all(&base).map_err(internal)?;
        let promises = target.promises(&options);
        let result = BatchResult {
            options: options.clone(),
            promises: promise_texts(&promises),
            ..BatchResult::default()
        };
        Ok(Self {
            batch,
            options,
            promises,
            rng,
            host,
            base,
            result,
            fired: BTreeMap::new(),
            _janitor: janitor,
        })
    }

    fn is_done(&self) -> bool {
        self.result.distinct.len() as u64 >= self.batch.states_max
    }

    /// Measures an undisturbed life, and plans the others by it.
    fn plans(&mut self, announce: &mut dyn FnMut(&CaseId)) -> Result<Vec<Plan>, ExploreError> {
        let case = CaseId(MEASURE.to_owned());
        announce(&case);
        let dir = self.base.join(MEASURE);
        let mut owed = Owed::default();
        let job = ChildJob {
            is_measured: true,
            // A planted bug may show without any fault; here nothing is to.
            is_planted: false,
            ..self.job(&dir, &owed, (u64::MAX, 0), &Ordeal::none())
        };
        let began = Instant::now();
        let ended = self.host.live(&job, None, None).map_err(internal)?;
        let microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let verdict = owed.take(&ended, &self.promises, &Ordeal::none());
        let is_good = self.note(&case, verdict, &ended);
        let Some(finish) = ended.life.finish().filter(|_| is_good) else {
            clean(&dir)?;
            return Ok(Vec::new());
        };
        let mut measure = Measure {
            operations: finish.operations,
            allocations: finish.allocations,
            lines: ended.life.entries.len() as u64,
            microseconds,
            bytes: 0,
            longest: 0,
        };
        weigh(&dir, &mut measure).map_err(internal)?;
        clean(&dir)?;
        Ok(plans(&self.batch.scenario, &self.rng, measure))
    }

    fn job(&self, dir: &Path, owed: &Owed, (case, life): (u64, u32), ordeal: &Ordeal) -> ChildJob {
        let scenario = &self.batch.scenario;
        let transactions = match (life, &ordeal.end) {
            (0, _) => scenario.workload.transactions(),
            (_, End::Close) => 1,
            _ => TRANSACTIONS_LATER,
        };
        ChildJob {
            parent: i32::try_from(id()).unwrap_or(-1),
            dir: dir.to_owned(),
            scenario: serde_json::to_value(&**scenario).unwrap_or_default(),
            target: self.batch.target.clone(),
            options: self.options.clone(),
            seed: self.batch.seed,
            run: self.batch.run,
            case,
            life,
            is_planted: self.batch.plants == PlantSwitch::Planted,
            first_sequence: owed.next_sequence(),
            exists: owed.exists,
            transactions,
            is_measured: false,
            end: ordeal.end.clone(),
            limit: ordeal.limit,
            image: None,
        }
    }

    /// Runs one case, life after life, until one is not as it should be.
    fn run(&mut self, plan: &Plan) -> Result<(), ExploreError> {
        let dir = self.base.join(plan.id().0);
        fs::create_dir_all(&dir).map_err(internal)?;
        let disk = plan.small_disk().map(|file_system| SmallDisk {
            file_system,
            image: dir.join("image"),
        });
        if let Some(disk) = &disk {
            disk.make().map_err(internal)?;
        }
        let mut owed = Owed::default();
        let mut fired = false;
        for (life, ordeal) in (0..).zip(plan.lives.iter().chain([&Ordeal::none()])) {
            let job = ChildJob {
                image: disk.clone(),
                ..self.job(&dir, &owed, (plan.number, life), ordeal)
            };
            let ended = self.live(&job, ordeal).map_err(internal)?;
            let verdict = owed.take(&ended, &self.promises, ordeal);
            fired |= verdict.fired;
            if !self.note(&plan.id(), verdict, &ended) {
                break;
            }
        }
        self.note_fault(plan, fired);
        clean(&dir)
    }

    fn live(&self, job: &ChildJob, ordeal: &Ordeal) -> io::Result<Ended> {
        let limit = ordeal.limit;
        let limit = limit.filter(|limit| limit.what == ResourceKind::CgroupMemory);
        let cgroup = limit.map(|limit| Cgroup::make(limit.amount)).transpose()?;
        let ended = self.host.live(job, ordeal.blow, cgroup.as_ref())?;
        if let Some(disk) = &job.image {
            disk.wait_for_release()?;
        }
        Ok(ended)
    }

    fn note_fault(&mut self, plan: &Plan, fired: bool) {
        let Plan { fault, way, .. } = *plan;
        for name in [fault.to_owned(), format!("{fault}: {way}")] {
            let counts = self.result.faults.entry(name).or_default();
            counts.armed += 1;
            counts.fired += u64::from(fired);
        }
        *self.fired.entry(way).or_default() += u64::from(fired);
        for ordeal in &plan.lives {
            if let End::AtFailpoint { name, .. } = &ordeal.end {
                let counts = self.result.failpoints.entry(name.clone()).or_default();
                counts.armed += 1;
                counts.fired += u64::from(fired);
            }
        }
        self.result.generated += 1;
        if fired {
            let mut hasher = Xxh3::new();
            hasher.update(self.batch.scenario.id.as_bytes());
            hasher.update(&self.batch.run.to_le_bytes());
            hasher.update(&plan.number.to_le_bytes());
            self.result.distinct.push(hasher.digest128());
        }
    }

    /// A run in which a way never came says nothing about it.
    fn note_what_never_came(&mut self) {
        for (way, _) in self.fired.iter().filter(|(_, count)| **count == 0) {
            let case = CaseId(MEASURE.to_owned());
            let reason = format!("the fault never came: {way}");
            self.result.inconclusive.push(Inconclusive { case, reason });
        }
    }

    /// Notes a verdict. False if something is wrong, or nothing can be said.
    fn note(&mut self, case: &CaseId, verdict: Verdict, ended: &Ended) -> bool {
        self.result.checked += 1;
        for &check in &verdict.seen {
            *self.result.checks_seen.entry(check).or_default() += 1;
        }
        for plant in ended.life.dropped() {
            let count = self.result.elisions_fired.entry(format!("plant {plant}"));
            *count.or_default() += 1;
        }
        for (feature, count) in ended.life.features() {
            *self.result.features.entry(feature).or_default() += count;
        }
        if let Some(reason) = verdict.undecided {
            let reason = match ended.way {
                Way::Exit(_) => format!("{reason}: {}", ended.printed.trim()),
                _ => reason.to_owned(),
            };
            let case = case.clone();
            self.result.inconclusive.push(Inconclusive { case, reason });
            return false;
        }
        let is_good = verdict.violations.is_empty();
        for violation in verdict.violations {
            let is_asked = matches!(violation.check, CheckKind::NoPanic | CheckKind::NoHang)
                || self.batch.scenario.asks_for(violation.check);
            if is_asked {
                self.result.findings.push(finding(case, violation));
            }
        }
        is_good
    }
}

fn clean(dir: &Path) -> Result<(), ExploreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(internal(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Adds what the files below a directory take.
fn weigh(dir: &Path, measure: &mut Measure) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            weigh(&entry.path(), measure)?;
        } else {
            measure.bytes += metadata.len();
            measure.longest = measure.longest.max(metadata.len());
        }
    }
    Ok(())
}

fn finding(case: &CaseId, violation: Violation) -> Finding {
    Finding {
        check: violation.check,
        title: violation.shape.clone(),
        fingerprint: violation.fingerprint(),
        case: case.clone(),
        crash_point: 0,
        generation: 1,
        expected: violation.expected,
        actual: violation.actual,
        timeline: Vec::new(),
        assumptions: Vec::new(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn internal(error: impl ToString) -> ExploreError {
    ExploreError::Internal(error.to_string())
}
