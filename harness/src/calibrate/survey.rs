//! Programs on a real file system, and their crash images held against the models.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::iter::{once, once_with};
use std::sync::Arc;

use lightning_db::disk::RealDisk;

use super::member::{Membership, membership};
use super::program::{Step, draw};
use super::tree;
use crate::block::{BlockLog, Device, Flushed, Stage, Survival, Unit, survivor};
use crate::crash::CrashWalker;
use crate::rng::Rng;
use crate::scenario::FileSystem;
use crate::sim::{SimConfig, SimDisk};
use crate::trace::{DiskState, Trace, TracePosition};

/// The programs' directory on the file system.
const FOLDER: &str = "program";
/// Calls in a program.
const CALLS: usize = 24;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// On what.
    pub file_system: FileSystem,
    /// Options that it is mounted with, separated by commas.
    pub mount: String,
    /// Whether files are renamed from one directory to another.
    pub renames_across: bool,
    /// Programs.
    pub programs: u32,
    /// Crash images of each.
    pub images: u32,
    /// What all is drawn from.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Images that were mounted and read.
    pub images: u64,
    /// Different ones among them.
    pub distinct: u64,
    /// Images whose file system did not mount, or could not be read.
    pub unreadable: u64,
    /// Images about which nothing is said: more changes of names were pending than are tried.
    pub undecided: u64,
    /// States that `posix` does not have.
    pub outside_posix: Vec<Outside>,
    /// States that `posix` has and `journaled` does not.
    pub outside_journaled: Vec<Outside>,
}

/// A state that a model does not have.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The program, from 0.
    pub program: u32,
    /// The call that was running, and those before it.
    pub calls: Vec<String>,
    /// What the disk held.
    pub holds: Vec<String>,
}

/// A program that ran on both disks.
struct Ran {
    steps: Vec<Step>,
    log: BlockLog,
    /// For each step the number of events of the recorded disk when it had ended.
    ends: Vec<usize>,
    trace: Trace,
    /// The same on the simulated disk.
    positions: Vec<TracePosition>,
    from: usize,
}

/// Runs programs, and looks at crash images of them.
pub fn survey(plan: &Plan) -> io::Result<Measured> {
    let stage = Stage::set_up()?;
    let mut measured = Measured::default();
    let mut seen = BTreeSet::new();
    for program in 0..plan.programs {
        let rng = Rng::from_seed(plan.seed).split("program", u64::from(program));
        let ran = run(&stage, plan, &rng)?;
        let mut cuts = rng.split("cuts", 0);
        let count = ran.log.events.len() - ran.from + 1;
        let mut cuts: Vec<_> = (0..plan.images)
            .map(|_| ran.from + cuts.index(count))
            .collect();
        cuts.sort_unstable();
        let mut flushed = Flushed::new(&ran.log);
        for (number, at) in cuts.into_iter().enumerate() {
            let survival = Survival::ALL[number % Survival::ALL.len()];
            let rng = rng.split("image", number as u64);
            let base = flushed.before(at);
            let left = |unit| survivor(base, &ran.log, at, survival, unit, &mut rng.clone());
            let image = left(Unit::Sector);
            if !seen.insert((program, ran.running(at), image.digest())) {
                continue;
            }
            let images = once(image).chain(once_with(|| left(Unit::Block)));
            let mounted = stage.mount_one_of(images, plan.file_system);
            let Ok((device, mounted)) = mounted else {
                measured.unreadable += 1;
                continue;
            };
            let held = tree::read(&mounted.path().join(FOLDER));
            drop(mounted);
            stage.forget(&device);
            match held {
                Ok(held) => measured.compare(program, &ran, at, &held),
                // A file system that is damaged itself.
                Err(_) => measured.unreadable += 1,
            }
        }
        measured.distinct = seen.len() as u64;
    }
    Ok(measured)
}

fn run(stage: &Stage, plan: &Plan, rng: &Rng) -> io::Result<Ran> {
    let steps = draw(&mut rng.split("steps", 0), CALLS, plan.renames_across);
    let device = Arc::new(Device::recorded(Stage::format(plan.file_system)?));
    let mounted = stage.mount(&device, plan.file_system, &plan.mount)?;
    let real = RealDisk::create(mounted.path().join(FOLDER))?;
    let root = File::open(mounted.path())?;
    let simulated = SimDisk::new(SimConfig::default());
    let from = device.events();
    let (mut ends, mut positions) = (Vec::new(), Vec::new());
    for step in &steps {
        step.perform(&simulated)?;
        positions.push(simulated.position());
        step.perform(&real)?;
        if *step == Step::WriteBack {
            rustix::fs::syncfs(&root)?;
        }
        ends.push(device.events());
    }
    let log = device
        .take_log()
        .ok_or_else(|| io::Error::other("the disk has no record"))?;
    drop((root, real, mounted));
    stage.forget(&device);
    Ok(Ran {
        steps,
        log,
        ends,
        trace: simulated.finish(),
        positions,
        from,
    })
}

impl Ran {
    /// The step that was running when the disk lost power before event `at`, from 0; their number if none was.
    fn running(&self, at: usize) -> usize {
        self.ends.partition_point(|&end| end <= at)
    }

    /// The simulated disk then. What the running step changes may have happened; what it makes lasting, not yet.
    fn state(&self, at: usize) -> DiskState {
        let running = self.running(at);
        let counts = match self.steps.get(running) {
            Some(step) if !step.is_sync() => running + 1,
            _ => running,
        };
        let mut walker = CrashWalker::new(&self.trace);
        if let Some(&position) = counts
            .checked_sub(1)
            .and_then(|last| self.positions.get(last))
        {
            walker.advance_to(position);
        }
        walker.state().clone()
    }
}

impl Measured {
    fn compare(&mut self, program: u32, ran: &Ran, at: usize, held: &tree::Tree) {
        self.images += 1;
        let state = ran.state(at);
        let outside = || Outside {
            program,
            calls: ran
                .steps
                .iter()
                .take(ran.running(at) + 1)
                .map(|step| format!("{step:?}"))
                .collect(),
            holds: held.iter().map(describe).collect(),
        };
        match membership(&state, held) {
            Membership::Undecided => self.undecided += 1,
            Membership::Outside => self.outside_posix.push(outside()),
            Membership::Posix => self.outside_journaled.push(outside()),
            Membership::Journaled => {}
        }
    }
}

/// A name, and runs of equal bytes.
fn describe((name, node): (&String, &tree::Node)) -> String {
    let tree::Node::File(bytes) = node else {
        return format!("{name}/");
    };
    let runs = bytes.chunk_by(|a, b| a == b);
    let runs: Vec<_> = runs
        .map(|run| format!("{}×{}", run.len(), run[0]))
        .collect();
    format!("{name}: {}", runs.join(" "))
}
