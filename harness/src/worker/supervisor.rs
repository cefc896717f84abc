//! Brings a job to its end, whatever it does to the workers that run it.
//!
//! When a worker dies, the case it was at is tried once more, alone and in a new worker. Dying again is
//! the case's doing: a finding. The same holds for a worker that shows no progress, except that a clock
//! proves nothing: then the case is inconclusive. The batch goes on without the case.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attribution::{BEFORE_ANY_CASE, Death};
use super::here;
use super::message::{Answer, CaseAnswer, Explored, Job, Task};
use super::process::{Look, WorkerProcess};
use super::progress::Progress;
use crate::batch::{CaseId, ExploreError, Inconclusive};
use crate::explore::{ExactCase, Explanation, IssuedSyncs, Searched};
use crate::target::Target;

/// A batch in which more cases than this end their workers is given up; what it found stays found.
const BAD_CASES_MAX: usize = 8;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How workers are started and when they are given up.
#[derive(Clone, Debug)]
pub struct WorkerLimits {
    /// Where jobs run.
    pub place: Place,
    /// Without a new case for this long a worker counts as stuck.
    pub stall: Duration,
    /// What a worker process may allocate.
    pub memory_bytes: u64,
}

/// Where jobs run.
#[derive(Clone, Debug)]
pub enum Place {
    /// In processes of this program, with `worker` as its first argument.
    Program(PathBuf),
    /// On threads of this process, for a target that is code of it.
    Here(Arc<dyn Target>),
}

/// Runs jobs one after the other in a worker of its own.
#[derive(Debug)]
pub struct Supervisor {
    limits: WorkerLimits,
    worker: Option<WorkerProcess>,
}

/// How a job ended.
#[derive(Debug)]
pub enum JobEnd {
    /// With the result of a batch.
    Explored(Box<Explored>),
    /// With the result of a case.
    Case(Box<CaseAnswer>),
    /// With a case as an exact one, if it can be one.
    MadeExact(Option<Box<ExactCase>>),
    /// With what a search gave.
    Searched(Box<Searched>),
    /// With what an exact case says beyond its finding.
    Explained(Box<Explanation>),
    /// With the syncs of a run.
    Syncs(IssuedSyncs),
    /// With nothing: the worker died or got stuck over it.
    Lost,
    /// It was no longer wanted.
    Cancelled,
    /// The exploration gave up.
    Failed(ExploreError),
    /// Workers cannot be run.
    Broken(io::Error),
}

/// How one attempt in one worker ended.
enum Attempt {
    Answered(Answer),
    Died(Death, Option<CaseId>),
    Stalled(Option<CaseId>),
    Cancelled,
}

/// What is known about the cases that ended workers, over all attempts of a job.
#[derive(Default)]
struct Casualties {
    extra: Explored,
    count: usize,
}

impl Supervisor {
    /// A supervisor without a worker yet.
    pub fn new(limits: WorkerLimits) -> Self {
        Self {
            limits,
            worker: None,
        }
    }

    /// Runs a job to its end. `cancelled` is asked now and then.
    pub fn run(&mut self, job: &Job, cancelled: &dyn Fn() -> bool) -> JobEnd {
        match &job.task {
            Task::Explore => self.explore(job.clone(), cancelled),
            Task::Case { case, .. } => self.case(job, case, cancelled),
            _ => self.ask(job, cancelled),
        }
        .unwrap_or_else(JobEnd::Broken)
    }

    /// Runs a job once, whatever comes of it.
    fn ask(&mut self, job: &Job, cancelled: &dyn Fn() -> bool) -> io::Result<JobEnd> {
        Ok(match self.attempt(job, cancelled)? {
            Attempt::Answered(Answer::Explored(explored)) => JobEnd::Explored(explored),
            Attempt::Answered(Answer::Case(answer)) => JobEnd::Case(answer),
            Attempt::Answered(Answer::MadeExact(exact)) => JobEnd::MadeExact(exact),
            Attempt::Answered(Answer::Searched(searched)) => JobEnd::Searched(searched),
            Attempt::Answered(Answer::Syncs(syncs)) => JobEnd::Syncs(syncs),
            Attempt::Answered(Answer::Explained(explained)) => JobEnd::Explained(explained),
            Attempt::Answered(Answer::Failed(error)) => JobEnd::Failed(error),
            Attempt::Cancelled => JobEnd::Cancelled,
            Attempt::Died(death, _) if death.is_interrupt() => JobEnd::Cancelled,
            Attempt::Died(..) | Attempt::Stalled(_) => JobEnd::Lost,
        })
    }

    fn explore(&mut self, mut job: Job, cancelled: &dyn Fn() -> bool) -> io::Result<JobEnd> {
        let mut casualties = Casualties::default();
        loop {
            let case = match self.attempt(&job, cancelled)? {
                Attempt::Answered(Answer::Explored(explored)) => {
                    return Ok(JobEnd::Explored(Box::new(
                        casualties.merged_into(*explored),
                    )));
                }
                Attempt::Answered(Answer::Failed(error)) => return Ok(JobEnd::Failed(error)),
                Attempt::Answered(_) => return Ok(out_of_turn()),
                Attempt::Cancelled => return Ok(JobEnd::Cancelled),
                Attempt::Died(death, _) if death.is_interrupt() => return Ok(JobEnd::Cancelled),
                Attempt::Died(_, Some(case)) | Attempt::Stalled(Some(case)) => case,
                Attempt::Died(_, None) | Attempt::Stalled(None) => {
                    return self.explore_again(&job, casualties, cancelled);
                }
            };
            if job.skip.contains(&case) {
                // What comes before all cases cannot be left out.
                return Ok(JobEnd::Explored(Box::new(casualties.extra)));
            }
            casualties.count += 1;
            let alone = Job {
                task: Task::Case {
                    case: case.clone(),
                    materialize: None,
                },
                ..job.clone()
            };
            match self.case(&alone, &case, cancelled)? {
                JobEnd::Case(answer) => casualties.extra.add_case(case.clone(), *answer),
                other => return Ok(other),
            }
            if casualties.count > BAD_CASES_MAX {
                let reason = format!("more than {BAD_CASES_MAX} cases of one run end the process");
                casualties
                    .extra
                    .result
                    .inconclusive
                    .push(Inconclusive { case, reason });
                return Ok(JobEnd::Explored(Box::new(casualties.extra)));
            }
            job.skip.push(case);
        }
    }

    /// Something ended the worker before its first case. If that happens twice, it is the workload.
    fn explore_again(
        &mut self,
        job: &Job,
        mut casualties: Casualties,
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<JobEnd> {
        let workload = CaseId(BEFORE_ANY_CASE.to_owned());
        match self.attempt(job, cancelled)? {
            Attempt::Answered(Answer::Explored(explored)) => {
                return Ok(JobEnd::Explored(Box::new(
                    casualties.merged_into(*explored),
                )));
            }
            Attempt::Answered(Answer::Failed(error)) => return Ok(JobEnd::Failed(error)),
            Attempt::Answered(_) => return Ok(out_of_turn()),
            Attempt::Cancelled => return Ok(JobEnd::Cancelled),
            Attempt::Died(death, None) => casualties.extra.add(death.finding(workload)),
            Attempt::Died(_, Some(_)) | Attempt::Stalled(Some(_)) => {
                let reason =
                    "its process ended or got stuck in a way that did not repeat".to_owned();
                casualties.extra.result.inconclusive.push(Inconclusive {
                    case: workload,
                    reason,
                });
            }
            Attempt::Stalled(None) => {
                let reason = self.stall_reason();
                casualties.extra.result.inconclusive.push(Inconclusive {
                    case: workload,
                    reason,
                });
            }
        }
        Ok(JobEnd::Explored(Box::new(casualties.extra)))
    }

    /// Runs one case alone: once, and again if the worker ended in a way that may not be its doing.
    fn case(
        &mut self,
        job: &Job,
        case: &CaseId,
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<JobEnd> {
        let mut answer = CaseAnswer::default();
        match self.attempt(job, cancelled)? {
            Attempt::Answered(Answer::Case(answer)) => return Ok(JobEnd::Case(answer)),
            Attempt::Answered(Answer::Failed(error)) => return Ok(JobEnd::Failed(error)),
            Attempt::Answered(_) => return Ok(out_of_turn()),
            Attempt::Cancelled => return Ok(JobEnd::Cancelled),
            Attempt::Died(death, _) if death.is_interrupt() => return Ok(JobEnd::Cancelled),
            Attempt::Died(death, _) if death.may_come_from_outside() => {
                answer.inconclusive = Some(death.describe());
            }
            Attempt::Died(death, _) => answer.findings.push(death.finding(case.clone())),
            Attempt::Stalled(_) => answer.inconclusive = Some(self.stall_reason()),
        }
        Ok(JobEnd::Case(Box::new(answer)))
    }

    fn stall_reason(&self) -> String {
        format!("no progress for {:?}, twice: killed", self.limits.stall)
    }

    fn attempt(&mut self, job: &Job, cancelled: &dyn Fn() -> bool) -> io::Result<Attempt> {
        let program = match &self.limits.place {
            Place::Program(program) => program,
            Place::Here(target) => {
                let ended = here::run(target, job, self.limits.stall, LOOK_INTERVAL, cancelled);
                return ended.map(Attempt::from);
            }
        };
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => WorkerProcess::start(program, self.limits.memory_bytes)?,
        };
        // A worker that died idle is seen by the first look; its pipe may be closed already.
        let _ = worker.send(job);
        let mut last = None::<Progress>;
        let mut since = Instant::now();
        loop {
            match worker.look(LOOK_INTERVAL)? {
                Look::Answered(answer) => {
                    self.worker = Some(worker);
                    return Ok(Attempt::Answered(answer));
                }
                Look::Ended {
                    status,
                    progress,
                    printed,
                } => {
                    return Ok(Attempt::Died(Death::new(status, printed), progress.case));
                }
                Look::Working(_) if cancelled() => return Ok(Attempt::Cancelled),
                Look::Working(progress) if last.as_ref() != Some(&progress) => {
                    last = Some(progress);
                    since = Instant::now();
                }
                Look::Working(progress) if since.elapsed() >= self.limits.stall => {
                    return Ok(Attempt::Stalled(progress.case));
                }
                Look::Working(_) => {}
            }
        }
    }
}

impl From<here::Ended> for Attempt {
    fn from(ended: here::Ended) -> Self {
        match ended {
            here::Ended::Answered(answer) => Self::Answered(answer),
            here::Ended::Stalled(case) => Self::Stalled(case),
            here::Ended::Cancelled => Self::Cancelled,
        }
    }
}

impl Casualties {
    fn merged_into(self, mut explored: Explored) -> Explored {
        explored.result.generated += self.extra.result.generated;
        explored.result.checked += self.extra.result.checked;
        explored
            .result
            .inconclusive
            .extend(self.extra.result.inconclusive);
        for cluster in self.extra.clusters {
            (0..cluster.count).for_each(|_| explored.add(cluster.finding.clone()));
        }
        explored
    }
}

fn out_of_turn() -> JobEnd {
    JobEnd::Failed(ExploreError::Internal(
        "a worker answered another question".to_owned(),
    ))
}
