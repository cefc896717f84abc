//! Every scenario: its verdict, and how much of what is legal it explored.

use maud::{Markup, html};

use super::sign;
use crate::model::{CoverageMethod, CrashPointCoverage, Report, ScenarioReport, ScenarioVerdict};
use crate::number::{basis_points, duration_ms, grouped};

/// The table of scenarios; nothing if there is none.
pub fn render(report: &Report) -> Markup {
    html! {
        @if !report.scenarios.is_empty() {
            section #coverage aria-labelledby="coverage-title" {
                h2 #coverage-title { "Scenarios and crash-point coverage" }
                p.note { "Bars show shares of the row: crash points explored, and of the states generated, those that were distinct and those that were checked." }
                div.scroll {
                    table.coverage {
                        thead {
                            tr {
                                th scope="col" { "Scenario" }
                                th scope="col" { "Crash points" }
                                th scope="col" { "Crash states" }
                                th.num scope="col" { "Time" }
                            }
                        }
                        tbody { @for scenario in &report.scenarios { (row(scenario)) } }
                    }
                }
                ul.legend {
                    li { span.swatch.generated aria-hidden="true" {} "generated" }
                    li { span.swatch.distinct aria-hidden="true" {} "distinct" }
                    li { span.swatch.checked aria-hidden="true" {} "checked" }
                }
            }
        }
    }
}

fn row(scenario: &ScenarioReport) -> Markup {
    html! {
        tr {
            th scope="row" {
                div.name { (sign::tag(scenario.verdict)) span.title { (scenario.title) } }
                div.sub { span.mono { (scenario.id) } span.dot { "·" } (scenario.plane) span.dot { "·" } (scenario.model) }
            }
            @if scenario.verdict == ScenarioVerdict::Skipped {
                td colspan="3" { span.faint { (scenario.reason.as_deref().unwrap_or("skipped")) } }
            } @else {
                td { (points(&scenario.crash_points)) }
                td { (states(scenario)) }
                td.num { @if let Some(timing) = &scenario.timing { (duration_ms(timing.wall_ms)) } @else { "–" } }
            }
        }
    }
}

fn points(points: &CrashPointCoverage) -> Markup {
    let share = basis_points(points.explored, points.total);
    html! {
        div.count { (grouped(points.explored)) span.faint { " of " (grouped(points.total)) } }
        div.bar aria-hidden="true" { i.checked style=(width(share)) {} }
        @if !points.by_phase.is_empty() {
            div.sub {
                @for (i, (phase, count)) in points.by_phase.iter().enumerate() {
                    @if i > 0 { span.dot { "·" } }
                    span { (phase) " " (grouped(*count)) }
                }
            }
        }
    }
}

fn states(scenario: &ScenarioReport) -> Markup {
    let states = &scenario.totals.crash_states;
    html! {
        div.count {
            (grouped(states.checked)) span.faint { " checked" }
        }
        div.bar.generated aria-hidden="true" {
            i.distinct style=(width(basis_points(states.distinct, states.generated))) {}
            i.checked style=(width(basis_points(states.checked.min(states.distinct), states.generated))) {}
        }
        div.sub {
            span { (grouped(states.distinct)) " distinct of " (grouped(states.generated)) " generated" }
            span.dot { "·" } span { (method(scenario.coverage)) }
            @if let Some(legal) = &scenario.legal_states {
                span.dot { "·" }
                span { (grouped(scenario.representatives)) " stand for " (many(legal)) " legal states" }
            }
        }
    }
}

/// A decimal number, a long one rounded down to a power of ten.
fn many(number: &str) -> String {
    const SHOWN_MAX: usize = 19;
    match number.parse() {
        Ok(small) if number.len() <= SHOWN_MAX => grouped(small),
        _ => format!("more than 10^{}", number.len().saturating_sub(1)),
    }
}

fn width(share: u16) -> String {
    format!("width:{}.{:02}%", share / 100, share % 100)
}

const fn method(method: CoverageMethod) -> &'static str {
    match method {
        CoverageMethod::Sampled => "sampled",
        CoverageMethod::Full => "every legal state",
        CoverageMethod::FullByUnit => "every legal state, by unit",
    }
}
