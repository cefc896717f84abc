//! What recovery did, for people and for tests.

use crate::ids::{CheckpointId, Lsn};

/// A phase of recovery, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Choosing a superblock, completing a sealed checkpoint, loading and repairing the map.
    Map,
    /// Reading the log and replaying it in memory.
    Replay,
    /// Making durable, by a checkpoint, what was replayed.
    Checkpoint,
    /// Open.
    Done,
}

/// How far recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Commit groups replayed so far.
    pub groups: u64,
    /// Log bytes replayed so far.
    pub bytes: u64,
}

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The checkpoint that recovery started from.
    pub checkpoint: CheckpointId,
    /// What was repaired, one line each: superblock copies, map and bitmap pages.
    pub repairs: Vec<String>,
    /// Commit groups replayed from the log.
    pub groups: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Where a torn tail was cut off, if one was.
    pub cut: Option<Lsn>,
    /// From where on log is missing in the archive, if it is: the database was open without it.
    pub archive_gap: Option<Lsn>,
    /// Why the database is open for reading only although that was not asked for.
    pub read_only: Option<String>,
}
