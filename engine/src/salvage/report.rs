//! What a salvage brought back, and what it did not.

use crate::database::WriteFailure;
use crate::error::{CheckpointError, CommitError, OpenError, ReadError, StorageError, WriteError};
use crate::recovery_report::Damage;

/// What a salvage brought back, and what it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// The tables of the new database, by name.
    pub tables: Vec<SalvagedTable>,
    /// What could not be read, with the keys that are lost by it.
    pub lost: Vec<Damage>,
    /// Commit groups replayed from the log.
    pub groups: u64,
}

impl SalvageReport {
    /// Whether nothing is missing and nothing in doubt.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.tables.iter().all(|table| !table.is_uncertain)
    }
}

/// A table of the new database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvagedTable {
    /// Its name: as it was; or `lost-N`, where what named it is lost; with `uncertain-` before it, where nothing proves its
    /// rows to be the newest.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Whether its rows may be older ones than the last committed.
    pub is_uncertain: bool,
}

/// A salvage that could not go on. What is damaged in the source is no error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// There is nothing of a database, or it is in use, or of a format that this engine does not know.
    #[error("the damaged database: {0}")]
    Source(#[source] OpenError),
    /// The files are there, but nothing in them tells how they are laid out.
    #[error("nothing in the files tells the size of a page")]
    NoGeometry,
    /// The new database cannot be created.
    #[error("the new database: {0}")]
    Target(#[source] OpenError),
    /// The new database cannot be written.
    #[error("the new database: {0}")]
    Write(#[from] WriteFailure),
}

impl From<StorageError> for SalvageError {
    fn from(error: StorageError) -> Self {
        Self::Source(error.into())
    }
}

impl From<ReadError> for SalvageError {
    fn from(error: ReadError) -> Self {
        WriteFailure::from(error).into()
    }
}

impl From<WriteError> for SalvageError {
    fn from(error: WriteError) -> Self {
        WriteFailure::from(error).into()
    }
}

impl From<CommitError> for SalvageError {
    fn from(error: CommitError) -> Self {
        WriteFailure::from(error).into()
    }
}

impl From<CheckpointError> for SalvageError {
    fn from(error: CheckpointError) -> Self {
        WriteFailure::from(error.into_commit_error()).into()
    }
}
