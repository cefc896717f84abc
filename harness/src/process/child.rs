//! The child: one life of the target, with everything said before it is asked and after it is answered.

use std::fs::{self, File};
use std::io;
use std::panic;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use lightning_db::disk::RealDisk;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use serde::Deserialize as _;

use super::allocator;
use super::doomed::{Doom, DoomedDisk};
use super::job::{ChildJob, End};
use super::journal::{Entry, Finish};
use super::limits::Armed;
use super::voice::{say, say_failed};
use super::work::Open;
use crate::rng::Rng;
use crate::scenario::{Elision, Plant, ResourceKind, Scenario};
use crate::target::{self, Mode, Target};

/// The directory of the database below that of the case.
const DATABASE: &str = "db";

/// The exit code of a Rust process that panicked.
pub(super) const PANICKED: i32 = 101;

/// Lives the life that standard input asks for.
pub fn serve() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // A process that aborts is to leave no file of its memory.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let tell = panic::take_hook();
    // In whatever thread.
    panic::set_hook(Box::new(move |info| {
        tell(info);
        process::exit(PANICKED)
    }));
    let mut told = String::new();
    io::stdin().read_line(&mut told)?;
    let job: ChildJob = serde_json::from_str(&told)?;
    // Whoever started this may have ended before the system was asked to tell.
    if nix::unistd::getppid().as_raw() != job.parent {
        process::exit(1);
    }
    let scenario = Scenario::deserialize(&job.scenario)?;
    let target = target::find(&job.target).ok_or_else(|| io::Error::other("unknown target"))?;
    let life = Life {
        rng: Rng::from_seed(job.seed)
            .split(&scenario.id, u64::from(job.run))
            .split("process", job.case)
            .split("life", u64::from(job.life)),
        target,
        scenario,
        job,
    };
    life.live()
}

/// One life.
pub(super) struct Life {
    pub(super) rng: Rng,
    pub(super) target: Box<dyn Target>,
    pub(super) scenario: Scenario,
    pub(super) job: ChildJob,
}

impl Life {
    /// Whether this is what the process has little of.
    pub(super) fn is_short_of(&self, what: ResourceKind) -> bool {
        self.job.limit.is_some_and(|limit| limit.what == what)
    }

    /// Whether the process has little space to write to.
    pub(super) fn is_short_of_space(&self) -> bool {
        self.job.limit.is_some_and(|limit| limit.what.is_space())
    }

    /// Where a file system of the case's own is.
    pub(super) fn mount(&self) -> PathBuf {
        self.job.dir.join("mount")
    }

    fn live(self) -> io::Result<()> {
        let dir = self.prepare()?;
        let disk = DoomedDisk::new(RealDisk::open(&dir)?, self.doom(), self.dropped());
        self.arm_failpoint()?;
        if self.job.is_measured {
            allocator::count_from_here(0);
        }
        let limits = self
            .job
            .limit
            .as_ref()
            .map(Armed::put)
            .transpose()?
            .flatten();
        if self.is_short_of(ResourceKind::Processor) {
            say(&Entry::Fired(1));
        }
        let mode = if self.job.exists {
            Mode::Existing
        } else {
            Mode::CreateOrOpen
        };
        let options = &self.job.options;
        let opened = if self.target.is_a_process() {
            let started = &mut |number| say(&Entry::Started(number));
            self.target.open_directory(&dir, options, mode, started)
        } else {
            self.target.open(Arc::new(disk.clone()), options, mode)
        };
        let done = match opened {
            Ok(session) => self.go_on(session),
            Err(error) => {
                say_failed("open", &error);
                None
            }
        };
        if let Some(limits) = limits {
            limits.lift()?;
        }
        if self.is_short_of(ResourceKind::Allocation) && allocator::has_failed() {
            say(&Entry::Fired(1));
        }
        self.end(done);
        say(&Entry::Done(Finish {
            operations: disk.operations(),
            allocations: allocator::counted(),
        }));
        process::exit(0)
    }

    fn end(&self, open: Option<Open>) {
        match open {
            Some(open) if self.job.end == End::Close => {
                if let Err(error) = open.session.close() {
                    say_failed("close", &error);
                }
            }
            // As a process ends that was not told to close: without destructors.
            Some(open) => std::mem::forget(open),
            None => {}
        }
    }

    /// Where the database is: on a file system of its own, if the case is about one.
    fn prepare(&self) -> io::Result<PathBuf> {
        let below = match &self.job.image {
            Some(disk) => {
                disk.mount_alone(&self.mount())?;
                self.mount()
            }
            None => self.job.dir.clone(),
        };
        let dir = below.join(DATABASE);
        fs::create_dir_all(&dir)?;
        // The target makes durable what is in its directory: that there is one is not its affair.
        File::open(below)?.sync_all()?;
        if let Some(disk) = &self.job.image {
            match self.job.limit {
                Some(limit) if limit.what.is_space() => disk.fill(&self.mount(), limit.amount)?,
                _ => disk.give_back(&self.mount())?,
            }
        }
        Ok(dir)
    }

    /// The planted bugs that are active.
    fn dropped(&self) -> Vec<(usize, Elision)> {
        let elision = |(place, plant): (usize, &Plant)| match plant {
            Plant::Elision(elision) if self.job.is_planted => Some((place, elision.clone())),
            _ => None,
        };
        let plants = self.scenario.plants.iter().enumerate();
        plants.filter_map(elision).collect()
    }

    fn doom(&self) -> Doom {
        match self.job.end {
            End::AtOperation(at) => Doom::Kill(at),
            End::StopsAt(at) | End::PausesAt(at) => Doom::Stop(at),
            End::Close | End::Leave | End::AtFailpoint { .. } | End::FromOutside => Doom::Never,
        }
    }

    #[cfg(feature = "failpoints")]
    fn arm_failpoint(&self) -> io::Result<()> {
        use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

        let End::AtFailpoint { name, hit } = &self.job.end else {
            return Ok(());
        };
        let (seen, hit) = (AtomicU64::new(0), *hit);
        let callback = move || {
            if seen.fetch_add(1, SeqCst) + 1 == hit {
                super::voice::die(Signal::SIGKILL);
            }
        };
        lightning_db::failpoints::arm_with(name, callback).map_err(io::Error::other)
    }

    #[cfg(not(feature = "failpoints"))]
    fn arm_failpoint(&self) -> io::Result<()> {
        match self.job.end {
            End::AtFailpoint { .. } => Err(io::Error::other("this build has no failpoints")),
            _ => Ok(()),
        }
    }
}
