//! One finding's way to its smallest case.

use std::time::Instant;

use super::ask::{Asker, Shown, Stop};
use super::exact::{Exactly, size_of};
use super::limits::{Limits, ShrinkEnd, ShrinkError, Shrunk, Size};
use super::scenario::Simpler;
use crate::batch::{CaseId, Finding};
use crate::case::CaseFile;
use crate::explore::{ExactCase, Explanation};
use crate::scenario::{Plane, Scenario};
use crate::worker::{BEFORE_ANY_CASE, Job, Supervisor, Task};

/// Shrinks cases, one after the other.
pub struct Shrinker<'a> {
    /// Runs them.
    pub supervisor: &'a mut Supervisor,
    /// How far it goes.
    pub limits: Limits,
    /// Whether to stop with the best so far.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Told of each step that made it smaller, with the number of states tried.
    pub progress: &'a mut dyn FnMut(Size, u64),
}

/// The job that a case file is about.
pub fn same_job(file: &CaseFile, task: Task) -> Job {
    let case = &file.case;
    Job {
        file: case.scenario_file.clone(),
        text: file.scenario.text.as_str().into(),
        target: case.target.clone(),
        options: case.given_options(),
        seed: case.seed,
        run: case.run,
        plants: case.plants,
        states_max: u64::MAX,
        skip: Vec::new(),
        task,
    }
}

impl Shrinker<'_> {
    /// Shrinks a case that shows a finding with this fingerprint.
    pub fn shrink(&mut self, file: &CaseFile, wanted: &str) -> Result<Shrunk, ShrinkError> {
        if file.case.case.0 == BEFORE_ANY_CASE {
            return Err(ShrinkError::NoWay("a workload that ends its process"));
        }
        let mut asker = Asker {
            supervisor: self.supervisor,
            job: same_job(file, Task::Explore),
            wanted: wanted.to_owned(),
            limits: self.limits,
            cancelled: self.cancelled,
            tried: 0,
            started: Instant::now(),
        };
        let read = Scenario::parse(&file.case.scenario_file, &file.scenario.text);
        let scenario = read.map_err(|_| ShrinkError::NoWay("a scenario that cannot be read"))?;
        let exact = match (scenario.plane, &file.exact) {
            (Plane::Process, _) => return Err(ShrinkError::NoWay("what befell a real process")),
            (Plane::Block, _) => None,
            (Plane::Sim, Some(exact)) => Some(exact.clone()),
            (Plane::Sim, None) => asker.make_exact(&file.case.case).map_err(failed)?,
        };
        let Some(best) = exact else {
            return shrink_scenario(asker, file, scenario);
        };
        let mut exactly = Exactly {
            asker: &mut asker,
            best,
            progress: self.progress,
        };
        let before = size_of(&exactly.best);
        if !exactly.begin().map_err(failed)? {
            return Err(ShrinkError::NotExact);
        }
        let end = end_of(exactly.run())?;
        let best = exactly.best;
        let finding = confirmed(&mut asker, |asker| asker.finding_of(&best))?;
        let explanation = explained(&mut asker, &best, self.limits, self.cancelled)?;
        let after = size_of(&best);
        let file = CaseFile {
            exact: Some(best),
            ..file.clone()
        };
        let tried = asker.tried;
        Ok(Shrunk {
            file,
            finding,
            explanation,
            before,
            after,
            tried,
            end,
        })
    }
}

/// What a case says beyond its finding, if that takes no longer than shrinking may have taken.
fn explained<'a>(
    asker: &mut Asker<'a>,
    case: &ExactCase,
    limits: Limits,
    cancelled: &'a dyn Fn() -> bool,
) -> Result<Explanation, ShrinkError> {
    asker.limits.time = asker.started.elapsed().saturating_add(limits.time);
    asker.cancelled = cancelled;
    match asker.explain(case) {
        Ok(explanation) => Ok(explanation),
        Err(Stop::Ended(_)) => Ok(Explanation::default()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// The finding as a case shows it, or, where the kernel decides which case does, as any.
fn shown_by(
    asker: &mut Asker<'_>,
    plane: Plane,
    (text, case): (&str, &CaseId),
) -> Result<Option<Shown>, Stop> {
    if plane == Plane::Block {
        return asker.hunt(text);
    }
    let answer = asker.case(case)?;
    let mut findings = answer.findings.into_iter();
    let finding = findings.find(|finding| finding.fingerprint == asker.wanted);
    let operations = answer.operations;
    Ok(finding.map(|finding| Shown {
        finding,
        operations,
    }))
}

fn shrink_scenario(
    mut asker: Asker<'_>,
    file: &CaseFile,
    scenario: Scenario,
) -> Result<Shrunk, ShrinkError> {
    let plane = scenario.plane;
    let text = scenario
        .to_toml()
        .ok_or(ShrinkError::NoWay("a scenario that cannot be written"))?;
    let first = shown_by(&mut asker, plane, (&text, &file.case.case)).map_err(failed)?;
    let first = first.ok_or(ShrinkError::NotReproduced)?;
    let before = Size {
        operations: first.operations,
        faults: 1,
        pieces: 0,
    };
    let mut simpler = Simpler {
        asker: &mut asker,
        best: scenario,
        finding: first.finding,
        text,
        times: if plane == Plane::Block { 2 } else { 1 },
    };
    let end = end_of(simpler.run())?;
    let (best, finding, text) = (simpler.best, simpler.finding, simpler.text);
    let mut file = file.clone();
    file.case.scenario_digest = best.digest().to_string();
    file.scenario.text.clone_from(&text);
    asker.job.text = text.as_str().into();
    let mut operations = 0;
    let finding = confirmed(&mut asker, |asker| {
        let again = shown_by(asker, plane, (&text, &finding.case))?;
        operations = again.as_ref().map_or(0, |again| again.operations);
        Ok(again.map(|again| again.finding))
    })?;
    file.case.case = finding.case.clone();
    let after = Size {
        operations,
        ..before
    };
    let tried = asker.tried;
    Ok(Shrunk {
        file,
        finding,
        explanation: Explanation::default(),
        before,
        after,
        tried,
        end,
    })
}

/// Runs the smallest case once more, by itself, whatever the limits.
fn confirmed<'a>(
    asker: &mut Asker<'a>,
    run: impl FnOnce(&mut Asker<'a>) -> Result<Option<Finding>, Stop>,
) -> Result<Finding, ShrinkError> {
    asker.limits.time = std::time::Duration::MAX;
    asker.cancelled = &|| false;
    let finding = run(asker).map_err(failed)?;
    finding.ok_or(ShrinkError::NotReproduced)
}

fn end_of(run: Result<(), Stop>) -> Result<ShrinkEnd, ShrinkError> {
    match run {
        Ok(()) => Ok(ShrinkEnd::Smallest),
        Err(Stop::Ended(end)) => Ok(end),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn failed(stop: Stop) -> ShrinkError {
    match stop {
        Stop::Ended(end) => ShrinkError::Stopped(end),
        Stop::Failed(error) => error,
    }
}
