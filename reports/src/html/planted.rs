//! Planted bugs: what shows that the checks are able to fail.

use maud::{Markup, html};

use super::sign;
use crate::model::{ScenarioReport, ScenarioVerdict};
use crate::number::grouped;
use crate::summary::Summary;

/// The table of planted bugs; nothing if there is none.
pub fn render(summary: &Summary<'_>) -> Markup {
    html! {
        @if summary.planted().next().is_some() {
            section #planted aria-labelledby="planted-title" {
                h2 #planted-title { "Planted bugs" }
                p.note { "Each leaves something out on purpose. A check that sees none of them would prove nothing about the rest." }
                div.scroll {
                    table.planted {
                        thead {
                            tr {
                                th scope="col" { "Bug" } th scope="col" { "Left out" }
                                th scope="col" { "Caught by" } th scope="col" { "First replay" }
                            }
                        }
                        tbody { @for scenario in summary.planted() { (row(scenario)) } }
                    }
                }
            }
        }
    }
}

fn row(scenario: &ScenarioReport) -> Markup {
    html! {
        tr {
            th scope="row" {
                div.name { (sign::word(scenario.verdict, outcome(scenario.verdict))) span.title { (scenario.title) } }
                div.sub.mono { (scenario.id) }
            }
            td {
                @for (rule, elision) in &scenario.elisions {
                    div { span.mono { (rule) } " " span.faint { (grouped(elision.fired)) "×" } }
                }
            }
            td { (caught_by(scenario)) }
            td { (replay(scenario)) }
        }
    }
}

fn replay(scenario: &ScenarioReport) -> Markup {
    html! {
        @if let Some(finding) = scenario.findings.first() {
            div.brief {
                code title=(finding.replay) { (finding.replay) }
                button.copy type="button" hidden aria-label="Copy the replay line" { "Copy" }
            }
        } @else { "–" }
    }
}

fn caught_by(scenario: &ScenarioReport) -> Markup {
    html! {
        @for check in &scenario.caught_by { span.check { (check) } " " }
        @if scenario.caught_by.is_empty() {
            span.faint { (scenario.reason.as_deref().unwrap_or("no check")) }
        }
    }
}

const fn outcome(verdict: ScenarioVerdict) -> &'static str {
    match verdict {
        ScenarioVerdict::Pass => "caught",
        ScenarioVerdict::Inconclusive => "undecided",
        ScenarioVerdict::Fail => "missed",
        ScenarioVerdict::Skipped => "skipped",
    }
}
