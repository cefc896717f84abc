//! `summary.md`, for a CI job's summary page.
//!
//! 1. The first screen says the verdict, the findings and how to replay them.
//! 2. The text stays below [`SIZE_BYTES_MAX`], the hosts' limit; what is left out for it is named.
//! 3. Text from outside stands in code spans or fences, or escaped: it cannot form markup or links.

use std::fmt::Write as _;

use crate::model::{Finding, Report, ScenarioReport, ScenarioVerdict, Shrunk, Verdict};
use crate::number::{counted, duration_ms, grouped};
use crate::summary::{Summary, assumption_text, finding_title, repair_text};

/// The size that a summary never exceeds: GitHub takes 1 MiB a step; the rest is left for other steps.
pub const SIZE_BYTES_MAX: usize = 900 * 1024;

const FIELD_CHARS_MAX: usize = 600;

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let summary = Summary::new(report);
    let mut page = Page::default();
    page.push(&heading(report, &summary));
    page.section(
        "Findings",
        summary.findings().iter().map(|(s, f)| finding(s, f)),
    );
    page.section(
        "Failed for another reason",
        summary.failed_otherwise().iter().map(|s| reason(s)),
    );
    page.section(
        "Not decided",
        summary.with(ScenarioVerdict::Inconclusive).map(reason),
    );
    page.table(
        "Scenarios",
        SCENARIO_HEAD,
        report.scenarios.iter().map(scenario_row),
    );
    page.table(
        "Planted bugs",
        PLANTED_HEAD,
        summary.planted().map(planted_row),
    );
    page.section(
        "Skipped",
        summary.with(ScenarioVerdict::Skipped).map(reason),
    );
    page.push(&footer(report));
    page.text
}

const SCENARIO_HEAD: &str =
    "| verdict | scenario | crash points | distinct states | checked |\n|:--|:--|--:|--:|--:|\n";
const PLANTED_HEAD: &str = "| verdict | planted bug | caught by |\n|:--|:--|:--|\n";

/// Text that never grows past the limit. Room for the notes on what is missing is kept apart.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    const NOTES_BYTES_MAX: usize = 4 * 1024;

    fn push(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= SIZE_BYTES_MAX - Self::NOTES_BYTES_MAX;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    fn section(&mut self, title: &str, entries: impl Iterator<Item = String>) {
        self.entries(&format!("\n### {title}\n\n"), entries);
    }

    fn table(&mut self, title: &str, head: &str, rows: impl Iterator<Item = String>) {
        self.entries(&format!("\n### {title}\n\n{head}"), rows);
    }

    fn entries(&mut self, head: &str, entries: impl Iterator<Item = String>) {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return;
        }
        self.push(head);
        let mut left_out = 0;
        for entry in entries {
            if left_out > 0 || !self.push(&entry) {
                left_out += 1;
            }
        }
        if left_out > 0 {
            let note = counted(left_out, "entry", "entries");
            let _ = writeln!(
                self.text,
                "
{note} left out for size; see report.json."
            );
        }
    }
}

fn heading(report: &Report, summary: &Summary<'_>) -> String {
    format!(
        "## {} {}\n\n{}\n\nSeed {} · target {} · {}\n",
        symbol_of_run(report.verdict),
        summary.headline(),
        text(&summary.lede()),
        code(&report.seed),
        code(&report.target),
        counted(
            report.totals.counts.crash_states.distinct,
            "distinct crash state",
            "distinct crash states"
        ),
    )
}

fn finding(scenario: &ScenarioReport, finding: &Finding) -> String {
    let title = finding_title(scenario, finding);
    let at = finding
        .crash_point
        .map_or_else(String::new, |p| format!(", cut after operation {p}"));
    format!(
        "**{}** in {}: {} ({}{at})\n\n{}\n- expected: {}\n- actual: {}\n{}\n",
        text(&finding.check),
        code(&scenario.id),
        text(title),
        counted(finding.count, "case", "cases"),
        fence(&finding.replay),
        text(&finding.expected),
        text(&finding.actual),
        finding.shrunk.as_ref().map_or_else(String::new, smallest),
    )
}

/// The smallest case found, in a few lines.
fn smallest(shrunk: &Shrunk) -> String {
    let size = format!(
        "- shrunk to {} and {}: {}\n",
        counted(shrunk.operations, "operation", "operations"),
        counted(shrunk.faults, "fault", "faults"),
        code(&shrunk.replay),
    );
    let repairs = shrunk.repairs.iter();
    let repairs = repairs.map(|repair| format!("- repair: {}\n", text(&repair_text(repair))));
    let orderings = shrunk.orderings.iter();
    let orderings =
        orderings.map(|one| format!("- repair by order: {}\n", text(&repair_text(one))));
    let assumptions = shrunk.assumptions.iter();
    let assumptions =
        assumptions.map(|one| format!("- only without: {}\n", text(&assumption_text(one))));
    std::iter::once(size)
        .chain(repairs)
        .chain(orderings)
        .chain(assumptions)
        .collect()
}

fn reason(scenario: &ScenarioReport) -> String {
    let why = scenario
        .reason
        .as_deref()
        .unwrap_or("no reason was recorded");
    format!(
        "- {} {}: {}\n",
        symbol(scenario.verdict),
        code(&scenario.id),
        text(why)
    )
}

fn scenario_row(scenario: &ScenarioReport) -> String {
    let counts = &scenario.totals;
    format!(
        "| {} {} | {} | {} | {} | {} |\n",
        symbol(scenario.verdict),
        scenario.verdict.as_str(),
        code(&scenario.id),
        grouped(counts.crash_points),
        grouped(counts.crash_states.distinct),
        grouped(counts.crash_states.checked),
    )
}

fn planted_row(scenario: &ScenarioReport) -> String {
    let verdict = match scenario.verdict {
        ScenarioVerdict::Pass => "caught",
        ScenarioVerdict::Inconclusive => "undecided",
        _ => "missed",
    };
    let by = scenario
        .caught_by
        .iter()
        .map(|c| code(c))
        .collect::<Vec<_>>()
        .join(" ");
    format!(
        "| {} {verdict} | {} | {by} |\n",
        symbol(scenario.verdict),
        text(&scenario.title)
    )
}

fn footer(report: &Report) -> String {
    format!(
        "\n{} · {} states/s · {} jobs on {} {}\n",
        duration_ms(report.timing.wall_ms),
        grouped(report.timing.states_per_second),
        report.environment.jobs,
        text(&report.environment.os),
        text(&report.environment.arch),
    )
}

const fn symbol_of_run(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Inconclusive => "❔",
        Verdict::Fail => "❌",
    }
}

const fn symbol(verdict: ScenarioVerdict) -> &'static str {
    match verdict {
        ScenarioVerdict::Pass => "✅",
        ScenarioVerdict::Inconclusive => "❔",
        ScenarioVerdict::Fail => "❌",
        ScenarioVerdict::Skipped => "⏭️",
    }
}

/// Running text on one line in which nothing forms markup.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in cut(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // Hosts turn bare addresses and names into links; an entity stops them.
            '@' => out.push_str("&#64;"),
            _ => out.push(c),
        }
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// A code span that holds whatever backticks `raw` holds, also inside a table.
fn code(raw: &str) -> String {
    let line = cut(raw)
        .replace(['\n', '\r', '\t'], " ")
        .replace('|', "\\|");
    let ticks = "`".repeat(longest_run_of_ticks(&line) + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') || line.is_empty() {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{line}{pad}{ticks}")
}

/// A fenced block that nothing in `raw` can close.
fn fence(raw: &str) -> String {
    let ticks = "`".repeat(longest_run_of_ticks(raw).max(2) + 1);
    format!("{ticks}sh\n{}\n{ticks}\n", raw.trim_end())
}

fn longest_run_of_ticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FIELD_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Expect;

    #[test]
    fn text_from_outside_cannot_form_markup() {
        let hostile = "<img src=x> [a](http://e.vil) `b` | *c*\n# d @someone";
        let safe = text(hostile);
        assert!(
            !safe.contains('<') && !safe.contains('\n') && !safe.contains("://"),
            "{safe}"
        );
        assert!(
            safe.contains("\\[a\\]") && safe.contains("\\|") && !safe.contains('@'),
            "{safe}"
        );
    }

    #[test]
    fn code_and_fences_cannot_be_closed_from_inside() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert!(fence("x\n```\ny").starts_with("````sh\n"));
    }

    #[test]
    fn a_huge_report_stays_below_the_hosts_limit_and_says_what_is_missing() {
        let finding = Finding {
            actual: "|".repeat(900),
            replay: "r".repeat(900),
            ..Finding::default()
        };
        let plain = ScenarioReport::new("s".into(), "f".into(), "t".into(), Expect::Pass);
        let mut broken = plain.clone();
        broken.findings = vec![finding; 1_000];
        broken.judge(None);
        let mut scenarios = vec![plain; 3_000];
        scenarios.push(broken);
        let summary = render(&Report::new("1".into(), "e".into(), scenarios));
        assert!(summary.len() <= SIZE_BYTES_MAX, "{}", summary.len());
        assert!(summary.contains("left out for size"));
    }
}
