//! The figures as one page that needs nothing else: a table, and a bar for every ratio.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::measure::{Figures, Row};

const STYLE: &str = "
:root { color-scheme: light dark; --bar: #2f6fde; --behind: #c4562e; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
td.best { font-weight: 600; }
.bar { display: inline-block; height: .7rem; background: var(--bar); vertical-align: middle; }
.behind { background: var(--behind); }
td.chart { text-align: left; width: 18rem; border-left: 1px solid var(--line); }
";

/// The whole page.
pub fn render(figures: &Figures, settings: &[(&str, &str)], ours: &str) -> String {
    let engines: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
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
                p { "Medians of one run on one machine. The bar is how many times better than the best peer: a blue one is ahead." }
                (table(figures, &engines, ours, true))
                h2 { "What explains them" }
                (table(figures, &engines, ours, false))
                h2 { "Settings" }
                ul { @for (name, setting) in settings { li { b { (name) } ": " (setting) } } }
            }
        }
    };
    page.into_string()
}

fn table(figures: &Figures, engines: &[&str], ours: &str, compared: bool) -> Markup {
    html! {
        table {
            tr {
                th { "row" }
                @for engine in engines { th { (engine) } }
                @if compared { th colspan="2" { "ratio" } } @else { th { "machine" } }
            }
            @for row in figures.rows.iter().filter(|row| row.compared == compared) {
                tr {
                    td { (row.name) " [" (row.unit.text()) "]" }
                    @for engine in engines { (cell(row, engine)) }
                    @if compared { (chart(row, ours)) } @else { (cell(row, "machine")) }
                }
            }
        }
    }
}

fn cell(row: &Row, engine: &str) -> Markup {
    let best = row.best_peer("").is_some_and(|(name, _)| name == engine);
    html! {
        td class=[best.then_some("best")] {
            @if let Some(figure) = row.median(engine) { (format!("{figure:.2}")) } @else { "–" }
        }
    }
}

fn chart(row: &Row, ours: &str) -> Markup {
    let ratio = row.ratio(ours);
    html! {
        td { @if let Some(ratio) = ratio { (format!("{ratio:.2}")) } }
        td class="chart" {
            @if let Some(ratio) = ratio {
                span class={ "bar" @if ratio < 1.0 { " behind" } }
                    style={ "width:" (format!("{:.1}", (ratio * 4.0).min(16.0))) "rem" } {}
            }
        }
    }
}
