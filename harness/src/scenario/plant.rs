//! Bugs planted under a target.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::{Chore, FileGlob};

/// A planted bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(tag = "kind")]
pub enum Plant {
    /// Operations that the target issues and the disk never gets. The target is told that they worked.
    Elision(Elision),
    /// The target takes failed syncs for done. They do fail.
    IgnoredFailure(IgnoredFailure),
    /// A bug of the target itself, put between the workload and the target.
    Bug(PlantedBug),
    /// The file system under the target is mounted without barriers: no sync of the target's reaches the disk as one.
    NoBarriers(NoBarriers),
}

/// No barriers. There is nothing to say about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBarriers {}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elision(elision) => elision.fmt(f),
            Self::IgnoredFailure(ignored) => write!(f, "failed syncs of {} ignored", ignored.file),
            Self::Bug(planted) => planted.what.fmt(f),
            Self::NoBarriers(_) => f.write_str("a file system without barriers"),
        }
    }
}

/// Failures that nobody notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IgnoredFailure {
    /// The files whose failed syncs the target takes for done, relative to the database's directory.
    pub file: FileGlob,
}

/// A bug of the target itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantedBug {
    /// Which one.
    pub what: Bug,
}

/// Bugs that a target can be given.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// Going back to a savepoint keeps the first write since.
    SavepointKeepsAWrite,
    /// Transactions that are promised to be serializable are not validated.
    NothingIsValidated,
    /// A range delete spares the first row of the range.
    RangeDeleteSparesARow,
    /// A range read passes over its first row.
    RangeReadSkipsARow,
    /// A table that is dropped stays, with its first row.
    DroppedTableKeepsARow,
    /// A restore leaves the last incremental backup out.
    LastBackupIsNotRestored,
    /// A restore to a point goes on to the end of the archived log.
    RestoreGoesTooFar,
    /// A commit that fails is acknowledged.
    FailedCommitIsAcknowledged,
    /// Of commits that fail together one is told so, and the others are acknowledged.
    FailedGroupIsAcknowledged,
    /// A commit that fails keeps the lock that all commits take.
    FailedCommitKeepsItsLock,
    /// Once a commit has failed for want of space, all others do until the database is opened again.
    NeverWritesAgain,
    /// Once a commit has failed, nothing can be read until the database is opened again.
    ReadsEndWithWrites,
    /// Some reads show what a row was before its newest value.
    StaleReads,
    /// A read shows what another transaction has put and not committed.
    UncommittedIsRead,
    /// Some reads show what a transaction overwrote itself before its commit.
    IntermediateIsRead,
    /// Each read shows what is committed by then, and not what was when the transaction began.
    SnapshotMoves,
    /// Rows that a serializable transaction read are not validated; ranges are.
    ReadsAreNotValidated,
    /// Ranges that a serializable transaction read before its first write are not validated; rows are.
    RangesAreNotValidated,
    /// A commit that meets a conflict is forced through.
    ConflictsAreOverruled,
    /// A commit is two, each with half of what was written.
    CommitInTwoParts,
    /// What cannot be read for damage is said not to be there.
    DamageIsHidden,
    /// What cannot be read for damage is returned as it stands.
    DamageIsReturned,
    /// Damage is met with a panic.
    DamageEndsTheProcess,
    /// A database that cannot be opened for damage is replaced by an empty one.
    DamagedIsMadeAnew,
    /// Each opening leaves a file open for ever.
    DescriptorsAreNotClosed,
    /// Each opening of a database leaves one more file.
    EveryOpeningLeavesAFile,
    /// Each opening of a database takes space and never gives it back.
    SpaceIsNotGivenBack,
    /// A recovery comes to no end.
    RecoveryLoops,
    /// Two commits wait for each other.
    LocksInTwoOrders,
    /// A second recovery hides the first row of each table.
    SecondRecoveryHidesARow,
    /// A recovery takes operations with the square of the length of the files.
    RecoveryReadsAgainAndAgain,
}

impl Bug {
    /// Whether it can show only where commits overlap.
    pub fn needs_threads(self) -> bool {
        matches!(
            self,
            Self::FailedGroupIsAcknowledged | Self::FailedCommitKeepsItsLock
        )
    }

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SavepointKeepsAWrite => "savepoint-keeps-a-write",
            Self::NothingIsValidated => "nothing-is-validated",
            Self::RangeDeleteSparesARow => "range-delete-spares-a-row",
            Self::RangeReadSkipsARow => "range-read-skips-a-row",
            Self::DroppedTableKeepsARow => "dropped-table-keeps-a-row",
            Self::LastBackupIsNotRestored => "last-backup-is-not-restored",
            Self::RestoreGoesTooFar => "restore-goes-too-far",
            Self::FailedCommitIsAcknowledged => "failed-commit-is-acknowledged",
            Self::FailedGroupIsAcknowledged => "failed-group-is-acknowledged",
            Self::FailedCommitKeepsItsLock => "failed-commit-keeps-its-lock",
            Self::NeverWritesAgain => "never-writes-again",
            Self::ReadsEndWithWrites => "reads-end-with-writes",
            Self::StaleReads => "stale-reads",
            Self::UncommittedIsRead => "uncommitted-is-read",
            Self::IntermediateIsRead => "intermediate-is-read",
            Self::SnapshotMoves => "snapshot-moves",
            Self::ReadsAreNotValidated => "reads-are-not-validated",
            Self::RangesAreNotValidated => "ranges-are-not-validated",
            Self::ConflictsAreOverruled => "conflicts-are-overruled",
            Self::CommitInTwoParts => "commit-in-two-parts",
            Self::DamageIsHidden => "damage-is-hidden",
            Self::DamageIsReturned => "damage-is-returned",
            Self::DamageEndsTheProcess => "damage-ends-the-process",
            Self::DamagedIsMadeAnew => "damaged-is-made-anew",
            Self::DescriptorsAreNotClosed => "descriptors-are-not-closed",
            Self::EveryOpeningLeavesAFile => "every-opening-leaves-a-file",
            Self::SpaceIsNotGivenBack => "space-is-not-given-back",
            Self::RecoveryLoops => "recovery-loops",
            Self::LocksInTwoOrders => "locks-in-two-orders",
            Self::SecondRecoveryHidesARow => "second-recovery-hides-a-row",
            Self::RecoveryReadsAgainAndAgain => "recovery-reads-again-and-again",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which operations are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elision {
    /// The kind of operation.
    pub operation: OperationKind,
    /// The files it concerns, relative to the database's directory; `.` is the directory itself.
    pub file: FileGlob,
    /// Which of the matching operations.
    #[serde(default)]
    pub occurrence: Occurrence,
    /// Only while at least so many commits have been asked for and not answered. More than one needs clients on threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_in_flight: Option<NonZeroU32>,
    /// Only while the target does this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Chore>,
    /// Only syncs at this place of a protocol, as `chaos audit-syncs` names it: `committing: again, after write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl fmt::Display for Elision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} ({})",
            self.operation, self.file, self.occurrence
        )?;
        if let Some(count) = self.commits_in_flight {
            write!(f, " while {count} commits are in flight")?;
        }
        if let Some(chore) = self.during {
            write!(f, " during a {chore}")?;
        }
        match &self.place {
            Some(place) => write!(f, ", {place}"),
            None => Ok(()),
        }
    }
}

/// The operations that can be dropped.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// A sync of a file.
    Sync,
    /// A write into a file.
    Write,
    /// A change of a file's length.
    SetLen,
    /// An allocation of space.
    Allocate,
    /// A sync of a directory.
    SyncDir,
    /// A rename; the glob is matched against the new name.
    Rename,
    /// A removal.
    Remove,
}

impl OperationKind {
    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Write => "write",
            Self::SetLen => "set-len",
            Self::Allocate => "allocate",
            Self::SyncDir => "sync-dir",
            Self::Rename => "rename",
            Self::Remove => "remove",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of the matching operations of one run are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occurrence {
    /// Each of them.
    #[default]
    Every,
    /// Only this one, counted from 1.
    Nth(NonZeroU32),
}

impl Occurrence {
    /// Whether the `nth` matching operation, counted from 1, is dropped.
    pub fn covers(self, nth: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(only) => nth == u64::from(only.get()),
        }
    }
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every"),
            Self::Nth(nth) => write!(f, "number {nth}"),
        }
    }
}

impl Serialize for Occurrence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Every => serializer.serialize_str("every"),
            Self::Nth(nth) => serializer.serialize_u32(nth.get()),
        }
    }
}

impl<'de> Deserialize<'de> for Occurrence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OccurrenceVisitor)
    }
}

struct OccurrenceVisitor;

impl Visitor<'_> for OccurrenceVisitor {
    type Value = Occurrence;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"every\" or a number from 1 on")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Occurrence, E> {
        match text {
            "every" => Ok(Occurrence::Every),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Occurrence, E> {
        u32::try_from(number)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Occurrence::Nth)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Occurrence, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl JsonSchema for Occurrence {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Occurrence".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Which of the matching operations of one run are dropped.",
            "anyOf": [
                { "const": "every" },
                { "type": "integer", "minimum": 1, "maximum": u32::MAX }
            ]
        })
    }
}
