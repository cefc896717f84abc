//! Questions to workers, counted.

use std::time::Instant;

use super::limits::{Limits, ShrinkEnd, ShrinkError};
use crate::batch::{CaseId, Finding};
use crate::explore::{ExactCase, Explanation, Reach, Searched};
use crate::worker::{CaseAnswer, Explored, Job, JobEnd, Supervisor, Task};

/// Why a question was not answered.
#[derive(Debug)]
pub(super) enum Stop {
    /// A limit was reached.
    Ended(ShrinkEnd),
    /// Something is wrong.
    Failed(ShrinkError),
}

/// A finding, and what clients did in the run that showed it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) finding: Finding,
    pub(super) operations: usize,
}

/// Asks workers about one finding.
pub(super) struct Asker<'a> {
    pub(super) supervisor: &'a mut Supervisor,
    pub(super) job: Job,
    pub(super) wanted: String,
    pub(super) limits: Limits,
    pub(super) cancelled: &'a dyn Fn() -> bool,
    pub(super) tried: u64,
    pub(super) started: Instant,
}

impl Asker<'_> {
    /// Whether a limit is reached.
    fn check(&self) -> Result<(), Stop> {
        let end = if (self.cancelled)() {
            ShrinkEnd::Interrupted
        } else if self.tried >= self.limits.tries {
            ShrinkEnd::Tries
        } else if self.started.elapsed() >= self.limits.time {
            ShrinkEnd::Time
        } else {
            return Ok(());
        };
        Err(Stop::Ended(end))
    }

    fn ask(&mut self, job: &Job) -> Result<JobEnd, Stop> {
        let (started, time) = (self.started, self.limits.time);
        let cancelled = || (self.cancelled)() || started.elapsed() >= time;
        match self.supervisor.run(job, &cancelled) {
            JobEnd::Cancelled => {
                self.check()?;
                Err(Stop::Ended(ShrinkEnd::Interrupted))
            }
            JobEnd::Failed(error) => Err(Stop::Failed(error.into())),
            JobEnd::Broken(error) => Err(Stop::Failed(error.into())),
            end => Ok(end),
        }
    }

    fn task(&self, task: Task) -> Job {
        Job {
            task,
            ..self.job.clone()
        }
    }

    /// A drawn case, run again.
    pub(super) fn case(&mut self, case: &CaseId) -> Result<CaseAnswer, Stop> {
        let (case, materialize) = (case.clone(), None);
        let job = self.task(Task::Case { case, materialize });
        match self.ask(&job)? {
            JobEnd::Case(answer) => Ok(*answer),
            _ => Ok(CaseAnswer::default()),
        }
    }

    /// A drawn case as an exact one.
    pub(super) fn make_exact(&mut self, case: &CaseId) -> Result<Option<ExactCase>, Stop> {
        let job = self.task(Task::MakeExact { case: case.clone() });
        match self.ask(&job)? {
            JobEnd::MadeExact(exact) => Ok(exact.map(|exact| *exact)),
            _ => Ok(None),
        }
    }

    /// What an exact case shows, if that is the finding.
    pub(super) fn finding_of(&mut self, case: &ExactCase) -> Result<Option<Finding>, Stop> {
        let (case, materialize) = (case.clone(), None);
        let job = self.task(Task::Exact { case, materialize });
        let JobEnd::Case(answer) = self.ask(&job)? else {
            return Ok(None);
        };
        let mut findings = answer.findings.into_iter();
        Ok(findings.find(|finding| finding.fingerprint == self.wanted))
    }

    /// What an exact case says beyond its finding.
    pub(super) fn explain(&mut self, case: &ExactCase) -> Result<Explanation, Stop> {
        let job = self.task(Task::Explain { case: case.clone() });
        match self.ask(&job)? {
            JobEnd::Explained(explained) => Ok(*explained),
            _ => Ok(Explanation::default()),
        }
    }

    /// The case with a last cut with which it shows the finding.
    pub(super) fn search(
        &mut self,
        case: &ExactCase,
        reach: Reach,
    ) -> Result<Option<ExactCase>, Stop> {
        self.check()?;
        let job = self.task(Task::Search {
            case: case.clone(),
            wanted: self.wanted.clone(),
            reach,
        });
        Ok(self.searched(&job)?.found)
    }

    /// The case with the least survival.
    pub(super) fn least(
        &mut self,
        case: &ExactCase,
        tries_max: u64,
    ) -> Result<Option<ExactCase>, Stop> {
        self.check()?;
        let tries_max = tries_max.min(self.limits.tries.saturating_sub(self.tried));
        let job = self.task(Task::Least {
            case: case.clone(),
            wanted: self.wanted.clone(),
            tries_max,
        });
        Ok(self.searched(&job)?.found)
    }

    fn searched(&mut self, job: &Job) -> Result<Searched, Stop> {
        let searched = match self.ask(job)? {
            JobEnd::Searched(searched) => *searched,
            _ => Searched::default(),
        };
        self.tried += searched.tried.max(1);
        Ok(searched)
    }

    /// Explores a scenario until it shows the finding.
    pub(super) fn hunt(&mut self, text: &str) -> Result<Option<Shown>, Stop> {
        self.check()?;
        let wanted = self.wanted.clone();
        let job = Job {
            text: text.into(),
            ..self.task(Task::Hunt { wanted })
        };
        let explored = match self.ask(&job)? {
            JobEnd::Explored(explored) => *explored,
            _ => Explored::default(),
        };
        self.tried += explored.result.generated.max(1);
        let clusters = explored.clusters.into_iter();
        let operations = explored.result.operations;
        let mut shown = clusters.map(|cluster| Shown {
            finding: cluster.finding,
            operations,
        });
        Ok(shown.find(|shown| shown.finding.fingerprint == self.wanted))
    }
}
