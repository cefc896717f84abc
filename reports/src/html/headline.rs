//! The top of the page: what a person reads in ten seconds.

use maud::{Markup, html};

use super::sign;
use crate::model::{Report, ScenarioVerdict};
use crate::number::{duration_ms, grouped};
use crate::summary::Summary;

/// The title of the window: the verdict first, so that a row of tabs can be read.
pub fn window_title(report: &Report, summary: &Summary<'_>) -> String {
    format!("{} {}: stability report", summary.headline(), report.target)
}

/// Sign, sentence, figures.
pub fn render(report: &Report, summary: &Summary<'_>) -> Markup {
    html! {
        header {
            p.kicker {
                "Stability report" span.dot { "·" } (report.target) span.dot { "·" } "seed " span.mono { (report.seed) }
            }
            div.verdict {
                (sign::seal(report.verdict))
                div {
                    h1 { (summary.headline()) }
                    p.lede { (summary.lede()) }
                }
            }
            dl.figures {
                @for (value, label) in figures(report, summary) {
                    div { dt { (label) } dd { (value) } }
                }
            }
        }
    }
}

fn figures(report: &Report, summary: &Summary<'_>) -> Vec<(String, &'static str)> {
    let counts = &report.totals.counts;
    let planted = summary.planted().count();
    let caught = summary
        .planted()
        .filter(|s| s.verdict == ScenarioVerdict::Pass)
        .count();
    let mut figures = vec![
        (
            grouped(counts.crash_states.distinct),
            "distinct crash states",
        ),
        (grouped(counts.crash_points), "crash points"),
        (grouped(report.totals.scenarios), "scenarios"),
        (summary.findings().len().to_string(), "findings"),
    ];
    if planted > 0 {
        figures.push((format!("{caught}/{planted}"), "planted bugs caught"));
    }
    if report.timing.wall_ms > 0 {
        figures.push((duration_ms(report.timing.wall_ms), "wall-clock time"));
    }
    figures
}
