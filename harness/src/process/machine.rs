//! What this machine has for processes, and what it lacks.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::small_disk;
use crate::scenario::{Fault, ResourceKind, Scenario};

/// Where control groups of memory are (version 1).
const CGROUPS: &str = "/sys/fs/cgroup/memory";

/// How often a try to mount is looked at, and how long it is left alone meanwhile.
const TRIES: u32 = 1000;
const WAIT: Duration = Duration::from_millis(10);

/// What a fault needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A control group for memory.
    Cgroup,
    /// Mounting a file system from a file.
    LoopMount,
}

/// A control group of this process, removed with it.
#[derive(Debug)]
pub(super) struct Cgroup {
    dir: PathBuf,
}

impl Need {
    /// Why it is not there, if it isn't: tried.
    pub fn lacks(self) -> Option<String> {
        static CGROUP: OnceLock<Option<String>> = OnceLock::new();
        static LOOP_MOUNT: OnceLock<Option<String>> = OnceLock::new();
        let known = match self {
            Self::Cgroup => CGROUP.get_or_init(|| {
                let tried = Cgroup::make(1 << 30).map(drop);
                why("no control group for memory", tried)
            }),
            Self::LoopMount => LOOP_MOUNT.get_or_init(|| {
                why(
                    "no file system can be mounted from a file",
                    try_loop_mount(),
                )
            }),
        };
        known.clone()
    }

    fn of(what: ResourceKind) -> Option<Self> {
        match what {
            ResourceKind::Descriptors
            | ResourceKind::FileSize
            | ResourceKind::AddressSpace
            | ResourceKind::Allocation
            | ResourceKind::Processor => None,
            ResourceKind::CgroupMemory => Some(Self::Cgroup),
            ResourceKind::Disk | ResourceKind::ReadOnly => Some(Self::LoopMount),
        }
    }
}

fn why(what: &str, tried: io::Result<()>) -> Option<String> {
    tried.err().map(|error| format!("{what}: {error}"))
}

/// Why a scenario of the plane cannot be run here on a target, if it can't.
pub fn lacks(scenario: &Scenario, target: &str) -> Option<String> {
    if target.starts_with("driver:") {
        return Some("a driver has a process of its own, on the plane fuse".to_owned());
    }
    let needs = scenario.faults.iter().flat_map(|fault| match fault {
        Fault::Resource(resource) => resource.what.as_slice(),
        _ => &[],
    });
    needs
        .filter_map(|&what| Need::of(what))
        .find_map(Need::lacks)
}

/// In a process of its own: whoever mounts leaves the namespace of the others.
fn try_loop_mount() -> io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["process-probe"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    for _ in 0..TRIES {
        if let Some(status) = child.try_wait()? {
            let mut text = String::new();
            if let Some(mut said) = child.stdout.take() {
                said.read_to_string(&mut text)?;
            }
            let failed = || io::Error::other(text.trim().to_owned());
            return status.success().then_some(()).ok_or_else(failed);
        }
        thread::sleep(WAIT);
    }
    // It may wait in the kernel: its end is not waited for.
    child.kill()?;
    Err(io::Error::other(
        "mounting a loop device does not come to an end",
    ))
}

/// Mounts a small file system where nobody sees it.
pub fn probe() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let dir = tempfile::tempdir()?;
    let image = dir.path().join("image");
    small_disk::make(&image)?;
    let at = dir.path().join("mount");
    small_disk::mount_alone(&image, &at)?;
    Ok(nix::mount::umount(&at)?)
}

impl Cgroup {
    /// A group with this much memory.
    pub(super) fn make(bytes: u64) -> io::Result<Self> {
        let dir = Self::path();
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let cgroup = Self { dir };
        fs::write(cgroup.dir.join("memory.limit_in_bytes"), bytes.to_string())?;
        // Not everywhere; what goes to a swap would not be missed.
        let with_swap = cgroup.dir.join("memory.memsw.limit_in_bytes");
        if with_swap.exists() {
            fs::write(with_swap, bytes.to_string())?;
        }
        Ok(cgroup)
    }

    /// Where it is.
    pub(super) fn path() -> PathBuf {
        Path::new(CGROUPS).join(format!("chaos-{}", id()))
    }

    pub(super) fn add(&self, process: u32) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Where a process is just ending the janitor tries again.
        let _ = fs::remove_dir(&self.dir);
    }
}
