//! Shrinking what a run has found, once it is over.
//!
//! 1. Of a planted bug that was caught one finding is shrunk, of the check that was to catch it and with the earliest cut; of a scenario that failed the
//!    first of each fingerprint, up to a bound.
//! 2. Each shrunk case is written as text, read back and run once more: one that does not show its finding then is an error of the harness.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lightning_report::{Expect, Finding, ScenarioReport, ScenarioVerdict, Shrunk as ShrunkReport};

use super::config::RunConfig;
use super::execute::Outcome;
use crate::case::CaseFile;
use crate::scenario::{CheckKind, Plane, Scenario};
use crate::shrink::{Limits, ShrinkError, Shrinker, Shrunk, same_job};
use crate::target::{self, Ability};
use crate::worker::{JobEnd, Supervisor, Task};

/// Findings of one scenario that are shrunk, at most.
const FINDINGS_MAX: usize = 8;

/// A finding that was shrunk, or why it was not.
#[derive(Debug)]
pub struct Smaller {
    /// The scenario's id.
    pub scenario: String,
    /// The check.
    pub check: String,
    /// How it went.
    pub shrunk: Result<ShrunkReport, ShrinkError>,
    /// Whether the file replays.
    pub replays: bool,
    /// How long it took.
    pub took: Duration,
}

struct Waiting {
    scenario: usize,
    finding: usize,
    file: CaseFile,
    name: String,
}

struct Done {
    task: Waiting,
    shrunk: Result<Shrunk, ShrinkError>,
    replays: bool,
    took: Duration,
}

/// Shrinks what a run has found, and puts it into its report.
pub fn shrink_findings(
    config: &RunConfig,
    outcome: &mut Outcome,
    interrupted: &AtomicBool,
) -> Vec<Smaller> {
    let mut waiting = VecDeque::new();
    if target::find(&config.target).is_none() {
        // The target that tests the machinery has no cases that could be spelled out.
        return Vec::new();
    }
    for (scenario, report) in outcome.report.scenarios.iter().enumerate() {
        for finding in chosen(report, &config.target) {
            let found = report.findings.get(finding);
            let name = found.and_then(|found| found.case_file.clone());
            if let Some(name) = name
                && let Some(file) = outcome.cases.get(&name)
            {
                if runs_as_it_likes(&file.scenario.text, &config.target) {
                    continue;
                }
                let file = file.clone();
                waiting.push_back(Waiting {
                    scenario,
                    finding,
                    file,
                    name,
                });
            }
        }
    }
    let fingerprints: Vec<Vec<String>> = outcome
        .report
        .scenarios
        .iter()
        .map(|report| {
            let findings = report.findings.iter();
            findings.map(|found| found.fingerprint.clone()).collect()
        })
        .collect();
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..config.jobs.get() {
            scope.spawn(|| {
                let mut supervisor = Supervisor::new(config.workers.clone());
                while let Some(task) = next(&waiting, interrupted) {
                    let wanted = &fingerprints[task.scenario][task.finding];
                    let one = shrink_one(&mut supervisor, task, wanted, interrupted);
                    held(&done).push(one);
                }
            });
        }
    });
    let mut done = std::mem::take(&mut *held(&done));
    done.sort_by_key(|one: &Done| (one.task.scenario, one.task.finding));
    done.into_iter().map(|one| entered(outcome, one)).collect()
}

/// Whether clients of a process have requests outstanding at once. No two runs of it are alike, so that there is nothing to leave something out of.
fn runs_as_it_likes(text: &str, target: &str) -> bool {
    let Some(found) = target::find(target).filter(|found| found.is_a_process()) else {
        return false;
    };
    let has_threads =
        Scenario::parse("shrinking", text).is_ok_and(|scenario| scenario.workload.has_threads());
    has_threads && found.can(Ability::Threads)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a lane holds is whole between its calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next(waiting: &Mutex<VecDeque<Waiting>>, interrupted: &AtomicBool) -> Option<Waiting> {
    if interrupted.load(Ordering::SeqCst) {
        return None;
    }
    held(waiting).pop_front()
}

/// The findings of a scenario that are shrunk, by their places.
fn chosen(report: &ScenarioReport, target: &str) -> Vec<usize> {
    if report.plane == Plane::Process.name() {
        // What befell a real process is not found again by asking for less.
        return Vec::new();
    }
    let findings = report.findings.iter().enumerate();
    let by = &report.must_be_caught_by;
    let is_caught = report.expect == Expect::Fail && report.verdict == ScenarioVerdict::Pass;
    let is_asked =
        |(_, found): &(usize, &Finding)| !is_caught || by.is_empty() || by.contains(&found.check);
    let most = if is_caught { 1 } else { FINDINGS_MAX };
    // Each try of a process that hangs costs all the patience that there is.
    let is_patience =
        |found: &Finding| target::is_process(target) && found.check == CheckKind::NoHang.name();
    let findings = findings.filter(|(_, found)| !is_patience(found));
    let mut asked: Vec<_> = findings.filter(is_asked).collect();
    if is_caught {
        // What an early cut shows needs few operations.
        asked.sort_by_key(|(_, found)| (found.generation, found.crash_point));
    }
    let places = asked.into_iter().map(|(place, _)| place);
    places.take(most).collect()
}

fn shrink_one(
    supervisor: &mut Supervisor,
    task: Waiting,
    wanted: &str,
    interrupted: &AtomicBool,
) -> Done {
    let started = Instant::now();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let plane = plane_of(&task.file);
    let mut shrinker = Shrinker {
        supervisor,
        limits: match plane {
            Plane::Block => Limits::IN_A_RUN_ON_A_DISK,
            Plane::Sim | Plane::Process => Limits::IN_A_RUN,
        },
        cancelled: &cancelled,
        progress: &mut |_, _| (),
    };
    let shrunk = shrinker.shrink(&task.file, wanted);
    let took = started.elapsed();
    let replays = match &shrunk {
        Ok(shrunk) => (0..tries_of(plane)).any(|_| replays(supervisor, &shrunk.file, wanted)),
        Err(_) => false,
    };
    Done {
        task,
        shrunk,
        replays,
        took,
    }
}

fn plane_of(file: &CaseFile) -> Plane {
    let scenario = Scenario::parse(&file.case.scenario_file, &file.scenario.text);
    scenario.map_or(Plane::Sim, |scenario| scenario.plane)
}

/// How often a shrunk case is run before it counts as one that does not replay. When the kernel writes what nobody synced is its own affair.
fn tries_of(plane: Plane) -> u32 {
    match plane {
        Plane::Block => 5,
        Plane::Sim | Plane::Process => 1,
    }
}

/// Whether a case file, written and read back, shows the finding.
fn replays(supervisor: &mut Supervisor, file: &CaseFile, wanted: &str) -> bool {
    let Some(file) = file
        .to_toml()
        .ok()
        .and_then(|text| toml::from_str::<CaseFile>(&text).ok())
    else {
        return false;
    };
    let materialize = None;
    let task = match file.exact.clone() {
        Some(case) => Task::Exact { case, materialize },
        None => Task::Case {
            case: file.case.case.clone(),
            materialize,
        },
    };
    match supervisor.run(&same_job(&file, task), &|| false) {
        JobEnd::Case(answer) => {
            let mut findings = answer.findings.iter();
            findings.any(|finding| finding.fingerprint == wanted)
        }
        _ => false,
    }
}

/// Puts what came of a finding into the report, and its file beside it.
fn entered(outcome: &mut Outcome, done: Done) -> Smaller {
    let Done {
        task,
        shrunk,
        replays,
        took,
    } = done;
    let name = task.name.replace(".toml", "-shrunk.toml");
    let shrunk = shrunk.map(|shrunk| {
        let report = reported(&shrunk, &name);
        outcome.cases.insert(name.clone(), shrunk.file);
        report
    });
    let scenario = &mut outcome.report.scenarios[task.scenario];
    let finding = &mut scenario.findings[task.finding];
    finding.shrunk = shrunk.as_ref().ok().cloned();
    Smaller {
        scenario: scenario.id.clone(),
        check: finding.check.clone(),
        shrunk,
        replays,
        took,
    }
}

/// A shrunk case as reports show it.
pub fn reported(shrunk: &Shrunk, file: &str) -> ShrunkReport {
    let exact = shrunk.file.exact.as_ref();
    let scenario = match exact {
        Some(exact) => exact.texts(),
        None => shrunk
            .file
            .scenario
            .text
            .lines()
            .map(str::to_owned)
            .collect(),
    };
    ShrunkReport {
        replay: format!("chaos replay {file}"),
        case_file: file.to_owned(),
        operations: shrunk.after.operations as u64,
        operations_before: shrunk.before.operations as u64,
        faults: shrunk.after.faults as u64,
        tried: shrunk.tried,
        end: shrunk.end.text().to_owned(),
        scenario,
        actual: shrunk.finding.actual.clone(),
        difference: shrunk.explanation.difference.clone(),
        assumptions: shrunk.explanation.assumptions.clone(),
        repairs: shrunk.explanation.repairs.clone(),
        orderings: shrunk.explanation.orderings.clone(),
    }
}
