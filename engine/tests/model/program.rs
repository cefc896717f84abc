//! One transaction, next to what it should show.

use lightning_db::{Savepoint, TableError, Transaction};

use crate::steps::{Op, Put};
use crate::tables::{Rows, Tables, owned, places};

/// A transaction, the state that it should show, and that of each savepoint.
pub struct Program<'t> {
    pub txn: &'t mut Transaction,
    pub tables: Tables,
    savepoints: Vec<(Savepoint, Tables)>,
}

pub fn write_all(txn: &mut Transaction, puts: &[Put]) {
    for put in puts {
        write(txn, put);
    }
}

fn write(txn: &mut Transaction, (table, key, value): &Put) {
    match value {
        Some(value) => txn.put(table, key, value).unwrap(),
        None => txn.delete(table, key).unwrap(),
    }
}

impl<'t> Program<'t> {
    pub fn new(txn: &'t mut Transaction, tables: Tables) -> Self {
        Self {
            txn,
            tables,
            savepoints: Vec::new(),
        }
    }

    pub fn run(&mut self, op: &Op) {
        match op {
            Op::Put(put) => {
                write(self.txn, put);
                self.tables.put_all(std::slice::from_ref(put));
            }
            Op::Create(table) => self.create(table),
            Op::Drop(table) => self.drop_table(table),
            Op::Rename(old, new) => self.rename(old, new),
            Op::DeleteRange(table, (low, high)) => {
                self.txn.delete_range::<Vec<u8>>(table, low..high).unwrap();
                self.tables
                    .delete_range(table, &(low.clone(), high.clone()));
            }
            Op::Take(table, key) => {
                let taken = self.txn.take(table, key).unwrap();
                assert_eq!(
                    taken.as_deref(),
                    self.tables.get(table, key).map(Vec::as_slice)
                );
                self.tables.set(table, key, None);
            }
            Op::PutIfAbsent(table, key, value) => {
                let found = self.txn.put_if_absent(table, key, value).unwrap();
                let expected = self.tables.get(table, key).map(Vec::as_slice);
                assert_eq!(found.as_deref(), expected);
                if expected.is_none() {
                    self.tables.set(table, key, Some(value));
                }
            }
            Op::Swap(table, key, right, new) => self.swap(table, key, *right, new.as_deref()),
            Op::Update(table, key) => self.update(table, key),
            Op::Savepoint => {
                let savepoint = self.txn.savepoint();
                self.savepoints.push((savepoint, self.tables.clone()));
            }
            Op::RollbackTo(_) | Op::Release(_) if self.savepoints.is_empty() => {}
            Op::RollbackTo(which) => self.rollback_to(which.index(self.savepoints.len())),
            Op::Release(which) => self.release(which.index(self.savepoints.len())),
            Op::Look(table, range) => {
                self.tables.assert_range(self.txn, table, range);
                self.look_around(table, &range.0);
            }
        }
    }

    /// Everything that the transaction shows at its end.
    pub fn assert_equal(&self) {
        self.tables.assert_shown_by(self.txn);
        assert_eq!(self.txn.tables().unwrap(), self.tables.names());
    }

    fn look_around(&self, table: &str, key: &[u8]) {
        let [first, last, around @ ..] = self.tables.around(table, key);
        assert_eq!(self.txn.first(table).unwrap().map(|e| owned(Ok(e))), first);
        assert_eq!(self.txn.last(table).unwrap().map(|e| owned(Ok(e))), last);
        for (place, expected) in places(key).into_iter().zip(around) {
            let found = self.txn.seek(table, place).unwrap();
            assert_eq!(found.map(|e| owned(Ok(e))), expected, "{place:?}");
        }
    }

    fn create(&mut self, table: &str) {
        let created = self.txn.create_table(table);
        if self.tables.0.contains_key(table) {
            assert!(matches!(created, Err(TableError::Exists(_))), "{created:?}");
        } else {
            created.unwrap();
            self.tables.0.insert(table.to_owned(), Rows::new());
        }
    }

    fn drop_table(&mut self, table: &str) {
        let dropped = self.txn.drop_table(table);
        if self.tables.0.remove(table).is_some() {
            dropped.unwrap();
        } else {
            assert!(
                matches!(dropped, Err(TableError::Missing(_))),
                "{dropped:?}"
            );
        }
    }

    fn rename(&mut self, old: &str, new: &str) {
        let renamed = self.txn.rename_table(old, new);
        if !self.tables.0.contains_key(old) {
            assert!(
                matches!(renamed, Err(TableError::Missing(_))),
                "{renamed:?}"
            );
        } else if self.tables.0.contains_key(new) {
            assert!(matches!(renamed, Err(TableError::Exists(_))), "{renamed:?}");
        } else {
            renamed.unwrap();
            let rows = self.tables.0.remove(old).unwrap();
            self.tables.0.insert(new.to_owned(), rows);
        }
    }

    fn swap(&mut self, table: &str, key: &[u8], right: bool, new: Option<&[u8]>) {
        let actual = self.tables.get(table, key).cloned();
        let other = Some(b"\xffnobody writes this".to_vec());
        let expected = if right { actual.clone() } else { other };
        let swapped = self
            .txn
            .compare_and_swap(table, key, expected.as_deref(), new);
        match swapped.unwrap() {
            Ok(()) => {
                assert!(right);
                self.tables.set(table, key, new);
            }
            Err(mismatch) => {
                assert!(!right);
                assert_eq!(mismatch.actual.as_deref(), actual.as_deref());
            }
        }
    }

    fn update(&mut self, table: &str, key: &[u8]) {
        let longer = |old: Option<&[u8]>| match old {
            Some(old) if old.len() > 20 => None,
            Some(old) => Some([old, b"+"].concat()),
            None => Some(b"+".to_vec()),
        };
        let old = self.txn.update(table, key, longer).unwrap();
        let expected = self.tables.get(table, key).cloned();
        assert_eq!(old.as_deref(), expected.as_deref());
        self.tables
            .set(table, key, longer(expected.as_deref()).as_deref());
    }

    fn rollback_to(&mut self, at: usize) {
        self.savepoints.truncate(at + 1);
        let (savepoint, then) = self.savepoints[at].clone();
        self.txn.rollback_to(savepoint).unwrap();
        self.tables = then;
    }

    fn release(&mut self, at: usize) {
        let (savepoint, _) = self.savepoints[at];
        self.txn.release(savepoint).unwrap();
        self.savepoints.truncate(at);
        assert!(self.txn.rollback_to(savepoint).is_err(), "it was released");
    }
}
