//! The audit itself: list, leave out, explore, shrink.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::place::{Audit, Audited, Need};
use crate::batch::{Finding, PlantSwitch};
use crate::case::{COMMIT, CaseFile, CaseIdentity};
use crate::explore::ExactCase;
use crate::run::{Loaded, RunFailure};
use crate::scenario::{CheckKind, Elision, Expect, FileGlob, Occurrence, Plant, Scenario};
use crate::shrink::{Limits, Shrinker};
use crate::sim::SyncPlace;
use crate::worker::{Explored, Job, JobEnd, Supervisor, Task, WorkerLimits};

/// What an audit is asked to do.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The target engine's name.
    pub target: String,
    /// The seed.
    pub seed: u64,
    /// Runs of each scenario.
    pub runs: u32,
    /// Distinct states of each run without a sync, at most.
    pub states: u64,
    /// Worker processes.
    pub jobs: NonZeroUsize,
    /// How workers are started and given up.
    pub workers: WorkerLimits,
}

/// The scenarios that issue a sync, by their places, with how often.
type Issued = BTreeMap<SyncPlace, By>;

/// How often each scenario issues it.
type By = BTreeMap<usize, u64>;

/// Audits the syncs that a target issues in these scenarios. With the case files of the witnesses, by name.
pub fn audit(
    config: &AuditConfig,
    scenarios: &[Loaded],
    interrupted: &AtomicBool,
    told: &(dyn Fn(&Audited) + Sync),
) -> Result<(Audit, BTreeMap<String, CaseFile>), RunFailure> {
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let mut supervisor = Supervisor::new(config.workers.clone());
    let mut issued = Issued::new();
    for (number, loaded) in scenarios.iter().enumerate() {
        for run in 0..config.runs {
            let job = job(config, loaded, &loaded.text, run, Task::ListSyncs);
            match supervisor.run(&job, &cancelled) {
                JobEnd::Syncs(syncs) => {
                    for (place, count) in syncs {
                        let by = issued.entry(place).or_default();
                        *by.entry(number).or_default() += count;
                    }
                }
                end => refuse(loaded, end)?,
            }
        }
    }
    let waiting: VecDeque<(usize, (SyncPlace, By))> = issued.into_iter().enumerate().collect();
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..config.jobs.get() {
            scope.spawn(|| {
                let mut supervisor = Supervisor::new(config.workers.clone());
                loop {
                    let next = held(&waiting).pop_front();
                    let Some((number, (place, by))) = next.filter(|_| !cancelled()) else {
                        break;
                    };
                    let mut lane = Lane {
                        config,
                        scenarios,
                        supervisor: &mut supervisor,
                        cancelled: &cancelled,
                    };
                    let one = lane.audit_one(number, place, &by);
                    if let Ok((audited, _)) = &one {
                        told(audited);
                    }
                    held(&done).push((number, one));
                }
            });
        }
    });
    let mut done = std::mem::take(&mut *held(&done));
    done.sort_by_key(|(number, _)| *number);
    let (mut syncs, mut cases) = (Vec::new(), BTreeMap::new());
    for (_, one) in done {
        let (audited, case) = one?;
        syncs.push(audited);
        cases.extend(case);
    }
    let ids = scenarios.iter().map(|loaded| loaded.scenario.id.clone());
    let audit = Audit {
        format: 1,
        target: config.target.clone(),
        seed: config.seed.to_string(),
        scenarios: ids.collect(),
        syncs,
    };
    Ok((audit, cases))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a lane holds is whole between its calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What kept a scenario from being explored.
fn refuse(loaded: &Loaded, end: JobEnd) -> Result<(), RunFailure> {
    match end {
        JobEnd::Failed(source) => Err(RunFailure::Explore {
            file: loaded.file.clone(),
            source,
        }),
        JobEnd::Broken(error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn job(config: &AuditConfig, loaded: &Loaded, text: &str, run: u32, task: Task) -> Job {
    let planted = matches!(task, Task::Explore);
    Job {
        file: loaded.file.clone(),
        text: text.into(),
        target: config.target.clone(),
        options: BTreeMap::new(),
        seed: config.seed,
        run,
        plants: if planted {
            PlantSwitch::Planted
        } else {
            PlantSwitch::Healthy
        },
        states_max: config.states,
        skip: Vec::new(),
        task,
    }
}

/// A worker and what it is asked about.
struct Lane<'a> {
    config: &'a AuditConfig,
    scenarios: &'a [Loaded],
    supervisor: &'a mut Supervisor,
    cancelled: &'a dyn Fn() -> bool,
}

type Witness = Option<(String, CaseFile)>;

impl Lane<'_> {
    /// Leaves one sync out, in the scenarios that issue it, until something breaks.
    fn audit_one(
        &mut self,
        number: usize,
        place: SyncPlace,
        by: &BTreeMap<usize, u64>,
    ) -> Result<(Audited, Witness), RunFailure> {
        let issued = by.values().sum();
        let (mut left_out, mut states, mut covered_points, mut points) = (0, 0, 0, 0);
        for loaded in by.keys().filter_map(|&number| self.scenarios.get(number)) {
            let Some((scenario, text)) = without(&loaded.scenario, &place) else {
                continue;
            };
            let mut distinct = BTreeSet::new();
            for run in 0..self.config.runs {
                let job = job(self.config, loaded, &text, run, Task::Explore);
                let explored = match self.supervisor.run(&job, self.cancelled) {
                    JobEnd::Explored(explored) => *explored,
                    end => {
                        refuse(loaded, end)?;
                        continue;
                    }
                };
                let result = &explored.result;
                left_out += result.elisions_fired.get("plant 0").copied().unwrap_or(0);
                covered_points += result.covered.len() as u64;
                points += result.crash_points;
                distinct.extend(result.distinct.iter().copied());
                if let Some(finding) = first_of(&explored) {
                    let file = case_file(
                        self.config,
                        loaded,
                        &scenario,
                        &text,
                        run,
                        &explored,
                        finding,
                    );
                    let (need, witness) = self.witness(number, file, finding);
                    let audited = Audited {
                        place,
                        issued,
                        need,
                    };
                    return Ok((audited, Some(witness)));
                }
            }
            states += distinct.len() as u64;
        }
        let need = Need::NotShown {
            left_out,
            states,
            covered_points,
            points,
        };
        let audited = Audited {
            place,
            issued,
            need,
        };
        Ok((audited, None))
    }

    /// The smallest case that shows what breaks; if it can't be made smaller, the case as it was found.
    fn witness(
        &mut self,
        number: usize,
        file: CaseFile,
        finding: &Finding,
    ) -> (Need, (String, CaseFile)) {
        let mut shrinker = Shrinker {
            supervisor: self.supervisor,
            limits: Limits::IN_A_RUN,
            cancelled: self.cancelled,
            progress: &mut |_, _| (),
        };
        let shrunk = shrinker.shrink(&file, &finding.fingerprint).ok();
        let name = format!("cases/sync-{}.toml", number + 1);
        let operations = shrunk.as_ref().map_or(0, |shrunk| shrunk.after.operations);
        let file = shrunk.map_or(file, |shrunk| shrunk.file);
        let witness = file.exact.as_ref().map(ExactCase::texts);
        let need = Need::Needed {
            check: finding.check.name().to_owned(),
            operations,
            replay: format!("chaos replay {name}"),
            witness: witness.unwrap_or_default(),
        };
        (need, (name, file))
    }
}

/// The finding that is shown: one that needs least of bad storage.
fn first_of(explored: &Explored) -> Option<&Finding> {
    let findings = explored.clusters.iter().map(|cluster| &cluster.finding);
    findings.min_by_key(|finding| finding.assumptions.len())
}

/// The scenario with one sync left out, and its text.
fn without(scenario: &Scenario, place: &SyncPlace) -> Option<(Scenario, String)> {
    let mut without = scenario.clone();
    without.expect = Expect::Fail;
    let checks = scenario.checks.iter().map(|check| check.kind);
    without.caught_by = checks.min_by_key(|kind| *kind != CheckKind::Durability);
    without.plants = vec![Plant::Elision(Elision {
        operation: place.operation,
        file: FileGlob::try_from(place.file.clone()).ok()?,
        occurrence: Occurrence::Every,
        commits_in_flight: None,
        during: None,
        place: Some(place.place.clone()),
    })];
    let text = without.to_toml()?;
    Some((without, text))
}

fn case_file(
    config: &AuditConfig,
    loaded: &Loaded,
    scenario: &Scenario,
    text: &str,
    run: u32,
    explored: &Explored,
    finding: &Finding,
) -> CaseFile {
    let identity = CaseIdentity {
        commit: COMMIT.to_owned(),
        scenario_digest: scenario.digest().to_string(),
        target: config.target.clone(),
        seed: config.seed,
        run,
        plants: PlantSwitch::Planted,
        case: finding.case.clone(),
        scenario_file: loaded.file.clone(),
        options: explored.result.options.clone(),
        given: BTreeSet::new(),
    };
    CaseFile::new(identity, text)
}
