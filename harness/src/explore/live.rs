//! The first life of a batch: from an empty disk through all of the workload, nothing broken.

use std::rc::Rc;

use super::batch::Explorer;
use super::case::LIVE;
use super::crowd;
use super::evidence::{finding, no_end, outcome_of, thread_panicked};
use super::leaks::left_open;
use super::life::Life;
use super::trial::{Ended, Trial};
use crate::batch::{CaseId, ExploreError};
use crate::oracle::{History, Judgement, Obligations, Violation};
use crate::scenario::{CheckKind, Feature};
use crate::target::{Ability, Mode, Session};
use crate::threads::Baton;
use crate::trace::TracePosition;
use crate::workload::{Clients, Line, Script};

/// Share of first lives that end with a clean close.
const CLOSED: f64 = 0.25;

impl Explorer<'_> {
    /// Lives it.
    pub(super) fn live(&mut self) -> Result<Life, ExploreError> {
        self.live_by(None)
    }

    /// Lives it by a script, or as the scenario's workload draws it.
    pub(super) fn live_by(&mut self, script: Option<&Script>) -> Result<Life, ExploreError> {
        let rng = self.setup.rng.split("life", 0);
        let case = CaseId(LIVE.to_owned());
        (self.announce)(&case);
        let mut history = History::new();
        history.opened(TracePosition(u64::MAX));
        let ended = if self.has_threads(script) && !self.setup.target.is_a_process() {
            self.live_on_threads(&mut history, script)?
        } else {
            let mut trial = Trial::new(self.setup);
            self.live_in(&mut trial, &mut history, script)?;
            trial.finish()
        };
        self.note_elisions(&ended.elisions_fired);
        self.note_features(&ended.features);
        self.note_reached(&ended.failpoints);
        self.note_slow(ended.slow);
        let trace = ended.trace;
        let asked = ended
            .violations
            .into_iter()
            .filter(|violation| self.is_asked(violation));
        let asked: Vec<_> = asked.collect();
        if !asked.is_empty() {
            self.note_outcome(outcome_of(&asked));
        }
        let asked = asked.into_iter();
        let findings: Vec<_> = asked.map(|violation| finding(&case, violation)).collect();
        self.result.findings.extend(findings);
        history.sharpen(&trace.events);
        Ok(Life {
            trace,
            history: Rc::new(history),
            before: None,
            spoilt: false,
            unordered: false,
            rng,
            taken: ended.taken.into_iter().map(Rc::new).collect(),
            script: Rc::new(ended.script),
        })
    }

    /// A process that takes one request at a time has its clients take turns. One that takes several runs as it likes, so no two of its lives are the same.
    fn has_threads(&self, script: Option<&Script>) -> bool {
        if !self.setup.target.can(Ability::Threads) {
            return false;
        }
        let workload = &self.setup.batch.scenario.workload;
        script.map_or_else(|| workload.has_threads(), Script::has_threads)
    }

    /// The target's threads end with its life, whatever becomes of it.
    fn live_on_threads(
        &mut self,
        history: &mut History,
        script: Option<&Script>,
    ) -> Result<Ended, ExploreError> {
        let baton = Baton::new(
            self.setup.rng.split("turns", self.turns),
            self.setup.turns_max(),
        );
        let place = baton.take("main");
        let mut trial = Trial::new(self.setup);
        baton.watch(trial.watcher());
        let lived = self.live_in(&mut trial, history, script);
        let mut ended = trial.finish();
        place.leave();
        lived?;
        if let Some(hang) = baton.hang() {
            // All else follows from it.
            ended.violations = vec![no_end(&hang)];
        } else {
            let panics = baton.panics();
            let panics = panics.iter().map(|text| thread_panicked(text));
            ended.violations.extend(panics);
        }
        Ok(ended)
    }

    fn live_in(
        &mut self,
        trial: &mut Trial<'_>,
        history: &mut History,
        script: Option<&Script>,
    ) -> Result<Option<()>, ExploreError> {
        let Some(opened) = trial.open(Mode::CreateOrOpen) else {
            return Ok(None);
        };
        history.opened(opened);
        let rng = self.setup.rng.split("clients", 0);
        let mut clients = self.setup.clients(rng, history);
        let transactions = clients.transactions();
        let worked = if self.has_threads(script) {
            crowd::work(trial, &mut clients, history, script)?
        } else {
            trial.work(&mut clients, history, |clients, desk| match script {
                Some(script) => clients.play(desk, script),
                None => clients.run(desk, transactions),
            })
        };
        Ok(worked.and_then(|()| self.look_and_close(trial, history, &clients, script)))
    }

    fn look_and_close(
        &mut self,
        trial: &mut Trial<'_>,
        history: &History,
        clients: &Clients,
        script: Option<&Script>,
    ) -> Option<()> {
        trial.observe(&self.tables, &mut self.observed)?;
        let evictions = trial.session().map_or(0, Session::evictions);
        if evictions > 0 {
            trial.features.insert(Feature::Evictions, evictions);
        }
        trial.violations.extend(self.wrong_rows(history));
        trial.violations.extend(self.wrong_reads(history));
        if script.is_none() {
            let rows = self.observed.to_map();
            trial.violations.extend(clients.check_rows(&rows));
        }
        let drawn = || self.setup.rng.split("close", 0).chance(CLOSED);
        if script.map_or_else(drawn, Script::closes) {
            trial.script.lines.push(Line::close());
            trial.close()?;
            let check = CheckKind::NoLeak;
            if self.setup.batch.scenario.asks_for(check) {
                *self.result.checks_seen.entry(check).or_default() += 1;
                trial.violations.extend(left_open(trial));
            }
        }
        Some(())
    }

    /// What is wrong with the rows that all transactions together left.
    fn wrong_rows(&mut self, history: &History) -> Option<Violation> {
        let violations = match Obligations::live(history).judge(history, &self.observed) {
            Judgement::Legal => return None,
            Judgement::Undecided => {
                self.note_undecided(CaseId(LIVE.to_owned()));
                return None;
            }
            Judgement::Illegal(violations) => violations,
        };
        let first = violations.first();
        let first = first.map_or("", |violation| violation.actual.as_str());
        Some(Violation::new(
            CheckKind::Durability,
            "wrong-rows-before-any-crash",
            "the rows that were committed",
            format!("{} rows that are not those: {first}", self.observed.len()),
        ))
    }

    /// What transactions saw or lost of each other, if the scenario asks.
    fn wrong_reads(&mut self, history: &History) -> Vec<Violation> {
        let check = CheckKind::Isolation;
        if !self.setup.batch.scenario.asks_for(check) {
            return Vec::new();
        }
        *self.result.checks_seen.entry(check).or_default() += history.concurrent() as u64;
        let (promised, end) = (self.setup.promises.isolation(), Some(&self.observed));
        if let Judgement::Illegal(violations) = history.anomalies(promised, end) {
            return violations;
        }
        match history.isolation(promised, end) {
            Judgement::Legal => Vec::new(),
            Judgement::Illegal(violations) => violations,
            Judgement::Undecided => {
                self.note_undecided(CaseId(LIVE.to_owned()));
                Vec::new()
            }
        }
    }
}
