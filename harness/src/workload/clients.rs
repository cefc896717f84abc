//! Clients with open transactions, interleaved by the seed on one thread; or each by itself, for a thread of its own.

use super::desk::Desk;
use super::plan::{End, Plan, Setting, levels, table_names};
use super::script::{Deed, Line, Script};
use super::upkeep::{Due, INCREMENTAL, Upkeep};
use super::work::Work;
use super::{bank, contended, kv};
use crate::oracle::{RowMap, Violation, transaction_id};
use crate::rng::Rng;
use crate::scenario::{Chore, Feature, Workload};
use crate::target::{Ability, Applied, ClientId, Durability, ErrorKind, TargetError};

/// How often a transaction that met a conflict is tried, at most.
const TRIES_MAX: u32 = 4;

/// The clients of a workload.
#[derive(Clone, Debug)]
pub struct Clients {
    workload: Workload,
    setting: Setting,
    levels: Vec<Durability>,
    tables: Vec<String>,
    rng: Rng,
    all: Vec<Client>,
    upkeep: Upkeep,
    ended: u32,
}

#[derive(Clone, Debug)]
struct Client {
    id: ClientId,
    next_sequence: u32,
    work: Option<Work>,
}

/// Why a workload did not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The call that failed.
    pub call: &'static str,
    /// How.
    pub error: TargetError,
}

impl Stopped {
    fn is_for_want_of_space(&self) -> bool {
        let error = &self.error;
        // A recovery that finds the disk full may open for reading only: nothing is lost, and nothing can be written until there is space.
        let is_want = matches!(error.kind, ErrorKind::Full | ErrorKind::ReadOnly);
        self.call == "commit" && is_want && error.applied == Applied::No
    }
}

/// What became of a transaction's turn.
enum Turn {
    Goes,
    Ended,
}

impl Clients {
    /// The clients of a database whose transactions so far have sequence numbers below `first_sequence`.
    pub fn new(workload: &Workload, setting: Setting, rng: Rng, first_sequence: u32) -> Self {
        let (count, tables, _) = workload.clients_tables_rollbacks();
        let client = |id| Client {
            id: ClientId(id),
            next_sequence: first_sequence,
            work: None,
        };
        let count = u16::try_from(count.get()).unwrap_or(u16::MAX);
        Self {
            levels: levels(workload, &setting),
            tables: table_names(tables.get()),
            all: (0..count).map(client).collect(),
            upkeep: Upkeep::new(workload, &setting),
            ended: 0,
            workload: workload.clone(),
            setting,
            rng,
        }
    }

    /// What is asked for beside transactions comes after drawn numbers of them, as if the run had been going on.
    pub fn draw_upkeep(&mut self) {
        self.upkeep.draw(&mut self.rng);
    }

    /// The names of the tables.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Transactions of one run.
    pub fn transactions(&self) -> u32 {
        self.workload.transactions()
    }

    /// How many transactions of its runs have ended as they should.
    pub fn ended(&self) -> u32 {
        self.ended
    }

    /// What is wrong with a set of rows, whatever the history: the workload's own invariant.
    pub fn check_rows(&self, rows: &RowMap) -> Option<Violation> {
        match &self.workload {
            Workload::Kv(_) | Workload::Append(_) | Workload::Register(_) => None,
            Workload::Bank(bank) => bank::check_sum(bank, rows),
        }
    }

    /// Runs until so many more transactions have ended, or it is to stop. Others may be left open.
    pub fn run(&mut self, desk: &mut Desk<'_>, transactions: u32) -> Result<(), Stopped> {
        self.set_up(desk)?;
        let mut current = 0;
        let mut left = transactions;
        while left > 0 && !desk.record.is_halted() {
            if self.setting.can(Ability::Interleave) || self.all[current].work.is_none() {
                current = self.rng.index(self.all.len());
            }
            if matches!(self.turn(desk, current)?, Turn::Ended) {
                left -= 1;
                self.ended += 1;
                self.keep_up(desk)?;
            }
        }
        Ok(())
    }

    /// Makes ready what the workload needs.
    pub fn prepare(&mut self, desk: &mut Desk<'_>) -> Result<(), Stopped> {
        self.set_up(desk)
    }

    /// Each client by itself, with its share of so many transactions. The first one asks for what is beside transactions.
    pub fn split(&self, transactions: u32) -> Vec<(Self, u32)> {
        let count = u32::try_from(self.all.len()).unwrap_or(1).max(1);
        let part = |(number, client): (u32, &Client)| {
            let rng = self.rng.split("client", u64::from(number));
            let upkeep = match number {
                0 => self.upkeep.for_one_of(count),
                _ => Upkeep::none(),
            };
            let alone = Self {
                all: vec![client.clone()],
                upkeep,
                rng,
                ended: 0,
                ..self.clone()
            };
            let extra = u32::from(number < transactions % count);
            (alone, transactions / count + extra)
        };
        (0..).zip(&self.all).map(part).collect()
    }

    /// Takes the clients back that worked by themselves, and whose sessions are over: what they left open is gone.
    pub fn rejoin(&mut self, parts: Vec<Self>) {
        self.ended += parts.iter().map(|part| part.ended).sum::<u32>();
        let backups = parts.iter().map(|part| part.upkeep.backups);
        self.upkeep.backups = backups.max().unwrap_or(self.upkeep.backups);
        self.all = parts.into_iter().flat_map(|part| part.all).collect();
        for client in &mut self.all {
            client.work = None;
        }
        // What they drew is not drawn again.
        self.rng.next_u64();
    }

    /// Commits one transaction of the first client, from begin to end, at the first durability level.
    pub fn commit_one(&mut self, desk: &mut Desk<'_>) -> Result<(), Stopped> {
        self.set_up(desk)?;
        let mut plan = self.draw_plan();
        plan.end = End::Commit(self.levels.first().copied().unwrap_or(Durability::Sync));
        self.run_whole(desk, plan)
    }

    /// A bank needs its accounts.
    fn set_up(&mut self, desk: &mut Desk<'_>) -> Result<(), Stopped> {
        let Workload::Bank(bank) = &self.workload else {
            return Ok(());
        };
        if desk.is_there(&bank::account(bank, 0)) {
            return Ok(());
        }
        let durability = self
            .rng
            .pick(&self.levels)
            .copied()
            .unwrap_or(Durability::Sync);
        let plan = Plan {
            steps: bank::setup(bank),
            end: End::Commit(durability),
        };
        self.run_whole(desk, plan)
    }

    fn run_whole(&mut self, desk: &mut Desk<'_>, plan: Plan) -> Result<(), Stopped> {
        self.begin(desk, 0, plan, 1)?;
        while self.all[0].work.is_some() {
            self.turn(desk, 0)?;
        }
        Ok(())
    }

    /// The next step of a client.
    fn turn(&mut self, desk: &mut Desk<'_>, client: usize) -> Result<Turn, Stopped> {
        let Some(mut work) = self.all[client].work.take() else {
            let plan = self.draw_plan();
            self.begin(desk, client, plan, 1)?;
            return Ok(Turn::Goes);
        };
        let done = match work.plan.steps.get(work.next).cloned() {
            Some(step) => {
                self.note(desk, client, Deed::Step(step.clone()));
                work.step(desk, step).map_err(|error| ("step", error))
            }
            None => return self.end(desk, client, work),
        };
        match done {
            Ok(()) => {
                work.next += 1;
                self.all[client].work = Some(work);
                Ok(Turn::Goes)
            }
            Err((call, error)) => self.failed(desk, client, work, Stopped { call, error }),
        }
    }

    fn begin(
        &mut self,
        desk: &mut Desk<'_>,
        client: usize,
        plan: Plan,
        tries: u32,
    ) -> Result<(), Stopped> {
        self.note(desk, client, Deed::Begin);
        let this = &mut self.all[client];
        let id = transaction_id(this.id.0, this.next_sequence);
        this.next_sequence += 1;
        let open = desk.begin(this.id, id).map_err(|error| Stopped {
            call: "begin",
            error,
        })?;
        this.work = Some(Work::new(open, plan, tries));
        Ok(())
    }

    /// Ends a transaction whose steps are done.
    fn end(&mut self, desk: &mut Desk<'_>, client: usize, work: Work) -> Result<Turn, Stopped> {
        let End::Commit(durability) = work.plan.end else {
            self.note(desk, client, Deed::Rollback);
            let rolled_back = desk.rollback(&work.open);
            return rolled_back.map(|()| Turn::Ended).map_err(|error| Stopped {
                call: "rollback",
                error,
            });
        };
        self.note(desk, client, Deed::Commit(durability));
        let mut work = work;
        if let Err(error) = work.write_sequence(desk) {
            return self.failed(desk, client, work, Stopped { call: "put", error });
        }
        match desk.commit(work.open.clone(), durability) {
            Ok(()) => Ok(Turn::Ended),
            Err(error) => self.failed(
                desk,
                client,
                work,
                Stopped {
                    call: "commit",
                    error,
                },
            ),
        }
    }

    /// A conflict is tried again, or given up. A commit for which a limited disk has no room is given up: what comes next may take
    /// something away. Anything else stops the workload.
    fn failed(
        &mut self,
        desk: &mut Desk<'_>,
        client: usize,
        work: Work,
        stopped: Stopped,
    ) -> Result<Turn, Stopped> {
        if self.setting.disk_is_limited && stopped.is_for_want_of_space() {
            if stopped.error.kind == ErrorKind::Full {
                desk.note(Feature::FullDisks);
            }
            return Ok(Turn::Ended);
        }
        if !stopped.error.may_retry() {
            if stopped.call != "commit" {
                // Whatever comes of it, the client begins another one, if it goes on at all.
                let _ = desk.rollback(&work.open);
            }
            return Err(stopped);
        }
        if work.tries < TRIES_MAX && self.rng.chance(0.75) {
            self.begin(desk, client, work.plan, work.tries + 1)?;
            return Ok(Turn::Goes);
        }
        Ok(Turn::Ended)
    }

    fn draw_plan(&mut self) -> Plan {
        let (setting, rng) = (&self.setting, &mut self.rng);
        let steps = match &self.workload {
            Workload::Kv(kv) => kv::steps(kv, setting, rng),
            Workload::Bank(bank) => bank::steps(bank, setting, rng),
            Workload::Append(rows) => {
                contended::steps(rows, contended::Write::Append, setting, rng)
            }
            Workload::Register(rows) => {
                contended::steps(rows, contended::Write::Overwrite, setting, rng)
            }
        };
        let (_, _, rollbacks) = self.workload.clients_tables_rollbacks();
        let end = match self.rng.pick(&self.levels) {
            _ if self.setting.roll_back && self.rng.clone().chance(kv::share(rollbacks.get())) => {
                End::Rollback
            }
            level => End::Commit(level.copied().unwrap_or(Durability::Sync)),
        };
        self.rng.next_u64();
        Plan { steps, end }
    }

    /// Asks for what is due.
    fn keep_up(&mut self, desk: &mut Desk<'_>) -> Result<(), Stopped> {
        for due in self.upkeep.due() {
            let deed = match due {
                Due::Checkpoint => Deed::Checkpoint,
                Due::Chore(Chore::Compaction) => Deed::Compaction,
                Due::Chore(Chore::Backup) => Deed::Backup {
                    is_incremental: self.rng.chance(INCREMENTAL),
                },
                Due::Chore(Chore::RestorePoint) => Deed::RestorePoint,
            };
            self.note(desk, 0, deed.clone());
            self.ask_for(desk, &deed)?;
        }
        Ok(())
    }

    /// Asks for what is no transaction.
    fn ask_for(&mut self, desk: &mut Desk<'_>, deed: &Deed) -> Result<(), Stopped> {
        let (call, result) = match *deed {
            Deed::Checkpoint => ("checkpoint", desk.checkpoint()),
            Deed::Compaction => ("compaction", desk.compact()),
            Deed::Backup { is_incremental } => {
                self.upkeep.backups += 1;
                let number = self.upkeep.backups;
                ("backup", desk.backup(number, is_incremental))
            }
            Deed::RestorePoint => ("restore point", desk.restore_point()),
            _ => return Ok(()),
        };
        result.map_err(|error| Stopped { call, error })
    }

    fn note(&self, desk: &Desk<'_>, client: usize, deed: Deed) {
        let client = self.all.get(client).map_or(0, |client| client.id.0);
        desk.record.line(Line::new(client, deed));
    }

    /// Does what a script says, and nothing else.
    pub fn play(&mut self, desk: &mut Desk<'_>, script: &Script) -> Result<(), Stopped> {
        for line in &script.lines {
            let mut clients = self.all.iter();
            if let Some(client) = clients.position(|client| client.id.0 == line.client) {
                self.play_line(desk, client, &line.deed)?;
            }
        }
        Ok(())
    }

    fn play_line(
        &mut self,
        desk: &mut Desk<'_>,
        client: usize,
        deed: &Deed,
    ) -> Result<(), Stopped> {
        if *deed == Deed::Begin {
            if let Some(work) = self.all[client].work.take() {
                self.end(desk, client, work)?;
            }
            let plan = Plan {
                steps: Vec::new(),
                end: End::Rollback,
            };
            return self.begin(desk, client, plan, TRIES_MAX);
        }
        let Some(mut work) = self.all[client].work.take() else {
            return self.ask_for(desk, deed);
        };
        match deed {
            Deed::Step(step) => work.plan.steps.push(step.clone()),
            Deed::Commit(level) => work.plan.end = End::Commit(*level),
            Deed::Rollback => {}
            _ => {
                self.all[client].work = Some(work);
                return self.ask_for(desk, deed);
            }
        }
        // With its last step done, the next turn of a transaction is its end.
        self.all[client].work = Some(work);
        self.turn(desk, client).map(|_| ())
    }
}
