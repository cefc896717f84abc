//! The figures as text for a terminal.

use std::fmt::Write;

use crate::measure::{Figures, Row};

/// A table of medians, with the best peer and how far we are ahead of it.
pub fn render(figures: &Figures, engines: &[&str], ours: &str) -> String {
    let mut text = String::new();
    let mut line = |name: &str, cells: Vec<String>, end: &str| {
        let _ = write!(text, "{name:40}");
        for cell in cells {
            let _ = write!(text, "{cell:>11}");
        }
        let _ = writeln!(text, "  {end}");
    };
    line(
        "",
        engines.iter().map(ToString::to_string).collect(),
        "ratio to the best peer",
    );
    for row in figures.rows.iter().filter(|row| row.compared) {
        let name = format!("{} [{}]", row.name, row.unit.text());
        line(&name, cells(row, engines), &ratio(row, ours));
    }
    line("", Vec::new(), "");
    for row in figures.rows.iter().filter(|row| !row.compared) {
        let name = format!("{} [{}]", row.name, row.unit.text());
        let machine = row.median("machine").map(number).unwrap_or_default();
        line(&name, cells(row, engines), &machine);
    }
    text
}

fn cells(row: &Row, engines: &[&str]) -> Vec<String> {
    let cell = |engine: &&str| row.median(engine).map_or_else(|| "-".to_owned(), number);
    engines.iter().map(cell).collect()
}

fn ratio(row: &Row, ours: &str) -> String {
    match (row.ratio(ours), row.best_peer(ours)) {
        (Some(ratio), Some((peer, _))) => format!("{ratio:.2} ({peer})"),
        _ => String::new(),
    }
}

fn number(figure: f64) -> String {
    match figure {
        f if f >= 1000.0 => format!("{f:.0}"),
        f if f >= 10.0 => format!("{f:.1}"),
        f => format!("{f:.3}"),
    }
}
