//! The end of the page: what was skipped, where and how long it ran.

use maud::{Markup, html};

use crate::model::Report;
use crate::number::{duration_ms, grouped};

/// What was asked for and did not run, and why; nothing if all ran.
pub fn skipped(report: &Report) -> Markup {
    html! {
        @if !report.skipped.is_empty() {
            section #skipped aria-labelledby="skipped-title" {
                h2 #skipped-title { "Skipped" }
                p.note { "Asked for and not run. Nothing is known about these." }
                ul.reasons {
                    @for skipped in &report.skipped {
                        li {
                            span.tag.skipped { span aria-hidden="true" { "–" } " skipped" }
                            div { strong { (skipped.id) } p { (skipped.reason) } p.file.mono { (skipped.file) } }
                        }
                    }
                }
            }
        }
    }
}

/// The machine, the command, the time.
pub fn environment(report: &Report) -> Markup {
    html! {
        section #environment aria-labelledby="environment-title" {
            h2 #environment-title { "Environment and timing" }
            dl.facts {
                @for (name, value) in facts(report) { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// What the page is made from.
pub fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p { "Rendered from " span.mono { "report.json" } ", schema version " (report.schema_version)
                ". All but timing and environment is equal for equal commit, scenarios and seed." }
        }
    }
}

fn facts(report: &Report) -> Vec<(String, String)> {
    let (environment, timing) = (&report.environment, &report.timing);
    let mut facts = vec![
        ("harness", environment.version.clone()),
        ("commit", environment.commit.clone().unwrap_or_default()),
        ("command", environment.command.clone().unwrap_or_default()),
        ("system", format!("{} {}", environment.os, environment.arch)),
        ("processors", environment.cpus.to_string()),
        ("worker processes", environment.jobs.to_string()),
        ("started", timing.started_at.clone().unwrap_or_default()),
        ("wall-clock time", duration_ms(timing.wall_ms)),
        ("states per second", grouped(timing.states_per_second)),
    ];
    facts.retain(|(_, value)| !value.trim().is_empty());
    let named = facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    named.chain(environment.other.clone()).collect()
}
