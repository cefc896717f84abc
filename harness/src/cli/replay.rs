//! `chaos replay`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::args::ReplayArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::run::{refuse_unknown_target, worker_limits};
use super::signal::interrupt_flag;
use crate::batch::Finding;
use crate::case::{CaseFile, CaseIdentity};
use crate::explore::ExactCase;
use crate::run::{Loaded, job_again};
use crate::scenario::{CheckKind, Scenario};
use crate::worker::{BEFORE_ANY_CASE, CaseAnswer, Explored, JobEnd, Supervisor};

pub(super) fn replay(arguments: &ReplayArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let Replayed {
        identity,
        loaded,
        exact,
    } = found(&arguments.case, arguments.scenario.as_deref())?;
    if !arguments.any_commit {
        identity.check_commit()?;
    }
    identity.check_scenario(&loaded.scenario)?;
    refuse_unknown_target(&identity.target)?;
    if let Some(dir) = &arguments.materialize {
        refuse_used(dir)?;
    }
    let interrupted = interrupt_flag();
    let mut supervisor = Supervisor::new(worker_limits(&arguments.limits)?);
    let shrunk = if exact.is_some() { "shrunk from " } else { "" };
    writeln!(
        out,
        "replaying {} run {}, case {shrunk}{}",
        loaded.scenario.id, identity.run, identity.case
    )?;
    for line in exact.iter().flat_map(ExactCase::texts) {
        writeln!(out, "  {line}")?;
    }
    let job = job_again(&identity, &loaded, exact, arguments.materialize.clone());
    let end = supervisor.run(&job, &|| {
        interrupted.load(std::sync::atomic::Ordering::SeqCst)
    });
    let answer = match end {
        JobEnd::Case(answer) => *answer,
        JobEnd::Explored(explored) => answer_about_workload(*explored),
        JobEnd::Cancelled => return Ok(Exit::Interrupted),
        JobEnd::MadeExact(_)
        | JobEnd::Searched(_)
        | JobEnd::Explained(_)
        | JobEnd::Syncs(_)
        | JobEnd::Lost => CaseAnswer {
            inconclusive: Some("its process ended or got stuck".to_owned()),
            ..CaseAnswer::default()
        },
        JobEnd::Broken(error) => return Err(error.into()),
        JobEnd::Failed(error) => {
            writeln!(out, "error: {error}")?;
            return Ok(Exit::of_explore_error(&error));
        }
    };
    // A case that ended its process drew options too, but could not say which, neither then nor now.
    if !answer.options.is_empty() && !identity.options.is_empty() {
        identity.check_options(&answer.options)?;
    }
    print_answer(out, &answer, arguments.materialize.as_deref())
}

/// What is to be replayed.
pub(super) struct Replayed {
    pub(super) identity: CaseIdentity,
    pub(super) loaded: Loaded,
    pub(super) exact: Option<ExactCase>,
}

/// Reads a case file, or a replay string and the scenario that it names.
pub(super) fn found(case: &str, scenario: Option<&Path>) -> Result<Replayed, Failure> {
    let root = Root::find();
    let path = Path::new(case);
    if path.is_file() {
        let file = CaseFile::read(path)?;
        let name = &file.case.scenario_file;
        let scenario = Scenario::parse(name, &file.scenario.text)
            .map_err(crate::scenario::ScenarioReadError::Invalid)?;
        let text = file.scenario.text.into();
        let loaded = Loaded {
            file: name.clone(),
            text,
            scenario: Arc::new(scenario),
        };
        return Ok(Replayed {
            identity: file.case,
            loaded,
            exact: file.exact,
        });
    }
    let identity: CaseIdentity = case.parse()?;
    let file = match scenario {
        Some(file) => file.to_owned(),
        None => root.resolved(Path::new(&identity.scenario_file))?,
    };
    let loaded = root.load(&file)?;
    Ok(Replayed {
        identity,
        loaded,
        exact: None,
    })
}

fn refuse_used(dir: &Path) -> Result<(), Failure> {
    let in_use = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if in_use {
        Err(Failure::NotEmpty(dir.to_owned()))
    } else {
        Ok(())
    }
}

fn answer_about_workload(explored: Explored) -> CaseAnswer {
    let findings = explored.clusters.into_iter().map(|cluster| cluster.finding);
    CaseAnswer {
        options: explored.result.options,
        findings: findings
            .filter(|finding| finding.case.0 == BEFORE_ANY_CASE)
            .collect(),
        inconclusive: None,
        operations: 0,
    }
}

fn print_answer(
    out: &mut dyn Write,
    answer: &CaseAnswer,
    files: Option<&Path>,
) -> Result<Exit, Failure> {
    for finding in &answer.findings {
        print_finding(out, finding)?;
    }
    if let Some(dir) = files.filter(|dir| dir.is_dir()) {
        writeln!(out, "files: {}", dir.display())?;
    }
    let all_hang = answer
        .findings
        .iter()
        .all(|finding| finding.check == CheckKind::NoHang);
    let (text, exit) = match (answer.findings.is_empty(), &answer.inconclusive) {
        (false, _) if all_hang => ("reproduced: it hangs".to_owned(), Exit::Hang),
        (false, _) => (
            "reproduced: an invariant is broken".to_owned(),
            Exit::Broken,
        ),
        (true, Some(reason)) => (format!("inconclusive: {reason}"), Exit::Inconclusive),
        (true, None) => (
            "passed: nothing is broken in this case".to_owned(),
            Exit::Pass,
        ),
    };
    writeln!(out, "{text}")?;
    Ok(exit)
}

pub(super) fn print_finding(out: &mut dyn Write, finding: &Finding) -> Result<(), Failure> {
    writeln!(out, "{}: {}", finding.check, finding.title)?;
    if finding.case.0.contains(['p']) {
        writeln!(
            out,
            "  power cut after operation {} of boot {}",
            finding.crash_point, finding.generation
        )?;
    }
    writeln!(out, "  expected: {}", finding.expected)?;
    writeln!(out, "  actual:   {}", finding.actual)?;
    for entry in &finding.timeline {
        let fate = entry
            .fate
            .map_or(String::new(), |fate| format!("  [{fate:?}]").to_lowercase());
        let note = entry
            .note
            .as_deref()
            .map_or(String::new(), |note| format!("  {note}"));
        writeln!(out, "  {:>6}  {}{fate}{note}", entry.seq, entry.what)?;
    }
    Ok(())
}
