//! The heat map: faults by invariants.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::heat_map::{Cell, Heat, HeatMap};
use crate::model::Report;
use crate::number::{counted, grouped, short};

/// The map; nothing if no scenario names a fault and a check.
pub fn render(report: &Report) -> Markup {
    let map = HeatMap::of(report);
    html! {
        @if !map.faults.is_empty() && !map.checks.is_empty() {
            section #heat aria-labelledby="heat-title" {
                h2 #heat-title { "Faults and invariants" }
                p.note { "How many states each check judged in scenarios in which the fault fired." }
                div.scroll { (table(&map)) }
                (legend(&map))
                (impossible(&map))
            }
        }
    }
}

fn table(map: &HeatMap) -> Markup {
    html! {
        table.heat {
            thead {
                tr {
                    th scope="col" { span.hush { "fault" } }
                    @for check in &map.checks { th scope="col" { span { (check) } } }
                }
            }
            tbody {
                @for fault in &map.faults {
                    tr {
                        th scope="row" { (fault) }
                        @for check in &map.checks { (cell(map, fault, check)) }
                    }
                }
            }
        }
    }
}

fn cell(map: &HeatMap, fault: &str, check: &str) -> Markup {
    let cell = map.cell(fault, check);
    if let (Heat::NotExercised, Some(reason)) = (cell.heat(), map.why_not(fault, check)) {
        let title = format!("{check} under {fault} cannot be exercised: {reason}");
        return html! { td.impossible title=(title) { span.hush { "cannot be exercised" } } };
    }
    let (class, text) = match cell.heat() {
        Heat::NotExercised => ("none".to_owned(), "–".to_owned()),
        Heat::PlantedOnly => ("planted-only".to_owned(), String::new()),
        Heat::Held(level) => (format!("held-{level}"), short(cell.examined)),
        Heat::Broken => ("broken".to_owned(), format!("✕ {}", short(cell.violations))),
    };
    html! {
        td class=(class) title=(describe(fault, check, cell)) {
            (text)
            @if cell.planted_caught > 0 { span.diamond { "◆" span.hush { " able to fail" } } }
            @if cell.heat() == Heat::NotExercised { span.hush { "not exercised" } }
        }
    }
}

fn describe(fault: &str, check: &str, cell: Cell) -> String {
    let mut text = match cell.heat() {
        Heat::NotExercised => format!("{check} under {fault}: not exercised"),
        Heat::PlantedOnly => format!("{check} under {fault}: only with planted bugs"),
        Heat::Held(_) => format!(
            "{check} held in {} states under {fault}",
            grouped(cell.examined)
        ),
        Heat::Broken => format!(
            "{check} was broken in {} of {} states under {fault}",
            grouped(cell.violations),
            grouped(cell.examined)
        ),
    };
    if cell.planted_caught > 0 {
        let caught = counted(cell.planted_caught, "planted bug", "planted bugs");
        let _ = write!(text, "; it caught {caught} here");
    }
    text
}

/// What has no cell, and why.
fn impossible(map: &HeatMap) -> Markup {
    let reasons = map.impossible();
    html! {
        @if !reasons.is_empty() {
            details {
                summary { "What cannot be exercised, and why" }
                ul {
                    @for (reason, cells) in &reasons {
                        li { (reason) ": " (cells_text(cells)) }
                    }
                }
            }
        }
    }
}

fn cells_text(cells: &[(&str, &str)]) -> String {
    let texts = cells.iter();
    let texts: Vec<_> = texts
        .map(|(fault, check)| format!("{check} under {fault}"))
        .collect();
    texts.join(", ")
}

fn legend(map: &HeatMap) -> Markup {
    html! {
        ul.legend.heat-legend {
            li { span.ramp aria-hidden="true" { @for level in 1..=5 { i class={ "held-" (level) } {} } } "held, few to many states" }
            li { span.swatch.broken aria-hidden="true" {} "broken" }
            li { span.swatch.none aria-hidden="true" {} "not exercised" }
            @if !map.impossible().is_empty() { li { span.swatch.impossible aria-hidden="true" {} "cannot be exercised" } }
            li { span.diamond aria-hidden="true" { "◆" } "caught a planted bug: able to fail" }
        }
    }
}
