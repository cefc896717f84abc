//! What can go wrong with a typed table.

use std::fmt;

use crate::error::{CommitError, ReadError, UpdateError, WriteError};

/// A failed use of a typed table.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// What is there could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The transaction that [`Database::transact`](crate::Database::transact) ran was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is there is not of the table's types.
    #[error(transparent)]
    Decode(#[from] Box<DecodeError>),
}

impl From<UpdateError> for TypedError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Read(error) => Self::Read(error),
            UpdateError::Write(error) => Self::Write(error),
        }
    }
}

/// An entry of a typed table that is not of its types: it was written as bytes, or as other types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DecodeError {
    /// The table.
    pub table: String,
    /// The entry's key, as it is stored.
    pub key: Vec<u8>,
    /// Which part of the entry it is.
    pub part: Part,
    /// The type expected.
    pub expected: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} of the entry \"{}\" in table {:?} is not a {}",
            self.part,
            self.key.escape_ascii(),
            self.table,
            self.expected
        )
    }
}

/// A part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}
