//! What was found about one engine, with its doubts.

use std::fmt::Write as _;

use lightning_report::Finding;

use super::entry::{Check, Entry};
use super::standing::{Row, Standing, state_of};

/// A shrunk case that is longer is only in its file.
const LINES_SHOWN: usize = 40;

/// The page of an engine; nothing if nothing was found.
pub(super) fn page(standing: &Standing) -> Option<String> {
    let mut rows = standing.rows.iter().filter(|row| !row.findings.is_empty());
    rows.clone().next()?;
    let entry = &standing.entry;
    let mut text = format!("# {} {}: findings\n\n", entry.title, standing.version);
    text.push_str(
        "Seen on a simulated disk. *Confirmed* and *breaks no promise* were checked against the engine's source or documentation, as is said there. A *portability warning* needs storage that keeps \
         less order than the file systems that were calibrated. What is *to be confirmed* nobody has looked into: it may be a fault of the driver, of the harness, or of our reading of the \
         documentation, and no failure is claimed.\n",
    );
    rows.try_for_each(|row| scenario(&mut text, entry, row))
        .ok()?;
    Some(text)
}

fn scenario(text: &mut String, entry: &Entry, row: &Row) -> std::fmt::Result {
    writeln!(text, "\n## {}\n", row.scenario)?;
    let notes = entry.notes.iter();
    for note in notes.filter(|note| note.scenario == row.scenario) {
        writeln!(text, "{}\n", note.says)?;
    }
    row.findings
        .iter()
        .try_for_each(|finding| one(text, entry, &row.scenario, finding))
}

fn one(text: &mut String, entry: &Entry, scenario: &str, finding: &Finding) -> std::fmt::Result {
    let checked = entry.checked(scenario, &finding.fingerprint);
    let how = checked.map_or("", |checked| checked.how.as_str());
    let state = match state_of(entry, scenario, finding) {
        Some(Check::Confirmed) => format!("confirmed: {how}"),
        Some(Check::NotPromised) => format!("breaks no promise: {how}"),
        Some(Check::PortabilityWarning) if how.is_empty() => "a portability warning".to_owned(),
        Some(Check::PortabilityWarning) => format!("a portability warning: {how}"),
        None => "to be confirmed".to_owned(),
    };
    writeln!(text, "### {}: {}\n", finding.check, finding.title)?;
    writeln!(text, "{} states; {state}\n", finding.count)?;
    writeln!(text, "- expected: {}", finding.expected)?;
    writeln!(text, "- seen: {}", finding.actual)?;
    if !finding.assumptions.is_empty() {
        let without = finding.assumptions.join(", ");
        writeln!(
            text,
            "- doubt: it needs storage without {without}; on storage that has it this is not seen"
        )?;
    }
    let Some(shrunk) = &finding.shrunk else {
        return writeln!(text, "- not shrunk: `{}`\n", finding.replay);
    };
    let name = shrunk.case_file.rsplit('/').next().unwrap_or_default();
    writeln!(
        text,
        "- shrunk to {} operations and {} faults ({}): [the case]({}/{name})\n",
        shrunk.operations, shrunk.faults, shrunk.end, entry.id
    )?;
    let lines = shrunk.scenario.len() + shrunk.difference.len();
    if lines == 0 || lines > LINES_SHOWN {
        return Ok(());
    }
    writeln!(text, "```text")?;
    for line in shrunk.scenario.iter().chain(&shrunk.difference) {
        writeln!(text, "{}", line.replace("```", "'''"))?;
    }
    writeln!(text, "```\n")
}
