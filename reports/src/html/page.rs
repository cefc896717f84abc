//! The document: its head, and the order of its sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{closing, coverage, failpoints, findings, headline, heat, planted, recovery};
use crate::{model::Report, summary::Summary};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("copy.js");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let summary = Summary::new(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (headline::window_title(report, &summary)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (headline::render(report, &summary))
                main { (sections(report, &summary)) }
                (closing::footer(report))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn sections(report: &Report, summary: &Summary<'_>) -> Markup {
    html! {
        (findings::render(summary))
        (findings::render_failed_otherwise(summary))
        (findings::render_undecided(summary))
        (heat::render(report))
        (coverage::render(report))
        (planted::render(summary))
        (failpoints::render(report))
        (recovery::render(summary))
        (closing::skipped(report))
        (closing::environment(report))
    }
}
