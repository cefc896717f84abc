//! What a workload does beside puts, gets and deletes, and a verdict must have seen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that not every workload does and not every target can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Going back to a savepoint with something to undo.
    Savepoints,
    /// Reading a range, or several keys at once.
    RangeReads,
    /// Deleting a range.
    RangeDeletes,
    /// Creating, dropping or renaming a table.
    TableChanges,
    /// A page that left memory to make room for others.
    Evictions,
    /// A commit that was refused since the disk was full.
    FullDisks,
    /// A compaction that found something to do.
    Compactions,
    /// A crash inside a compaction.
    CrashesInCompactions,
    /// A backup.
    Backups,
    /// A crash inside a backup.
    CrashesInBackups,
    /// A point in the archived log.
    RestorePoints,
    /// Restoring a backup, or up to a point, after a crash.
    Restores,
}

impl Feature {
    /// Whether it takes a crash.
    pub fn is_of_crashes(self) -> bool {
        matches!(
            self,
            Self::CrashesInCompactions | Self::CrashesInBackups | Self::Restores
        )
    }

    /// What is counted, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Savepoints => "returns to a savepoint",
            Self::RangeReads => "range reads",
            Self::RangeDeletes => "range deletes",
            Self::TableChanges => "changes of tables",
            Self::Evictions => "pages that made room for others",
            Self::FullDisks => "commits refused on a full disk",
            Self::Compactions => "compactions that found something to do",
            Self::CrashesInCompactions => "crashes inside a compaction",
            Self::Backups => "backups",
            Self::CrashesInBackups => "crashes inside a backup",
            Self::RestorePoints => "restore points",
            Self::Restores => "restores after a crash",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
