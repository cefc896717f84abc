//! Disks behind loop devices, with real file systems on them.
//!
//! A stage lives in a mount namespace of its own, on a file system in memory that only it sees: however the process ends, its mounts end with
//! it, and with them the loop devices, which detach themselves once nobody uses them. Nothing of it is ever on a real disk.

use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock, PoisonError};

use fuser::{BackgroundSession, Config, MountOption};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::device::{Device, Served};
use super::file_system::{disk_len, maker, maker_arguments, mount_options};
use super::guard::Guard;
use super::image::Image;
use super::serve::Server;
use crate::scenario::FileSystem;

/// Where a stage is put up, in a namespace in which nobody else sees it.
const PLACE: &str = "/mnt";

/// Where disks are served and mounted. It is used by the thread that has put it up, and by those which that starts.
#[derive(Debug)]
pub struct Stage {
    served: Served,
    session: Option<BackgroundSession>,
    guard: Option<Guard>,
}

/// A file system in use. Dropping it takes it out of use.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

/// Why this plane does not work here with a file system, if it doesn't. What was found once is not looked for again.
pub fn unavailable(file_system: FileSystem) -> Option<&'static str> {
    static WHY: [OnceLock<Option<String>>; 3] = [const { OnceLock::new() }; 3];
    let why = WHY.get(file_system as usize)?;
    why.get_or_init(|| lacking(file_system)).as_deref()
}

fn lacking(file_system: FileSystem) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("the block plane needs root".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if let Err(error) = File::options().read(true).write(true).open(device) {
            return Some(format!("the block plane needs {device}: {error}"));
        }
    }
    for tool in [maker(file_system), "mount", "umount"] {
        if let Err(error) = run(Command::new(tool).arg("-V")) {
            return Some(format!("the block plane needs a program: {error}"));
        }
    }
    // In a thread of its own, since it leaves the namespace that it was in.
    let probe = std::thread::spawn(move || probe(file_system));
    let found = probe
        .join()
        .unwrap_or_else(|_| Err(Error::other("a panic")));
    found
        .err()
        .map(|error| format!("the block plane does not work here: {error}"))
}

/// Mounts an empty file system.
fn probe(file_system: FileSystem) -> io::Result<()> {
    let stage = Stage::set_up()?;
    let device = Arc::new(Device::new(Stage::format(file_system)?));
    stage.mount(&device, file_system, "").map(drop)
}

impl Stage {
    /// Moves this thread, and those that it starts, to a mount namespace of their own, and serves disks there.
    pub fn set_up() -> io::Result<Self> {
        leave_namespace()?;
        let none: Option<&str> = None;
        mount(Some("chaos"), PLACE, Some("tmpfs"), MsFlags::empty(), none)?;
        let mut stage = Self {
            served: Served::default(),
            session: None,
            guard: None,
        };
        for name in ["disks", "mounted"] {
            fs::create_dir(place(name))?;
        }
        let server = Server {
            served: Arc::clone(&stage.served),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("chaos".to_owned())];
        stage.session = Some(fuser::spawn_mount(server, place("disks"), &config)?);
        stage.guard = Some(Guard::over(&place("disks"))?);
        Ok(stage)
    }

    /// A disk with a new file system.
    pub fn format(file_system: FileSystem) -> io::Result<Image> {
        let path = place("new");
        let file = File::create(&path)?;
        file.set_len(disk_len(file_system))?;
        drop(file);
        let made = run(Command::new(maker(file_system))
            .args(maker_arguments(file_system))
            .arg(&path));
        let image = made.and_then(|()| Image::read_from(File::open(&path)?));
        fs::remove_file(&path)?;
        image
    }

    /// Serves a disk and mounts what is on it.
    pub fn mount(
        &self,
        device: &Arc<Device>,
        file_system: FileSystem,
        options: &str,
    ) -> io::Result<Mounted> {
        let number = {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            served.push(Arc::clone(device));
            served.len() - 1
        };
        let at = place("mounted");
        let mut all = format!("loop,noatime{}", mount_options(file_system));
        if !options.is_empty() {
            all = format!("{all},{options}");
        }
        run(Command::new("mount")
            .args(["-t", file_system.name(), "-o", &all])
            .arg(place("disks").join(number.to_string()))
            .arg(&at))?;
        Ok(Mounted { at })
    }

    /// Serves the first of these disks whose file system mounts.
    pub fn mount_one_of(
        &self,
        images: impl IntoIterator<Item = Image>,
        file_system: FileSystem,
    ) -> io::Result<(Arc<Device>, Mounted)> {
        let mut last = Error::other("no disk");
        for image in images {
            let device = Arc::new(Device::new(image));
            match self.mount(&device, file_system, "") {
                Ok(mounted) => return Ok((device, mounted)),
                Err(error) => last = error,
            }
            self.forget(&device);
        }
        Err(last)
    }

    /// Forgets a disk that is no longer mounted.
    pub fn forget(&self, device: &Arc<Device>) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers stay what they are: a new number is a new inode, of which the kernel knows nothing.
        let empty = Arc::new(Device::new(Image::new(0)));
        for one in served.iter_mut().filter(|one| Arc::ptr_eq(one, device)) {
            *one = Arc::clone(&empty);
        }
    }
}

impl Mounted {
    /// The root directory of the file system.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A file that a target still has open would keep it busy: then it goes once that is closed.
        let gone = run(Command::new("umount").arg(&self.at));
        if gone.is_err() {
            run(Command::new("umount").arg("-l").arg(&self.at)).ok();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.guard.take());
        drop(self.session.take());
        umount2(PLACE, MntFlags::MNT_DETACH).ok();
    }
}

fn place(name: &str) -> PathBuf {
    Path::new(PLACE).join(name)
}

/// Moves this thread, and those that it starts, to a mount namespace of their own: what is mounted there nobody else sees, and it is gone with the
/// last process there.
pub fn leave_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let all = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let none: Option<&str> = None;
    Ok(mount(none, "/", none, all, none)?)
}

/// Runs a program to its end. What it says on failure is the error's text.
pub fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::new(error.kind(), format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("{name}: {}", said.trim())))
}
