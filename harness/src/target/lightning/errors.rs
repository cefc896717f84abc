//! What Lightning DB's errors mean to the oracle.

use lightning_db::error::StorageError;
use lightning_db::{
    CheckpointError, CommitError, NoSuchSavepoint, OpenError, ReadError, RecoveryReport,
    TableError, WriteError,
};

use crate::target::{ErrorKind, TargetError};

pub(super) fn no_transaction() -> TargetError {
    TargetError::refused(ErrorKind::Other, "the client has no transaction open")
}

fn kind_of(error: &StorageError) -> ErrorKind {
    match error {
        StorageError::Corruption(_) => ErrorKind::Corruption,
        error if error.is_full() => ErrorKind::Full,
        StorageError::Io(_) => ErrorKind::Io,
        _ => ErrorKind::Other,
    }
}

pub(super) fn of_open(error: &OpenError) -> TargetError {
    let kind = match error {
        OpenError::Locked => ErrorKind::Busy,
        OpenError::Storage(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::refused(kind, text_of(error))
}

pub(super) fn of_read(error: &ReadError) -> TargetError {
    let kind = match error {
        ReadError::Storage(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::refused(kind, text_of(error))
}

pub(super) fn of_write(error: &WriteError) -> TargetError {
    TargetError::refused(ErrorKind::Other, text_of(error))
}

pub(super) fn of_savepoint(error: NoSuchSavepoint) -> TargetError {
    TargetError::refused(ErrorKind::Other, text_of(&error))
}

/// Whether a table was changed, or is already there, or is not.
pub(super) fn of_table(changed: Result<(), TableError>) -> Result<bool, TargetError> {
    match changed {
        Ok(()) => Ok(true),
        Err(TableError::Exists(_) | TableError::Missing(_)) => Ok(false),
        Err(error) => Err(TargetError::refused(ErrorKind::Other, text_of(&error))),
    }
}

/// Damage, too, may leave a database open for reading only: that is not what a full disk excuses.
pub(super) fn of_commit(error: &CommitError, recovery: &RecoveryReport) -> TargetError {
    let text = text_of(error);
    match error {
        CommitError::Conflict { .. } => TargetError::refused(ErrorKind::Conflict, text),
        CommitError::Full(_) => TargetError::refused(ErrorKind::Full, text),
        CommitError::Refused(storage) | CommitError::Poisoned(storage) => {
            TargetError::refused(kind_of(storage), text)
        }
        CommitError::ReadOnly if recovery.read_only.is_some() && recovery.damage.is_empty() => {
            TargetError::refused(ErrorKind::ReadOnly, text)
        }
        CommitError::ReadOnly => TargetError::refused(ErrorKind::Other, text),
        CommitError::Unknown(storage) => TargetError::unknown(kind_of(storage), text),
        _ => TargetError::unknown(ErrorKind::Other, text),
    }
}

pub(super) fn of_checkpoint(error: &CheckpointError) -> TargetError {
    let kind = match error {
        CheckpointError::Full(_) => ErrorKind::Full,
        CheckpointError::Poisoned(storage) => kind_of(storage),
        _ => ErrorKind::Other,
    };
    TargetError::unknown(kind, text_of(error))
}

/// An error with its causes.
pub(super) fn text_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
