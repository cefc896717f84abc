//! The invariants a scenario can ask for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An invariant that must hold in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Which one.
    pub kind: CheckKind,
}

/// The invariants.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// What was acknowledged as durable is there after recovery.
    Durability,
    /// A transaction is there as a whole or not at all.
    Atomicity,
    /// What survived is a prefix of commit order.
    PrefixOrder,
    /// Transactions that are open at the same time see and lose nothing of each other that the target does not promise.
    Isolation,
    /// Nothing is there that nobody wrote, and no value is damaged.
    NoGarbage,
    /// The target's own check finds nothing wrong.
    Integrity,
    /// What a backup is restored to is the state that it was taken of, and one that was cut off is refused.
    Backup,
    /// Recovering twice, or crashing in the middle of recovery, changes nothing.
    IdempotentRecovery,
    /// A recovery takes no more operations than the length of the log justifies.
    BoundedRecovery,
    /// A closed database has no file open, and opening one again and again takes neither files nor space.
    NoLeak,
    /// Reads are right, and go on, while writes fail.
    ReadsGoOn,
    /// What is read from damaged storage is right, or an error.
    NoWrongReads,
    /// Once a fault is over writes succeed: with no reopening where it was space that lacked.
    Liveness,
    /// The target neither panics nor ends the process.
    NoPanic,
    /// Every call returns within its budget of operations.
    NoHang,
}

impl CheckKind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 15] = [
        Self::Durability,
        Self::Atomicity,
        Self::PrefixOrder,
        Self::Isolation,
        Self::NoGarbage,
        Self::Integrity,
        Self::Backup,
        Self::IdempotentRecovery,
        Self::BoundedRecovery,
        Self::NoLeak,
        Self::ReadsGoOn,
        Self::NoWrongReads,
        Self::Liveness,
        Self::NoPanic,
        Self::NoHang,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Durability => "durability",
            Self::Atomicity => "atomicity",
            Self::PrefixOrder => "prefix-order",
            Self::Isolation => "isolation",
            Self::NoGarbage => "no-garbage",
            Self::Integrity => "integrity",
            Self::Backup => "backup",
            Self::IdempotentRecovery => "idempotent-recovery",
            Self::BoundedRecovery => "bounded-recovery",
            Self::NoLeak => "no-leak",
            Self::ReadsGoOn => "reads-go-on",
            Self::NoWrongReads => "no-wrong-reads",
            Self::Liveness => "liveness",
            Self::NoPanic => "no-panic",
            Self::NoHang => "no-hang",
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_that_files_use() {
        for kind in CheckKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
