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
}

impl Feature {
    /// What is counted, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Savepoints => "returns to a savepoint",
            Self::RangeReads => "range reads",
            Self::RangeDeletes => "range deletes",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
