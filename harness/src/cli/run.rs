//! `chaos run`.

use std::env;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use lightning_report::heat_map::HeatMap;
use lightning_report::{
    Environment, Fate, Finding, Report, ScenarioReport, ScenarioVerdict, Timing,
};

use super::args::{LimitArguments, RunArguments, Tier};
use super::check::problems_with_options;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::progress::Progress;
use super::shrunk;
use super::signal::interrupt_flag;
use crate::case::COMMIT;
use crate::fuse::Mount;
use crate::run::{
    Loaded, Outcome, RunConfig, Smaller, execute, lacking_plane, shrink_findings, write_run_files,
};
use crate::scenario::Expect;
use crate::target::Driver;
use crate::worker::{Place, WorkerLimits, check_option, target_names};

/// How many findings are printed; the report has them all.
const FINDINGS_SHOWN: usize = 10;

pub(super) fn run(arguments: &RunArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let root = Root::find();
    let scenarios = root.select(&arguments.selection)?;
    refuse_unknown_target(&arguments.target)?;
    refuse_wrong_options(arguments)?;
    for loaded in &scenarios {
        if let Some(problem) = problems_with_options(loaded).into_iter().next() {
            return Err(problem.into());
        }
    }
    let config = config(arguments)?;
    let dir = arguments.out.out.clone().unwrap_or_else(|| root.out());
    let interrupted = interrupt_flag();
    writeln!(
        out,
        "seed {}, target {}, {} scenarios, {} jobs",
        config.seed,
        config.target,
        scenarios.len(),
        config.jobs
    )?;
    let id_width = scenarios
        .iter()
        .map(|loaded| loaded.scenario.id.len())
        .max()
        .unwrap_or(0);
    let mut progress = Progress::new(id_width);
    let started = Instant::now();
    let mut outcome = execute(&config, &scenarios, &interrupted, &mut progress);
    progress.finish();
    let smaller = if arguments.no_shrink {
        Vec::new()
    } else {
        shrink_findings(&config, &mut outcome, &interrupted)
    };
    let report = completed(&outcome.report, config.jobs, started);
    let written = write_run_files(&report, &outcome, &dir)?;
    let sizes = shrunk::print(out, &smaller)?;
    print_end(out, &report, &outcome, &scenarios)?;
    if arguments.selection.tier == Some(Tier::Nightly) {
        print_gaps(out, &report)?;
    }
    writeln!(out, "report: {}", written.html.display())?;
    let is_wrong = |one: &Smaller| one.shrunk.is_ok() && !one.replays;
    if smaller.iter().any(is_wrong) {
        writeln!(out, "error: a shrunk case does not show its finding")?;
        return Ok(Exit::Internal);
    }
    let planted = scenarios.iter().map(|loaded| &loaded.scenario);
    let planted = planted.filter(|scenario| scenario.expect == Expect::Fail);
    if let Some(error) = sizes.too_large(planted.count()) {
        writeln!(out, "error: {error}")?;
        return Ok(Exit::Internal);
    }
    let named = named_and_not_run(&root, arguments, &config, &scenarios)?;
    for (file, why) in &named {
        writeln!(out, "not run, though named: {file}: {why}")?;
    }
    let least = if named.is_empty() {
        Exit::Pass
    } else {
        Exit::Inconclusive
    };
    Ok(Exit::of_run(&outcome).max(least))
}

/// Files that were asked for by their own names, and whose plane is not there: nothing was shown of what was asked. In a folder they are
/// skipped, and no more.
fn named_and_not_run(
    root: &Root,
    arguments: &RunArguments,
    config: &RunConfig,
    scenarios: &[Loaded],
) -> Result<Vec<(String, String)>, Failure> {
    let mut found = Vec::new();
    for path in &arguments.selection.paths {
        let path = root.resolved(path)?;
        let name = root.name_of(&path);
        let mut named = scenarios.iter().filter(|one| one.file == name);
        let why = named.find_map(|one| lacking_plane(config, one));
        found.extend(why.map(|why| (name, why)));
    }
    Ok(found)
}

pub(super) fn refuse_unknown_target(name: &str) -> Result<(), Failure> {
    if let Some(driver) = Driver::named(name) {
        Mount::probe()?;
        return driver.refuses().map_or(Ok(()), |reason| {
            let command = name.to_owned();
            Err(Failure::Driver { command, reason })
        });
    }
    let known = target_names();
    if known.iter().any(|target| target == name) {
        return Ok(());
    }
    Err(Failure::UnknownTarget {
        name: name.to_owned(),
        known: known.join(", "),
    })
}

fn refuse_wrong_options(arguments: &RunArguments) -> Result<(), Failure> {
    for (name, value) in &arguments.target_options {
        check_option(&arguments.target, name, value).map_err(|reason| Failure::WrongOption {
            target: arguments.target.clone(),
            reason,
        })?;
    }
    Ok(())
}

pub(super) fn worker_limits(arguments: &LimitArguments) -> Result<WorkerLimits, io::Error> {
    Ok(WorkerLimits {
        place: Place::Program(env::current_exe()?),
        stall: arguments.stall_limit.duration(),
        memory_bytes: arguments.memory_limit.bytes(),
    })
}

/// One worker for each processor.
pub(super) fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn config(arguments: &RunArguments) -> Result<RunConfig, io::Error> {
    Ok(RunConfig {
        target: arguments.target.clone(),
        options: arguments.target_options.iter().cloned().collect(),
        seed: arguments.seed,
        jobs: arguments.jobs.unwrap_or_else(processors),
        fail_fast: arguments.fail_fast,
        workers: worker_limits(&arguments.limits)?,
    })
}

/// The report with what depends on time and machine.
pub(super) fn completed(report: &Report, jobs: NonZeroUsize, started: Instant) -> Report {
    let mut report = report.clone();
    let wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let states = report.totals.counts.crash_states.distinct;
    report.timing = Timing {
        started_at: None,
        wall_ms,
        states_per_second: states * 1000 / wall_ms.max(1),
    };
    report.environment = Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: Some(COMMIT.to_owned()),
        os: env::consts::OS.to_owned(),
        arch: env::consts::ARCH.to_owned(),
        cpus: thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)),
        jobs: u32::try_from(jobs.get()).unwrap_or(u32::MAX),
        command: Some(env::args().collect::<Vec<_>>().join(" ")),
        other: std::collections::BTreeMap::new(),
    };
    report
}

fn print_end(
    out: &mut dyn Write,
    report: &Report,
    outcome: &Outcome,
    scenarios: &[Loaded],
) -> io::Result<()> {
    let failed = report
        .scenarios
        .iter()
        .filter(|s| s.verdict == ScenarioVerdict::Fail);
    failed
        .clone()
        .take(FINDINGS_SHOWN)
        .try_for_each(|scenario| print_findings(out, scenario))?;
    let hidden = failed.count().saturating_sub(FINDINGS_SHOWN);
    if hidden > 0 {
        writeln!(
            out,
            "\nand {hidden} more scenarios that failed, in the report"
        )?;
    }
    if let Some(failure) = &outcome.failure {
        writeln!(out, "\nerror: {failure}")?;
    }
    let passed = report
        .scenarios
        .iter()
        .filter(|s| s.verdict == ScenarioVerdict::Pass)
        .count();
    let planted = scenarios
        .iter()
        .filter(|l| l.scenario.expect == Expect::Fail)
        .count();
    let caught = report
        .scenarios
        .iter()
        .filter(|s| {
            s.expect == lightning_report::Expect::Fail && s.verdict == ScenarioVerdict::Pass
        })
        .count();
    writeln!(
        out,
        "\n{}: {passed} of {} scenarios passed, {} distinct crash states checked in {} s ({}/s)",
        report.verdict.as_str(),
        report.scenarios.len(),
        report.totals.counts.crash_states.distinct,
        seconds(report.timing.wall_ms),
        report.timing.states_per_second,
    )?;
    if planted > 0 {
        writeln!(out, "{caught} of {planted} planted bugs caught")?;
    }
    if !report.skipped.is_empty() {
        let count = report.skipped.len();
        writeln!(out, "{count} skipped, for the reasons above")?;
    }
    Ok(())
}

/// What a run of everything left out and could have exercised.
fn print_gaps(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let map = HeatMap::of(report);
    let gaps = map.gaps();
    for (fault, check) in &gaps {
        writeln!(out, "not exercised: {check} under {fault}")?;
    }
    let all = map.faults.len() * map.checks.len();
    let impossible = all - gaps.len() - map.exercised();
    writeln!(
        out,
        "{} of {all} cells exercised, {} not, {impossible} cannot be (the report says why)",
        map.exercised(),
        gaps.len()
    )
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{}", milliseconds / 1000, milliseconds % 1000 / 100)
}

pub(super) fn print_findings(out: &mut dyn Write, scenario: &ScenarioReport) -> io::Result<()> {
    let reason = scenario.reason.as_deref().unwrap_or_default();
    writeln!(out, "\nFAIL {} ({}): {reason}", scenario.id, scenario.file)?;
    for finding in scenario.findings.iter().take(FINDINGS_SHOWN) {
        writeln!(
            out,
            "  {}: {} ({} states)",
            finding.check, finding.title, finding.count
        )?;
        writeln!(out, "    expected: {}", finding.expected)?;
        writeln!(out, "    actual:   {}", finding.actual)?;
        if !finding.assumptions.is_empty() {
            let without = finding.assumptions.join(", ");
            writeln!(out, "    needs storage without: {without}")?;
        }
        for lost in lost_names(finding) {
            writeln!(out, "    lost:     {lost}")?;
        }
        writeln!(out, "    replay:   {}", as_typed(&finding.replay))?;
    }
    Ok(())
}

/// The first changes of names that the crash took back, and why it could.
fn lost_names(finding: &Finding) -> impl Iterator<Item = String> {
    const SHOWN: usize = 2;
    let lost = finding.timeline.iter();
    let lost = lost.filter(|entry| entry.fate == Some(Fate::Lost));
    let told = lost.filter_map(|entry| {
        let (what, note) = (&entry.what, entry.note.as_ref()?);
        Some(format!("{what} (operation {}): {note}", entry.seq))
    });
    told.take(SHOWN)
}

/// A replay line as it works in this shell: the program as it was called. The report has it by its name.
pub(super) fn as_typed(replay: &str) -> String {
    let Some(arguments) = replay.strip_prefix("chaos ") else {
        return replay.to_owned();
    };
    // Set by `cargo run` for the program that it runs.
    if env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return format!("cargo run --release -- {arguments}");
    }
    let program = env::args().next().unwrap_or_else(|| "chaos".to_owned());
    format!("{program} {arguments}")
}

/// Where a run's files go.
pub(super) fn out_dir(root: &Root, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| root.out())
}
