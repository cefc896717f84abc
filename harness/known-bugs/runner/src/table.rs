//! The table.

use std::time::Duration;

use crate::outcome::Outcome;
use crate::rows::{Row, Shown, Subject};

/// The line above the table.
pub fn head() -> String {
    columns([
        "row", "crate", "version", "expected", "", "s", "shown by", "found",
    ])
}

/// The line of a version.
pub fn line(row: &Row, subject: &Subject, outcome: &Outcome, took: Duration) -> String {
    let expected = if subject.must_fail { "red" } else { "green" };
    let verdict = match outcome.is_as_expected(subject.must_fail) {
        Some(true) => "ok",
        Some(false) => "WRONG",
        None => "NOT RUN",
    };
    let shown_by = match row.shown_by {
        Shown::Scenario { file, .. } => file,
        Shown::Program(about) => about,
    };
    let (number, seconds) = (row.number.to_string(), format!("{:.1}", took.as_secs_f64()));
    columns([
        &number,
        row.package,
        subject.version,
        expected,
        verdict,
        &seconds,
        shown_by,
        outcome.text(),
    ])
}

/// The line of a row that is not tried.
pub fn left_out(row: &Row, reason: &str) -> String {
    columns([
        &row.number.to_string(),
        row.package,
        "",
        "",
        "left out",
        "",
        "",
        reason,
    ])
}

fn columns(texts: [&str; 8]) -> String {
    let [
        row,
        package,
        version,
        expected,
        verdict,
        seconds,
        shown_by,
        found,
    ] = texts;
    format!(
        "{row:<4} {package:<14} {version:<8} {expected:<9} {verdict:<9} {seconds:>6}  {shown_by:<33} {found}"
    )
}
