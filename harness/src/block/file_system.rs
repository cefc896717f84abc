//! How each file system is made and mounted.

use crate::scenario::FileSystem;

/// The program that makes one.
pub(super) fn maker(file_system: FileSystem) -> &'static str {
    match file_system {
        FileSystem::Ext4 => "mkfs.ext4",
        FileSystem::Xfs => "mkfs.xfs",
        FileSystem::Btrfs => "mkfs.btrfs",
    }
}

/// What it is told: as little as can be, since what users have is what it does by itself.
pub(super) fn maker_arguments(file_system: FileSystem) -> &'static [&'static str] {
    match file_system {
        // Tables that are filled in later, in the background, would be writes that nobody asked for.
        FileSystem::Ext4 => &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
        FileSystem::Xfs | FileSystem::Btrfs => &["-q", "-f"],
    }
}

/// About the smallest disk that it takes, in bytes.
pub(super) fn disk_len(file_system: FileSystem) -> u64 {
    let mib = match file_system {
        FileSystem::Ext4 => 64,
        FileSystem::Xfs => 320,
        FileSystem::Btrfs => 128,
    };
    mib << 20
}

/// What it is mounted with beside what everyone is.
pub(super) fn mount_options(file_system: FileSystem) -> &'static str {
    match file_system {
        // Copies of one disk are mounted one after the other.
        FileSystem::Xfs => ",nouuid",
        FileSystem::Ext4 | FileSystem::Btrfs => "",
    }
}
