//! The database, the disk below it, and all states that it may be in.

use std::collections::BTreeSet;

use lightning_db::{
    BackupFile, CheckpointMode, CommitError, Database, Durability, Isolation, Options, Restore,
    Snapshot,
};

use crate::power::{PowerDisk, Survival};
use crate::program::{Program, write_all};
use crate::steps::{During, End, Ending, Put, Step};
use crate::tables::{Tables, owned};

pub struct World {
    disk: PowerDisk,
    db: Option<Database>,
    /// The states that the commits went through since the last opening, and the oldest that each ending may leave.
    states: Vec<Tables>,
    owed_after_power_cut: usize,
    owed_after_crash: usize,
    snapshots: Vec<(Snapshot, Tables)>,
    /// Where backups go; the last full one and those that follow it; what they hold.
    vault: PowerDisk,
    chain: Vec<BackupFile>,
    backed_up: Tables,
    backups: u32,
}

fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_after(24 << 10)
        .checkpoint_mode(CheckpointMode::Inline)
        .salt(7)
}

impl World {
    pub fn new() -> Self {
        let disk = PowerDisk::default();
        let db = Database::create_on(disk.shared(), options()).unwrap();
        Self {
            disk,
            db: Some(db),
            states: vec![Tables::default()],
            owed_after_power_cut: 0,
            owed_after_crash: 0,
            snapshots: Vec::new(),
            vault: PowerDisk::default(),
            chain: Vec::new(),
            backed_up: Tables::default(),
            backups: 0,
        }
    }

    pub fn disk(&self) -> &PowerDisk {
        &self.disk
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    fn shown(&self) -> &Tables {
        self.states.last().unwrap()
    }

    pub fn run(&mut self, step: &Step) {
        match step {
            Step::Transaction {
                isolation,
                ops,
                end,
            } => self.transaction(*isolation, ops, end),
            Step::Race {
                isolation,
                first,
                second,
            } => self.race(*isolation, first, second),
            Step::Checkpoint => {
                self.db().checkpoint().unwrap();
                self.owe_all();
            }
            Step::Compact => drop(self.db().compact().unwrap()),
            Step::BackUp { incremental } => self.back_up(*incremental),
            Step::Restore => self.restore(),
            Step::Snapshot => {
                let snapshot = self.db().snapshot().unwrap();
                self.snapshots.push((snapshot, self.shown().clone()));
            }
            Step::Forget(_) if self.snapshots.is_empty() => {}
            Step::Forget(which) => {
                let (snapshot, then) = self.snapshots.remove(which.index(self.snapshots.len()));
                then.assert_shown_by(&snapshot);
            }
            Step::Reopen(ending) => self.reopen(*ending),
            Step::Crash {
                during,
                operations,
                ending,
            } => self.crash(during, *operations, *ending),
        }
    }

    fn back_up(&mut self, incremental: bool) {
        let name = format!("backup {}", self.backups);
        let file = BackupFile::on(self.vault.shared(), &name);
        self.backups += 1;
        match self.chain.last() {
            Some(base) if incremental => drop(self.db().backup_incremental(&file, base).unwrap()),
            _ => {
                self.db().backup(&file).unwrap();
                self.chain.clear();
            }
        }
        self.chain.push(file);
        self.backed_up = self.shown().clone();
    }

    fn restore(&self) {
        let Some((full, later)) = self.chain.split_first() else {
            return;
        };
        let from = Restore::from(full.clone()).options(options().salt(8));
        let from = later
            .iter()
            .fold(from, |from, file| from.then(file.clone()));
        let disk = PowerDisk::default();
        Database::restore_on(disk.shared(), &from).unwrap();
        let db = Database::open_on(disk.shared(), options()).unwrap();
        self.backed_up.assert_shown_by(&db);
        assert_eq!(
            db.snapshot().unwrap().tables().unwrap(),
            self.backed_up.names()
        );
        assert!(db.verify().unwrap().is_clean());
    }

    /// Everything that is shown, at the end of a case.
    pub fn finish(mut self) {
        self.assert_shown();
        self.check_snapshots();
        self.assert_sound();
        self.reopen(Ending::Close);
        self.assert_sound();
    }

    pub fn assert_shown(&self) {
        let snapshot = self.db().snapshot().unwrap();
        self.shown().assert_shown_by(&snapshot);
        assert_eq!(snapshot.tables().unwrap(), self.shown().names());
    }

    fn assert_sound(&self) {
        let report = self.db().verify().unwrap();
        assert!(report.is_clean(), "{report:?}");
    }

    fn check_snapshots(&mut self) {
        for (snapshot, then) in self.snapshots.drain(..) {
            then.assert_shown_by(&snapshot);
        }
    }

    fn transaction(&mut self, isolation: Isolation, ops: &[crate::steps::Op], end: &End) {
        let mut txn = self.db().begin_with(isolation).unwrap();
        let mut program = Program::new(&mut txn, self.shown().clone());
        for op in ops {
            program.run(op);
        }
        program.assert_equal();
        let tables = program.tables;
        match end {
            End::Commit(durability) => {
                let report = txn.commit_reporting(*durability).unwrap();
                // One that wrote nothing promises nothing about those before it.
                if report.group > 0 {
                    self.committed(tables, *durability);
                }
            }
            End::Rollback => txn.rollback(),
        }
    }

    fn committed(&mut self, tables: Tables, durability: Durability) {
        self.states.push(tables);
        let at = self.states.len() - 1;
        if durability >= Durability::Buffered {
            self.owed_after_crash = at;
        }
        if durability == Durability::Sync {
            self.owed_after_power_cut = at;
        }
    }

    fn owe_all(&mut self) {
        self.owed_after_crash = self.states.len() - 1;
        self.owed_after_power_cut = self.owed_after_crash;
    }

    fn race(&mut self, isolation: Isolation, first: &[Put], second: &[Put]) {
        let keys = |puts: &[Put]| -> BTreeSet<(String, Vec<u8>)> {
            puts.iter()
                .map(|(t, k, _)| ((*t).to_owned(), k.clone()))
                .collect()
        };
        let meet = !keys(first).is_disjoint(&keys(second));
        let all_exist = first
            .iter()
            .chain(second)
            .all(|(t, ..)| self.shown().0.contains_key(*t));
        let begin = || self.db().begin_with(isolation).unwrap();
        let (mut one, mut two) = (begin(), begin());
        write_all(&mut one, first);
        write_all(&mut two, second);
        let mut tables = self.shown().clone();
        one.commit().unwrap();
        tables.put_all(first);
        self.committed(tables.clone(), Durability::Sync);
        match two.commit() {
            Ok(_) => {
                assert!(!meet || !all_exist, "both wrote the same key");
                tables.put_all(second);
                self.committed(tables, Durability::Sync);
            }
            Err(CommitError::Conflict { .. }) => assert!(meet || !all_exist, "they never met"),
            Err(other) => panic!("{other}"),
        }
    }

    fn reopen(&mut self, ending: Ending) {
        self.check_snapshots();
        let db = self.db.take().unwrap();
        if let Ending::Close = ending {
            db.close().unwrap();
            self.owe_all();
        } else {
            drop(db);
        }
        self.end_process(ending);
        self.open();
    }

    /// What is there after `ending` is found by the next opening.
    fn end_process(&mut self, ending: Ending) {
        self.disk.set_life(None);
        match ending {
            Ending::PowerCut(survival) => {
                self.disk.cut_power(survival);
                self.owed_after_crash = self.owed_after_power_cut;
                if survival == Survival::Nothing {
                    assert!(self.owed_after_power_cut < self.states.len());
                }
            }
            Ending::Close | Ending::Vanish => {}
        }
    }

    /// One of the states that are owed or newer must be there, and is the only one from then on.
    fn open(&mut self) {
        let db = Database::open_on(self.disk.shared(), options()).unwrap();
        let snapshot = db.snapshot().unwrap();
        let mut found = Tables::default();
        for table in snapshot.tables().unwrap() {
            let rows = snapshot.scan(&table).unwrap().map(owned).collect();
            found.0.insert(table, rows);
        }
        drop(snapshot);
        let may_be = &self.states[self.owed_after_crash..];
        let Some(at) = may_be.iter().position(|state| *state == found) else {
            let at = self.states.iter().position(|state| *state == found);
            let owed = self.owed_after_crash;
            panic!(
                "found state {at:?} of {}, owed {owed}: {found:?}",
                self.states.len()
            );
        };
        let found = self.states.swap_remove(self.owed_after_crash + at);
        self.states = vec![found];
        self.owed_after_crash = 0;
        self.owed_after_power_cut = 0;
        self.db = Some(db);
        self.assert_sound();
    }

    /// The process ends at one of the operations of what it does, or right after it.
    fn crash(&mut self, during: &During, operations: u64, ending: Ending) {
        self.check_snapshots();
        if let During::Open = during {
            drop(self.db.take());
            self.end_process(ending);
            self.disk.set_life(Some(operations));
            drop(Database::open_on(self.disk.shared(), options()));
            self.end_process(ending);
            return self.open();
        }
        self.disk.set_life(Some(operations));
        match during {
            During::Commit(puts, durability) => self.last_commit(puts, *durability),
            During::Checkpoint => {
                if self.db().checkpoint().is_ok() {
                    self.owe_all();
                }
            }
            During::Compact => drop(self.db().compact()),
            During::Open => {}
        }
        drop(self.db.take());
        self.end_process(ending);
        self.open();
    }

    /// A commit that the process may not live to acknowledge.
    fn last_commit(&mut self, puts: &[Put], durability: Durability) {
        let Ok(mut txn) = self.db().begin() else {
            return;
        };
        write_all(&mut txn, puts);
        let mut tables = self.shown().clone();
        tables.put_all(puts);
        match txn.commit_with(durability) {
            Ok(_) => self.committed(tables, durability),
            Err(CommitError::Unknown(_)) => self.states.push(tables),
            Err(_) => {}
        }
    }
}
