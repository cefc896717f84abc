//! Faults of a real process on a real file system.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OneOrMany;
use super::failpoint::covers;
use crate::failpoints;

/// A process that has the database open ends by a signal that nothing can catch. Plane `process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// When. A list is taken in turn.
    #[serde(default = "at_any_time")]
    pub at: OneOrMany<KillMoment>,
    /// With `at = "failpoint"`: the places by name or pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<OneOrMany<String>>,
    /// Cases in each run, drawn by the seed.
    #[serde(default = "points_by_default")]
    pub points: NonZeroU32,
    /// How many processes end so in a row, before one that does not.
    #[serde(default = "one")]
    #[schemars(range(max = 4))]
    pub generations: NonZeroU32,
}

/// When a process is killed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KillMoment {
    /// Before or after one of its operations on storage.
    Operation,
    /// At a named place of the engine.
    Failpoint,
    /// By another process, a drawn time after a drawn step of its workload.
    AnyTime,
    /// It is stopped before one of its operations; another process then finds the database locked; then it is killed.
    Stopped,
    /// As `stopped`, but then it goes on, to the end of its work.
    Continued,
}

/// Something that a process needs runs out. Plane `process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What. A list is taken in turn.
    pub what: OneOrMany<ResourceKind>,
    /// Cases in each run for each kind: with a little, a little more, and so on.
    #[serde(default = "points_by_default")]
    pub points: NonZeroU32,
}

/// What a process needs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// Open files (`RLIMIT_NOFILE`): EMFILE.
    Descriptors,
    /// The length of a file (`RLIMIT_FSIZE`): EFBIG.
    FileSize,
    /// Addresses (`RLIMIT_AS`): an allocation fails, and the process aborts.
    AddressSpace,
    /// One allocation of memory, whichever: it fails, and the process aborts; then another one, in the recovery.
    Allocation,
    /// Memory of a control group: the system kills the process.
    CgroupMemory,
    /// Space on a small file system (ext4 on a loop device): ENOSPC, until a file beside the database goes.
    Disk,
    /// What a quota allows on a small file system (btrfs on a loop device): EDQUOT, until the quota is gone.
    Quota,
    /// A file system that can be written: it becomes read-only at once, as after an error of its journal.
    ReadOnly,
    /// The processor: busy threads leave little of it. The process is killed at any time.
    Processor,
}

impl Kill {
    /// The failpoints that are meant, by name, as far as this build has them.
    pub fn places(&self) -> Vec<&'static str> {
        let patterns = self.name.as_ref().map_or(&[][..], OneOrMany::as_slice);
        let all = failpoints::catalogue().into_iter().map(|place| place.name);
        all.filter(|name| patterns.iter().any(|pattern| covers(pattern, name)))
            .collect()
    }
}

impl KillMoment {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Operation,
        Self::Failpoint,
        Self::AnyTime,
        Self::Stopped,
        Self::Continued,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Failpoint => "failpoint",
            Self::AnyTime => "any-time",
            Self::Stopped => "stopped",
            Self::Continued => "continued",
        }
    }
}

impl ResourceKind {
    /// Whether it is space on a disk, which comes back.
    pub fn is_space(self) -> bool {
        matches!(self, Self::Disk | Self::Quota)
    }

    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Descriptors,
        Self::FileSize,
        Self::AddressSpace,
        Self::Allocation,
        Self::CgroupMemory,
        Self::Disk,
        Self::Quota,
        Self::ReadOnly,
        Self::Processor,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::FileSize => "file-size",
            Self::AddressSpace => "address-space",
            Self::Allocation => "allocation",
            Self::CgroupMemory => "cgroup-memory",
            Self::Disk => "disk",
            Self::Quota => "quota",
            Self::ReadOnly => "read-only",
            Self::Processor => "processor",
        }
    }
}

fn at_any_time() -> OneOrMany<KillMoment> {
    OneOrMany::one(KillMoment::AnyTime)
}

fn points_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}
