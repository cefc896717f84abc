//! Errors of the storage under a running target.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileGlob, Lasts, OneOrMany};

/// Operations fail while the workload runs, one run of it for each place at which they begin to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IoError {
    /// What the system answers. A list is swept, one after the other.
    pub error: OneOrMany<SystemError>,
    /// Which operations fail: those of the list for which the error makes sense.
    #[serde(default = "all_operations")]
    pub operation: OneOrMany<IoOperation>,
    /// The files they concern, relative to the database's directory; `.` is the directory itself.
    #[serde(default = "all_files")]
    pub file: FileGlob,
    /// Which of the matching operations is the first to fail.
    #[serde(default)]
    pub at: FirstFailure,
    /// With `at = "sampled"`: how many first failures are drawn in each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<NonZeroU32>,
    /// How many matching operations fail from there on. A list is swept.
    #[serde(default = "once")]
    pub lasts: OneOrMany<Lasts>,
    /// What becomes of the pages that a failed sync was to write. A list is swept.
    #[serde(default = "kept")]
    pub cache: OneOrMany<CacheAfter>,
    /// What the clients do when a call has failed. A list is swept.
    #[serde(default = "go_on")]
    pub then: OneOrMany<Reaction>,
    /// How often the database is opened again in the middle of the workload, every second time without having been closed.
    #[serde(default)]
    #[schemars(range(max = 16))]
    pub reopenings: u32,
    /// The places of the engine that fail in the place of operations, which a file asks for by a fault of its own.
    #[serde(skip)]
    pub failpoints: Vec<&'static str>,
    /// The only time at which such a place fails; nothing for each in turn.
    #[serde(skip)]
    pub only_hit: Option<NonZeroU32>,
}

impl Default for IoError {
    fn default() -> Self {
        Self {
            error: OneOrMany::one(SystemError::Eio),
            operation: all_operations(),
            file: all_files(),
            at: FirstFailure::default(),
            points: None,
            lasts: once(),
            cache: kept(),
            then: go_on(),
            reopenings: 0,
            failpoints: Vec::new(),
            only_hit: None,
        }
    }
}

/// One combination of what a fault leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoErrorVariant {
    /// What the system answers.
    pub error: SystemError,
    /// How many operations fail.
    pub lasts: Lasts,
    /// What a failed sync does to the cache.
    pub cache: CacheAfter,
    /// What the clients do.
    pub then: Reaction,
    /// The place of the engine that fails, if it is no operation.
    pub failpoint: Option<&'static str>,
}

impl IoError {
    /// All combinations of the lists, in the order in which they are swept.
    pub fn variants(&self) -> Vec<IoErrorVariant> {
        if self.failpoints.is_empty() {
            return self.variants_at(None);
        }
        let places = self.failpoints.iter();
        places
            .flat_map(|&place| self.variants_at(Some(place)))
            .collect()
    }

    fn variants_at(&self, failpoint: Option<&'static str>) -> Vec<IoErrorVariant> {
        let mut variants = Vec::new();
        for &error in self.error.as_slice() {
            for &lasts in self.lasts.as_slice() {
                for &then in self.then.as_slice() {
                    let caches = self.cache.as_slice().iter();
                    variants.extend(caches.map(|&cache| IoErrorVariant {
                        error,
                        lasts,
                        cache,
                        then,
                        failpoint,
                    }));
                }
            }
        }
        variants
    }

    /// The operations that fail with an error: those asked for, as far as it makes sense.
    pub fn operations(&self, error: SystemError) -> Vec<IoOperation> {
        let asked = self.operation.as_slice();
        let all = asked.contains(&IoOperation::All);
        let is_asked = |operation: &IoOperation| all || asked.contains(operation);
        let operations = error.operations().iter().copied();
        operations.filter(is_asked).collect()
    }
}

/// What the system answers to an operation that fails.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SystemError {
    /// The device failed.
    Eio,
    /// There is no space left: operations fail that need more than they have.
    Enospc,
    /// The quota is used up, as with `enospc`.
    Edquot,
    /// The process has too many files open.
    Emfile,
    /// The system has too many files open.
    Enfile,
    /// The file system has become read-only.
    Erofs,
    /// A signal came in between.
    Eintr,
}

impl SystemError {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Eio,
        Self::Enospc,
        Self::Edquot,
        Self::Emfile,
        Self::Enfile,
        Self::Erofs,
        Self::Eintr,
    ];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eio => "EIO",
            Self::Enospc => "ENOSPC",
            Self::Edquot => "EDQUOT",
            Self::Emfile => "EMFILE",
            Self::Enfile => "ENFILE",
            Self::Erofs => "EROFS",
            Self::Eintr => "EINTR",
        }
    }

    /// Whether it says that there is no room.
    pub fn is_want_of_space(self) -> bool {
        matches!(self, Self::Enospc | Self::Edquot)
    }

    /// The operations that may fail with it.
    pub fn operations(self) -> &'static [IoOperation] {
        use IoOperation::{
            Allocate, Create, Open, Read, Remove, Rename, SetLen, Sync, SyncDir, Write,
        };
        match self {
            Self::Eio => &[
                Open, Create, Read, Write, SetLen, Allocate, Sync, SyncDir, Rename, Remove,
            ],
            Self::Enospc | Self::Edquot => &[Create, Write, Allocate, Rename],
            Self::Emfile | Self::Enfile => &[Open, Create],
            Self::Erofs => &[Open, Create, Write, SetLen, Allocate, Rename, Remove],
            Self::Eintr => &[Open, Create, Read, Write, Sync],
        }
    }
}

/// Operations that can fail.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum IoOperation {
    /// Every one below.
    All,
    /// Opening a file that is there, locking it, listing a directory.
    Open,
    /// Creating a file or a directory.
    Create,
    /// Reading a file, or its length.
    Read,
    /// Writing into a file, or asking that this be begun. Part of what fails may have been written.
    Write,
    /// Changing a file's length.
    SetLen,
    /// Allocating space.
    Allocate,
    /// Syncing a file.
    Sync,
    /// Syncing a directory.
    SyncDir,
    /// Renaming a file; the glob is matched against the new name.
    Rename,
    /// Removing a file.
    Remove,
}

impl IoOperation {
    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLen => "set-len",
            Self::Allocate => "allocate",
            Self::Sync => "sync",
            Self::SyncDir => "sync-dir",
            Self::Rename => "rename",
            Self::Remove => "remove",
        }
    }

    /// Whether reading what is there may need it.
    pub fn serves_reads(self) -> bool {
        matches!(self, Self::Open | Self::Read)
    }
}

/// Where failing begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirstFailure {
    /// At the first matching operation, the second, the third…, a run each, until the workload ends before there are so many.
    #[default]
    EveryOperation,
    /// At `points` matching operations drawn by the seed.
    Sampled,
}

/// What becomes of the pages that a failed sync was to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheAfter {
    /// Readers still see them, and the system takes them for written: a later sync does not write them.
    #[default]
    Kept,
    /// Readers see what was there before.
    Dropped,
}

/// What the clients do when a call has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// They go on with the same open database, as long as it takes writes.
    #[default]
    GoOn,
    /// The process ends at once, and the database is opened again.
    Restart,
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IoOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn all_operations() -> OneOrMany<IoOperation> {
    OneOrMany::one(IoOperation::All)
}

fn all_files() -> FileGlob {
    FileGlob::everything()
}

fn once() -> OneOrMany<Lasts> {
    OneOrMany::one(Lasts::Once)
}

fn kept() -> OneOrMany<CacheAfter> {
    OneOrMany::one(CacheAfter::Kept)
}

fn go_on() -> OneOrMany<Reaction> {
    OneOrMany::one(Reaction::GoOn)
}
