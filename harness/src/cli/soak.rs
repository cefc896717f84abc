//! `chaos soak`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use lightning_report::{Report, ScenarioReport, ScenarioVerdict};

use super::args::SoakArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::progress::Progress;
use super::run::{completed, print_findings, processors, refuse_unknown_target, worker_limits};
use super::signal::interrupt_flag;
use crate::run::{Outcome, OutputError, RunConfig, write_atomically};
use crate::soak::{Campaign, Composition, Corpus, Length, Soaked, compose, soak};

/// Width of the ids of compositions, for columns.
const ID_WIDTH: usize = 20;
/// Compositions that ended well and are in the report, at most; the last ones.
const PASSED_MAX: usize = 500;

pub(super) fn run_soak(arguments: &SoakArguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    refuse_unknown_target(&arguments.target)?;
    if let Some(number) = arguments.show {
        let composed = compose(&arguments.target, arguments.seed, number);
        let text = composed.map(|composed| composed.text);
        write!(out, "{}", text.unwrap_or_default())?;
        return Ok(Exit::Pass);
    }
    let dir = arguments.out.out.clone();
    let dir = dir.unwrap_or_else(|| Root::find().out().join("soak"));
    let corpus_file = arguments.corpus.clone();
    let corpus_file = corpus_file.unwrap_or_else(|| dir.join("corpus.txt"));
    let campaign = Campaign {
        config: config_of(arguments)?,
        length: match (arguments.runs, arguments.time) {
            (Some(runs), _) => Length::Runs(runs),
            (None, time) => Length::Time(time.duration()),
        },
        corpus: Corpus::read(&corpus_file)?,
    };
    let (config, kept) = (&campaign.config, campaign.corpus.kept.len());
    writeln!(
        out,
        "seed {}, target {}, {} jobs, {kept} compositions in the corpus",
        config.seed, config.target, config.jobs
    )?;
    let mut progress = Progress::new(ID_WIDTH);
    let started = Instant::now();
    let soaked = soak(&campaign, &interrupt_flag(), &mut progress);
    progress.finish();
    write_atomically(&corpus_file, &soaked.corpus.text())?;
    let report = completed(&report_of(&soaked, &campaign), config.jobs, started);
    write_files(&soaked, &dir)?;
    let written = lightning_report::write_all(&report, &dir).map_err(OutputError::from)?;
    print_end(out, &soaked, &report, &dir)?;
    writeln!(out, "report: {}", written.html.display())?;
    Ok(exit_of(&soaked))
}

fn config_of(arguments: &SoakArguments) -> Result<RunConfig, io::Error> {
    Ok(RunConfig {
        target: arguments.target.clone(),
        options: BTreeMap::new(),
        seed: arguments.seed,
        jobs: arguments.jobs.unwrap_or_else(processors),
        fail_fast: false,
        workers: worker_limits(&arguments.limits)?,
    })
}

/// All that did not pass, and the last of those that did.
fn report_of(soaked: &Soaked, campaign: &Campaign) -> Report {
    let all = soaked.outcomes.iter();
    let all = all.flat_map(|(_, outcome)| &outcome.report.scenarios);
    let has_passed = |report: &&ScenarioReport| report.verdict == ScenarioVerdict::Pass;
    let passed = all.clone().filter(has_passed).count();
    let mut skipped = passed.saturating_sub(PASSED_MAX);
    let mut shown = Vec::new();
    for report in all {
        if has_passed(&report) && skipped > 0 {
            skipped -= 1;
        } else {
            shown.push(report.clone());
        }
    }
    let (seed, target) = (
        campaign.config.seed.to_string(),
        campaign.config.target.clone(),
    );
    Report::new(seed, target, shown)
}

/// The scenario files of compositions that did not pass, and the cases of their findings.
fn write_files(soaked: &Soaked, dir: &Path) -> Result<(), Failure> {
    for (composition, outcome) in soaked
        .outcomes
        .iter()
        .filter(|(_, outcome)| is_told(outcome))
    {
        write_atomically(&dir.join(file_name(composition)), &composition.text)?;
        for (file, case) in &outcome.cases {
            let text = case.to_toml().map_err(io::Error::other)?;
            write_atomically(&dir.join(file), &text)?;
        }
    }
    Ok(())
}

fn file_name(composition: &Composition) -> String {
    format!("{}.toml", composition.scenario.id)
}

fn is_told(outcome: &Outcome) -> bool {
    let mut all = outcome.report.scenarios.iter();
    outcome.failure.is_some() || all.any(|one| one.verdict != ScenarioVerdict::Pass)
}

fn print_end(
    out: &mut dyn Write,
    soaked: &Soaked,
    report: &Report,
    dir: &Path,
) -> Result<(), Failure> {
    for (composition, outcome) in soaked
        .outcomes
        .iter()
        .filter(|(_, outcome)| is_told(outcome))
    {
        for scenario in &outcome.report.scenarios {
            if scenario.findings.is_empty() {
                let reason = scenario.reason.as_deref().unwrap_or_default();
                writeln!(out, "\n{} decided nothing: {reason}", scenario.id)?;
            } else {
                print_findings(out, scenario)?;
            }
        }
        if let Some(failure) = &outcome.failure {
            writeln!(out, "\nerror: {failure}")?;
        }
        let file = dir.join(file_name(composition));
        writeln!(out, "  scenario: {}", file.display())?;
    }
    for (seed, number) in &soaked.differing {
        writeln!(
            out,
            "\ncomposition {number} of seed {seed} ends differently when repeated"
        )?;
    }
    let all = soaked.outcomes.iter();
    let all = all.flat_map(|(_, outcome)| &outcome.report.scenarios);
    let passed = all
        .clone()
        .filter(|one| one.verdict == ScenarioVerdict::Pass)
        .count();
    let failed = all.clone().filter(|one| !one.findings.is_empty()).count();
    let undecided = all.count() - passed - failed;
    writeln!(
        out,
        "\n{} compositions: {} passed, {} failed, {} decided nothing; {} repeated, {} of them differently; {} in the corpus; {} states",
        soaked.outcomes.len(),
        passed,
        failed,
        undecided,
        soaked.repeated,
        soaked.differing.len(),
        soaked.corpus.kept.len(),
        report.totals.counts.crash_states.distinct,
    )?;
    Ok(())
}

/// A composition that decided nothing shows nothing against the target, and nothing for it.
fn exit_of(soaked: &Soaked) -> Exit {
    if !soaked.differing.is_empty() {
        return Exit::Internal;
    }
    let has_findings = |outcome: &Outcome| {
        let mut all = outcome.report.scenarios.iter();
        outcome.failure.is_some() || all.any(|one| !one.findings.is_empty())
    };
    let outcomes = soaked.outcomes.iter().map(|(_, outcome)| outcome);
    let failed = outcomes
        .clone()
        .filter(|outcome| has_findings(outcome) || outcome.interrupted);
    let worst = failed.map(Exit::of_run).fold(Exit::Pass, Exit::max);
    let has_passed = outcomes.clone().any(|outcome| !is_told(outcome));
    if worst == Exit::Pass && !has_passed {
        return Exit::Inconclusive;
    }
    worst
}
