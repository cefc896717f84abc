//! Power cuts of a disk under a real file system.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The disk under a real file system loses power. What was written since its last flush survives or not, sector by sector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePowerLoss {
    /// What is on the disk.
    pub file_system: FileSystem,
    /// Crash images tried in each run.
    #[serde(default = "images_by_default")]
    pub images: NonZeroU32,
}

fn images_by_default() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(199)
}

/// A real file system, the kernel's own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    /// ext4, as `mkfs.ext4` makes it: `data=ordered`.
    Ext4,
    /// xfs.
    Xfs,
    /// btrfs.
    Btrfs,
}

impl FileSystem {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// The name used in files, and by `mount`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
