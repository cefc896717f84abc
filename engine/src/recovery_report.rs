//! What recovery did, and what damage is, for people and for tests.

use std::fmt;

use crate::ids::{CheckpointId, Lsn, PageNo};

/// Keys of one table: from `low` on, up to and without `high`. `None` is the table's edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The lowest key that may be in it.
    pub low: Option<Vec<u8>>,
    /// The lowest key beyond it.
    pub high: Option<Vec<u8>>,
}

impl KeyRange {
    /// The range of one key.
    pub fn of_key(key: &[u8]) -> Self {
        let mut high = key.to_vec();
        high.push(0);
        Self {
            low: Some(key.to_vec()),
            high: Some(high),
        }
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key)
            && self.high.as_deref().is_none_or(|high| key < high)
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.low {
            Some(low) => write!(f, "keys from \"{}\"", low.escape_ascii())?,
            None => write!(f, "keys from the first")?,
        }
        match &self.high {
            Some(high) => write!(f, " to below \"{}\"", high.escape_ascii()),
            None => write!(f, " to the last"),
        }
    }
}

/// One place that is not what it should be, and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, relative to the database's directory.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The page, where it is one.
    pub page: Option<PageNo>,
    /// The table, where that is known; the catalog has the empty name.
    pub table: Option<String>,
    /// The keys that cannot be reached because of it, where that is known.
    pub keys: Option<KeyRange>,
    /// What was expected and what was found.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table.as_deref() {
            None => {}
            Some("") => write!(f, "the catalog: ")?,
            Some(table) => write!(f, "table {table:?}: ")?,
        }
        write!(f, "{} at offset {}", self.file, self.offset)?;
        if let Some(page) = self.page {
            write!(f, " (page {page})")?;
        }
        write!(f, ": {}", self.what)?;
        match &self.keys {
            Some(keys) => write!(f, "; {keys} cannot be read from disk"),
            None => Ok(()),
        }
    }
}

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
    /// Places that could be neither read nor repaired. What lies there is kept as it is, and reading it is an error. Of a table that
    /// the log drops, what could not be found to be freed: it is lost space.
    pub damage: Vec<Damage>,
    /// Why the database is open for reading only although that was not asked for.
    pub read_only: Option<String>,
}
