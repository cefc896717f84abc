//! A control group with little memory, of either version.
//!
//! In a hierarchy of version 2 a group may limit memory only where the one above it gives that on (`cgroup.subtree_control`). Which does is the
//! administrator's affair: nothing is switched on here, since it would stay so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::id;

/// Where groups of version 1 are.
const FIRST: &str = "/sys/fs/cgroup/memory";
/// What version 2 calls it.
const CONTROLLER: &str = "memory";

/// A control group of this process, removed with it.
#[derive(Debug)]
pub(super) struct Cgroup {
    dir: PathBuf,
}

/// Where groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Above {
    First(PathBuf),
    Second(PathBuf),
}

impl Cgroup {
    /// A group with this much memory.
    pub(super) fn make(bytes: u64) -> io::Result<Self> {
        let above = Above::find().ok_or_else(|| {
            let text = "neither version 1, nor a group of version 2 that gives memory on";
            io::Error::other(text)
        })?;
        Self::below(&above, bytes)
    }

    /// Where it is, or would be.
    pub(super) fn path() -> Option<PathBuf> {
        Above::find().map(|above| above.below())
    }

    pub(super) fn add(&self, process: u32) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.procs"), process.to_string())
    }

    fn below(above: &Above, bytes: u64) -> io::Result<Self> {
        let dir = above.below();
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let cgroup = Self { dir };
        // What goes to a swap would not be missed. Not every system counts it.
        let (memory, swap, of_swap) = match above {
            Above::First(_) => (
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                bytes,
            ),
            Above::Second(_) => ("memory.max", "memory.swap.max", 0),
        };
        fs::write(cgroup.dir.join(memory), bytes.to_string())?;
        let swap = cgroup.dir.join(swap);
        if swap.exists() {
            fs::write(swap, of_swap.to_string())?;
        }
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Where a process is just ending the janitor tries again.
        let _ = fs::remove_dir(&self.dir);
    }
}

impl Above {
    /// Version 2, if it gives memory on; else version 1, if it is there.
    fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut second = mounted(&mounts).filter_map(|root| giving(root, &own));
        let first = || Some(PathBuf::from(FIRST)).filter(|dir| dir.is_dir());
        second
            .next()
            .map(Self::Second)
            .or_else(|| first().map(Self::First))
    }

    fn below(&self) -> PathBuf {
        let (Self::First(dir) | Self::Second(dir)) = self;
        dir.join(format!("chaos-{}", id()))
    }
}

/// Where hierarchies of version 2 are mounted.
fn mounted(mounts: &str) -> impl Iterator<Item = &Path> {
    mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then_some(Path::new(at))
    })
}

/// The group nearest to this process, itself or one above it, that gives memory on to those below.
fn giving(root: &Path, own: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let gives = |group: &PathBuf| {
        let given = fs::read_to_string(group.join("cgroup.subtree_control"));
        given.is_ok_and(|given| given.split_whitespace().any(|one| one == CONTROLLER))
    };
    let mut groups = Path::new(own).ancestors().map(|group| root.join(group));
    groups.find(gives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(groups: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (group, given) in groups {
            let dir = root.path().join(group);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("cgroup.subtree_control"), given).unwrap();
        }
        root
    }

    #[test]
    fn hierarchies_of_version_2_are_found_among_the_mounts() {
        let mounts = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found: Vec<_> = mounted(mounts).collect();
        assert_eq!(found, [Path::new("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn a_group_is_made_below_the_nearest_one_that_gives_memory_on() {
        let own = "4:memory:/elsewhere\n0::/user/session\n";
        let root = tree(&[
            ("", "cpu memory"),
            ("user", "memory pids"),
            ("user/session", ""),
        ]);
        let near = giving(root.path(), own);
        assert_eq!(near, Some(root.path().join("user")));
        let root = tree(&[("", "cpu memory"), ("user", "pids"), ("user/session", "")]);
        assert_eq!(giving(root.path(), own), Some(root.path().to_owned()));
        let root = tree(&[("", "hugetlb"), ("user", ""), ("user/session", "")]);
        assert_eq!(giving(root.path(), own), None);
        let root = tree(&[("", "memory")]);
        assert_eq!(giving(root.path(), "4:memory:/elsewhere\n"), None);
    }

    #[test]
    fn either_version_is_told_its_limits_in_its_own_words() {
        let is = |above: Above, limits: &[(&str, &str)]| {
            let dir = above.below();
            fs::create_dir(&dir).unwrap();
            for swap in ["memory.swap.max", "memory.memsw.limit_in_bytes"] {
                fs::write(dir.join(swap), "max").unwrap();
            }
            let cgroup = Cgroup::below(&above, 4096).unwrap();
            cgroup.add(77).unwrap();
            for (name, text) in limits.iter().chain(&[("cgroup.procs", "77")]) {
                assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), *text, "{name}");
            }
        };
        let root = tempfile::tempdir().unwrap();
        is(
            Above::Second(root.path().to_owned()),
            &[("memory.max", "4096"), ("memory.swap.max", "0")],
        );
        let root = tempfile::tempdir().unwrap();
        is(
            Above::First(root.path().to_owned()),
            &[
                ("memory.limit_in_bytes", "4096"),
                ("memory.memsw.limit_in_bytes", "4096"),
            ],
        );
    }
}
