//! `chaos audit-syncs`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::thread;

use super::args::{AuditArguments, Selection};
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::run::{as_typed, out_dir, refuse_unknown_target, worker_limits};
use super::signal::interrupt_flag;
use crate::audit::{Audit, AuditConfig, Audited, Need, audit};
use crate::run::write_atomically;

/// The tag of the scenarios that are audited if none is named.
const TAG: &str = "audit";

pub(super) fn audit_syncs(
    arguments: &AuditArguments,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let root = Root::find();
    let selection = Selection {
        paths: arguments.paths.clone(),
        tags: if arguments.paths.is_empty() {
            vec![TAG.to_owned()]
        } else {
            Vec::new()
        },
        without: Vec::new(),
        tier: None,
    };
    let scenarios = root.select(&selection)?;
    refuse_unknown_target(&arguments.target)?;
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let config = AuditConfig {
        target: arguments.target.clone(),
        seed: arguments.seed,
        runs: arguments.runs,
        states: arguments.states,
        jobs: arguments.jobs.unwrap_or_else(processors),
        workers: worker_limits(&arguments.limits)?,
    };
    writeln!(
        out,
        "seed {}, target {}, {} scenarios, {} runs of each",
        config.seed,
        config.target,
        scenarios.len(),
        config.runs
    )?;
    let interrupted = interrupt_flag();
    let told = |audited: &Audited| {
        // Nobody may be reading any more; the audit goes on for its file.
        let _ = writeln!(io::stdout(), "{}", line(audited));
    };
    let (audit, cases) = match audit(&config, &scenarios, &interrupted, &told) {
        Ok(done) => done,
        Err(failure) => {
            writeln!(out, "error: {failure}")?;
            return Ok(Exit::of_failure(&failure));
        }
    };
    if interrupted.load(Ordering::SeqCst) {
        return Ok(Exit::Interrupted);
    }
    let dir = out_dir(&root, arguments.out.out.as_ref());
    for (name, file) in &cases {
        let text = file.to_toml().map_err(io::Error::other)?;
        write_atomically(&dir.join(name), &text)?;
    }
    let path = dir.join("audit-syncs.json");
    let text = serde_json::to_string_pretty(&audit).map_err(io::Error::from)?;
    write_atomically(&path, &(text + "\n"))?;
    print_table(out, &audit, &dir)?;
    writeln!(out, "\naudit: {}", path.display())?;
    Ok(Exit::Pass)
}

fn line(audited: &Audited) -> String {
    let place = &audited.place;
    let verdict = match &audited.need {
        Need::Needed {
            check, operations, ..
        } => format!("needed ({check}, {operations} operations)"),
        Need::NotShown { states, .. } => format!("not shown to be needed ({states} states)"),
    };
    format!(
        "{verdict:<44}  {} {}  {}",
        place.operation, place.file, place.place
    )
}

/// All syncs, by file and place: first those that are needed.
fn print_table(out: &mut dyn Write, audit: &Audit, dir: &std::path::Path) -> io::Result<()> {
    let needed = audit.syncs.iter().filter(|one| one.need.is_needed());
    writeln!(
        out,
        "\nneeded: {} of {}",
        needed.clone().count(),
        audit.syncs.len()
    )?;
    for one in needed {
        writeln!(
            out,
            "  {} {}  {}  (issued {} times)",
            one.place.operation, one.place.file, one.place.place, one.issued
        )?;
        if let Need::Needed { replay, .. } = &one.need {
            let name = replay.strip_prefix("chaos replay ").unwrap_or(replay);
            let replay = format!("chaos replay {}", dir.join(name).display());
            writeln!(out, "      {}", as_typed(&replay))?;
        }
    }
    let others = audit.syncs.iter().filter(|one| !one.need.is_needed());
    writeln!(out, "\nnot shown to be needed: {}", others.clone().count())?;
    for one in others {
        if let Need::NotShown {
            left_out,
            states,
            covered_points,
            points,
        } = &one.need
        {
            writeln!(
                out,
                "  {} {}  {}  (left out {left_out} times; {states} states, {covered_points} of {points} crash points in full)",
                one.place.operation, one.place.file, one.place.place
            )?;
        }
    }
    Ok(())
}
