//! `chaos shrink`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use lightning_report::summary::{assumption_text, repair_text};

use super::args::ShrinkArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::replay::{Replayed, found, print_finding};
use super::run::{as_typed, refuse_unknown_target, worker_limits};
use super::signal::interrupt_flag;
use crate::batch::Finding;
use crate::case::CaseFile;
use crate::explore::{ExactCase, Explanation};
use crate::run::write_atomically;
use crate::shrink::{Limits, ShrinkError, Shrinker, Shrunk, same_job};
use crate::worker::{JobEnd, Supervisor, Task};

pub(super) fn shrink(arguments: &ShrinkArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (case, scenario) = (&arguments.case, arguments.scenario.as_deref());
    let Replayed {
        identity,
        loaded,
        exact,
    } = found(case, scenario)?;
    if !arguments.any_commit {
        identity.check_commit()?;
    }
    identity.check_scenario(&loaded.scenario)?;
    refuse_unknown_target(&identity.target)?;
    writeln!(
        out,
        "shrinking {} seed {} run {}, case {}",
        loaded.scenario.id, identity.seed, identity.run, identity.case
    )?;
    let mut file = CaseFile::new(identity, &loaded.text);
    file.exact = exact;
    let interrupted = interrupt_flag();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let mut supervisor = Supervisor::new(worker_limits(&arguments.limits)?);
    let shown = match shown(&mut supervisor, &file, &cancelled) {
        Shown::Finding(finding) => finding,
        Shown::Nothing => {
            writeln!(out, "passed: nothing is broken in this case")?;
            return Ok(Exit::Pass);
        }
        Shown::Interrupted => return Ok(Exit::Interrupted),
    };
    writeln!(out, "it shows {}: {}", shown.check, shown.title)?;
    let mut shrinker = Shrinker {
        supervisor: &mut supervisor,
        limits: Limits {
            tries: arguments.tries,
            time: arguments.time.duration(),
        },
        cancelled: &cancelled,
        progress: &mut |size, tried| {
            // Nobody may be reading any more; the search goes on for its file.
            let _ = writeln!(
                io::stdout(),
                "  {} operations, {} faults, after {tried} states",
                size.operations,
                size.faults
            );
        },
    };
    match shrinker.shrink(&file, &shown.fingerprint) {
        Ok(shrunk) => print_shrunk(arguments, &shrunk, out),
        Err(ShrinkError::Workers(error)) => Err(error.into()),
        Err(ShrinkError::Explore(error)) => {
            writeln!(out, "error: {error}")?;
            Ok(Exit::of_explore_error(&error))
        }
        Err(error) => {
            writeln!(out, "not shrunk: {error}")?;
            Ok(Exit::Inconclusive)
        }
    }
}

enum Shown {
    Finding(Box<Finding>),
    Nothing,
    Interrupted,
}

/// What a case shows, its first finding.
fn shown(supervisor: &mut Supervisor, file: &CaseFile, cancelled: &dyn Fn() -> bool) -> Shown {
    let materialize = None;
    let task = match file.exact.clone() {
        Some(case) => Task::Exact { case, materialize },
        None => Task::Case {
            case: file.case.case.clone(),
            materialize,
        },
    };
    match supervisor.run(&same_job(file, task), cancelled) {
        JobEnd::Case(answer) => match answer.findings.into_iter().next() {
            Some(finding) => Shown::Finding(Box::new(finding)),
            None => Shown::Nothing,
        },
        JobEnd::Cancelled => Shown::Interrupted,
        _ => Shown::Nothing,
    }
}

fn print_shrunk(
    arguments: &ShrinkArguments,
    shrunk: &Shrunk,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => default_path(&arguments.case, shrunk),
    };
    let text = shrunk.file.to_toml().map_err(io::Error::other)?;
    write_atomically(&path, &text)?;
    writeln!(
        out,
        "shrunk from {} to {} operations and {} faults, {} states tried: {}",
        shrunk.before.operations,
        shrunk.after.operations,
        shrunk.after.faults,
        shrunk.tried,
        shrunk.end.text()
    )?;
    let texts = shrunk.file.exact.iter().flat_map(ExactCase::texts);
    for line in texts {
        writeln!(out, "  {line}")?;
    }
    print_finding(out, &shrunk.finding)?;
    print_explanation(out, &shrunk.explanation)?;
    let replay = format!("chaos replay {}", path.display());
    writeln!(out, "replay:   {}", as_typed(&replay))?;
    Ok(Exit::Broken)
}

/// What a shrunk case says beyond its finding.
fn print_explanation(out: &mut dyn Write, explanation: &Explanation) -> io::Result<()> {
    for line in &explanation.difference {
        writeln!(out, "  {line}")?;
    }
    for assumption in &explanation.assumptions {
        writeln!(out, "only without: {}", assumption_text(assumption))?;
    }
    for repair in &explanation.repairs {
        writeln!(out, "repair:   {}", repair_text(repair))?;
    }
    for ordering in &explanation.orderings {
        writeln!(out, "repair:   {}", repair_text(ordering))?;
    }
    if explanation.repairs.is_empty() && explanation.tried > 0 {
        writeln!(out, "repair:   no sync that could be added ends it")?;
    }
    Ok(())
}

/// Beside the case file that was given, or else among the reports.
fn default_path(case: &str, shrunk: &Shrunk) -> PathBuf {
    let given = Path::new(case);
    if given.is_file() {
        return given.with_extension("shrunk.toml");
    }
    let name = format!("{}-shrunk.toml", shrunk.file.case.scenario_digest);
    Root::find().out().join("cases").join(name)
}
