//! A small file system of its own, in a file, behind a loop device, mounted where only this process and its children see it.
//!
//! 1. The mount ends with the last process in its namespace, and the loop device with the mount (`autoclear`, as `mount` sets it).
//! 2. On ext4 space lacks because a file beside the database takes it. On btrfs there is space, and a quota that forbids its use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

use crate::block::{leave_namespace, run};
use crate::scenario::FileSystem;

const KIB: u64 = 1024;
const MIB: u64 = 1 << 20;
/// Takes space beside the database.
const BALLAST: &str = "ballast";
/// What an empty file system has used of a quota, and what the making of a file asks for beforehand.
const QUOTA_BASE: u64 = 160 * KIB;

/// A file system in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SmallDisk {
    pub(super) file_system: FileSystem,
    /// The file.
    pub(super) image: PathBuf,
}

impl SmallDisk {
    /// Makes it anew.
    pub(super) fn make(&self) -> io::Result<()> {
        let (bytes, program, arguments): (u64, &str, &[&str]) = match self.file_system {
            // Big enough for ext4 with a journal.
            FileSystem::Ext4 => (
                24 * MIB,
                "mkfs.ext4",
                &["-q", "-F", "-m", "0", "-b", "1024", "-J", "size=4"],
            ),
            FileSystem::Btrfs => (128 * MIB, "mkfs.btrfs", &["-q", "-f"]),
            FileSystem::Xfs => return Err(not_small()),
        };
        File::create(&self.image)?.set_len(bytes)?;
        run(Command::new(program).args(arguments).arg(&self.image))
    }

    /// Mounts it where nobody else sees it.
    pub(super) fn mount_alone(&self, at: &Path) -> io::Result<()> {
        leave_namespace()?;
        fs::create_dir_all(at)?;
        let mut command = Command::new("mount");
        let kind = self.file_system.name();
        command.args(["-t", kind, "-o", "loop"]);
        run(command.arg(&self.image).arg(at))?;
        match self.file_system {
            FileSystem::Btrfs => run(Command::new("btrfs").args(["quota", "enable"]).arg(at)),
            FileSystem::Ext4 | FileSystem::Xfs => Ok(()),
        }
    }

    /// Waits until no loop device has the file: the mount of a process that has ended goes a moment after it.
    pub(super) fn wait_for_release(&self) -> io::Result<()> {
        const TRIES: u32 = 500;
        const WAIT: Duration = Duration::from_millis(10);
        for _ in 0..TRIES {
            let listed = Command::new("losetup").arg("-j").arg(&self.image).output();
            if listed?.stdout.is_empty() {
                return Ok(());
            }
            thread::sleep(WAIT);
        }
        let text = format!("a loop device still has {}", self.image.display());
        Err(io::Error::other(text))
    }

    /// Takes its space, or forbids its use, until so much is left.
    pub(super) fn fill(&self, at: &Path, left: u64) -> io::Result<()> {
        match self.file_system {
            FileSystem::Ext4 => fill(at, left),
            FileSystem::Btrfs => limit(at, &(QUOTA_BASE + left).to_string()),
            FileSystem::Xfs => Err(not_small()),
        }
    }

    /// Gives the space back.
    pub(super) fn give_back(&self, at: &Path) -> io::Result<()> {
        match self.file_system {
            FileSystem::Ext4 => give_back(at),
            FileSystem::Btrfs => limit(at, "none"),
            FileSystem::Xfs => Err(not_small()),
        }
    }

    /// Whether it can be filled: a system may take a quota and not keep to it.
    pub(super) fn try_to_fill(&self, at: &Path) -> io::Result<()> {
        let file = File::create(at.join("more"))?;
        self.fill(at, 0)?;
        let wanted = match self.file_system {
            FileSystem::Btrfs => Errno::EDQUOT,
            FileSystem::Ext4 | FileSystem::Xfs => Errno::ENOSPC,
        };
        match fallocate(&file, FallocateFlags::empty(), 0, offset(MIB)) {
            Err(errno) if errno == wanted => Ok(()),
            Err(errno) => Err(errno.into()),
            Ok(()) => Err(io::Error::other("it takes more than it is allowed to")),
        }
    }
}

fn not_small() -> io::Error {
    io::Error::other("no small disk has this file system")
}

/// Limits what all files together may take.
fn limit(at: &Path, bytes: &str) -> io::Result<()> {
    let mut command = Command::new("btrfs");
    run(command.args(["qgroup", "limit", bytes]).arg(at))
}

fn fill(at: &Path, left: u64) -> io::Result<()> {
    let file = File::create(ballast(at))?;
    let (mut len, mut step) = (0, free(at)?);
    while step >= KIB {
        let more = free(at)?.saturating_sub(left).min(step);
        match fallocate(&file, FallocateFlags::empty(), offset(len), offset(more)) {
            _ if more == 0 => break,
            Ok(()) => len += more,
            // What describes the space takes some of it.
            Err(Errno::ENOSPC) => step = more / 2,
            Err(error) => return Err(error.into()),
        }
    }
    file.sync_all()
}

fn offset(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn give_back(at: &Path) -> io::Result<()> {
    match fs::remove_file(ballast(at)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(at)?.sync_all()
}

/// Makes it read-only at once, as an error of its journal would.
pub(super) fn abort(at: &Path) -> io::Result<()> {
    let none: Option<&str> = None;
    mount(none, at, none, MsFlags::MS_REMOUNT, Some("abort"))?;
    match OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(ballast(at))
    {
        Err(_) => Ok(()),
        Ok(_) => Err(io::Error::other("the file system can still be written")),
    }
}

fn ballast(at: &Path) -> PathBuf {
    at.join(BALLAST)
}

fn free(at: &Path) -> io::Result<u64> {
    let state = statvfs(at)?;
    Ok(state.fragment_size() * state.blocks_available())
}
