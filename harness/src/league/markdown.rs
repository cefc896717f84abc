//! The table as Markdown.

use std::fmt::Write as _;

use super::standing::{League, Standing};

/// The whole page.
pub(super) fn page(league: &League) -> String {
    let mut text = String::from("# The league table\n\n");
    text.push_str(INTRODUCTION);
    let _ = writeln!(
        text,
        "\nSeed {}, harness {}. `chaos league --seed {}` makes this page again.\n",
        league.seed, league.harness, league.seed
    );
    text.push_str("## What was assumed\n\n");
    for assumption in &league.assumptions {
        let _ = writeln!(text, "- {assumption}");
    }
    text.push_str("\n## What was done\n\n");
    for (id, title) in &league.scenarios {
        let _ = writeln!(text, "- `{id}`: {title}");
    }
    text.push_str(
        "\n## How they fared\n\nStates by how they ended; the last column is the verdict.\n",
    );
    for standing in &league.standings {
        one(&mut text, standing);
    }
    text
}

pub(super) const INTRODUCTION: &str = "Each engine is judged by what its own documentation promises at the setting that is named, on a simulated disk, and by nothing else. \
    A failure is what is \"confirmed\", in the engine's source or on a real file system. \"To be confirmed\" is none: it was seen on the simulated disk alone. \"Portability\" is none: no file system that was calibrated does that. \"Breaking no promise\" is none: \
    it is so, and nobody said otherwise. Numbers in brackets, with a question mark, have some of these among them.\n";

fn one(text: &mut String, standing: &Standing) {
    let entry = &standing.entry;
    let _ = writeln!(text, "\n### {} {}\n", entry.title, standing.version);
    for promise in &entry.promises {
        let _ = writeln!(text, "- promised: {} ({})", promise.says, promise.source);
    }
    for (level, promised) in &standing.promised {
        let _ = writeln!(text, "- tested at `{level}`: {promised}");
    }
    if !entry.options.is_empty() {
        let options = entry.options.iter();
        let options: Vec<_> = options
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let _ = writeln!(text, "- setting: `{}`", options.join(" "));
    }
    if let Some(reason) = &standing.absent {
        let _ = writeln!(text, "\nNot tested: {}", cell(reason));
        return;
    }
    text.push_str("\n| faults | survived | detected | silent wrong data | cannot open | panics | hangs | verdict |\n");
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---|\n");
    for row in &standing.rows {
        let numbers = row.numbers();
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            row.scenario,
            numbers.join(" | "),
            cell(&row.verdict())
        );
    }
    if standing.rows.iter().any(|row| !row.findings.is_empty()) {
        let _ = writeln!(text, "\n[Findings](findings/{}.md)", entry.id);
    }
}

/// A text that stands in one cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
