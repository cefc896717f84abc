//! What is asked of a version of redb.

use std::fmt::Debug;

use super::file::RedbFile;
use crate::target::{Durability, RowSink, TargetError};

/// How transactions are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Pages are durable before the header names them; else both become durable in one sync.
    pub(super) two_phase: bool,
    /// Each commit saves the allocator's state, so that no repair has to find it again.
    pub(super) quick_repair: bool,
    /// Bytes of the page cache.
    pub(super) cache_len: usize,
}

/// A version of redb, and what it can do.
pub trait Engine: Debug + Default + Send + Sync + 'static {
    /// The target's name.
    const NAME: &'static str;
    /// An open database.
    type Database;
    /// The one transaction that may write.
    type Transaction;

    /// Opens the database in a file, or makes a new one of an empty file.
    fn open(file: RedbFile, settings: Settings) -> Result<Self::Database, TargetError>;
    /// Opens the transaction. Waits for another that is open, which one thread must not do.
    fn begin(database: &Self::Database) -> Result<Self::Transaction, TargetError>;
    /// Reads a row.
    fn get(
        transaction: &Self::Transaction,
        table: &str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, TargetError>;
    /// Writes a row.
    fn put(
        transaction: &Self::Transaction,
        table: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TargetError>;
    /// Deletes a row.
    fn delete(transaction: &Self::Transaction, table: &str, key: &[u8]) -> Result<(), TargetError>;
    /// Commits; an error leaves the outcome open.
    fn commit(
        transaction: Self::Transaction,
        durability: Durability,
        settings: Settings,
    ) -> Result<(), TargetError>;
    /// Ends the transaction without effect.
    fn abort(transaction: Self::Transaction) -> Result<(), TargetError>;
    /// Gives all rows of a table to `sink`.
    fn scan(
        database: &Self::Database,
        table: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), TargetError>;
    /// Moves pages and cuts the file, or does nothing: 4.1.0 takes a commit that is not durable yet for a transaction in
    /// progress, and that a file is compacted is not promised.
    fn compact(database: &mut Self::Database) -> Result<(), TargetError>;
    /// Whether all is well; damage that was repaired is not.
    fn check(database: &mut Self::Database) -> Result<bool, TargetError>;
}
