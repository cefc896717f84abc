//! The new database, written in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::database::Database;
use crate::disk::Disk;
use crate::options::{CheckpointMode, Durability, Options};
use crate::transaction::Transaction;

use super::report::{SalvageError, SalvagedTable};

/// Bytes written in one transaction, about.
const BATCH_BYTES: usize = 1 << 20;
/// Rows removed in one transaction.
const BATCH_ROWS: usize = 1000;

/// A new database that takes what is found.
#[derive(Debug)]
pub(super) struct Output {
    db: Database,
    batch: Option<Transaction>,
    batch_bytes: usize,
    /// Names that tables of the source have.
    names: BTreeSet<String>,
    /// Tables of rows in doubt: of which table, and under which name.
    uncertain: BTreeMap<String, String>,
}

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Certain,
    Uncertain,
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

impl Output {
    pub(super) fn create(disk: Arc<dyn Disk>, options: Options) -> Result<Self, SalvageError> {
        // What was in the source fitted its limits.
        let mut limits = options.limits.clone();
        limits.key_bytes = usize::from(u16::MAX);
        limits.table_name_bytes = usize::from(u16::MAX);
        limits.value_bytes = u64::MAX;
        limits.transaction_bytes = u64::MAX;
        let options = options
            .limits(limits)
            .checkpoint_mode(CheckpointMode::Inline);
        let db = Database::create_on(disk, options).map_err(SalvageError::Target)?;
        Ok(Self {
            db,
            batch: None,
            batch_bytes: 0,
            names: BTreeSet::new(),
            uncertain: BTreeMap::new(),
        })
    }

    /// Notes a name that a table of the source has.
    pub(super) fn note_name(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// A name like `lost-1` that no table has.
    pub(super) fn fresh_name(&mut self) -> String {
        let all = (1_u64..).map(|number| format!("lost-{number}"));
        let mut fresh = all.filter(|name| !self.names.contains(name));
        let name = fresh.next().unwrap_or_default();
        drop(fresh);
        self.names.insert(name.clone());
        name
    }

    fn name_of(&mut self, table: &str, trust: Trust) -> String {
        if trust == Trust::Certain {
            return table.to_owned();
        }
        if let Some(name) = self.uncertain.get(table) {
            return name.clone();
        }
        let mut name = format!("uncertain-{table}");
        while self.names.contains(&name) {
            name.insert_str(0, "uncertain-");
        }
        self.names.insert(name.clone());
        self.uncertain.insert(table.to_owned(), name.clone());
        name
    }

    fn batch(&mut self, bytes: usize) -> Result<&mut Transaction, SalvageError> {
        if self.batch_bytes > BATCH_BYTES {
            self.commit()?;
        }
        self.batch_bytes = self.batch_bytes.saturating_add(bytes);
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.db.begin()?,
        };
        Ok(self.batch.insert(batch))
    }

    fn commit(&mut self) -> Result<(), SalvageError> {
        self.batch_bytes = 0;
        if let Some(batch) = self.batch.take() {
            batch.commit_with(Durability::None)?;
        }
        Ok(())
    }

    /// Sets a row. A certain one replaces one in doubt.
    pub(super) fn put(
        &mut self,
        (table, trust): (&str, Trust),
        key: &[u8],
        value: &[u8],
    ) -> Result<(), SalvageError> {
        if trust == Trust::Certain {
            self.remove_uncertain(table, key)?;
        }
        let name = self.name_of(table, trust);
        let bytes = key.len().saturating_add(value.len());
        Ok(self.batch(bytes)?.put(&name, key, value)?)
    }

    /// Removes a row, whether it was certain or not.
    pub(super) fn delete(
        &mut self,
        (table, trust): (&str, Trust),
        key: &[u8],
    ) -> Result<(), SalvageError> {
        if trust == Trust::Certain {
            self.batch(key.len())?.delete(table, key)?;
        }
        self.remove_uncertain(table, key)
    }

    fn remove_uncertain(&mut self, table: &str, key: &[u8]) -> Result<(), SalvageError> {
        if let Some(name) = self.uncertain.get(table).cloned() {
            self.batch(key.len())?.delete(&name, key)?;
        }
        Ok(())
    }

    /// The names under which the rows of a table may be.
    fn places(&self, table: &str, trust: Trust) -> Vec<String> {
        let certain = (trust == Trust::Certain).then(|| table.to_owned());
        let uncertain = self.uncertain.get(table).cloned();
        certain.into_iter().chain(uncertain).collect()
    }

    /// Removes all rows within bounds.
    pub(super) fn delete_range(
        &mut self,
        (table, trust): (&str, Trust),
        bounds: Bounds<'_>,
    ) -> Result<(), SalvageError> {
        for name in self.places(table, trust) {
            self.commit()?;
            loop {
                let some = self.db.snapshot()?.range::<&[u8]>(&name, bounds)?;
                let keys: Result<Vec<_>, _> = some
                    .take(BATCH_ROWS)
                    .map(|row| row.map(|(key, _)| key))
                    .collect();
                let keys = keys?;
                if keys.is_empty() {
                    break;
                }
                for key in keys {
                    self.batch(key.len())?.delete(&name, &key)?;
                }
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Gives the rows of a table to another one.
    pub(super) fn rename(
        &mut self,
        (table, trust): (&str, Trust),
        to: &str,
    ) -> Result<(), SalvageError> {
        self.make((to, trust))?;
        self.commit()?;
        for name in self.places(table, trust) {
            let kept = if name == table {
                Trust::Certain
            } else {
                Trust::Uncertain
            };
            for row in self.db.snapshot()?.scan(&name)? {
                let (key, value) = row?;
                let target = self.name_of(to, kept);
                let bytes = key.len().saturating_add(value.len());
                self.batch(bytes)?.put(&target, &key, &value)?;
            }
        }
        self.remove((table, trust))
    }

    /// Makes a table, if it is not there. One in doubt is made by its rows.
    pub(super) fn make(&mut self, (table, trust): (&str, Trust)) -> Result<(), SalvageError> {
        self.note_name(table);
        if trust == Trust::Uncertain {
            return Ok(());
        }
        self.commit()?;
        let exists = self.db.tables()?.iter().any(|name| name == table);
        if !exists {
            self.db.create_table(table)?;
        }
        Ok(())
    }

    /// Removes a table with its rows.
    pub(super) fn remove(&mut self, (table, trust): (&str, Trust)) -> Result<(), SalvageError> {
        self.delete_range((table, trust), (Bound::Unbounded, Bound::Unbounded))?;
        self.commit()?;
        let exists = self.db.tables()?.iter().any(|name| name == table);
        if trust == Trust::Certain && exists {
            self.db.drop_table(table)?;
        }
        Ok(())
    }

    /// Makes all of it durable. The tables, by name.
    pub(super) fn finish(mut self) -> Result<Vec<SalvagedTable>, SalvageError> {
        self.commit()?;
        let snapshot = self.db.snapshot()?;
        let mut tables = Vec::new();
        for name in snapshot.tables()? {
            let mut rows = 0_u64;
            for row in snapshot.scan(&name)? {
                row?;
                rows = rows.saturating_add(1);
            }
            let is_uncertain = self.uncertain.values().any(|uncertain| *uncertain == name);
            tables.push(SalvagedTable {
                name,
                rows,
                is_uncertain: is_uncertain && rows > 0,
            });
        }
        drop(snapshot);
        self.db.close()?;
        Ok(tables)
    }
}
