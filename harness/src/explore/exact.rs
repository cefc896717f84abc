//! Running cases in which nothing is drawn, and looking for one that shows a finding.
//!
//! 1. An exact case is judged like the drawn one that it comes from, but that the recovery is always tried a second time.
//! 2. A workload's own invariant is not checked: a part of a workload is not the workload.
//! 3. A search tries the latest crash points first, and there what loses all and what keeps all before what is drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::batch::{Cut, Explorer, files, internal};
use super::case::{CasePath, Crash, LIVE, Left};
use super::evidence::Failed;
use super::exact_case::{ExactCase, ExactCut, ExactLife, Survives};
use super::examine::{Examination, Examined, Next};
use super::life::{Life, survivor};
use super::setup::Setup;
use crate::batch::{Batch, CaseId, ExploreError, Finding};
use crate::crash::{CrashWalker, Piece, Sample, crash_points, is_legal, kept_in, left_of, pieces};
use crate::ddmin::ddmin;
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::scenario::{CrashModel, Fault, PowerLoss};
use crate::trace::{DiskState, TracePosition};

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// Crash points, counted from the end.
    pub points: usize,
    /// Survivals drawn at each, beside nothing and everything.
    pub samples: u32,
}

/// What running an exact case gave.
#[derive(Debug, Default)]
pub struct ExactResult {
    /// Every broken invariant.
    pub findings: Vec<Finding>,
    /// The files as the last cut left them, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What a search gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Searched {
    /// A case that shows the finding.
    pub found: Option<ExactCase>,
    /// How many states were tried, lives included.
    pub tried: u64,
}

/// A case as an exact one; nothing if it is of another kind or can't be told by pieces and scripts.
pub fn exact_of(batch: &Batch, case: &CaseId) -> Result<Option<ExactCase>, ExploreError> {
    let setup = Setup::new(batch)?;
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(&setup, &mut ignore);
    let life = explorer.live()?;
    if case.0 == LIVE || !explorer.result.findings.is_empty() {
        let script = life.script.as_ref().clone();
        let lives = vec![ExactLife { script, cut: None }];
        return Ok(Some(ExactCase {
            lives,
            ..ExactCase::default()
        }));
    }
    match CasePath::parse(case) {
        Some(path) if path.trouble.is_none() && path.harm.is_none() => {
            explorer.exact_crashes(life, &path)
        }
        _ => Ok(None),
    }
}

/// Takes what survives the last cut towards nothing and towards everything, and keeps the shorter of the two. The case must show the
/// finding.
pub(super) fn least_on(
    setup: &Setup,
    case: &ExactCase,
    wanted: &str,
    tries_max: u64,
) -> Result<Searched, ExploreError> {
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(setup, &mut ignore);
    let ready = explorer.ready(case, Cuts::AsTheyAre)?;
    let mut searched = Searched::default();
    let Some(Ready { case, life }) = ready else {
        return Ok(searched);
    };
    let last = case.lives.last().and_then(|last| last.cut.clone());
    if let Some(cut) = last {
        explorer.least(&case, &life, &cut, wanted, tries_max, &mut searched)?;
    }
    Ok(searched)
}

/// Runs an exact case.
pub fn run_exact(batch: &Batch, case: &ExactCase) -> Result<ExactResult, ExploreError> {
    run_on(&Setup::new(batch)?, case)
}

pub(super) fn run_on(setup: &Setup, case: &ExactCase) -> Result<ExactResult, ExploreError> {
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(setup, &mut ignore);
    let Some(Ready { life, case }) = explorer.ready(case, Cuts::AsTheyAre)? else {
        return Ok(explorer.into_result(None));
    };
    let state = match case.lives.last().and_then(|last| last.cut.as_ref()) {
        None => None,
        Some(cut) => explorer.judge_exactly(&case, &life, cut)?,
    };
    Ok(explorer.into_result(state.as_ref()))
}

/// Looks for a last cut with which a case shows a finding with this fingerprint; or for the finding before any cut, if the case has none.
pub(super) fn search_on(
    setup: &Setup,
    case: &ExactCase,
    wanted: &str,
    reach: Reach,
) -> Result<Searched, ExploreError> {
    let mut ignore = |_: &CaseId| ();
    let mut explorer = Explorer::new(setup, &mut ignore);
    let is_wanted = |finding: &Finding| finding.fingerprint == wanted;
    let ready = explorer.ready(case, Cuts::AtTheEndAtLatest)?;
    let tried = case.lives.len() as u64;
    let is_live = case.cuts() == 0;
    let Some(Ready { life, case }) = ready.filter(|_| explorer.result.findings.is_empty()) else {
        let shows = is_live && explorer.result.findings.iter().any(is_wanted);
        let found = shows.then(|| case.clone());
        return Ok(Searched { found, tried });
    };
    let mut searched = Searched { found: None, tried };
    let last = case.lives.last().and_then(|last| last.cut.clone());
    if let Some(cut) = last {
        explorer.search(&case, &life, &cut, wanted, reach, &mut searched)?;
    }
    Ok(searched)
}

/// A case, and the life that its last cut ends.
pub(super) struct Ready {
    pub(super) life: Life,
    pub(super) case: ExactCase,
}

/// What becomes of a cut that is later than the end of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cuts {
    /// There is no such case.
    AsTheyAre,
    /// It comes at the end.
    AtTheEndAtLatest,
}

impl Explorer<'_> {
    fn into_result(self, state: Option<&DiskState>) -> ExactResult {
        ExactResult {
            findings: self.result.findings,
            files: state.map(files).unwrap_or_default(),
        }
    }

    pub(super) fn exact_fault(&self, case: &ExactCase) -> Result<PowerLoss, ExploreError> {
        match self.setup.batch.scenario.faults.get(case.fault) {
            Some(Fault::PowerLoss(fault)) => Ok(fault.clone()),
            _ => Err(internal("an exact case of a fault that is no power loss")),
        }
    }

    /// The lives of a drawn case, as they were.
    fn exact_crashes(
        &mut self,
        first: Life,
        path: &CasePath,
    ) -> Result<Option<ExactCase>, ExploreError> {
        let Some(Fault::PowerLoss(fault)) = self.setup.batch.scenario.faults.get(path.fault) else {
            return Ok(None);
        };
        let fault = fault.clone();
        let mut exact = ExactCase {
            fault: path.fault,
            ..ExactCase::default()
        };
        let mut life = first;
        let mut done = path.before_crashes();
        for (generation, crash) in path.crashes.iter().enumerate() {
            let model = fault.model_of(generation);
            let mut walker = CrashWalker::new(&life.trace);
            walker.advance_to(crash.at);
            let before = walker.state().clone();
            let case = done.then(crash.clone());
            let is_last = generation + 1 == path.crashes.len();
            let Some((after, next)) = self.step_into(&fault, &life, &done, crash)? else {
                return Ok(None);
            };
            let drawn = match crash.left {
                Left::Sample(Sample(sample)) => Survives::Drawn(sample),
                Left::Decided(_) => Survives::Everything,
            };
            let survives = if model == CrashModel::ProcessCrash {
                drawn
            } else {
                kept_in(&before, &after).map_or(drawn, |kept| Survives::of(&kept, &pieces(&before)))
            };
            let script = life.script.as_ref().clone();
            let at = crash.at.0;
            let cut = Some(ExactCut { at, survives });
            exact.lives.push(ExactLife { script, cut });
            match next {
                Some(next) => life = next,
                None if is_last => {}
                None => return Ok(None),
            }
            done = case;
        }
        Ok(Some(exact))
    }

    /// The life that a case's last cut ends; nothing if there is none, or something was wrong before.
    pub(super) fn ready(
        &mut self,
        case: &ExactCase,
        cuts: Cuts,
    ) -> Result<Option<Ready>, ExploreError> {
        let mut case = case.clone();
        let Some(first) = case.lives.first() else {
            return Ok(None);
        };
        self.turns = case.turns;
        let mut life = self.live_by(Some(&first.script))?;
        for generation in 1..case.lives.len() {
            let (before, rest) = case.lives.split_at_mut(generation);
            let (Some(last), Some(next)) = (before.last_mut(), rest.first()) else {
                return Ok(None);
            };
            let Some(cut) = &mut last.cut else {
                return Ok(None);
            };
            if cuts == Cuts::AtTheEndAtLatest {
                cut.at = cut.at.min(life.trace.end().0);
            }
            if !self.result.findings.is_empty() {
                return Ok(None);
            }
            let (cut, script) = (cut.clone(), next.script.clone());
            let fault = self.exact_fault(&case)?;
            let play = Next::Play(&script);
            let judged = self.examine_exactly(&fault, generation - 1, &life, &cut, play);
            let Some((examined, after, before)) = judged else {
                return Ok(None);
            };
            let asked = examined.violations.iter().any(|v| self.is_asked(v));
            let Some(lived) = examined.life.filter(|_| !asked) else {
                return Ok(None);
            };
            let unordered = life.unordered || !is_legal(CrashModel::Journaled, &before, &after);
            life = Life { unordered, ..lived };
        }
        Ok(Some(Ready { life, case }))
    }

    /// Recovers what a cut leaves; with that, and the disk before. Nothing if there is no such cut.
    fn examine_exactly(
        &mut self,
        fault: &PowerLoss,
        generation: usize,
        life: &Life,
        cut: &ExactCut,
        next: Next<'_>,
    ) -> Option<(Examined, DiskState, DiskState)> {
        let at = TracePosition(cut.at);
        if at > life.trace.end() {
            return None;
        }
        let mut walker = CrashWalker::new(&life.trace);
        walker.advance_to(at);
        let before = walker.state().clone();
        let model = fault.model_of(generation);
        let rng = self.exact_rng(generation);
        let after = left_by(&before, model, &cut.survives, &rng)?;
        let examined = self.examine_state(fault, generation, life, at, &after, next);
        Some((examined, after, before))
    }

    /// Recovers a state, and judges it.
    pub(super) fn examine_state(
        &mut self,
        fault: &PowerLoss,
        generation: usize,
        life: &Life,
        at: TracePosition,
        after: &DiskState,
        next: Next<'_>,
    ) -> Examined {
        let ground = life.ground(at, fault.model_of(generation));
        let obligations = ground.obligations(&self.setup.promises);
        let (tables, rng) = (Rc::clone(&self.tables), self.exact_rng(generation));
        let examination = Examination {
            setup: self.setup,
            ground: &ground,
            obligations: &obligations,
            rng: &rng,
            next,
            reopened: 1.0,
            tables: &tables,
        };
        let mut examined = examination.run(after.clone(), &mut self.observed);
        if ground.kinds.void(&self.setup.promises) {
            examined.drop_what_is_not_promised();
        }
        examined
    }

    pub(super) fn exact_rng(&self, generation: usize) -> Rng {
        self.setup.rng.split("exact", generation as u64)
    }

    /// Judges the state after the last cut, and notes what is wrong with it.
    fn judge_exactly(
        &mut self,
        case: &ExactCase,
        life: &Life,
        cut: &ExactCut,
    ) -> Result<Option<DiskState>, ExploreError> {
        if !self.result.findings.is_empty() {
            return Ok(None);
        }
        let fault = self.exact_fault(case)?;
        let generation = case.lives.len().saturating_sub(1);
        let judged = self.examine_exactly(&fault, generation, life, cut, Next::End);
        let Some((examined, after, before)) = judged else {
            return Ok(None);
        };
        let id = exact_path(case.fault, generation, cut.at).id();
        let model = fault.model_of(generation);
        let unordered = life.unordered
            || model == CrashModel::Posix && !is_legal(CrashModel::Journaled, &before, &after);
        let mut checks = BTreeSet::new();
        for violation in examined.violations {
            if !self.is_asked(&violation) || !checks.insert(violation.check) {
                continue;
            }
            let failed = Failed {
                case: &id,
                generation,
                at: TracePosition(cut.at),
                trace: &life.trace,
                before: &before,
                after: &after,
                spoilt: model == CrashModel::Media && !is_legal(CrashModel::Media, &before, &after),
                unordered,
            };
            self.result.findings.push(failed.finding(violation, true));
        }
        Ok(Some(after))
    }

    fn search(
        &mut self,
        case: &ExactCase,
        life: &Life,
        hint: &ExactCut,
        wanted: &str,
        reach: Reach,
        searched: &mut Searched,
    ) -> Result<(), ExploreError> {
        let fault = self.exact_fault(case)?;
        let generation = case.lives.len().saturating_sub(1);
        let model = fault.model_of(generation);
        let mut points = crash_points(&life.trace, model);
        let hinted = TracePosition(hint.at);
        points.reverse();
        points.truncate(reach.points);
        if hinted <= life.trace.end() && !points.contains(&hinted) {
            points.insert(0, hinted);
        }
        let mut seen = BTreeSet::new();
        for round in rounds(reach.samples) {
            for &at in &points {
                let mut walker = CrashWalker::new(&life.trace);
                walker.advance_to(at);
                let before = walker.state();
                if round.is_drawn() && !before.is_pending() {
                    continue;
                }
                let rng = self.exact_rng(generation);
                let Some((survives, after)) = round.of(before, model, hint, &rng) else {
                    continue;
                };
                if !seen.insert((at, after.digest())) {
                    continue;
                }
                searched.tried += 1;
                let next = Next::End;
                let examined = self.examine_state(&fault, generation, life, at, &after, next);
                let is_wanted = |violation: &Violation| {
                    self.is_asked(violation) && violation.fingerprint() == wanted
                };
                if examined.violations.iter().any(is_wanted) {
                    let script = case.lives.last().map(|last| last.script.clone());
                    let cut = Some(ExactCut { at: at.0, survives });
                    let script = script.unwrap_or_default();
                    searched.found = Some(case.with_last(ExactLife { script, cut }));
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What delta debugging leaves out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Towards {
    Nothing,
    Everything,
}

impl Towards {
    /// What survives if these pieces are what differs from it.
    fn survives(self, differing: &[Piece], all: &[Piece]) -> Survives {
        let differing: BTreeSet<Piece> = differing.iter().copied().collect();
        let left = match self {
            Self::Nothing => differing,
            Self::Everything => {
                let others = all.iter().copied();
                others.filter(|piece| !differing.contains(piece)).collect()
            }
        };
        Survives::of(&left, all)
    }
}

impl Explorer<'_> {
    fn least(
        &mut self,
        case: &ExactCase,
        life: &Life,
        cut: &ExactCut,
        wanted: &str,
        tries_max: u64,
        searched: &mut Searched,
    ) -> Result<(), ExploreError> {
        let fault = self.exact_fault(case)?;
        let generation = case.lives.len().saturating_sub(1);
        let model = fault.model_of(generation);
        let at = TracePosition(cut.at);
        let mut walker = CrashWalker::new(&life.trace);
        walker.advance_to(at);
        let before = walker.state().clone();
        let all = pieces(&before);
        let keeps = all.iter().map(|&piece| cut.survives.keeps(piece));
        let Some(kept) = keeps.collect::<Option<Vec<bool>>>() else {
            return Ok(());
        };
        let kept: BTreeSet<Piece> = all.iter().copied().zip(kept).filter_map(chosen).collect();
        let mut best: Option<Survives> = None;
        for towards in [Towards::Nothing, Towards::Everything] {
            let differing: Vec<Piece> = all
                .iter()
                .copied()
                .filter(|piece| kept.contains(piece) == (towards == Towards::Nothing))
                .collect();
            let survives = |differing: &[Piece]| towards.survives(differing, &all);
            let mut shows = |differing: &[Piece]| {
                if searched.tried >= tries_max {
                    return Err(());
                }
                let survives = survives(differing);
                let rng = self.exact_rng(generation);
                let Some(after) = left_by(&before, model, &survives, &rng) else {
                    return Ok(false);
                };
                searched.tried += 1;
                let examined = self.examine_state(&fault, generation, life, at, &after, Next::End);
                let mut asked = examined.violations.iter().filter(|v| self.is_asked(v));
                Ok(asked.any(|violation| violation.fingerprint() == wanted))
            };
            let by_operation = in_operations(&differing);
            let operations = ddmin(&by_operation, &mut |some: &[Vec<Piece>]| {
                shows(&some.concat())
            });
            let Ok(operations) = operations else { break };
            let Ok(single) = ddmin(&operations.concat(), &mut shows) else {
                break;
            };
            let survives = survives(&single);
            if best.as_ref().is_none_or(|best| survives.len() < best.len()) {
                best = Some(survives);
            }
        }
        if let (Some(survives), Some(last)) = (best, case.lives.last()) {
            let (script, at) = (last.script.clone(), cut.at);
            let cut = Some(ExactCut { at, survives });
            searched.found = Some(case.with_last(ExactLife { script, cut }));
        }
        Ok(())
    }
}

fn chosen((piece, is_chosen): (Piece, bool)) -> Option<Piece> {
    is_chosen.then_some(piece)
}

/// The pieces of each operation together.
fn in_operations(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let by_order = pieces.chunk_by(|a, b| a.order == b.order);
    by_order.map(<[Piece]>::to_vec).collect()
}

/// One survival that a search tries at each crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// As the case says.
    Hinted,
    Nothing,
    Everything,
    Drawn(u32),
}

fn rounds(samples: u32) -> impl Iterator<Item = Round> {
    let drawn = (2..2 + samples).map(Round::Drawn);
    [Round::Nothing, Round::Everything, Round::Hinted]
        .into_iter()
        .chain(drawn)
}

impl Round {
    fn is_drawn(self) -> bool {
        matches!(self, Self::Drawn(_))
    }

    /// What survives, and what that leaves, if the model allows it.
    fn of(
        self,
        before: &DiskState,
        model: CrashModel,
        hint: &ExactCut,
        rng: &Rng,
    ) -> Option<(Survives, DiskState)> {
        let in_pieces = model != CrashModel::ProcessCrash;
        let survives = match self {
            Self::Hinted => hint.survives.clone(),
            Self::Nothing if in_pieces => Survives::Nothing,
            Self::Everything if in_pieces => Survives::Everything,
            Self::Nothing => Survives::Drawn(0),
            Self::Everything => Survives::Drawn(1),
            Self::Drawn(sample) => {
                let after = drawn(before, model, sample, rng);
                let kept = kept_in(before, &after).filter(|_| in_pieces);
                let drawn = Survives::Drawn(sample);
                let survives = kept.map_or(drawn, |kept| Survives::of(&kept, &pieces(before)));
                return Some((survives, after));
            }
        };
        let after = left_by(before, model, &survives, rng)?;
        Some((survives, after))
    }
}

/// One of the survivals that are drawn, each by a generator of its own.
pub(super) fn drawn(before: &DiskState, model: CrashModel, sample: u32, rng: &Rng) -> DiskState {
    let rng = rng.split("drawn", u64::from(sample));
    survivor(before, model, Sample(sample), &rng)
}

/// What a cut leaves, if the model allows it. What is drawn, is drawn by `rng`.
pub(super) fn left_by(
    before: &DiskState,
    model: CrashModel,
    survives: &Survives,
    rng: &Rng,
) -> Option<DiskState> {
    if let Survives::Drawn(sample) = survives {
        return Some(drawn(before, model, *sample, rng));
    }
    let after = left_of(before, |piece| survives.keeps(piece).unwrap_or(false));
    is_legal(model, before, &after).then_some(after)
}

/// A name for an exact case's last crash.
fn exact_path(fault: usize, generation: usize, at: u64) -> CasePath {
    let mut path = CasePath::start(fault);
    for place in 0..=generation {
        let at = TracePosition(if place == generation { at } else { 0 });
        let left = Left::Sample(Sample::NOTHING);
        path = path.then(Crash { at, left });
    }
    path
}

impl Explorer<'_> {
    /// One crash of a drawn case: what it left, and the life after, unless it is the last.
    fn step_into(
        &mut self,
        fault: &PowerLoss,
        life: &Life,
        done: &CasePath,
        crash: &Crash,
    ) -> Result<Option<(DiskState, Option<Life>)>, ExploreError> {
        if crash.at > life.trace.end() {
            return Ok(None);
        }
        let mut walker = CrashWalker::new(&life.trace);
        walker.advance_to(crash.at);
        let ground = life.ground(crash.at, fault.model_of(done.crashes.len()));
        let obligations = ground.obligations(&self.setup.promises);
        let cut = Cut {
            fault,
            life,
            path: done,
            at: crash.at,
            state: walker.state(),
            ground: &ground,
            obligations: &obligations,
        };
        let case = done.then(crash.clone());
        self.step(&cut, &case, &crash.left)
    }
}
