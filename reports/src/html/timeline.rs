//! The operations around a cut, and what became of each.

use maud::{Markup, html};

use crate::model::{Fate, TimelineEntry, TimelineKind};
use crate::number::grouped;

const ENTRIES_SHOWN_MAX: usize = 400;

/// The timeline; nothing if it is empty.
pub fn render(timeline: &[TimelineEntry]) -> Markup {
    let left_out = timeline.len().saturating_sub(ENTRIES_SHOWN_MAX);
    html! {
        @if !timeline.is_empty() {
            div.timeline {
                div.timeline-head {
                    h4 { "Timeline" }
                    p.legend {
                        @for fate in [Fate::Durable, Fate::Survived, Fate::Torn, Fate::Lost] { (badge(fate)) }
                    }
                }
                ol {
                    @for entry in timeline.iter().take(ENTRIES_SHOWN_MAX) { (row(entry)) }
                }
                @if left_out > 0 {
                    p.note { (grouped(left_out as u64)) " more in " span.mono { "report.json" } "." }
                }
            }
        }
    }
}

fn row(entry: &TimelineEntry) -> Markup {
    let fate = entry.fate.map_or("", class);
    html! {
        li class={ (kind(entry.kind)) " " (fate) } {
            span.seq { (entry.seq) }
            span.what {
                @if entry.kind == TimelineKind::Elided { span.left-out { "left out " } }
                (entry.what)
                @if let Some(note) = &entry.note { span.aside { " " (note) } }
            }
            span.fate { @if let Some(fate) = entry.fate { (badge(fate)) } }
        }
    }
}

fn badge(fate: Fate) -> Markup {
    html! {
        span class={ "badge " (class(fate)) } {
            svg viewBox="0 0 12 12" aria-hidden="true" {
                circle cx="6" cy="6" r="4.5" {}
                @match fate {
                    Fate::Durable => circle.fill cx="6" cy="6" r="4.5" {},
                    Fate::Survived => circle.fill cx="6" cy="6" r="2.2" {},
                    Fate::Torn => path.fill d="M6 1.5a4.5 4.5 0 0 0 0 9z" {},
                    Fate::Lost => path d="M2.8 9.2l6.4-6.4" {},
                }
            }
            (class(fate))
        }
    }
}

const fn class(fate: Fate) -> &'static str {
    match fate {
        Fate::Durable => "durable",
        Fate::Survived => "survived",
        Fate::Torn => "torn",
        Fate::Lost => "lost",
    }
}

const fn kind(kind: TimelineKind) -> &'static str {
    match kind {
        TimelineKind::Operation => "operation",
        TimelineKind::Mark => "mark",
        TimelineKind::Fault => "fault",
        TimelineKind::Elided => "elided",
        TimelineKind::Cut => "cut",
        TimelineKind::Recovery => "recovery",
    }
}
