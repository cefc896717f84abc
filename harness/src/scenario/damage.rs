//! Damage to a database that nobody has open.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, FileGlob, OneOrMany};

/// Clients with threads of their own, at most, of a database that is damaged then: all groups that they can have committed in are tried.
pub const CLIENTS_BESIDE_DAMAGE_MAX: u32 = 8;

/// Files are damaged while nobody has the database open, one thing at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// How. A list is swept, one after the other.
    pub what: OneOrMany<DamageKind>,
    /// The files, relative to the database's directory.
    #[serde(default = "all_files")]
    pub file: FileGlob,
    /// Where.
    #[serde(default)]
    pub at: DamagePlaces,
    /// With `at = "sampled"`: how many places are drawn in each run, for each kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<NonZeroU32>,
    /// The files together are no longer than this, in bytes of their lengths: a longer database is not damaged, and nothing is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<ByteSize>,
    /// What the target owes after it.
    #[serde(default)]
    pub owes: Owes,
}

/// What is damaged.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// One bit of a byte is the other one.
    FlippedBit,
    /// A sector is zeroes.
    ZeroedSector,
    /// A sector is garbage.
    GarbageSector,
    /// A file ends early.
    Truncated,
    /// A file is gone.
    Missing,
    /// A file has what the next one should have, and the next one what it should.
    Swapped,
    /// A file is as it was in the middle of the workload.
    Stale,
}

impl DamageKind {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::FlippedBit,
        Self::ZeroedSector,
        Self::GarbageSector,
        Self::Truncated,
        Self::Missing,
        Self::Swapped,
        Self::Stale,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlippedBit => "flipped-bit",
            Self::ZeroedSector => "zeroed-sector",
            Self::GarbageSector => "garbage-sector",
            Self::Truncated => "truncated",
            Self::Missing => "missing",
            Self::Swapped => "swapped",
            Self::Stale => "stale",
        }
    }
}

/// Where files are damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DamagePlaces {
    /// Every byte, sector, length or file, one after the other.
    #[default]
    EveryByte,
    /// At `points` places drawn by the seed.
    Sampled,
}

/// What is owed after damage: the scenario's fault budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Owes {
    /// Everything is there.
    Survive,
    /// Each read is right, or an error; opening may be refused. What the newest transaction wrote may be as it was before, as a write that was
    /// torn leaves it.
    #[default]
    Detect,
    /// Neither a panic nor a hang.
    MayFail,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn all_files() -> FileGlob {
    FileGlob::everything()
}
