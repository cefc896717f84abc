//! The events of a trace: operations on storage, and the workload's marks, in one sequence.
//!
//! Reads and opens are not events: they change nothing. Nor are operations that failed, since they changed nothing
//! either; but for syncs, after which nothing is as it was, and the part of a write that reached the file. On the `sim` plane an operation is a single moment, even where threads overlap (docs/design/threads.md), so "a
//! sync covers only what ended before it began" is the order of the events.

use std::sync::Arc;

use super::state::InodeId;

/// A path below the database's directory, `/` between its parts.
pub type Name = Arc<str>;

/// Names a transaction of the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// A moment of a trace: the number of events before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TracePosition(pub u64);

impl TracePosition {
    /// As an index into the events: of the first event after this moment.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The moment after `count` events.
    pub fn after(count: usize) -> Self {
        Self(count as u64)
    }
}

/// What the workload saw. A request mark may be early, an acknowledgement late, never the reverse.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The commit of a transaction is about to be asked for.
    Request(TransactionId),
    /// The commit returned success.
    Acknowledged(TransactionId),
    /// The commit was refused: nothing of it may ever be seen.
    Failed(TransactionId),
    /// The commit returned an error that leaves its outcome open.
    Unknown(TransactionId),
    /// The engine is open: what it shows from now on was observed.
    Opened,
    /// The target is about to be asked for something that is no transaction.
    Began(&'static str),
    /// It has done that.
    Ended(&'static str),
    /// The engine is at a named place.
    Failpoint(&'static str),
    /// A call is about to write to this file that returns when the file is synced (`O_DSYNC`): one call, and here a write and a sync.
    Through(InodeId),
    /// An operation failed because storage did.
    Failure(String),
    /// For the reader of a timeline.
    Note(String),
}

/// A file that an operation works on. The inode decides; the name (the file's latest) is for people and globs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileRef {
    /// Which file.
    pub inode: InodeId,
    /// What it was called then.
    pub name: Name,
}

/// A change of storage, or the promise that earlier ones will last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new, empty file.
    Create(FileRef),
    /// A new directory.
    CreateDir {
        /// Its name.
        name: Name,
    },
    /// A file's name changes, replacing whatever file had the new one.
    Rename {
        /// The old name.
        from: Name,
        /// The new name.
        to: Name,
    },
    /// A file's name goes.
    Remove {
        /// The name.
        name: Name,
    },
    /// The names in a directory become durable.
    SyncDir {
        /// The directory, `""` for the database's own.
        dir: Name,
    },
    /// Bytes are written, growing the file if needed.
    Write {
        /// The file.
        file: FileRef,
        /// Where the bytes go.
        offset: u64,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
    /// The file is cut, or grown with zeroes.
    SetLen {
        /// The file.
        file: FileRef,
        /// Its new length.
        len: u64,
    },
    /// Space is reserved, growing the file with zeroes if needed.
    Allocate {
        /// The file.
        file: FileRef,
        /// The first byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// The file's bytes and length become durable.
    Sync(FileRef),
    /// A sync fails: no later one will make durable what the file holds now, unless it is written again.
    FailSync {
        /// The file.
        file: FileRef,
        /// Whether the cache lost pages that did not reach the disk; else readers still see them.
        dropped: bool,
    },
}

/// Whether an operation reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It did.
    Applied,
    /// The plane dropped it and reported success: a planted bug.
    Elided,
}

/// One entry of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Something happened to storage, or would have.
    Operation {
        /// What.
        operation: Operation,
        /// Whether it did.
        effect: Effect,
    },
    /// The workload saw something.
    Mark(Mark),
}

impl Event {
    /// The operation, if it reached the disk.
    pub fn applied(&self) -> Option<&Operation> {
        match self {
            Self::Operation {
                operation,
                effect: Effect::Applied,
            } => Some(operation),
            Self::Operation {
                effect: Effect::Elided,
                ..
            }
            | Self::Mark(_) => None,
        }
    }
}
