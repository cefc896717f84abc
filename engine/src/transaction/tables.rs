//! What a transaction does to whole tables and ranges, and how it goes back to a savepoint.

use std::ops::RangeBounds;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::catalog;
use crate::error::{NoSuchSavepoint, ReadError, TableError, WriteError};
use crate::sync::lock;

use super::handle::{Transaction, as_bytes, at_most};
use super::key_ranges::is_empty_range;
use super::write_set::range_bytes;

/// A place in a transaction to go back to; see [`Transaction::savepoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Savepoint(u64);

/// Tells the savepoints of all transactions apart.
static NEXT_SAVEPOINT: AtomicU64 = AtomicU64::new(1);

impl Transaction {
    /// Creates an empty table. `Exists` if there is one of this name.
    pub fn create_table(&mut self, name: &str) -> Result<(), TableError> {
        self.may_change(name)?;
        if self.has_table(name)? {
            return Err(TableError::Exists(name.to_owned()));
        }
        self.writes.create(name);
        Ok(())
    }

    /// Removes a table with all that is in it. `Missing` if there is none of this name.
    ///
    /// The commit conflicts with every write to the table by others since this transaction began.
    pub fn drop_table(&mut self, name: &str) -> Result<(), TableError> {
        self.may_change(name)?;
        if !self.has_table(name)? {
            return Err(TableError::Missing(name.to_owned()));
        }
        let is_stored = self.is_stored(name)?;
        self.writes.drop_table(name, is_stored);
        Ok(())
    }

    /// Gives a table another name. `Missing` if there is no table `old`, `Exists` if there is one named `new`.
    pub fn rename_table(&mut self, old: &str, new: &str) -> Result<(), TableError> {
        self.may_change(old)?;
        self.may_change(new)?;
        if !self.has_table(old)? {
            return Err(TableError::Missing(old.to_owned()));
        }
        if self.has_table(new)? {
            return Err(TableError::Exists(new.to_owned()));
        }
        let is_stored = self.is_stored(old)?;
        self.writes.rename(old, new, is_stored);
        Ok(())
    }

    /// The names of all tables, own changes included.
    pub fn tables(&self) -> Result<Vec<String>, ReadError> {
        if let Some(reads) = &self.reads {
            lock(reads).listing = true;
        }
        let stored = catalog::tables(&self.view)?;
        Ok(self.writes.names(stored.into_iter().map(|(name, _)| name)))
    }

    /// Whether there is a table of this name, own changes included.
    fn has_table(&self, name: &str) -> Result<bool, ReadError> {
        if let Some(exists) = self.writes.exists(name) {
            return Ok(exists);
        }
        if let Some(reads) = &self.reads {
            lock(reads).names.insert(name.to_owned());
        }
        self.is_stored(name)
    }

    fn is_stored(&self, name: &str) -> Result<bool, ReadError> {
        Ok(self.stored_table(name)?.is_some())
    }

    fn may_change(&mut self, name: &str) -> Result<(), WriteError> {
        self.may_write(name)?;
        let bytes = self.writes.bytes_with_change(name.len() as u64);
        let allowed = self.options().limits.transaction_bytes;
        at_most("transaction_bytes", bytes, allowed)
    }

    /// Removes all keys of `table` within `bounds`. A table that is not there has none.
    ///
    /// The commit conflicts with every change in the range by others since this transaction began.
    pub fn delete_range<K: AsRef<[u8]>>(
        &mut self,
        table: &str,
        bounds: impl RangeBounds<K>,
    ) -> Result<(), WriteError> {
        let bounds = (as_bytes(bounds.start_bound()), as_bytes(bounds.end_bound()));
        self.may_write(table)?;
        if is_empty_range(bounds) {
            return Ok(());
        }
        let bytes = self.writes.bytes_with_change(range_bytes(bounds));
        let limits = &self.options().limits;
        at_most("transaction_bytes", bytes, limits.transaction_bytes)?;
        self.writes.delete_range(table, bounds);
        Ok(())
    }

    /// Sets a savepoint. They nest: going back to one undoes all that was done since, later savepoints among it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use lightning_db::{Database, Options};
    /// # let db = Database::in_memory(Options::new())?;
    /// let mut txn = db.begin()?;
    /// txn.put("t", b"kept", b"1")?;
    /// let before = txn.savepoint();
    /// txn.put("t", b"undone", b"2")?;
    /// txn.rollback_to(before)?;
    /// txn.commit()?;
    /// assert!(db.get("t", b"kept")?.is_some() && db.get("t", b"undone")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn savepoint(&mut self) -> Savepoint {
        let savepoint = Savepoint(NEXT_SAVEPOINT.fetch_add(1, Relaxed));
        self.writes.mark(savepoint.0);
        savepoint
    }

    /// Undoes everything since `savepoint`, which stays and can be gone back to again. What was read since still
    /// counts as read.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), NoSuchSavepoint> {
        if self.writes.return_to(savepoint.0) {
            Ok(())
        } else {
            Err(NoSuchSavepoint)
        }
    }

    /// Gives up `savepoint` and those set after it; what was done since stays.
    pub fn release(&mut self, savepoint: Savepoint) -> Result<(), NoSuchSavepoint> {
        if self.writes.release(savepoint.0) {
            Ok(())
        } else {
            Err(NoSuchSavepoint)
        }
    }
}
