//! What a target's failure means to the oracle.

use std::fmt;
use std::io;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct TargetError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Whether a commit that failed may have happened all the same.
    pub applied: Applied,
    /// The engine's words.
    pub text: String,
    /// What became of the target's process, if it broke down over the call.
    pub breakdown: Option<Box<Breakdown>>,
}

/// The process that a target runs in is of no more use: it gave no answer, or none that can be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Breakdown {
    /// What became of it.
    pub how: BreakdownKind,
    /// What was seen of that, without what differs from run to run.
    pub text: String,
    /// The end of what it said on its standard error.
    pub said: String,
}

/// How a process breaks down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakdownKind {
    /// It ended.
    Died,
    /// It does not answer.
    Hung,
    /// What it answers is not of the protocol.
    Babbled,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another transaction was first.
    Conflict,
    /// The engine can't do it now.
    Busy,
    /// The storage is full.
    Full,
    /// The database is open for reading only, since what recovery had to write found no space.
    ReadOnly,
    /// The storage failed.
    Io,
    /// The engine found damage.
    Corruption,
    /// The engine does not offer it.
    Unsupported,
    /// Anything else.
    Other,
}

/// Whether a transaction whose commit failed may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It did not, and never will.
    No,
    /// The next recovery shows.
    Unknown,
}

impl TargetError {
    /// A failure after which nothing of the transaction is ever seen.
    pub fn refused(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            applied: Applied::No,
            text: text.into(),
            breakdown: None,
        }
    }

    /// A failure that leaves the transaction's outcome open.
    pub fn unknown(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            applied: Applied::Unknown,
            text: text.into(),
            breakdown: None,
        }
    }

    /// The process that was asked broke down.
    pub fn broken_down(breakdown: Breakdown) -> Self {
        Self {
            breakdown: Some(Box::new(breakdown)),
            ..Self::unknown(ErrorKind::Other, "the driver broke down")
        }
    }

    /// Whether the same transaction may be tried again.
    pub fn may_retry(&self) -> bool {
        matches!(self.kind, ErrorKind::Conflict | ErrorKind::Busy)
    }
}

/// A failure of storage, with the transaction's outcome open.
impl From<io::Error> for TargetError {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            io::ErrorKind::InvalidData => ErrorKind::Corruption,
            _ => ErrorKind::Io,
        };
        Self::unknown(kind, error.to_string())
    }
}

impl ErrorKind {
    /// The name used in fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Io => "io",
            Self::Corruption => "corruption",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
