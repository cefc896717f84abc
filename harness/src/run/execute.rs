//! The loop: lanes take batches to workers until every track is at its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lightning_report::{Report, ScenarioReport, ScenarioVerdict};

use super::config::{Loaded, RunConfig};
use super::grid::grid;
use super::judge::{judge, left_out};
use super::schedule::{Schedule, Snapshot, Ticket, Unfinished};
use crate::batch::ExploreError;
use crate::block;
use crate::case::CaseFile;
use crate::process;
use crate::scenario::{Fault, Feature, Plane, Workload};
use crate::target::{self, Ability};
use crate::worker::{Job, JobEnd, Supervisor, Task};

/// How often the run is looked at for time, interruption and progress.
const TICK: Duration = Duration::from_millis(50);
const AN_EARLIER_ONE_FAILED: &str =
    "an earlier scenario failed, and the run was asked to end there";

/// Sees how a run goes on. Called on the thread that runs [`execute`].
pub trait Watch {
    /// Now and then.
    fn progress(&mut self, snapshot: &Snapshot);
    /// Once for each scenario, when it is judged, in the order of the report.
    fn judged(&mut self, scenario: &ScenarioReport);
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// The report, without `timing` and `environment`.
    pub report: Report,
    /// Case files, by path beside the report.
    pub cases: BTreeMap<String, CaseFile>,
    /// What kept scenarios from being explored, if anything did.
    pub failure: Option<RunFailure>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
}

/// What kept a run from going on.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// A scenario cannot be explored.
    #[error("{file}: {source}")]
    Explore {
        /// The scenario's file.
        file: String,
        /// Why.
        source: ExploreError,
    },
    /// Workers cannot be run.
    #[error("cannot run workers: {0}")]
    Workers(#[from] std::io::Error),
}

struct Shared<'a> {
    config: &'a RunConfig,
    scenarios: &'a [Loaded],
    schedule: Mutex<Schedule>,
    failure: Mutex<Option<RunFailure>>,
    ended: AtomicBool,
}

/// Runs scenarios to their ends. `interrupted` ends the run early.
pub fn execute(
    config: &RunConfig,
    scenarios: &[Loaded],
    interrupted: &AtomicBool,
    watch: &mut dyn Watch,
) -> Outcome {
    let mut schedule = Schedule::new(scenarios, config.jobs.get());
    schedule.end_all(Unfinished::Unable, |index| {
        unable(config, &scenarios[index]).is_some()
    });
    let shared = Shared {
        config,
        scenarios,
        schedule: Mutex::new(schedule),
        failure: Mutex::new(None),
        ended: AtomicBool::new(false),
    };
    let mut judged = Vec::new();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..config.jobs.get())
            .map(|_| scope.spawn(|| lane(&shared)))
            .collect();
        while !lanes.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::park_timeout(TICK);
            shared.tick(interrupted, &mut judged, watch);
        }
    });
    shared.judge_what_is_over(&mut judged, watch);
    shared.outcome(judged, interrupted)
}

/// Why a scenario cannot be run, if it can't.
fn unable(config: &RunConfig, loaded: &Loaded) -> Option<String> {
    lacking_plane(config, loaded).or_else(|| cannot(config, loaded).map(str::to_owned))
}

/// Why this machine does not have the plane of a scenario, or not all of it that the scenario needs; nothing if it has.
pub fn lacking_plane(config: &RunConfig, loaded: &Loaded) -> Option<String> {
    let scenario = &loaded.scenario;
    match scenario.plane {
        Plane::Sim => None,
        Plane::Block => {
            let fault = scenario.device_power_loss()?;
            block::unavailable(fault.file_system).map(str::to_owned)
        }
        Plane::Process => process::lacks(scenario, &config.target),
    }
}

/// What the target has not.
fn cannot(config: &RunConfig, loaded: &Loaded) -> Option<&'static str> {
    let target = target::find(&config.target)?;
    let workload = &loaded.scenario.workload;
    let at_failpoint = |fault: &Fault| match fault {
        Fault::Failpoint(_) => true,
        Fault::Kill(kill) => kill.name.is_some(),
        _ => false,
    };
    let workload_has_failpoints = loaded.scenario.faults.iter().any(at_failpoint);
    let asked = workload.features();
    let lacks = |ability, is_asked: bool| is_asked && !target.can(ability);
    let asks_for = |features: &[Feature]| features.iter().any(|feature| asked.contains(feature));
    let has_threads = workload.has_threads();
    if has_threads && target.is_a_process() {
        // Those that take one request at a time get one at a time.
        let reads = !matches!(workload, Workload::Kv(_));
        if lacks(Ability::Interleave, reads) {
            return Some(
                "the target has no transactions in which clients could read beside others",
            );
        }
    } else if lacks(Ability::Threads, has_threads) {
        return Some("the target cannot be used by several threads");
    }
    if lacks(Ability::Savepoints, asks_for(&[Feature::Savepoints])) {
        return Some("the target has no savepoints here");
    }
    if lacks(Ability::Tables, workload.changes_tables()) {
        return Some("the target cannot change tables in transactions here");
    }
    if lacks(Ability::Compact, asks_for(&[Feature::Compactions])) {
        return Some("the target cannot be compacted here");
    }
    if lacks(Ability::Backup, asks_for(&[Feature::Backups])) {
        return Some("the target has no backups here");
    }
    if lacks(Ability::Failpoints, workload_has_failpoints) {
        return Some("the target has no failpoints in this build");
    }
    let ranges = [Feature::RangeReads, Feature::RangeDeletes];
    lacks(Ability::Ranges, asks_for(&ranges)).then_some("the target has no ranges here")
}

type JudgedList = Vec<(ScenarioReport, Vec<(String, CaseFile)>)>;

impl Shared<'_> {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // A poisoned schedule is whole: no invariant spans a call that can panic.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: RunFailure) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(failure);
        self.ended.store(true, Ordering::SeqCst);
    }

    fn tick(&self, interrupted: &AtomicBool, judged: &mut JudgedList, watch: &mut dyn Watch) {
        let ended = interrupted.load(Ordering::SeqCst) || self.ended.load(Ordering::SeqCst);
        let snapshot = {
            let mut schedule = self.schedule();
            schedule.end_overdue();
            if ended {
                schedule.end_all(Unfinished::Interrupted, |_| true);
            }
            schedule.snapshot()
        };
        watch.progress(&snapshot);
        self.judge_what_is_over(judged, watch);
    }

    /// Judges scenarios in order, as far as they are at their end.
    fn judge_what_is_over(&self, judged: &mut JudgedList, watch: &mut dyn Watch) {
        while let Some(loaded) = self.scenarios.get(judged.len()) {
            let mut schedule = self.schedule();
            let index = judged.len();
            if schedule.of_scenario(index).any(|track| track.end.is_none()) {
                return;
            }
            let has_failed = judged
                .iter()
                .any(|(r, _)| r.verdict == ScenarioVerdict::Fail);
            let scenario = if let Some(reason) = unable(self.config, loaded) {
                left_out(loaded, &reason)
            } else if self.config.fail_fast && has_failed {
                // It may have run already, but whether it did depends on chance.
                left_out(loaded, AN_EARLIER_ONE_FAILED)
            } else {
                judge(self.config, loaded, &schedule, index)
            };
            if self.config.fail_fast && scenario.report.verdict == ScenarioVerdict::Fail {
                schedule.end_all(Unfinished::FailFast, |later| later > index);
            }
            drop(schedule);
            watch.judged(&scenario.report);
            judged.push((scenario.report, scenario.cases));
        }
    }

    fn outcome(self, judged: JudgedList, interrupted: &AtomicBool) -> Outcome {
        let mut cases = BTreeMap::new();
        let mut reports = Vec::new();
        for (report, files) in judged {
            reports.push(report);
            cases.extend(files);
        }
        let (seed, target) = (self.config.seed.to_string(), self.config.target.clone());
        let mut report = Report::new(seed, target, reports);
        report.grid = grid();
        Outcome {
            report,
            cases,
            failure: self
                .failure
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            interrupted: interrupted.load(Ordering::SeqCst),
        }
    }

    fn job(&self, ticket: Ticket) -> Option<Job> {
        let schedule = self.schedule();
        let track = schedule.tracks.get(ticket.track)?;
        let loaded = self.scenarios.get(track.scenario)?;
        Some(Job {
            file: loaded.file.clone(),
            text: loaded.text.clone(),
            target: self.config.target.clone(),
            options: self.config.options.clone(),
            seed: self.config.seed,
            run: ticket.run,
            plants: track.plants,
            states_max: loaded.scenario.budget.cases.get(),
            skip: Vec::new(),
            task: Task::Explore,
        })
    }
}

fn lane(shared: &Shared<'_>) {
    let mut supervisor = Supervisor::new(shared.config.workers.clone());
    loop {
        let (ticket, over) = {
            let mut schedule = shared.schedule();
            (schedule.next(), schedule.is_over())
        };
        if over || shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Some(ticket) = ticket else {
            thread::park_timeout(TICK);
            continue;
        };
        let Some(job) = shared.job(ticket) else {
            return;
        };
        let end = supervisor.run(&job, &|| !shared.schedule().wants(ticket));
        take(shared, ticket, &job, end);
    }
}

fn take(shared: &Shared<'_>, ticket: Ticket, job: &Job, end: JobEnd) {
    match end {
        JobEnd::Explored(explored) => shared.schedule().deliver(ticket, *explored),
        JobEnd::Cancelled => {
            let mut schedule = shared.schedule();
            // A track that still wants the batch lost its worker to an interrupt: the run ends with it.
            if schedule.wants(ticket) {
                schedule.end_all(Unfinished::Interrupted, |_| true);
            }
        }
        JobEnd::Failed(ExploreError::NothingPromised { .. }) => {
            let mut schedule = shared.schedule();
            let scenario = schedule
                .tracks
                .get(ticket.track)
                .map(|track| track.scenario);
            schedule.end_all(Unfinished::NothingPromised, |at| Some(at) == scenario);
        }
        JobEnd::Failed(source) => {
            shared.fail(RunFailure::Explore {
                file: job.file.clone(),
                source,
            });
        }
        JobEnd::Case(_)
        | JobEnd::MadeExact(_)
        | JobEnd::Searched(_)
        | JobEnd::Explained(_)
        | JobEnd::Syncs(_)
        | JobEnd::Lost => {
            let source = ExploreError::Internal("a batch was answered with a case".to_owned());
            shared.fail(RunFailure::Explore {
                file: job.file.clone(),
                source,
            });
        }
        JobEnd::Broken(error) => shared.fail(RunFailure::Workers(error)),
    }
}
