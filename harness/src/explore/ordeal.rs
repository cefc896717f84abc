//! A run of the workload in which storage fails, and what is owed while it does and after.
//!
//! 1. A call may fail while its session has met a failure of storage. A session that was opened after the last failure owes success.
//! 2. Reads are right, and go on unless what they need is what fails.
//! 3. Once storage is sound again writes succeed: at once where space lacked, but not at the opening, and the target promises so; else
//!    after a reopening.
//! 4. Each session is a life of its own: after each opening the rows are those that the lives before it allow, and are fixed from then on.
//! 5. All runs of a sweep ask the same of the target, up to where storage fails. Where clients have threads of their own, these take the same
//!    turns up to there.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::batch::{Explorer, internal};
use super::case::Trouble;
use super::evidence::{no_end, thread_panicked};
use super::hardship::{self, Hardship};
use super::life::{Ground, Life};
use super::trial::{Ended, Trial, stopped};
use crate::batch::ExploreError;
use crate::oracle::{History, Judgement, Obligations, Violation};
use crate::rng::Rng;
use crate::scenario::{CheckKind, CrashModel, IoError, IoErrorVariant, Reaction};
use crate::sim::{Failures, Injection};
use crate::target::{CrashKind, Mode};
use crate::threads::Baton;
use crate::trace::{DiskState, TracePosition};
use crate::workload::{Clients, Stopped};

/// Openings that are tried before storage is made sound.
const OPENINGS: u32 = 3;
/// Readings of all rows that are tried after an opening before storage is made sound.
const READINGS: u32 = 2;
/// Failed transactions in a row after which clients have had enough of a session.
const PATIENCE: u32 = 3;
/// Failed transactions in a row after which space comes back.
const PATIENCE_WITHOUT_SPACE: u32 = 6;
/// Failures of a session after which all rows are read.
const LOOKS: u32 = 2;

/// What a run in which storage failed came to.
pub(super) struct Endured {
    /// Its sessions, and whether storage failed in each.
    pub(super) lives: Vec<(Life, bool)>,
    /// What storage holds in the end, and what is owed there; nothing if something was wrong before.
    pub(super) end: Option<(DiskState, Ground)>,
    pub(super) failures: Failures,
    pub(super) violations: Vec<Violation>,
    pub(super) seen: BTreeSet<CheckKind>,
    pub(super) ended: Vec<Ended>,
    pub(super) is_undecided: bool,
}

/// A run in which storage fails.
struct Ordeal<'e, 's> {
    explorer: &'e mut Explorer<'s>,
    fault: &'e IoError,
    variant: IoErrorVariant,
    rng: Rng,
    trial: Trial<'s>,
    history: History,
    before: Option<Ground>,
    /// What had failed before the present session was opened.
    failed_before: u64,
    /// Pages that failed syncs had lost when it was open.
    lost_before: u64,
    /// Whether the opening of the present session met a failure.
    opened_in_need: bool,
    looks: u32,
    /// Whose threads take turns, if clients have threads.
    baton: Option<Baton>,
    /// What the harness itself could not do.
    error: Option<ExploreError>,
    endured: Endured,
}

impl Explorer<'_> {
    /// Runs the workload with one trouble.
    pub(super) fn endure(
        &mut self,
        fault: &IoError,
        trouble: &Trouble,
    ) -> Result<Endured, ExploreError> {
        let variants = fault.variants();
        let variant = variants.get(trouble.variant).copied();
        let variant = variant.ok_or_else(|| internal("a trouble without a variant"))?;
        let trial = Trial::new(self.setup);
        trial.disk().inject(Injection {
            error: variant.error,
            operations: fault.operations(variant.error),
            file: fault.file.clone(),
            first: trouble.first,
            lasts: variant.lasts,
            cache: variant.cache,
            failpoint: variant.failpoint,
        });
        let rng = self.setup.rng.split("ordeal", trouble.first);
        // Which operation of a process fails is known where its clients take turns.
        let has_threads =
            self.setup.batch.scenario.workload.has_threads() && !self.setup.target.is_a_process();
        let turns = || self.setup.rng.split("turns", 0);
        let baton = has_threads.then(|| Baton::new(turns(), self.setup.turns_max()));
        let ordeal = Ordeal {
            baton: baton.clone(),
            error: None,
            rng: rng.split("variant", trouble.variant as u64),
            explorer: self,
            fault,
            variant,
            trial,
            history: unopened(),
            before: None,
            failed_before: 0,
            lost_before: 0,
            opened_in_need: false,
            looks: 0,
            endured: Endured {
                lives: Vec::new(),
                end: None,
                failures: Failures::default(),
                violations: Vec::new(),
                seen: BTreeSet::new(),
                ended: Vec::new(),
                is_undecided: false,
            },
        };
        let Some(baton) = baton else {
            return ordeal.run();
        };
        let place = baton.take("main");
        let endured = ordeal.run();
        place.leave();
        endured.map(|endured| endured.with_threads(&baton))
    }
}

impl Endured {
    /// With what became of threads beside those of the clients.
    fn with_threads(mut self, baton: &Baton) -> Self {
        if let Some(hang) = baton.hang() {
            // All else follows from it.
            self.violations = vec![no_end(&hang)];
        } else {
            let panics = baton.panics();
            let panics = panics.iter().map(|text| thread_panicked(text));
            self.violations.extend(panics);
        }
        if !self.violations.is_empty() {
            self.end = None;
        }
        self
    }
}

/// Of a session of which nothing was seen yet: what is owed is what was owed before.
fn unopened() -> History {
    let mut history = History::new();
    history.opened(TracePosition(u64::MAX));
    history
}

impl Ordeal<'_, '_> {
    fn run(mut self) -> Result<Endured, ExploreError> {
        let went_well = self.live();
        self.endured.failures = self.failures();
        if went_well.is_some()
            && let Some(ground) = self.before.take()
        {
            self.endured.end = Some((self.trial.disk().state(), ground));
        } else {
            self.end_life();
        }
        let last = self.trial.finish();
        self.endured.violations.extend(last.violations);
        self.error.map_or(Ok(self.endured), Err)
    }

    /// All of the workload, and what comes after it. Nothing if something was wrong.
    fn live(&mut self) -> Option<()> {
        let sessions = self.fault.reopenings + 1;
        let workload = &self.explorer.setup.batch.scenario.workload;
        let (share, rest) = (
            workload.transactions() / sessions,
            workload.transactions() % sessions,
        );
        for session in 0..sessions {
            self.open()?;
            self.work(share + u32::from(session < rest))?;
            if session + 1 < sessions {
                self.leave(session.is_multiple_of(2))?;
            }
        }
        self.trial.disk().lift();
        self.resume()?;
        self.leave(true)
    }

    fn failures(&self) -> Failures {
        self.trial.disk().failures()
    }

    /// Whether the session has met a failure.
    fn is_tainted(&self) -> bool {
        self.failures().count > self.failed_before
    }

    /// Takes back what was held against calls from violation number `first` on, but for panics and hangs. Nothing if such
    /// are left.
    fn pardon(&mut self, first: usize) -> Option<()> {
        let mut number = 0;
        self.trial.violations.retain(|violation| {
            number += 1;
            let is_grave = matches!(violation.check, CheckKind::NoPanic | CheckKind::NoHang);
            number <= first || is_grave
        });
        (self.trial.violations.len() == first).then_some(())
    }

    /// Opens the database, in the end on sound storage, and looks what is there.
    fn open(&mut self) -> Option<()> {
        let exists = self.before.as_ref().is_some_and(|before| before.exists);
        let mode = if exists {
            Mode::Existing
        } else {
            Mode::CreateOrOpen
        };
        for attempt in 0.. {
            self.sound_after(attempt, OPENINGS);
            self.failed_before = self.failures().count;
            let held = self.trial.violations.len();
            if let Some(baton) = &self.baton {
                baton.watch(self.trial.watcher());
            }
            if let Some(opened) = self.trial.open(mode) {
                self.opened_in_need = self.is_tainted();
                self.look_after_opening(opened)?;
                break;
            }
            if !self.is_tainted() {
                return None;
            }
            self.pardon(held)?;
        }
        self.lost_before = self.failures().lost_pages;
        self.looks = 0;
        Some(())
    }

    /// Makes storage sound after so many attempts.
    fn sound_after(&self, attempt: u32, attempts: u32) {
        if attempt >= attempts {
            self.trial.disk().lift();
        }
    }

    /// Holds what is there after an opening against the lives before it.
    fn look_after_opening(&mut self, opened: TracePosition) -> Option<()> {
        let Some(before) = self.before.clone() else {
            self.history.opened(opened);
            return Some(());
        };
        self.read_patiently()?;
        // Whatever pages are lost, others are in the cache alone.
        let mut kinds = before.kinds.and(CrashKind::Process);
        if self.failures().lost_pages > self.lost_before {
            kinds = kinds.and(CrashKind::Power);
        }
        let ground = Ground { kinds, ..before };
        let obligations = ground.obligations(&self.explorer.setup.promises);
        let observed = &self.explorer.observed;
        match obligations.judge(&ground.history, observed) {
            Judgement::Legal => {}
            Judgement::Undecided => {
                self.endured.is_undecided = true;
                return None;
            }
            Judgement::Illegal(violations) => {
                self.trial.violations.extend(violations);
                return None;
            }
        }
        let promises = &self.explorer.setup.promises;
        self.history = ground.goes_on_with(observed.to_map(), promises);
        self.history.opened(opened);
        Some(())
    }

    /// Reads all rows, in the end on sound storage.
    fn read_patiently(&mut self) -> Option<()> {
        for attempt in 0.. {
            self.sound_after(attempt, READINGS);
            let (failed, held) = (self.failures().count, self.trial.violations.len());
            if self.observe().is_some() {
                break;
            }
            if self.failures().count == failed {
                return None;
            }
            self.pardon(held)?;
        }
        Some(())
    }

    fn observe(&mut self) -> Option<()> {
        let tables = Rc::clone(&self.explorer.tables);
        self.trial.observe(&tables, &mut self.explorer.observed)
    }

    fn clients(&self) -> Clients {
        let rng = &self.explorer.setup.rng;
        let number = self.endured.lives.len() as u64;
        self.explorer
            .setup
            .clients(rng.split("clients", number), &self.history)
    }

    /// Lets so many transactions end, well or not.
    fn work(&mut self, transactions: u32) -> Option<()> {
        if self.baton.is_some() {
            self.work_on_threads(transactions)
        } else {
            self.work_in_turn(transactions)
        }
    }

    /// All clients at once. Rows are looked at when they are done, or one of them has had enough.
    fn work_on_threads(&mut self, transactions: u32) -> Option<()> {
        let mut clients = self.clients();
        let (mut left, mut in_a_row) = (transactions, 0);
        while left > 0 {
            let borne = self.bear_on_threads(&mut clients, left)?;
            in_a_row = if borne.left + 1 == left {
                in_a_row + 1
            } else {
                0
            };
            left = borne.left;
            for hurt in &borne.hurts {
                self.allow(&hurt.stopped, hurt.is_tainted, hurt.is_excused)?;
            }
            if !borne.hurts.is_empty() {
                self.look_now_and_then()?;
            }
            let has_enough = borne.has_enough || self.has_enough(in_a_row);
            self.go_on_after(&mut clients, &mut in_a_row, has_enough)?;
        }
        Some(())
    }

    fn bear_on_threads(
        &mut self,
        clients: &mut Clients,
        transactions: u32,
    ) -> Option<hardship::Borne> {
        let hardship = Hardship {
            disk: self.trial.disk().clone(),
            failed_before: self.failed_before,
            enough: self.enough(),
            patience: PATIENCE_WITHOUT_SPACE,
        };
        let (trial, history) = (&mut self.trial, &mut self.history);
        match hardship::bear(trial, clients, history, transactions, &hardship) {
            Ok(borne) => borne,
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    /// One client after the other.
    fn work_in_turn(&mut self, transactions: u32) -> Option<()> {
        let mut clients = self.clients();
        let (mut left, mut in_a_row) = (transactions, 0);
        while left > 0 {
            let (failed, was_sound) = (self.failures().count, self.trial.disk().is_sound());
            let ended = clients.ended();
            let attempt = self.attempt(&mut clients, |clients, desk| clients.run(desk, left))?;
            let done = clients.ended() - ended;
            let Err(error) = attempt else {
                return Some(());
            };
            in_a_row = if done == 0 { in_a_row + 1 } else { 1 };
            left = left.saturating_sub(done + 1);
            let is_excused = !(was_sound && self.failures().count == failed);
            self.bear(&error, is_excused)?;
            let has_enough = self.has_enough(in_a_row);
            self.go_on_after(&mut clients, &mut in_a_row, has_enough)?;
        }
        Some(())
    }

    /// After failures: in a session anew if that was enough, on sound storage if it lasted long.
    fn go_on_after(
        &mut self,
        clients: &mut Clients,
        in_a_row: &mut u32,
        has_enough: bool,
    ) -> Option<()> {
        if has_enough {
            self.leave(self.endured.lives.len().is_multiple_of(2))?;
            self.open()?;
            *clients = self.clients();
            *in_a_row = 0;
        } else if *in_a_row >= PATIENCE_WITHOUT_SPACE {
            self.trial.disk().lift();
        }
        Some(())
    }

    /// A call that failed. `is_excused`: storage was not sound all the while.
    fn bear(&mut self, error: &Stopped, is_excused: bool) -> Option<()> {
        self.allow(error, self.is_tainted(), is_excused)?;
        self.look_now_and_then()
    }

    /// Whether a call may fail.
    fn allow(&mut self, error: &Stopped, is_tainted: bool, is_excused: bool) -> Option<()> {
        let owes_success = self.goes_on() && !is_excused;
        if !is_tainted || owes_success {
            self.accuse_of_not_going_on(error);
            return None;
        }
        Some(())
    }

    fn look_now_and_then(&mut self) -> Option<()> {
        self.looks += 1;
        if self.looks <= LOOKS {
            self.look_while_writes_fail()?;
        }
        Some(())
    }

    /// Whether the clients open the database again.
    fn has_enough(&self, failed_in_a_row: u32) -> bool {
        self.enough()
            .is_some_and(|enough| failed_in_a_row >= enough)
    }

    /// Failures in a row after which they do; never, if none.
    fn enough(&self) -> Option<u32> {
        match self.variant.then {
            Reaction::Restart => Some(1),
            Reaction::GoOn => (!self.goes_on()).then_some(PATIENCE),
        }
    }

    /// Whether the target promises to go on without a reopening once the fault is over. One that was opened while space lacked may be
    /// open for reading only.
    fn goes_on(&self) -> bool {
        let promises = &self.explorer.setup.promises;
        let lacked_space = self.variant.error.is_want_of_space() && !self.opened_in_need;
        lacked_space && promises.goes_on_with_space()
    }

    fn accuse_of_not_going_on(&mut self, error: &Stopped) {
        let mut violation = stopped(error);
        violation.check = CheckKind::Liveness;
        let expected = if self.goes_on() {
            "success: there is space again"
        } else {
            "success: the database was opened again after storage failed for the last time"
        };
        expected.clone_into(&mut violation.expected);
        self.trial.violations.push(violation);
    }

    /// Reads go on, and are right.
    fn look_while_writes_fail(&mut self) -> Option<()> {
        let before = self.failures();
        let held = self.trial.violations.len();
        if self.observe().is_none() {
            let now = self.failures();
            if now.of_reads > before.of_reads || now.lost_pages > 0 {
                return self.pardon(held);
            }
            for violation in self.trial.violations.iter_mut().skip(held) {
                if violation.check == CheckKind::Durability {
                    violation.check = CheckKind::ReadsGoOn;
                    "reads go on while writes fail".clone_into(&mut violation.expected);
                }
            }
            return None;
        }
        self.endured.seen.insert(CheckKind::ReadsGoOn);
        let observed = &self.explorer.observed;
        match Obligations::live(&self.history).judge(&self.history, observed) {
            Judgement::Legal => Some(()),
            Judgement::Undecided => {
                self.endured.is_undecided = true;
                None
            }
            Judgement::Illegal(violations) => {
                let first = violations.first();
                let first = first.map_or("", |violation| violation.actual.as_str());
                let rows = observed.len();
                self.trial.violations.push(Violation::new(
                    CheckKind::ReadsGoOn,
                    "wrong-rows-while-writes-fail",
                    "the rows that were committed",
                    format!("{rows} rows that are not those: {first}"),
                ));
                None
            }
        }
    }

    /// Storage is sound: writes succeed again.
    fn resume(&mut self) -> Option<()> {
        if self.is_tainted() {
            self.look_while_writes_fail()?;
            if !self.goes_on() {
                self.leave(self.endured.lives.len().is_multiple_of(2))?;
                self.open()?;
            }
        }
        let mut clients = self.clients();
        let committed = self.attempt(&mut clients, Clients::commit_one)?;
        if self.failures().count > 0 {
            self.endured.seen.insert(CheckKind::Liveness);
        }
        if let Err(error) = committed {
            self.accuse_of_not_going_on(&error);
            return None;
        }
        Some(())
    }

    /// Lets clients work. Nothing if the target broke down, or showed what is wrong.
    fn attempt(
        &mut self,
        clients: &mut Clients,
        work: impl FnOnce(&mut Clients, &mut crate::workload::Desk<'_>) -> Result<(), Stopped>,
    ) -> Option<Result<(), Stopped>> {
        let done = self.trial.attempt(clients, &mut self.history, work)?;
        self.trial.violations.is_empty().then_some(done)
    }

    /// Closes the database, or ends its process, and boots what is left.
    fn leave(&mut self, closes: bool) -> Option<()> {
        if closes {
            let held = self.trial.violations.len();
            if self.trial.close().is_none() {
                if !self.is_tainted() {
                    return None;
                }
                self.pardon(held)?;
            }
        }
        self.end_life();
        self.trial.violations.is_empty().then_some(())
    }

    /// The session becomes a life.
    fn end_life(&mut self) {
        let next = self.trial.killed();
        let mut ended = std::mem::replace(&mut self.trial, next).finish();
        let failures = self.failures();
        self.trial.violations.append(&mut ended.violations);
        let mut history = std::mem::replace(&mut self.history, unopened());
        self.look_for_anomalies(&history);
        history.sharpen(&ended.trace.events);
        let life = Life {
            trace: std::mem::take(&mut ended.trace),
            history: Rc::new(history),
            before: self.before.take(),
            spoilt: false,
            unordered: false,
            rng: self.rng.split("life", self.endured.lives.len() as u64),
            taken: std::mem::take(&mut ended.taken)
                .into_iter()
                .map(Rc::new)
                .collect(),
            script: Rc::new(std::mem::take(&mut ended.script)),
        };
        let model = if failures.lost_pages > self.lost_before {
            CrashModel::Posix
        } else {
            CrashModel::ProcessCrash
        };
        let ground = life.ground(life.trace.end(), model);
        self.trial.earlier = ground.newest_backup();
        self.before = Some(ground);
        let has_failed = life.trace.events.iter().any(super::sweep::is_failure);
        self.endured.lives.push((life, has_failed));
        self.endured.ended.push(ended);
    }
    /// What the transactions of a session saw of each other, if the scenario asks.
    fn look_for_anomalies(&mut self, history: &History) {
        let setup = self.explorer.setup;
        if !setup.batch.scenario.asks_for(CheckKind::Isolation) {
            return;
        }
        if history.concurrent() > 0 {
            self.endured.seen.insert(CheckKind::Isolation);
        }
        let promised = setup.promises.isolation();
        if let Judgement::Illegal(violations) = history.anomalies(promised, None) {
            self.trial.violations.extend(violations);
        }
    }
}
