//! What is told of a test that failed.

use std::fmt::Write as _;

use lightning_report::{Finding, Report, ScenarioReport, ScenarioVerdict, TimelineEntry};

use super::replay::VARIABLE;
use crate::run::Outcome;

/// Findings of a scenario that are told.
const FINDINGS_SHOWN: usize = 3;
/// Entries of a timeline that are told: the last.
const ENTRIES_SHOWN: usize = 12;

/// Everything that did not pass.
pub(super) fn report(report: &Report, outcome: &Outcome) -> String {
    let mut text = format!("chaos: {} did not pass\n", report.target);
    if outcome.interrupted {
        text.push_str("interrupted\n");
    }
    let failed = report.scenarios.iter();
    for scenario in failed.filter(|one| one.verdict != ScenarioVerdict::Pass) {
        self::scenario(&mut text, scenario);
    }
    let _ = write!(text, "seed {}", report.seed);
    text
}

fn scenario(text: &mut String, scenario: &ScenarioReport) {
    let verdict = match scenario.verdict {
        ScenarioVerdict::Pass => "passed",
        ScenarioVerdict::Fail => "FAILED",
        ScenarioVerdict::Inconclusive => "came to no verdict",
        ScenarioVerdict::Skipped => "was not run",
    };
    let reason = scenario.reason.as_deref().unwrap_or("no reason is known");
    let _ = writeln!(text, "\nscenario {} {verdict}: {reason}", scenario.id);
    for finding in scenario.findings.iter().take(FINDINGS_SHOWN) {
        self::finding(text, finding);
    }
    let hidden = scenario.findings.len().saturating_sub(FINDINGS_SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more kinds of findings");
    }
}

fn finding(text: &mut String, finding: &Finding) {
    let Finding {
        check,
        title,
        count,
        expected,
        actual,
        ..
    } = finding;
    let _ = writeln!(text, "  {check}: {title} ({count} states)");
    let _ = writeln!(text, "    expected: {expected}");
    let _ = writeln!(text, "    actual:   {actual}");
    match &finding.shrunk {
        Some(shrunk) => {
            text.push_str("    the smallest case that shows it:\n");
            for line in &shrunk.scenario {
                let _ = writeln!(text, "      {line}");
            }
            for line in &shrunk.difference {
                let _ = writeln!(text, "      {line}");
            }
        }
        None => timeline(text, &finding.timeline),
    }
    let case = finding.replay.strip_prefix("chaos replay ");
    let case = case.unwrap_or(&finding.replay);
    let _ = writeln!(
        text,
        "    replay:   {VARIABLE}='{case}' cargo test{}",
        test()
    );
}

/// The last operations before the cut, and what survived of them.
pub(super) fn timeline(text: &mut String, entries: &[TimelineEntry]) {
    let hidden = entries.len().saturating_sub(ENTRIES_SHOWN);
    for entry in entries.iter().skip(hidden) {
        let fate = entry.fate.map(|fate| format!("  [{fate:?}]"));
        let fate = fate.unwrap_or_default().to_lowercase();
        let _ = writeln!(text, "    {:>6}  {}{fate}", entry.seq, entry.what);
    }
}

/// The name of the test that runs on this thread, if it has one.
fn test() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) if name != "main" => format!(" {name}"),
        _ => String::new(),
    }
}
