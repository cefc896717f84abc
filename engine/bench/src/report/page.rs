//! The report as one page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Series, lines, plain_bar, ratio_bar};
use super::model::{Line, Report, number};
use crate::OURS;
use crate::rows::GROUPS;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Lightning DB beside its peers" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Lightning DB beside its peers" }
                p { (report.summary()) "." }
                p class="small" { (report.machine.text()) "." }
                @for wrong in &report.wrong { p class="wrong" { "Wrong data: " (wrong) } }
                @for failure in &report.failures { p class="wrong" { "Not measured: " (failure) } }
                (ratios(report))
                (goals(report))
                (by_engine(report))
                (curves(report))
                h2 { "All figures" }
                (table(report, true))
                h3 { "What explains them" }
                (table(report, false))
                h2 { "Settings" }
                ul { @for engine in &report.engines { li { b { (engine.name) } ": " (engine.setting) } } }
            }
        }
    };
    page.into_string()
}

fn ratios(report: &Report) -> Markup {
    let lines = report
        .rows
        .iter()
        .filter_map(|line| Some((line, line.ratio?, line.best_peer.as_ref()?)));
    html! {
        h2 { "To the best peer" }
        p class="small" {
            "How many times better than the best other engine that keeps the same promise, on a scale of logarithms. "
            "The line is 1, the faint one 1.5."
        }
        div class="bars" {
            @for (line, ratio, peer) in lines {
                div class="name" { (line.row.name) }
                (ratio_bar(ratio))
                div class="figure" { b { (number(ratio)) } " " span class="small" { (peer) } }
            }
        }
    }
}

fn goals(report: &Report) -> Markup {
    let measured = || {
        report
            .goals
            .iter()
            .filter_map(|goal| Some((goal, goal.figure?, goal.met?)))
    };
    html! {
        @if measured().next().is_some() {
            h2 { "Goals" }
            div class="wide" { table {
                tr { th { "goal" } th { "figure" } th { "bound" } th { "" } }
                @for (goal, figure, met) in measured() {
                    tr {
                        td { (goal.name) }
                        td { (number(figure)) }
                        td { @if goal.at_most { "≤ " } @else { "≥ " } (goal.bound) }
                        td class=[(!met).then_some("short")] { @if met { "met" } @else { "short" } }
                    }
                }
            } }
        }
    }
}

/// For each compared row a bar for each engine.
fn by_engine(report: &Report) -> Markup {
    html! {
        @for group in GROUPS {
            @let lines = || report.rows.iter().filter(|l| l.row.compared && l.row.group == group.name);
            @if lines().next().is_some() {
                h2 { (group.about) }
                div class="cards" { @for line in lines() { (card(report, line)) } }
            }
        }
    }
}

fn card(report: &Report, line: &Line) -> Markup {
    let most = line.medians.values().copied().fold(0.0, f64::max);
    let better = if line.row.unit.more_is_better() {
        "more is better"
    } else {
        "less is better"
    };
    html! {
        div class="card" {
            h3 { (line.title()) " " span class="small" { (better) } }
            div class="bars" {
                @for engine in &report.engines {
                    @if let Some(median) = line.medians.get(engine.name) {
                        @let class = if engine.name == OURS { "ahead" } else { "peer" };
                        div class="name" { (engine.name) }
                        (plain_bar(*median, most, class))
                        div class="figure" { (number(*median)) }
                    }
                }
            }
        }
    }
}

/// Rows that differ by one number only are curves over it.
fn curves(report: &Report) -> Markup {
    let curves = [
        (
            "Reads by threads",
            "reads, ",
            " threads",
            "threads",
            "kops/s",
        ),
        (
            "A random read by records",
            "one random read of ",
            " records",
            "records",
            "µs",
        ),
    ];
    html! {
        div class="cards" {
            @for (title, before, after, x_name, y_name) in curves {
                @let series = series(report, before, after);
                @if series.iter().any(|series| series.points.len() > 1) {
                    div class="card" { h3 { (title) } (lines(&series, x_name, y_name)) }
                }
            }
        }
    }
}

fn series(report: &Report, before: &str, after: &str) -> Vec<Series> {
    let of = |name: &str| {
        let points = report.rows.iter().filter_map(|line| {
            let rest = line.row.name.strip_prefix(before)?;
            let x = rest.strip_suffix(after)?.parse().ok()?;
            Some((x, *line.medians.get(name)?))
        });
        Series {
            name: name.to_owned(),
            points: points.collect(),
        }
    };
    let all = report.engines.iter().map(|engine| of(engine.name));
    all.filter(|series| !series.points.is_empty()).collect()
}

fn table(report: &Report, compared: bool) -> Markup {
    let lines = report
        .rows
        .iter()
        .filter(|line| line.row.compared == compared);
    html! {
        div class="wide" { table {
            tr {
                th { "row" }
                @for engine in &report.engines { th { (engine.name) } }
                th { @if compared { "ratio" } @else { "machine" } }
            }
            @for line in lines {
                tr {
                    td { (line.title()) }
                    @for engine in &report.engines { (cell(line, engine.name)) }
                    @if compared {
                        td { @if let Some(ratio) = line.ratio { (number(ratio)) } }
                    } @else {
                        (cell(line, "machine"))
                    }
                }
            }
        } }
    }
}

fn cell(line: &Line, engine: &str) -> Markup {
    let best = line.row.compared
        && line
            .row
            .best_peer("")
            .is_some_and(|(name, _)| name == engine);
    html! {
        td class=[best.then_some("best")] {
            @if let Some(figure) = line.medians.get(engine) { (number(*figure)) } @else { "–" }
        }
    }
}
