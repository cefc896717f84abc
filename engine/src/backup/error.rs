//! What backups and restores refuse.

use crate::archive::ArchiveError;
use crate::error::{CheckpointError, OpenError, ReadError, StorageError};
use crate::ids::{Lsn, Version};

/// A backup that was not made. Nothing stands under its name, and the database is as before.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{file} exists already")]
    Exists {
        /// The name.
        file: String,
    },
    /// The base is no backup, or none of an earlier state of this database.
    #[error("{file} cannot be the base: {why}")]
    Base {
        /// Its name.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database could not write down what is committed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Storage failed or is damaged: the database's, or the backup's.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A restore that was not done. The directory holds no database.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There is a database, or what is left of one, in the directory.
    #[error("a database exists here already")]
    Occupied,
    /// A file is no complete backup, or does not continue the one before it.
    #[error("{file} cannot be restored: {why}")]
    Backup {
        /// Its name.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Log is missing between the backup and the target.
    #[error(
        "the archive lacks the log from LSN {after} on (version {}): {found}",
        version.get().saturating_add(1)
    )]
    Gap {
        /// Where what there is ends.
        after: Lsn,
        /// The version there.
        version: Version,
        /// What is there instead.
        found: String,
    },
    /// The target cannot be reached with these backups and this archive.
    #[error("{0}")]
    Target(String),
    /// The restored database is not sound: what its verification found.
    #[error("the restored database is damaged: {}", .0.join("; "))]
    Unsound(Vec<String>),
    /// The database could not be made.
    #[error(transparent)]
    Open(OpenError),
    /// Storage failed or is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<OpenError> for RestoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::AlreadyExists => Self::Occupied,
            OpenError::Storage(error) => Self::Storage(error),
            other => Self::Open(other),
        }
    }
}

impl From<ArchiveError> for RestoreError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Gap { after, found } => Self::Gap {
                after: after.position.lsn,
                version: after.version,
                found,
            },
            ArchiveError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<CheckpointError> for RestoreError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Full(cause) | CheckpointError::Poisoned(cause) => Self::Storage(cause),
            other => Self::Target(other.to_string()),
        }
    }
}

impl From<ReadError> for RestoreError {
    fn from(error: ReadError) -> Self {
        Self::Unsound(vec![error.to_string()])
    }
}
