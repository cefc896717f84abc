//! What this machine has for processes, and what it lacks.

use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::cgroup::Cgroup;
use super::plan::file_system;
use super::small_disk::SmallDisk;
use crate::scenario::{Fault, FileSystem, KillMoment, ResourceKind, Scenario};
use crate::target;

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
    /// A file system that keeps to a quota, mounted from a file.
    Quota,
}

impl Need {
    /// Why it is not there, if it isn't: tried.
    pub fn lacks(self) -> Option<String> {
        static CGROUP: OnceLock<Option<String>> = OnceLock::new();
        static LOOP_MOUNT: OnceLock<Option<String>> = OnceLock::new();
        static QUOTA: OnceLock<Option<String>> = OnceLock::new();
        let known = match self {
            Self::Cgroup => CGROUP.get_or_init(|| {
                let tried = Cgroup::make(1 << 30).map(drop);
                why("no control group for memory", tried)
            }),
            Self::LoopMount => LOOP_MOUNT.get_or_init(|| {
                let tried = try_small_disk(FileSystem::Ext4);
                why("no file system can be mounted from a file", tried)
            }),
            Self::Quota => QUOTA.get_or_init(|| {
                let tried = try_small_disk(FileSystem::Btrfs);
                why("no file system here keeps to a quota (btrfs)", tried)
            }),
        };
        known.clone()
    }

    fn of(what: ResourceKind) -> Option<Self> {
        match (what, file_system(what)) {
            (ResourceKind::CgroupMemory, _) => Some(Self::Cgroup),
            (ResourceKind::Quota, _) => Some(Self::Quota),
            (_, Some(_)) => Some(Self::LoopMount),
            (_, None) => None,
        }
    }
}

fn why(what: &str, tried: io::Result<()>) -> Option<String> {
    tried.err().map(|error| format!("{what}: {error}"))
}

/// Why a scenario of the plane cannot be run here on a target, if it can't.
pub fn lacks(scenario: &Scenario, target: &str) -> Option<String> {
    if target::is_process(target) {
        if !scenario.faults.iter().all(strikes_any_process) || !scenario.plants.is_empty() {
            let text = "a driver is only killed at any time: the calls of its process are not ours, on the plane fuse they are";
            return Some(text.to_owned());
        }
    } else if !target::TARGETS.contains(&target) {
        let text = "an engine that is code of a test has no program that could be started: it runs on the simulated disk";
        return Some(text.to_owned());
    }
    let needs = scenario.faults.iter().flat_map(|fault| match fault {
        Fault::Resource(resource) => resource.what.as_slice(),
        _ => &[],
    });
    needs
        .filter_map(|&what| Need::of(what))
        .find_map(Need::lacks)
}

/// Whether a fault needs nothing but a process.
fn strikes_any_process(fault: &Fault) -> bool {
    match fault {
        Fault::Kill(kill) => kill.at.as_slice() == [KillMoment::AnyTime],
        _ => false,
    }
}

/// In a process of its own: whoever mounts leaves the namespace of the others.
fn try_small_disk(file_system: FileSystem) -> io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["process-probe", file_system.name()])
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

/// Mounts a small file system where nobody sees it, and fills it.
pub fn probe(file_system: FileSystem) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let dir = tempfile::tempdir()?;
    let disk = SmallDisk {
        file_system,
        image: dir.path().join("image"),
    };
    disk.make()?;
    let at = dir.path().join("mount");
    disk.mount_alone(&at)?;
    disk.try_to_fill(&at)?;
    Ok(nix::mount::umount(&at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_code_of_a_test_is_refused_by_name_and_targets_of_the_program_are_not() {
        let text = include_str!("../../../scenarios/process/killed-at-any-time.toml");
        let scenario = Scenario::parse("killed-at-any-time.toml", text).unwrap();
        let why = lacks(&scenario, "engine-of-ones-own").unwrap();
        assert!(why.contains("no program that could be started"), "{why}");
        for target in target::TARGETS {
            assert_eq!(lacks(&scenario, target), None, "{target}");
        }
        assert_eq!(lacks(&scenario, "driver:anything"), None);
    }
}
