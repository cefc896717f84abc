//! A small workload, and what must be left of it however the storage behaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::database::Database;
use crate::disk::faulty::FaultyDisk;
use crate::disk::{Disk, MemoryDisk};
use crate::error::{CheckpointError, CommitError, ReadError};
use crate::options::{CheckpointMode, Durability, Options};

/// Tables and keys with their values.
pub(super) type Rows = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// One key set, or removed.
type Write = (&'static str, u32, Option<Vec<u8>>);

/// What the workload does next.
pub(super) enum Step {
    Commit(Vec<Write>, Durability),
    Checkpoint,
    Close,
    Vanish,
}

/// A disk that can fail, the memory below it, and the database on it.
pub(super) struct Rig {
    pub(super) memory: MemoryDisk,
    pub(super) faulty: FaultyDisk,
    pub(super) db: Option<Database>,
    pub(super) history: History,
}

/// The states that the commits so far went through, in order.
pub(super) struct History {
    states: Vec<Rows>,
    /// The first one that may be found after reopening.
    owed: usize,
    /// The one that the open database shows.
    shown: usize,
}

pub(super) fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_mode(CheckpointMode::Inline)
        .checkpoint_after(24 << 10)
        .salt(7)
}

pub(super) fn put(key: u32, len: usize) -> Write {
    let byte = u8::try_from(key % 251).unwrap();
    ("t", key, Some(vec![byte; len]))
}

fn apply(rows: &mut Rows, writes: &[Write]) {
    for (table, key, value) in writes {
        let place = ((*table).to_owned(), key.to_be_bytes().to_vec());
        match value {
            Some(value) => rows.insert(place, value.clone()),
            None => rows.remove(&place),
        };
    }
}

pub(super) fn rows(db: &Database) -> Result<Rows, ReadError> {
    let mut rows = Rows::new();
    let snapshot = db.snapshot()?;
    for table in snapshot.tables()? {
        for entry in snapshot.scan(&table)? {
            let (key, value) = entry?;
            rows.insert((table.clone(), key.to_vec()), value.to_vec());
        }
    }
    Ok(rows)
}

/// Small and large values, overwritten and deleted; checkpoints, reopenings with and without a close.
pub(super) fn workload() -> Vec<Step> {
    use Durability::{Buffered, None as NotYet, Sync};
    vec![
        Step::Commit((0..30).map(|key| put(key, 100)).collect(), Sync),
        Step::Commit(vec![put(100, 20_000)], Sync),
        Step::Commit(vec![put(1, 30)], Buffered),
        Step::Commit(vec![put(2, 30)], NotYet),
        Step::Checkpoint,
        Step::Commit(
            vec![put(3, 900), ("t", 100, None), ("u", 1, Some(vec![]))],
            Sync,
        ),
        Step::Commit(vec![put(101, 9_000), put(4, 31)], NotYet),
        Step::Vanish,
        Step::Commit((5..25).map(|key| ("t", key, None)).collect(), Sync),
        Step::Commit(vec![put(102, 12_000)], Buffered),
        Step::Checkpoint,
        Step::Commit(vec![put(103, 5_000), ("t", 102, None)], Sync),
        Step::Close,
        Step::Commit((40..60).map(|key| put(key, 300)).collect(), Sync),
        Step::Commit(vec![("t", 101, None), put(104, 7_000)], Sync),
        Step::Vanish,
        Step::Commit(vec![put(1, 77)], Sync),
        Step::Checkpoint,
    ]
}

impl Rig {
    pub(super) fn new() -> Self {
        let memory = MemoryDisk::new();
        Self {
            faulty: FaultyDisk::new(memory.clone()),
            memory,
            db: None,
            history: History {
                states: vec![Rows::new()],
                owed: 0,
                shown: 0,
            },
        }
    }

    /// Opens the database or creates it, and finds a state that it may be in.
    pub(super) fn open(&mut self) -> Result<(), String> {
        let disk: Arc<dyn Disk> = Arc::new(self.faulty.clone());
        let db = Database::open_or_create_on(disk, options()).map_err(|e| e.to_string())?;
        let found = rows(&db).or_else(|_| rows(&db));
        let found = found.map_err(|e| e.to_string())?;
        self.history.reopen(&found);
        self.db = Some(db);
        Ok(())
    }

    pub(super) fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    pub(super) fn commit(
        &mut self,
        writes: &[Write],
        durability: Durability,
    ) -> Result<(), CommitError> {
        let mut txn = self.db().begin().unwrap();
        for (table, key, value) in writes {
            match value {
                Some(value) => txn.put(table, &key.to_be_bytes(), value).unwrap(),
                None => txn.delete(table, &key.to_be_bytes()).unwrap(),
            }
        }
        let result = txn.commit_with(durability);
        self.history
            .commit(writes, durability, result.as_ref().err());
        result.map(drop)
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        let result = self.db().checkpoint();
        if result.is_ok() {
            self.history.owed = self.history.shown;
        }
        result
    }

    pub(super) fn close(&mut self) -> Result<(), CheckpointError> {
        let result = self.db.take().unwrap().close();
        if result.is_ok() {
            self.history.owed = self.history.shown;
        }
        result
    }

    /// What is shown is what was committed. A read may fail once, if the fault hits it.
    pub(super) fn check(&self) {
        let found = rows(self.db()).or_else(|_| rows(self.db())).unwrap();
        assert!(
            found == *self.history.shown(),
            "{}",
            self.history.describe(&found)
        );
    }

    /// Opens on the memory itself: nothing is lost, nothing is there twice, no page leaks.
    pub(super) fn check_what_is_left(mut self) {
        self.db = None;
        let db = Database::open_or_create_on(Arc::new(self.memory), options()).unwrap();
        self.history.reopen(&rows(&db).unwrap());
        assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
    }
}

impl History {
    fn shown(&self) -> &Rows {
        &self.states[self.shown]
    }

    fn commit(&mut self, writes: &[Write], durability: Durability, error: Option<&CommitError>) {
        if !matches!(error, None | Some(CommitError::Unknown(_))) {
            return;
        }
        assert_eq!(
            self.shown + 1,
            self.states.len(),
            "a commit after an unknown one"
        );
        let mut next = self.shown().clone();
        apply(&mut next, writes);
        self.states.push(next);
        if error.is_none() {
            self.shown += 1;
            if durability == Durability::Sync {
                self.owed = self.shown;
            }
        }
    }

    /// What is found must be a state from the last durable one on, and is the only one from now on.
    fn reopen(&mut self, found: &Rows) {
        let place = (self.owed..self.states.len()).find(|at| self.states[*at] == *found);
        let at = place.unwrap_or_else(|| panic!("{}", self.describe(found)));
        self.states.truncate(at + 1);
        (self.owed, self.shown) = (at, at);
    }

    fn describe(&self, found: &Rows) -> String {
        let at = self.states.iter().position(|state| state == found);
        format!(
            "found state {at:?}, shown {} owed {} of {}; {} rows",
            self.shown,
            self.owed,
            self.states.len(),
            found.len()
        )
    }
}
