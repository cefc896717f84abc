//! The report as text for a terminal.

use std::fmt::Write;

use super::goals::Goal;
use super::model::{Line, Report, number};

const NAME_WIDTH: usize = 66;

/// Medians of all rows, with the best peer and how far we are ahead of it; goals; settings.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    header(&mut text, report, "ratio to the best peer");
    for line in report.rows.iter().filter(|line| line.row.compared) {
        let ratio = match (line.ratio, &line.best_peer) {
            (Some(ratio), Some(peer)) => format!("{ratio:.2} ({peer})"),
            _ => String::new(),
        };
        row(&mut text, report, line, &ratio);
    }
    header(&mut text, report, "machine");
    for line in report.rows.iter().filter(|line| !line.row.compared) {
        let machine = line.medians.get("machine").copied().map(number);
        row(&mut text, report, line, &machine.unwrap_or_default());
    }
    let _ = writeln!(text);
    report
        .goals
        .iter()
        .for_each(|goal| write_goal(&mut text, goal));
    let _ = writeln!(text);
    for setting in &report.engines {
        let _ = writeln!(text, "{}: {}", setting.name, setting.setting);
    }
    let _ = writeln!(text, "machine: {}", report.machine.text());
    for failure in &report.failures {
        let _ = writeln!(text, "NOT MEASURED: {failure}");
    }
    for wrong in &report.wrong {
        let _ = writeln!(text, "WRONG DATA: {wrong}");
    }
    let _ = write!(text, "{}", report.summary());
    text
}

fn header(text: &mut String, report: &Report, end: &str) {
    let _ = write!(text, "\n{:NAME_WIDTH$}", "");
    for setting in &report.engines {
        let _ = write!(text, "{:>12}", setting.name);
    }
    let _ = writeln!(text, "  {end}");
}

fn row(text: &mut String, report: &Report, line: &Line, end: &str) {
    let _ = write!(text, "{:NAME_WIDTH$}", line.title());
    for setting in &report.engines {
        let median = line.medians.get(setting.name).copied();
        let cell = median.map_or_else(|| "-".to_owned(), number);
        let _ = write!(text, "{cell:>12}");
    }
    let _ = writeln!(text, "  {end}");
}

fn write_goal(text: &mut String, goal: &Goal) {
    let verdict = match goal.met {
        Some(true) => "met",
        Some(false) => "SHORT",
        None => "not measured",
    };
    let figure = goal.figure.map_or_else(|| "-".to_owned(), number);
    let sign = if goal.at_most { "<=" } else { ">=" };
    let name = &goal.name;
    let _ = writeln!(
        text,
        "{verdict:12}  {name:NAME_WIDTH$} {figure:>8}  {sign} {}",
        goal.bound
    );
}
