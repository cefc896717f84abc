//! What can go wrong below the public API.
//!
//! `StorageError` is what every layer that touches the disk returns; the database's own errors, one
//! enum an operation, are widened from it by `From`.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::ids::PageNo;

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

/// A failed use of storage.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused or failed an operation.
    #[error("{operation} of {file}")]
    Io {
        /// What was tried: `open`, `read`, `write`, `sync`…
        operation: &'static str,
        /// The file, relative to the database's directory.
        file: String,
        /// The system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// Damage.
    #[error("{0}")]
    Corruption(Box<Corruption>),
    /// A configured limit would be exceeded.
    #[error("limit {name}: {needed} needed, {allowed} allowed")]
    Limit {
        /// The field of `Limits`.
        name: &'static str,
        /// What was asked for, in the limit's unit.
        needed: u64,
        /// The limit, in its own unit.
        allowed: u64,
    },
}

impl StorageError {
    /// Wraps the system's answer to `operation` on `file`.
    pub fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Io {
            operation,
            file: file.to_owned(),
            source: Arc::new(source),
        }
    }

    /// Damage found in `file` at `offset`.
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

    /// Whether the storage has no room (`ENOSPC`, `EDQUOT`), so that freeing some lets a retry succeed.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Corruption(_) | Self::Limit { .. } => false,
        }
    }
}
