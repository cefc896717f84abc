//! Writes that depend on what is there. Each reads and writes in one transaction, so that a conflict is seen
//! when it commits.

use crate::btree::Value;
use crate::error::UpdateError;

use super::handle::Transaction;
use super::source::Entry;

/// A compare-and-swap found another value than the expected one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the value is not the expected one")]
pub struct Mismatch {
    /// What is there.
    pub actual: Option<Value>,
}

impl Transaction {
    /// Sets `key` to `new` (none removes it) if its value is `expected` (none: if it is absent); otherwise
    /// leaves it, and returns what is there.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use lightning_db::{Database, Options};
    /// # let db = Database::in_memory(Options::new())?;
    /// let mut txn = db.begin()?;
    /// txn.put("jobs", b"17", b"ready")?;
    /// assert!(txn.compare_and_swap("jobs", b"17", Some(b"ready"), Some(b"taken"))?.is_ok());
    /// let refused = txn.compare_and_swap("jobs", b"17", Some(b"ready"), Some(b"taken"))?;
    /// assert_eq!(refused.unwrap_err().actual.as_deref(), Some(&b"taken"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn compare_and_swap(
        &mut self,
        table: &str,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Result<(), Mismatch>, UpdateError> {
        let actual = self.get(table, key)?;
        if actual.as_deref() != expected {
            return Ok(Err(Mismatch { actual }));
        }
        self.set(table, key, new)?;
        Ok(Ok(()))
    }

    /// Replaces the value of `key` by what `change` makes of it; none stands for an absent key on both
    /// sides. Returns the old value.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use lightning_db::{Database, Options};
    /// # let db = Database::in_memory(Options::new())?;
    /// let mut txn = db.begin()?;
    /// for _ in 0..3 {
    ///     txn.update("visits", b"home", |old| Some([old.map_or(1, |n| n[0] + 1)]))?;
    /// }
    /// assert_eq!(txn.get("visits", b"home")?.as_deref(), Some(&[3][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<B: AsRef<[u8]>>(
        &mut self,
        table: &str,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>) -> Option<B>,
    ) -> Result<Option<Value>, UpdateError> {
        let old = self.get(table, key)?;
        let new = change(old.as_deref());
        self.set(table, key, new.as_ref().map(AsRef::as_ref))?;
        Ok(old)
    }

    /// Sets `key` to `value` if it is absent; otherwise leaves it, and returns what is there.
    pub fn put_if_absent(
        &mut self,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<Value>, UpdateError> {
        let present = self.get(table, key)?;
        if present.is_none() {
            self.put(table, key, value)?;
        }
        Ok(present)
    }

    /// Removes `key`, and returns the value that it had.
    pub fn take(&mut self, table: &str, key: &[u8]) -> Result<Option<Value>, UpdateError> {
        let old = self.get(table, key)?;
        if old.is_some() {
            self.delete(table, key)?;
        }
        Ok(old)
    }

    /// Removes the entry with the smallest key, and returns it.
    pub fn take_first(&mut self, table: &str) -> Result<Option<Entry>, UpdateError> {
        let first = self.first(table)?;
        if let Some((key, _)) = &first {
            self.delete(table, key)?;
        }
        Ok(first)
    }

    fn set(&mut self, table: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), UpdateError> {
        match value {
            Some(value) => self.put(table, key, value)?,
            None => self.delete(table, key)?,
        }
        Ok(())
    }
}
