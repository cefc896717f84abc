//! The mount of a thread, and the disks on it.
//!
//! A thread that asks for a mount gets a mount namespace of its own for good: nobody else sees the mount, and processes that the thread
//! starts do. One mount serves all disks of the thread, one after the other and beside each other.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use fuser::{BackgroundSession, Config, Session, SessionACL};
use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;

use super::filesystem::Filesystem;
use super::nodes::{Nodes, VolumeId};
use crate::sim::SimDisk;

const DEVICE: &str = "/dev/fuse";

/// Why there is no mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}; {help}")]
pub struct Unavailable {
    what: &'static str,
    why: String,
    help: &'static str,
}

/// A mount.
#[derive(Debug)]
pub struct Mount {
    dir: PathBuf,
    nodes: Nodes,
    /// Serves the mount as long as it is there.
    session: Option<BackgroundSession>,
}

/// A disk on a mount. Dropping it takes it away, from under whoever still works on it.
#[derive(Debug)]
pub struct Attached {
    mount: Arc<Mount>,
    volume: VolumeId,
    dir: PathBuf,
}

thread_local! {
    static MOUNT: OnceCell<Result<Arc<Mount>, Unavailable>> = const { OnceCell::new() };
}

impl Mount {
    /// This thread's mount, made when it is asked for first.
    pub fn of_this_thread() -> Result<Arc<Self>, Unavailable> {
        MOUNT.with(|mount| {
            let made = mount.get_or_init(|| Self::make().map(Arc::new));
            made.clone()
        })
    }

    /// Whether there can be mounts here: tried, on a thread that ends.
    pub fn probe() -> Result<(), Unavailable> {
        let tried = thread::spawn(|| Self::make().map(drop)).join();
        tried.unwrap_or_else(|_| Err(unavailable("the probe", "it panicked".to_owned())))
    }

    /// Puts a disk on the mount.
    pub fn attach(self: &Arc<Self>, disk: SimDisk) -> Attached {
        let (volume, name) = self.nodes.attach(disk);
        Attached {
            mount: Arc::clone(self),
            volume,
            dir: self.dir.join(name),
        }
    }

    fn make() -> Result<Self, Unavailable> {
        let device = File::options().read(true).write(true).open(DEVICE);
        let device = device.map_err(|error| unavailable(DEVICE, error.to_string()))?;
        let at = |what: &'static str| move |error: nix::Error| unavailable(what, error.to_string());
        nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(at("a mount namespace"))?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .map_err(at("private mounts"))?;
        let dir = mount_point().map_err(|error| unavailable("a mount point", error.to_string()))?;
        mount(&device, &dir).map_err(at("mounting"))?;
        let nodes = Nodes::default();
        let session = serve(device.into(), nodes.clone()).map_err(|error| {
            unmount(&dir);
            unavailable("serving the mount", error.to_string())
        })?;
        Ok(Self {
            dir,
            nodes,
            session: Some(session),
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.dir);
        // It ends with the mount, whenever the last user of that is gone: nobody waits for it.
        drop(self.session.take());
    }
}

impl Attached {
    /// The directory of the disk.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets syncs take some time from now on, in which others work.
    pub fn let_syncs_take_time(&self) {
        self.mount.nodes.let_syncs_take_time(self.volume);
    }

    /// Puts another disk, which holds the same, in the place of this one: what is done from now on is done to that.
    pub fn replace(&self, by: &SimDisk) {
        self.mount.nodes.replace(self.volume, by);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.mount.nodes.detach(self.volume);
    }
}

fn unavailable(what: &'static str, why: String) -> Unavailable {
    let help = "the fuse plane needs /dev/fuse and the right to mount (root)";
    Unavailable { what, why, help }
}

/// Always the same path, so that what a database says of its place is the same in each run: each mount has a namespace of its own.
fn mount_point() -> io::Result<PathBuf> {
    let dir = std::env::temp_dir().join("lightning-chaos-mount");
    match fs::create_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if fs::symlink_metadata(&dir)?.is_dir() {
        Ok(dir)
    } else {
        Err(io::Error::other(format!(
            "{} is no directory",
            dir.display()
        )))
    }
}

fn mount(device: &File, dir: &Path) -> nix::Result<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let fd = device.as_raw_fd();
    let options = format!("fd={fd},rootmode=40000,user_id={user},group_id={group},allow_other");
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    nix::mount::mount(Some("chaos"), dir, Some("fuse"), flags, Some(&*options))
}

fn serve(device: OwnedFd, nodes: Nodes) -> io::Result<BackgroundSession> {
    let notifier = Arc::new(OnceLock::new());
    let filesystem = Filesystem::new(nodes, Arc::clone(&notifier));
    let session = Session::from_fd(filesystem, device, SessionACL::All, Config::default())?;
    notifier.get_or_init(|| session.notifier());
    session.spawn()
}

fn unmount(dir: &Path) {
    // It may be gone already; either way nothing of it remains.
    let _ = nix::mount::umount2(dir, MntFlags::MNT_DETACH);
}
