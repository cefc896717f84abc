//! Transactions that are repeated after a conflict, and the calls on whole tables that are made of them.

use std::time::Duration;

use crate::error::{CommitError, ReadError};
use crate::ids::Version;
use crate::options::{Isolation, Retry};
use crate::sync::{entropy, sleep};
use crate::transaction::Transaction;

use super::handle::{Database, WriteFailure};

impl Database {
    /// Runs `body` in a transaction and commits it. After a conflict both are repeated over what is committed then, as
    /// often and with such waits as [`Options::retry`](crate::Options::retry) says; the last conflict is returned.
    ///
    /// An error of `body` ends it without a commit and is returned as it is. `E` may be [`WriteFailure`],
    /// [`TypedError`](crate::typed::TypedError), a `Box<dyn Error>` or a type of one's own. `body` may be called more than once, so what
    /// it does outside of the transaction must bear that.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use lightning_db::{Database, Options, WriteFailure};
    /// # let db = Database::in_memory(Options::new())?;
    /// let visits = db.transact(|txn| {
    ///     let visits = txn.get("visits", b"home")?.map_or(0, |n| n[0]) + 1;
    ///     txn.put("visits", b"home", &[visits])?;
    ///     Ok::<_, WriteFailure>(visits)
    /// })?;
    /// assert_eq!(visits, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn transact<T, E: From<ReadError> + From<CommitError>>(
        &self,
        body: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transact_with(self.options().isolation, body)
    }

    /// As [`transact`](Self::transact), with the isolation given.
    pub fn transact_with<T, E: From<ReadError> + From<CommitError>>(
        &self,
        isolation: Isolation,
        body: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        Ok(self.repeat(isolation, body)?.0)
    }

    /// What `body` returned, and the version that shows what it did.
    pub(super) fn repeat<T, E: From<ReadError> + From<CommitError>>(
        &self,
        isolation: Isolation,
        mut body: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<(T, Version), E> {
        let retry = self.options().retry;
        let mut tried: u32 = 0;
        loop {
            let mut transaction = self.begin_with(isolation)?;
            let done = body(&mut transaction)?;
            tried = tried.saturating_add(1);
            match transaction.commit() {
                Err(error) if error.is_retryable() && tried < retry.tries => {
                    sleep(wait(&retry, tried, entropy()));
                }
                committed => return Ok((done, committed?)),
            }
        }
    }

    /// Creates an empty table, in a transaction of its own.
    pub fn create_table(&self, name: &str) -> Result<Version, WriteFailure> {
        self.change_tables(|transaction| Ok(transaction.create_table(name)?))
    }

    /// Removes a table with all that is in it, in a transaction of its own.
    pub fn drop_table(&self, name: &str) -> Result<Version, WriteFailure> {
        self.change_tables(|transaction| Ok(transaction.drop_table(name)?))
    }

    /// Gives a table another name, in a transaction of its own.
    pub fn rename_table(&self, old: &str, new: &str) -> Result<Version, WriteFailure> {
        self.change_tables(|transaction| Ok(transaction.rename_table(old, new)?))
    }

    /// Removes all keys of `table` within `bounds`, in a transaction of its own.
    pub fn delete_range<K: AsRef<[u8]>>(
        &self,
        table: &str,
        bounds: impl std::ops::RangeBounds<K>,
    ) -> Result<Version, WriteFailure> {
        let bounds = (
            bounds.start_bound().map(K::as_ref),
            bounds.end_bound().map(K::as_ref),
        );
        self.change_tables(|transaction| Ok(transaction.delete_range::<&[u8]>(table, bounds)?))
    }

    /// The names of all tables.
    pub fn tables(&self) -> Result<Vec<String>, ReadError> {
        self.snapshot()?.tables()
    }

    /// Returns the version that shows the change.
    fn change_tables(
        &self,
        change: impl FnMut(&mut Transaction) -> Result<(), WriteFailure>,
    ) -> Result<Version, WriteFailure> {
        let ((), version) = self.repeat(Isolation::Snapshot, change)?;
        Ok(version)
    }
}

/// How long to wait after `tried` tries: some of `wait_first`, doubled with each try, up to `wait_max`.
fn wait(retry: &Retry, tried: u32, chance: u64) -> Duration {
    let doubled = 1_u32
        .checked_shl(tried.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let longest = retry.wait_first.saturating_mul(doubled).min(retry.wait_max);
    let part = u128::from(chance >> 32);
    let nanos = (longest.as_nanos() * part) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_never_longer_than_the_longest() {
        let retry = Retry::default();
        let longest = |tried| wait(&retry, tried, u64::MAX);
        assert!(longest(1) <= retry.wait_first && longest(1) > retry.wait_first / 2);
        assert!(longest(3) > retry.wait_first * 3 && longest(3) <= retry.wait_first * 4);
        for tried in [20, 31, 32, 33, 100, u32::MAX] {
            assert!(longest(tried) <= retry.wait_max && longest(tried) > retry.wait_max / 2);
        }
        assert_eq!(wait(&retry, 9, 0), Duration::ZERO);
    }
}
