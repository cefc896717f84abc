//! Removes what a worker leaves in directories, once the worker is gone, however it went.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Tries to remove what somebody who is just ending still uses.
const TRIES: u32 = 500;
const WAIT: Duration = Duration::from_millis(20);

/// A janitor. It begins its work when this is dropped, or when this process ends.
#[derive(Debug)]
pub(super) struct Janitor {
    child: Child,
    input: Option<ChildStdin>,
}

impl Janitor {
    /// For a directory of files, and one that is a control group, where there are such.
    pub(super) fn hire(program: &Path, dir: &Path, cgroup: Option<&Path>) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg("process-janitor")
            .arg(dir)
            .args(cgroup)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Signals for the group of the others are not for it: it outlives them.
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Waits for the end of standard input, and cleans up.
pub fn serve(dir: &Path, cgroup: Option<&Path>) -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    // First the group: it can go once its processes are gone, and then nobody writes into the directory.
    if let Some(cgroup) = cgroup {
        until_gone(cgroup, |cgroup| fs::remove_dir(cgroup));
    }
    until_gone(dir, |dir| fs::remove_dir_all(dir));
    Ok(())
}

fn until_gone(path: &Path, remove: impl Fn(&Path) -> io::Result<()>) {
    for _ in 0..TRIES {
        if !path.exists() {
            return;
        }
        if remove(path).is_err() {
            thread::sleep(WAIT);
        }
    }
}
