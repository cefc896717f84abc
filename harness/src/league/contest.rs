//! Running the scenarios over everyone.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::entry::Entry;
use super::standing::{League, Row, Standing};
use crate::case::{COMMIT, CaseFile};
use crate::fuse::Mount;
use crate::run::{Loaded, RunConfig, Watch, execute, shrink_findings};
use crate::target::Driver;
use crate::worker::WorkerLimits;

/// What a league is held with.
#[derive(Debug)]
pub struct Contest<'a> {
    /// The scenarios.
    pub scenarios: &'a [Loaded],
    /// Where the drivers' executables are.
    pub drivers: PathBuf,
    /// All that is drawn is drawn from this.
    pub seed: u64,
    /// Worker processes.
    pub jobs: NonZeroUsize,
    /// How workers are started and given up.
    pub workers: WorkerLimits,
}

/// Case files by engine and name.
pub(super) type Cases = BTreeMap<String, BTreeMap<String, CaseFile>>;

/// Lets everyone run all scenarios, one after the other.
pub fn hold(
    contest: &Contest<'_>,
    entries: Vec<Entry>,
    interrupted: &AtomicBool,
    watch: &mut dyn Watch,
    begins: &mut dyn FnMut(&Entry),
) -> (League, Cases) {
    let (mut standings, mut cases) = (Vec::new(), Cases::new());
    for entry in entries {
        begins(&entry);
        if interrupted.load(Ordering::SeqCst) {
            standings.push(absent(entry, "the league was interrupted".to_owned()));
            continue;
        }
        match target_of(contest, &entry) {
            Err(reason) => standings.push(absent(entry, reason)),
            Ok((target, version)) => {
                let id = entry.id.clone();
                let (standing, files) =
                    take_part(contest, entry, target, version, interrupted, watch);
                standings.push(standing);
                cases.insert(id, files);
            }
        }
    }
    let scenarios = contest.scenarios.iter();
    let scenarios = scenarios.map(|one| (one.scenario.id.clone(), one.scenario.title.clone()));
    let league = League {
        schema: 1,
        seed: contest.seed,
        harness: COMMIT.to_owned(),
        assumptions: ASSUMPTIONS.map(str::to_owned).into(),
        scenarios: scenarios.collect(),
        standings,
    };
    (league, cases)
}

/// What a reader has to know before anything else.
const ASSUMPTIONS: [&str; 6] = [
    "The disk is simulated, model `posix`: what was not synced survives in any combination of 512-byte sectors and names, in any order. No file system that was \
     calibrated does all of that: what only this model shows is a portability warning, not a loss that anybody will see on ext4, xfs or btrfs as they are mounted by default.",
    "Linked engines run on it through their storage interface, others as processes on a FUSE mount of it. What is written through a memory mapping and not yet \
     written back is lost with the process here, which no kernel does: a finding of an engine that does this under `driver-process-crash` may be ours.",
    "Faults of reads reach a process that has mapped the file as SIGBUS, which ends it: that is told as a panic, and is what the kernel does as well.",
    "A sync that fails may leave pages that are shown, clean, and never written, or drop them: both are in the literature, and which of them a kernel does depends on the file system.",
    "One workload of a few dozen small transactions by one client, drawn from the seed. Nothing found is not nothing there.",
    "A finding that is to be confirmed was seen on the simulated disk only. It may be a fault of the driver, of this harness, or of a reading of the documentation.",
];

fn absent(entry: Entry, reason: String) -> Standing {
    Standing {
        entry,
        version: "not tested".to_owned(),
        absent: Some(reason),
        promised: BTreeMap::new(),
        rows: Vec::new(),
    }
}

/// The name of the target that an entry is, with its version; or why it is not there.
fn target_of(contest: &Contest<'_>, entry: &Entry) -> Result<(String, String), String> {
    let Some(driver) = &entry.driver else {
        let target = entry.target.clone().unwrap_or_default();
        let version = linked_version(&target);
        let version = version.ok_or_else(|| format!("the target {target} is not in this build"))?;
        return Ok((target, version));
    };
    let program = contest.drivers.join(format!("chaos-driver-{driver}"));
    if !program.is_file() {
        let usual = || {
            format!(
                "cargo build --release --manifest-path harness/drivers/Cargo.toml -p chaos-driver-{driver}"
            )
        };
        let build = entry.build.clone().unwrap_or_else(usual);
        return Err(format!("not built: `{build}` makes {}", shown(&program)));
    }
    Mount::probe().map_err(|error| error.to_string())?;
    let name = format!("driver:{}", quoted(&program));
    let found = Driver::named(&name).ok_or("no driver")?;
    if let Some(reason) = found.refuses() {
        return Err(reason);
    }
    let version = found.version().unwrap_or("unknown").to_owned();
    Ok((name, version))
}

fn linked_version(target: &str) -> Option<String> {
    match target {
        "lightning" => Some(format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION"))),
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let version = libsqlite3_sys::SQLITE_VERSION.to_str();
            Some(version.unwrap_or("unknown").to_owned())
        }
        _ => None,
    }
}

fn shown(program: &Path) -> String {
    program.display().to_string()
}

/// A path as one word of a command.
fn quoted(program: &Path) -> String {
    let text = shown(program);
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text
    }
}

fn take_part(
    contest: &Contest<'_>,
    entry: Entry,
    target: String,
    version: String,
    interrupted: &AtomicBool,
    watch: &mut dyn Watch,
) -> (Standing, BTreeMap<String, CaseFile>) {
    let config = RunConfig {
        target,
        options: entry.options.clone(),
        seed: contest.seed,
        jobs: contest.jobs,
        fail_fast: false,
        workers: contest.workers.clone(),
    };
    let mut outcome = execute(&config, contest.scenarios, interrupted, watch);
    shrink_findings(&config, &mut outcome, interrupted);
    let reports = &outcome.report.scenarios;
    let rows = reports.iter().map(|report| Row::of(&entry, report));
    let promised = reports.iter().flat_map(|report| report.promises.clone());
    let standing = Standing {
        version,
        absent: outcome.failure.as_ref().map(ToString::to_string),
        promised: promised.collect(),
        rows: rows.collect(),
        entry,
    };
    (standing, outcome.cases)
}
