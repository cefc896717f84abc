//! Who lets go of a disk when the process that serves it dies.
//!
//! A thread that waits for a sync of the file system cannot be killed; it waits for the disk, and so for a thread of its own process, which can.
//! While it waits the process keeps its files open, and the kernel does not notice that nobody serves the disk any more. So another process looks whether
//! a thread of this one that does nothing is still there, and has the kernel give the connection up once it is not.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

use nix::mount::{MsFlags, mount};

const CONNECTIONS: &str = "/sys/fs/fuse/connections";
const WATCH: &str = r#"while [ -d "$1" ]; do sleep 0.05; done; echo 1 > "$2""#;

/// The process that watches.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    /// The idle thread ends with it.
    _idle: Sender<()>,
}

impl Guard {
    /// Watches over the FUSE file system at `mounted`.
    pub(super) fn over(mounted: &Path) -> io::Result<Self> {
        let none: Option<&str> = None;
        let control = mount(
            Some("chaos"),
            CONNECTIONS,
            Some("fusectl"),
            MsFlags::empty(),
            none,
        );
        let (sender, receiver) = mpsc::channel();
        let (idling, ended) = mpsc::channel();
        thread::spawn(move || {
            sender.send(nix::unistd::gettid()).ok();
            ended.recv().ok();
        });
        let idle = receiver.recv().map_err(io::Error::other)?;
        let idle = format!("/proc/{}/task/{idle}", nix::unistd::getpid());
        // The number of a connection is that of its device, of which the low byte and what is above bit 20 are the minor number.
        let device = std::fs::metadata(mounted)?.dev();
        let minor = device & 0xff | device >> 12 & 0xfff_ff00;
        let abort: PathBuf = [CONNECTIONS, &minor.to_string(), "abort"].iter().collect();
        // It may have been mounted there before.
        if !abort.exists() {
            control?;
        }
        let child = Command::new("sh")
            .args(["-c", WATCH, "guard", &idle])
            .arg(abort)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            _idle: idling,
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before the idle thread ends, which it would take for the end of the process.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
