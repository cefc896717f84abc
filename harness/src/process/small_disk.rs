//! A small file system of its own: ext4 in a file, behind a loop device, mounted where only this process and its children see it.
//!
//! The mount ends with the last process in its namespace, and the loop device with the mount (`autoclear`, as `mount` sets it).

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

use crate::block::{leave_namespace, run};

/// Big enough for ext4 with a journal.
const IMAGE_BYTES: u64 = 24 << 20;
const KIB: u64 = 1024;
/// Takes space beside the database.
const BALLAST: &str = "ballast";

/// Makes a file system in a file.
pub(super) fn make(image: &Path) -> io::Result<()> {
    File::create(image)?.set_len(IMAGE_BYTES)?;
    let mut command = Command::new("mkfs.ext4");
    command
        .args(["-q", "-F", "-m", "0", "-b", "1024", "-J", "size=4"])
        .arg(image);
    run(&mut command)
}

/// Mounts it where nobody else sees it.
pub(super) fn mount_alone(image: &Path, at: &Path) -> io::Result<()> {
    leave_namespace()?;
    fs::create_dir_all(at)?;
    let mut command = Command::new("mount");
    command
        .args(["-t", "ext4", "-o", "loop"])
        .arg(image)
        .arg(at);
    run(&mut command)
}

/// Waits until no loop device has the file: the mount of a process that has ended goes a moment after it.
pub(super) fn wait_for_release(image: &Path) -> io::Result<()> {
    const TRIES: u32 = 500;
    const WAIT: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        let output = Command::new("losetup").arg("-j").arg(image).output()?;
        if output.stdout.is_empty() {
            return Ok(());
        }
        thread::sleep(WAIT);
    }
    let text = format!("a loop device still has {}", image.display());
    Err(io::Error::other(text))
}

/// Fills it until so much is left.
pub(super) fn fill(at: &Path, left: u64) -> io::Result<()> {
    let file = File::create(ballast(at))?;
    let (mut len, mut step) = (0, IMAGE_BYTES);
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

/// Gives the space back.
pub(super) fn give_back(at: &Path) -> io::Result<()> {
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
