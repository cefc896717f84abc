//! What went wrong: findings with their replay lines, and scenarios that failed or ended without one.

use maud::{Markup, html};

use super::{sign, timeline};
use crate::model::{Finding, ScenarioReport, ScenarioVerdict, Shrunk};
use crate::number::{counted, grouped};
use crate::summary::{Summary, assumption_text, finding_title, repair_text};

const FINDINGS_SHOWN_MAX: usize = 200;

/// Every finding, the first ones of the report first; nothing if there is none.
pub fn render(summary: &Summary<'_>) -> Markup {
    let findings = summary.findings();
    let left_out = findings.len().saturating_sub(FINDINGS_SHOWN_MAX);
    html! {
        @if !findings.is_empty() {
            section #findings aria-labelledby="findings-title" {
                h2 #findings-title { "Findings" }
                p.note { "Each stands for all cases that broke one promise in one way. The line replays the case that is shown." }
                @for (scenario, finding) in findings.iter().take(FINDINGS_SHOWN_MAX) {
                    (card(scenario, finding))
                }
                @if left_out > 0 {
                    p.note { (grouped(left_out as u64)) " more in " span.mono { "report.json" } "." }
                }
            }
        }
    }
}

/// Scenarios that failed without a finding to show for it.
pub fn render_failed_otherwise(summary: &Summary<'_>) -> Markup {
    reasons(
        "otherwise",
        "Failed for another reason",
        &summary.failed_otherwise(),
    )
}

/// Scenarios that ended before they could decide.
pub fn render_undecided(summary: &Summary<'_>) -> Markup {
    let undecided: Vec<&ScenarioReport> = summary.with(ScenarioVerdict::Inconclusive).collect();
    reasons("undecided", "Not decided", &undecided)
}

fn reasons(id: &str, title: &str, scenarios: &[&ScenarioReport]) -> Markup {
    html! {
        @if !scenarios.is_empty() {
            section id=(id) {
                h2 { (title) }
                ul.reasons {
                    @for scenario in scenarios {
                        li {
                            (sign::tag(scenario.verdict))
                            div {
                                strong { (scenario.title) }
                                p { (scenario.reason.as_deref().unwrap_or("no reason was recorded")) }
                                p.file.mono { (scenario.file) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn card(scenario: &ScenarioReport, finding: &Finding) -> Markup {
    let title = finding_title(scenario, finding);
    html! {
        article.finding {
            div.top {
                h3 { span.check { (finding.check) } " " (title) }
                p.where {
                    span.mono { (scenario.id) } span.dot { "·" } (counted(finding.count, "case", "cases"))
                    span.dot { "·" } "case " span.mono { (finding.case) }
                    @if let Some(point) = finding.crash_point { span.dot { "·" } "cut after operation " (point) }
                    @if let Some(generation) = finding.generation { span.dot { "·" } "boot " (generation) }
                    span.dot { "·" } span.mono.faint { (finding.fingerprint) }
                }
            }
            div.replay {
                code { (finding.replay) }
                button.copy type="button" hidden aria-label="Copy the replay line" { "Copy" }
            }
            div.versus {
                div { h4 { "Expected" } pre { (finding.expected) } }
                div.actual { h4 { "Actual" } pre { (finding.actual) } }
            }
            @if !finding.assumptions.is_empty() {
                p.assumptions { "Needs storage without: " (finding.assumptions.join(", ")) }
            }
            (timeline::render(&finding.timeline))
            @if let Some(shrunk) = &finding.shrunk { (smallest(shrunk)) }
            @if let Some(file) = &finding.case_file { p.file { "Case file " span.mono { (file) } } }
        }
    }
}

/// The smallest case found, and what it says.
fn smallest(shrunk: &Shrunk) -> Markup {
    html! {
        details.shrunk open {
            summary {
                "Shrunk to " (counted(shrunk.operations, "operation", "operations"))
                " and " (counted(shrunk.faults, "fault", "faults"))
                " (from " (grouped(shrunk.operations_before)) ", " (grouped(shrunk.tried)) " states tried: " (shrunk.end) ")"
            }
            div.replay {
                code { (shrunk.replay) }
                button.copy type="button" hidden aria-label="Copy the replay line" { "Copy" }
            }
            pre { (shrunk.scenario.join("\n")) }
            @if !shrunk.repairs.is_empty() {
                h4 { "Repair" }
                ul { @for repair in &shrunk.repairs { li { (repair_text(repair)) } } }
            }
            @if !shrunk.orderings.is_empty() {
                h4 { "Repair by order" }
                ul { @for ordering in &shrunk.orderings { li { (repair_text(ordering)) } } }
            }
            @if !shrunk.assumptions.is_empty() {
                h4 { "Only possible where storage does not keep to" }
                ul { @for assumption in &shrunk.assumptions { li { (assumption_text(assumption)) } } }
            }
            @if !shrunk.difference.is_empty() {
                h4 { "What the disk held before the cut, and after" }
                pre { (shrunk.difference.join("\n")) }
            }
            p.file { "Case file " span.mono { (shrunk.case_file) } }
        }
    }
}
