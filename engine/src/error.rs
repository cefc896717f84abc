//! What can go wrong below the public API.
//!
//! `StorageError` is what every layer that touches the disk returns; the database's own errors, one
//! enum an operation, are widened from it by `From`.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use crate::ids::{PageNo, Version};

/// Bytes on disk are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The file, relative to the database's directory.
    pub file: String,
    /// Byte offset of the damaged structure in that file.
    pub offset: u64,
    /// The page, where the damage is in one.
    pub page: Option<PageNo>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub actual: String,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damage in {} at offset {}", self.file, self.offset)?;
        if let Some(page) = self.page {
            write!(f, " (page {page})")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.actual)
    }
}

/// The operating system refused or failed an operation.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} of {file}")]
pub struct IoFailure {
    /// What was tried: `open`, `read`, `write`, `sync`…
    pub operation: &'static str,
    /// The file, relative to the database's directory.
    pub file: String,
    /// The system's answer.
    #[source]
    pub source: Arc<io::Error>,
}

/// An undamaged file of a format that a newer engine wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} has format {found}, this engine knows {supported}")]
pub struct UnsupportedFormat {
    /// The file, relative to the database's directory.
    pub file: String,
    /// The format found.
    pub found: u32,
    /// The format that this engine knows.
    pub supported: u32,
}

/// A configured limit would be exceeded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {name}: {needed} needed, {allowed} allowed")]
pub struct LimitExceeded {
    /// The field of `Limits`.
    pub name: &'static str,
    /// What was asked for, in the limit's unit.
    pub needed: u64,
    /// The limit, in its own unit.
    pub allowed: u64,
}

/// A snapshot was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("snapshot {version} is too old: what it sees was given up at limit {limit}")]
pub struct SnapshotTooOld {
    /// The version that it saw.
    pub version: Version,
    /// The field of `Limits` that was reached.
    pub limit: &'static str,
}

/// A failed use of storage.
///
/// What is known about the failure is behind one pointer: a result of a read carries room for an error through every
/// level of a tree, and hardly ever has one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused or failed an operation.
    #[error(transparent)]
    Io(Box<IoFailure>),
    /// Damage.
    #[error("{0}")]
    Corruption(Box<Corruption>),
    /// An undamaged file of a format that a newer engine wrote.
    #[error(transparent)]
    Unsupported(Box<UnsupportedFormat>),
    /// A configured limit would be exceeded.
    #[error(transparent)]
    Limit(Box<LimitExceeded>),
    /// A snapshot was given up.
    #[error(transparent)]
    SnapshotTooOld(Box<SnapshotTooOld>),
}

impl StorageError {
    /// Wraps the system's answer to `operation` on `file`.
    #[cold]
    pub fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Io(Box::new(IoFailure {
            operation,
            file: file.to_owned(),
            source: Arc::new(source),
        }))
    }

    /// Damage found in `file` at `offset`.
    #[cold]
    pub fn corruption(
        file: &str,
        offset: u64,
        page: Option<PageNo>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self::Corruption(Box::new(Corruption {
            file: file.to_owned(),
            offset,
            page,
            expected: expected.into(),
            actual: actual.into(),
        }))
    }

    /// More than the limit `name` allows.
    #[cold]
    pub fn limit(name: &'static str, needed: u64, allowed: u64) -> Self {
        Self::Limit(Box::new(LimitExceeded {
            name,
            needed,
            allowed,
        }))
    }

    /// Whether the storage has no room (`ENOSPC`, `EDQUOT`), so that freeing some lets a retry succeed.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io(failure) => {
                matches!(
                    failure.source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Corruption(_)
            | Self::Unsupported(_)
            | Self::Limit(_)
            | Self::SnapshotTooOld(_) => false,
        }
    }
}

/// A database that cannot be created or opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no database here.
    #[error("no database here: {0}")]
    NotFound(String),
    /// `create` was called where a database, or what is left of one, exists.
    #[error("a database exists here already")]
    AlreadyExists,
    /// A restore into this directory was cut off. It holds no database; restore again.
    #[error("a restore was cut off here: restore again, or remove the directory")]
    RestoreCutOff,
    /// Another process has the database open, or this one: another handle of it, or a snapshot, transaction or range that outlived its handles.
    /// It was asked for again for a tenth of a second.
    #[error(
        "the database is open elsewhere, or a snapshot of it is still held here (its `lock` file is held)"
    )]
    Locked,
    /// An option has a value that cannot be.
    #[error("option {0}")]
    Options(String),
    /// The files were written by a newer version of this engine.
    #[error("format version {found} is newer than {supported}, the newest this engine knows")]
    Unsupported {
        /// What the files say.
        found: u32,
        /// What this engine reads.
        supported: u32,
    },
    /// Storage failed, or is damaged beyond repair.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A read that failed. Later reads of the same damage fail the same way.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Storage failed, or is damaged.
    #[error(transparent)]
    Storage(StorageError),
    /// The snapshot was the oldest when a limit was reached, and was given up. Nothing it returned before is
    /// wrong; begin again.
    #[error(transparent)]
    SnapshotTooOld(Box<SnapshotTooOld>),
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::SnapshotTooOld(too_old) => Self::SnapshotTooOld(too_old),
            other => Self::Storage(other),
        }
    }
}

/// A write that a transaction refused. The transaction goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A configured limit would be exceeded.
    #[error("limit {name}: {needed} needed, {allowed} allowed")]
    Limit {
        /// The field of `Limits`.
        name: &'static str,
        /// What was asked for, in bytes.
        needed: u64,
        /// The limit, in bytes.
        allowed: u64,
    },
    /// The database is open for reading only.
    #[error("the database is open for reading only")]
    ReadOnly,
}

/// A write that depends on what is there, and was refused. The transaction goes on without it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// What is there could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A table that was not created, dropped or renamed. The transaction goes on without it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such table.
    #[error("there is no table {0:?}")]
    Missing(String),
    /// There is one.
    #[error("there is a table {0:?} already")]
    Exists(String),
    /// The tables could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The change was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A savepoint that the transaction does not have: it was released, or lies behind one that the transaction went
/// back to, or is another transaction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction has no such savepoint")]
pub struct NoSuchSavepoint;

/// What two transactions met in. The other one committed first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The table, as the refused transaction calls it.
    pub table: String,
    /// Where in it.
    pub place: ConflictPlace,
    /// How.
    pub kind: ConflictKind,
    /// The version at which the other one committed, if that is still known.
    pub winner: Option<Version>,
}

/// Where two transactions met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictPlace {
    /// In one key.
    Key(Vec<u8>),
    /// In a range that was scanned or deleted.
    Range {
        /// Where it begins.
        low: Bound<Vec<u8>>,
        /// Where it ends.
        high: Bound<Vec<u8>>,
        /// The first key in it that is not what it was.
        key: Vec<u8>,
    },
    /// In the table itself.
    Table,
}

/// How two transactions met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// Both wrote it.
    WriteWrite,
    /// One read what the other wrote.
    ReadWrite,
    /// One used, created, dropped or renamed a table that the other created, dropped or renamed.
    Table,
}

/// Bytes of a key that an error shows.
const SHOWN_BYTES_MAX: usize = 64;

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ConflictPlace::Key(key) | ConflictPlace::Range { key, .. } => {
                let shown = key.get(..SHOWN_BYTES_MAX).unwrap_or(key);
                let more = if shown.len() < key.len() { "…" } else { "" };
                write!(f, "key \"{}{more}\" of ", shown.escape_ascii())?;
            }
            ConflictPlace::Table => {}
        }
        write!(f, "table {:?}", self.table)?;
        if let ConflictPlace::Range { .. } = self.place {
            f.write_str(", in a range that this transaction used,")?;
        }
        let verb = match self.kind {
            ConflictKind::WriteWrite => "was written, as by this one,",
            ConflictKind::ReadWrite => "was read here and written",
            ConflictKind::Table => "was created, dropped or renamed",
        };
        write!(f, " {verb} by another transaction that committed since")?;
        match self.winner {
            Some(version) => write!(f, ", at version {version}"),
            None => Ok(()),
        }
    }
}

/// A commit that was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another transaction that committed since this one began met it. Nothing was committed; begin again.
    #[error("conflict: {0}")]
    Conflict(Box<Conflict>),
    /// There is no room. Nothing was committed; once there is, a retry can succeed.
    #[error("storage is full: {0}")]
    Full(#[source] StorageError),
    /// Storage failed or is damaged, or a limit was met (`memory`, `freed_pages`) or a snapshot given up, before anything was
    /// written. Nothing was committed.
    #[error("nothing was committed: {0}")]
    Refused(#[source] StorageError),
    /// Writing or syncing the log failed: the commit may or may not be there after reopening, and no
    /// later one succeeds before that.
    #[error("unknown whether the commit survives: {0}")]
    Unknown(#[source] StorageError),
    /// An earlier write failed. Nothing was committed; reopen the database, when all its handles, snapshots and transactions are
    /// dropped.
    #[error("an earlier write failed, the database takes no more until it is reopened: {0}")]
    Poisoned(#[source] StorageError),
    /// More log waits to be archived than `limits.archive_bytes` allows, and the archive takes none. Nothing was committed.
    #[error("limit archive_bytes: the log is not archived: {0}")]
    Archive(#[source] StorageError),
    /// The database is open for reading only, as was asked for, or for what
    /// [`RecoveryReport::read_only`](crate::RecoveryReport::read_only) says.
    #[error("the database is open for reading only")]
    ReadOnly,
}

impl CommitError {
    /// Whether the same transaction, begun again, may succeed without anything else being done.
    pub fn is_retryable(&self) -> bool {
        match self {
            // A newer snapshot will do for what the old one was too old for.
            Self::Conflict(_) | Self::Refused(StorageError::SnapshotTooOld(_)) => true,
            Self::Full(_)
            | Self::Refused(_)
            | Self::Unknown(_)
            | Self::Poisoned(_)
            | Self::Archive(_)
            | Self::ReadOnly => false,
        }
    }
}

/// A checkpoint that was not completed. No commit is lost by it: the log holds them all.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// There is no room. The attempt was abandoned and can be repeated.
    #[error("storage is full: {0}")]
    Full(#[source] StorageError),
    /// Storage failed or is damaged: the database takes no more writes until it is reopened.
    #[error("the checkpoint failed, the database takes no more writes until it is reopened: {0}")]
    Poisoned(#[source] StorageError),
    /// The database is open for reading only.
    #[error("the database is open for reading only")]
    ReadOnly,
    /// The log was not archived. It is kept, and archived the next time; the checkpoint itself is complete.
    #[error("the log was not archived: {0}")]
    Archive(#[source] StorageError),
}

impl CheckpointError {
    /// How a writer that had to wait for this checkpoint reports it.
    pub(crate) fn into_commit_error(self) -> CommitError {
        match self {
            Self::Full(cause) => CommitError::Full(cause),
            Self::Poisoned(cause) => CommitError::Poisoned(cause),
            Self::ReadOnly => CommitError::ReadOnly,
            Self::Archive(cause) => CommitError::Archive(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_a_read_is_two_words() {
        let two_words = 2 * size_of::<u64>();
        assert_eq!(size_of::<StorageError>(), two_words);
        assert_eq!(size_of::<ReadError>(), two_words);
        assert_eq!(size_of::<Result<Box<u8>, StorageError>>(), two_words);
        assert_eq!(
            size_of::<Result<Option<usize>, StorageError>>(),
            3 * size_of::<u64>()
        );
        assert!(size_of::<CommitError>() <= 3 * size_of::<u64>());
    }

    #[test]
    fn a_disk_without_space_and_a_quota_that_is_used_up_are_full_and_nothing_else_is() {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        const EROFS: i32 = 30;
        const EDQUOT: i32 = 122;
        for (code, is_full) in [(ENOSPC, true), (EDQUOT, true), (EIO, false), (EROFS, false)] {
            let error = StorageError::io("allocate", "data", io::Error::from_raw_os_error(code));
            assert_eq!(error.is_full(), is_full, "{code}");
        }
    }

    #[test]
    fn a_failure_of_the_system_is_shown_without_its_source() {
        use std::error::Error;
        let error = ReadError::from(StorageError::io(
            "read",
            "data",
            io::Error::other("worn out"),
        ));
        assert_eq!(error.to_string(), "read of data");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("worn out")
        );
    }
}
