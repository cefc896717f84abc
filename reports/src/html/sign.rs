//! Small signs that say a verdict without colour.

use maud::{Markup, html};

use crate::model::{ScenarioVerdict, Verdict};

/// The sign of a scenario's verdict with its word, coloured.
pub fn tag(verdict: ScenarioVerdict) -> Markup {
    word(verdict, verdict.as_str())
}

/// The sign of a verdict with another word.
pub fn word(verdict: ScenarioVerdict, word: &str) -> Markup {
    html! {
        span class={ "tag " (verdict.as_str()) } {
            span aria-hidden="true" { (glyph(verdict)) }
            " " (word)
        }
    }
}

/// The large sign beside the headline.
pub fn seal(verdict: Verdict) -> Markup {
    let path = match verdict {
        Verdict::Pass => "M14 25.5l7 7L35 17",
        Verdict::Fail => "M16.5 16.5l15 15M31.5 16.5l-15 15",
        Verdict::Inconclusive => "M18 19a6 6 0 1 1 8.6 5.4c-1.7.9-2.6 2-2.6 4M24 33.4v.2",
    };
    html! {
        svg class={ "seal " (verdict.as_str()) } viewBox="0 0 48 48" role="img" aria-label={ "Verdict: " (verdict.as_str()) } {
            circle cx="24" cy="24" r="22.5" {}
            path d=(path) {}
        }
    }
}

const fn glyph(verdict: ScenarioVerdict) -> &'static str {
    match verdict {
        ScenarioVerdict::Pass => "✓",
        ScenarioVerdict::Inconclusive => "?",
        ScenarioVerdict::Fail => "✕",
        ScenarioVerdict::Skipped => "–",
    }
}
