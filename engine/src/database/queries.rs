//! One read, or one write that depends on what is there, in a snapshot or transaction of its own.

use std::ops::Bound;

use crate::btree::Value;
use crate::error::{ReadError, UpdateError};
use crate::ids::Version;
use crate::transaction::{Mismatch, Range, Source, Transaction, queries, sealed};

use super::handle::{Database, WriteFailure};

impl sealed::Sealed for Database {}

impl Source for Database {
    fn read(&self, table: &str, key: &[u8]) -> Result<Option<Value>, ReadError> {
        self.get(table, key)
    }

    fn read_many(&self, table: &str, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, ReadError> {
        self.snapshot()?.read_many(table, keys)
    }

    fn has(&self, table: &str, key: &[u8]) -> Result<bool, ReadError> {
        self.snapshot()?.has(table, key)
    }

    fn entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Range<'_>, ReadError> {
        self.snapshot()?.range::<&[u8]>(table, bounds)
    }

    fn visit_entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        count: usize,
        see: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize, ReadError> {
        self.visit_now(table, bounds, count, see)
    }

    fn count_entries(
        &self,
        table: &str,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<u64, ReadError> {
        self.snapshot()?.count_entries(table, bounds)
    }
}

queries!(Database);

impl Database {
    /// As [`Transaction::compare_and_swap`], in a transaction of its own that is repeated after a conflict.
    pub fn compare_and_swap(
        &self,
        table: &str,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Result<Version, Mismatch>, WriteFailure> {
        let attempt = |txn: &mut Transaction| txn.compare_and_swap(table, key, expected, new);
        let (swapped, version) = self.write_after_reading(attempt)?;
        Ok(swapped.map(|()| version))
    }

    /// As [`Transaction::update`], in a transaction of its own. After a conflict it is repeated over what is
    /// there then, as often and with such waits as [`Options::retry`](crate::Options::retry) says, so `change` may be called more
    /// than once.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use lightning_db::{Database, Options};
    /// let db = Database::in_memory(Options::new())?;
    /// let next = |old: Option<&[u8]>| Some([old.map_or(1, |n| n[0] + 1)]);
    /// db.update("visits", b"home", next)?;
    /// let before = db.update("visits", b"home", next)?;
    /// assert_eq!(before.as_deref(), Some(&[1][..]));
    /// assert_eq!(db.get("visits", b"home")?.as_deref(), Some(&[2][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<B: AsRef<[u8]>>(
        &self,
        table: &str,
        key: &[u8],
        mut change: impl FnMut(Option<&[u8]>) -> Option<B>,
    ) -> Result<Option<Value>, WriteFailure> {
        let (old, _) = self.write_after_reading(|txn| txn.update(table, key, &mut change))?;
        Ok(old)
    }

    /// As [`Transaction::put_if_absent`], in a transaction of its own.
    pub fn put_if_absent(
        &self,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<Value>, WriteFailure> {
        let (present, _) = self.write_after_reading(|txn| txn.put_if_absent(table, key, value))?;
        Ok(present)
    }

    /// As [`Transaction::take`], in a transaction of its own.
    pub fn take(&self, table: &str, key: &[u8]) -> Result<Option<Value>, WriteFailure> {
        let (old, _) = self.write_after_reading(|txn| txn.take(table, key))?;
        Ok(old)
    }

    /// Repeats after a conflict, as [`transact`](Self::transact) does: of the transactions that met, one has won.
    fn write_after_reading<T>(
        &self,
        mut attempt: impl FnMut(&mut Transaction) -> Result<T, UpdateError>,
    ) -> Result<(T, Version), WriteFailure> {
        let isolation = self.options().isolation;
        self.repeat(isolation, |txn| Ok::<_, WriteFailure>(attempt(txn)?))
    }
}
