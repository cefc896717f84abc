//! Named places of the target at which something was to happen: how many were met, and which never were.

use maud::{Markup, html};

use crate::model::{Report, ScenarioReport};
use crate::number::grouped;

/// The table of scenarios with such places; nothing if there is none.
pub fn render(report: &Report) -> Markup {
    let with_places = || {
        report
            .scenarios
            .iter()
            .filter(|one| !one.failpoints.is_empty())
    };
    html! {
        @if with_places().next().is_some() {
            section #failpoints aria-labelledby="failpoints-title" {
                h2 #failpoints-title { "Failpoints" }
                p.note { "Named steps of the engine at which it was stopped, or failed." }
                div.scroll {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Scenario" } th scope="col" { "Places" }
                                th scope="col" { "Times" } th scope="col" { "Never reached" }
                            }
                        }
                        tbody { @for scenario in with_places() { (row(scenario)) } }
                    }
                }
            }
        }
    }
}

fn row(scenario: &ScenarioReport) -> Markup {
    let fired: u64 = scenario.failpoints.values().map(|one| one.fired).sum();
    let never = scenario.failpoints.iter().filter(|(_, one)| one.fired == 0);
    let never: Vec<&str> = never.map(|(name, _)| name.as_str()).collect();
    html! {
        tr {
            th scope="row" { div.mono { (scenario.id) } }
            td { (grouped(scenario.failpoints.len() as u64)) }
            td { (grouped(fired)) }
            td { @if never.is_empty() { "–" } @else { (never.join(", ")) } }
        }
    }
}
