//! Recovering one state and judging what it shows.

use std::rc::Rc;
use std::time::Instant;

use super::failpoint::Reached;
use super::kept::{self, Seen};
use super::leaks::{self, Taken};
use super::life::{Ground, Life};
use super::setup::Setup;
use super::trial::Trial;
use crate::oracle::{History, Judgement, Obligations, Observed, StateDigest, Violation};
use crate::rng::Rng;
use crate::scenario::CheckKind;
use crate::survival::Survival;
use crate::target::{Ability, Mode};
use crate::trace::DiskState;
use crate::workload::{Features, Script};

/// Transactions of a life that is to be cut again, at most.
const TRANSACTIONS_MAX: u64 = 6;

/// Whether a recovered target is to be cut again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// It commits some transactions, and its life is handed out.
    Life,
    /// It does what a script says, and its life is handed out.
    Play(&'a Script),
    /// It commits one, to show that it can.
    End,
}

/// What recovering a state gave.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) violations: Vec<Violation>,
    /// Checks that had something to look at.
    pub(super) seen: Vec<CheckKind>,
    /// What it showed.
    pub(super) showed: StateDigest,
    /// Calls until it was open.
    pub(super) recovery_calls: u64,
    /// Calls altogether.
    pub(super) calls: u64,
    pub(super) recovery_us: u64,
    pub(super) elisions_fired: Vec<u64>,
    /// What was done after the recovery, beside puts, gets and deletes.
    pub(super) features: Features,
    /// Named places of the engine that were watched and reached.
    pub(super) failpoints: Reached,
    pub(super) life: Option<Life>,
    /// Whether the search for a legal order of transactions was given up.
    pub(super) is_undecided: bool,
}

/// A state to recover, and what it is judged by.
pub(super) struct Examination<'a> {
    pub(super) setup: &'a Setup,
    pub(super) ground: &'a Ground,
    pub(super) obligations: &'a Obligations,
    /// The generator of all that is drawn here.
    pub(super) rng: &'a Rng,
    pub(super) next: Next<'a>,
    /// Share of states that are recovered a second time.
    pub(super) reopened: f64,
    pub(super) tables: &'a [String],
}

impl Examination<'_> {
    /// Recovers `state` and judges it.
    pub(super) fn run(&self, state: DiskState, observed: &mut Observed) -> Examined {
        self.run_on(Trial::boot(self.setup, state), observed)
    }

    /// Recovers what `survival` decides on being asked, and judges it.
    pub(super) fn run_lazily(&self, survival: Survival, observed: &mut Observed) -> Examined {
        self.run_on(Trial::boot_lazily(self.setup, survival), observed)
    }

    fn run_on(&self, mut trial: Trial<'_>, observed: &mut Observed) -> Examined {
        let mut examined = Examined {
            violations: Vec::new(),
            seen: vec![CheckKind::NoPanic, CheckKind::NoHang],
            showed: StateDigest::default(),
            recovery_calls: 0,
            calls: 0,
            recovery_us: 0,
            elisions_fired: Vec::new(),
            features: Features::new(),
            failpoints: Reached::new(),
            life: None,
            is_undecided: false,
        };
        let history = self.examine(&mut trial, observed, &mut examined);
        examined.calls = trial.calls();
        let ended = trial.finish();
        examined.violations = ended.violations;
        examined.elisions_fired = ended.elisions_fired;
        examined.features = ended.features;
        examined.failpoints = ended.failpoints;
        let (trace, taken, script) = (ended.trace, ended.taken, ended.script);
        if let (Some(mut history), Next::Life | Next::Play(_)) = (history, self.next) {
            history.sharpen(&trace.events);
            let before = Some(self.ground.clone());
            let rng = self.rng.split("life", 0);
            examined.life = Some(Life {
                trace,
                history: Rc::new(history),
                before,
                spoilt: false,
                unordered: false,
                rng,
                taken: taken.into_iter().map(Rc::new).collect(),
                script: Rc::new(script),
            });
        }
        examined
    }

    /// All steps, until one fails. Returns the history of what was done after the recovery.
    fn examine(
        &self,
        trial: &mut Trial<'_>,
        observed: &mut Observed,
        examined: &mut Examined,
    ) -> Option<History> {
        let booted = trial.disk().state();
        let start = Instant::now();
        let opened = trial.open(self.ground.mode());
        examined.recovery_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        examined.recovery_calls = trial.calls();
        self.note_owed(examined);
        let opened = opened?;
        self.bound_recovery(trial, examined, &booted)?;
        trial.observe(self.tables, observed)?;
        examined.showed = observed.digest();
        if !observed.is_empty() {
            examined.seen.push(CheckKind::NoGarbage);
        }
        match self.obligations.judge(&self.ground.history, observed) {
            Judgement::Legal => {}
            Judgement::Illegal(violations) => {
                trial.violations.extend(violations);
                return None;
            }
            Judgement::Undecided => {
                examined.is_undecided = true;
                return None;
            }
        }
        self.look_for_anomalies(trial, examined, observed)?;
        self.verify(trial, examined)?;
        self.reopen(trial, examined)?;
        self.restore(trial, examined)?;
        let rows = observed.to_map();
        let mut history = self.ground.goes_on_with(rows, &self.setup.promises);
        history.opened(opened);
        self.go_on(trial, &mut history)?;
        self.look_at_reads(trial, &history)?;
        self.look_for_leaks(trial, examined, &booted)?;
        Some(history)
    }

    /// Which checks the obligations give something to look at.
    fn note_owed(&self, examined: &mut Examined) {
        let base = !self.ground.history.base().is_empty();
        let Obligations { least, most, .. } = *self.obligations;
        if base || least > 0 || self.ground.exists {
            examined.seen.push(CheckKind::Durability);
        }
        if most > 0 {
            examined.seen.push(CheckKind::Atomicity);
        }
        if most > 1 {
            examined.seen.push(CheckKind::PrefixOrder);
        }
    }

    /// Whoever is there after the crash saw only what is there, and nobody is there without whom it saw.
    fn look_for_anomalies(
        &self,
        trial: &mut Trial<'_>,
        examined: &mut Examined,
        observed: &Observed,
    ) -> Option<()> {
        let history = &self.ground.history;
        if !self.checks_isolation() || self.obligations.most == 0 {
            return Some(());
        }
        if history.concurrent() > 0 {
            examined.seen.push(CheckKind::Isolation);
        }
        let promised = self.setup.promises.isolation();
        match history.anomalies_after(promised, self.obligations, observed) {
            Judgement::Legal | Judgement::Undecided => Some(()),
            Judgement::Illegal(violations) => {
                trial.violations.extend(violations);
                None
            }
        }
    }

    /// What is read after the recovery agrees with what it showed.
    fn look_at_reads(&self, trial: &mut Trial<'_>, history: &History) -> Option<()> {
        if self.checks_isolation() {
            let promised = self.setup.promises.isolation();
            if let Judgement::Illegal(violations) = history.anomalies(promised, None) {
                trial.violations.extend(violations);
                return None;
            }
        }
        Some(())
    }

    fn checks_isolation(&self) -> bool {
        self.setup.batch.scenario.asks_for(CheckKind::Isolation)
    }

    fn verify(&self, trial: &mut Trial<'_>, examined: &mut Examined) -> Option<()> {
        let asked = self.setup.batch.scenario.asks_for(CheckKind::Integrity);
        if asked && self.setup.target.can(Ability::Verify) {
            examined.seen.push(CheckKind::Integrity);
            trial.verify();
            return trial.violations.is_empty().then_some(());
        }
        Some(())
    }

    /// What the recovery took is bounded by the log that it found.
    fn bound_recovery(
        &self,
        trial: &mut Trial<'_>,
        examined: &mut Examined,
        booted: &DiskState,
    ) -> Option<()> {
        let check = CheckKind::BoundedRecovery;
        // Making a database is no recovery.
        if !self.setup.batch.scenario.asks_for(check) || !self.ground.exists {
            return Some(());
        }
        examined.seen.push(check);
        let target = &self.setup.target;
        let calls_max = leaks::calls_max(booted, |name| target.is_log(name));
        if examined.recovery_calls > calls_max {
            let found = leaks::unbounded(examined.recovery_calls, calls_max);
            trial.violations.push(found);
            return None;
        }
        Some(())
    }

    /// Closes the target and opens it again and again. One that is to be cut again is left as it is.
    fn look_for_leaks(
        &self,
        trial: &mut Trial<'_>,
        examined: &mut Examined,
        booted: &DiskState,
    ) -> Option<()> {
        let check = CheckKind::NoLeak;
        let mut rng = self.rng.split("leaks", 0);
        let is_asked = self.setup.batch.scenario.asks_for(check) && self.next == Next::End;
        if !is_asked || !rng.chance(self.reopened) {
            return Some(());
        }
        examined.seen.push(check);
        leaks::check(trial, self.ground.exists.then(|| Taken::of(booted)))
    }

    /// Kills the recovered target and recovers again: nothing may change.
    fn reopen(&self, trial: &mut Trial<'_>, examined: &mut Examined) -> Option<()> {
        let mut rng = self.rng.split("reopen", 0);
        let asked = self
            .setup
            .batch
            .scenario
            .asks_for(CheckKind::IdempotentRecovery);
        if !asked || !rng.chance(self.reopened) {
            return Some(());
        }
        examined.seen.push(CheckKind::IdempotentRecovery);
        let mut again = trial.killed();
        let mut observed = Observed::default();
        let reopened = again.open(Mode::Existing);
        let showed = reopened.and_then(|_| again.observe(self.tables, &mut observed));
        if showed.is_some() && observed.digest() != examined.showed {
            again.violations.push(Violation::new(
                CheckKind::IdempotentRecovery,
                "second-recovery-differs",
                "what the first recovery showed",
                format!("{} rows that are not those", observed.len()),
            ));
        }
        let violations = again.finish().violations;
        let failed = !violations.is_empty();
        trial
            .violations
            .extend(violations.into_iter().map(as_second_recovery));
        (!failed).then_some(())
    }

    /// Restores backups, each on a disk of its own.
    fn restore(&self, trial: &mut Trial<'_>, examined: &mut Examined) -> Option<()> {
        if !self.setup.batch.scenario.asks_for(CheckKind::Backup) {
            return Some(());
        }
        let checked = kept::check(&self.ground.kept, trial, self.tables, self.rng);
        if checked != Some(Seen::Nothing) {
            examined.seen.push(CheckKind::Backup);
        }
        if checked? == Seen::Undecided {
            examined.is_undecided = true;
            return None;
        }
        trial.violations.is_empty().then_some(())
    }

    fn go_on(&self, trial: &mut Trial<'_>, history: &mut History) -> Option<()> {
        let mut clients = self.setup.clients(self.rng.split("clients", 0), history);
        let mut count = self.rng.split("transactions", 0);
        trial.earlier = self.ground.newest_backup();
        let next = self.next;
        trial.work(&mut clients, history, |clients, desk| match next {
            Next::End => clients.commit_one(desk),
            Next::Play(script) => clients.play(desk, script),
            Next::Life => {
                clients.draw_upkeep();
                let count = 1 + count.below(TRANSACTIONS_MAX);
                clients.run(desk, u32::try_from(count).unwrap_or(1))
            }
        })?;
        trial.violations.is_empty().then_some(())
    }
}

/// What fails only the second time concerns the recovery, whatever it is.
fn as_second_recovery(violation: Violation) -> Violation {
    match violation.check {
        CheckKind::Durability => {
            let shape = format!("second-recovery/{}", violation.shape);
            Violation {
                check: CheckKind::IdempotentRecovery,
                shape,
                ..violation
            }
        }
        _ => violation,
    }
}
