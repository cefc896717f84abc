//! What clients ask a target for beside transactions.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that a target is asked to do between transactions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Chore {
    /// Giving back space that nothing uses.
    Compaction,
    /// Taking a backup, full or of what has changed.
    Backup,
    /// Archiving the log, so that the database can be restored to this point.
    RestorePoint,
}

impl Chore {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Compaction, Self::Backup, Self::RestorePoint];

    /// The name used in files, timelines and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::Backup => "backup",
            Self::RestorePoint => "restore-point",
        }
    }
}

impl fmt::Display for Chore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
