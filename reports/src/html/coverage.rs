//! Every scenario: its verdict, and how much of what is legal it explored.

use maud::{Markup, html};

use super::sign;
use crate::model::{
    Coverage, CoverageMethod, CrashStates, Report, ScenarioReport, ScenarioVerdict,
};
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
                td { (points(&scenario.coverage)) }
                td { (states(&scenario.totals.crash_states, &scenario.coverage)) }
                td.num { @if let Some(timing) = &scenario.timing { (duration_ms(timing.wall_ms)) } @else { "–" } }
            }
        }
    }
}

fn points(coverage: &Coverage) -> Markup {
    let share = basis_points(coverage.crash_points_explored, coverage.crash_points_total);
    html! {
        div.count { (grouped(coverage.crash_points_explored)) span.faint { " of " (grouped(coverage.crash_points_total)) } }
        div.bar aria-hidden="true" { i.checked style=(width(share)) {} }
        @if !coverage.crash_points_by_phase.is_empty() {
            div.sub {
                @for (i, (phase, count)) in coverage.crash_points_by_phase.iter().enumerate() {
                    @if i > 0 { span.dot { "·" } }
                    span { (phase) " " (grouped(*count)) }
                }
            }
        }
    }
}

fn states(states: &CrashStates, coverage: &Coverage) -> Markup {
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
            span.dot { "·" } span { (method(coverage.method)) }
            @if let Some(legal) = &coverage.legal_states { span.dot { "·" } span { (legal) " legal states" } }
        }
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
