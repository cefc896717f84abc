//! The table as one page that needs no other file.

use std::fmt::{self, Write as _};

use super::markdown::INTRODUCTION;
use super::standing::{League, Standing};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;width:100%;margin:.6rem 0}td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:right}\
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}h2{margin-top:2rem}.open{color:#8a5a00}.bad{color:#a00000}\
.quiet{color:#666}code{background:#f3f3f3}@media(prefers-color-scheme:dark){body{background:#151515;color:#ddd}code{background:#262626}\
td,th{border-color:#444}.open{color:#e0b050}.bad{color:#ff8080}.quiet{color:#999}}";

/// The whole page.
pub(super) fn page(league: &League) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = whole(&mut text, league);
    text
}

fn whole(text: &mut String, league: &League) -> fmt::Result {
    write!(
        text,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>The league table</title><style>{STYLE}</style><h1>The league table</h1><p>{}</p><p class=\"quiet\">Seed {}, harness {}.</p>\
         <details><summary>What was assumed</summary><ul>",
        escaped(INTRODUCTION),
        league.seed,
        escaped(&league.harness)
    )?;
    for assumption in &league.assumptions {
        write!(text, "<li>{}</li>", escaped(assumption))?;
    }
    text.push_str("</ul></details><details><summary>What was done</summary><ul>");
    for (id, title) in &league.scenarios {
        write!(
            text,
            "<li><code>{}</code>: {}</li>",
            escaped(id),
            escaped(title)
        )?;
    }
    text.push_str("</ul></details>");
    let mut standings = league.standings.iter();
    standings.try_for_each(|standing| one(text, standing))?;
    text.push_str("</html>\n");
    Ok(())
}

fn one(text: &mut String, standing: &Standing) -> fmt::Result {
    let entry = &standing.entry;
    let (title, version) = (escaped(&entry.title), escaped(&standing.version));
    write!(
        text,
        "<h2>{title} <small>{version}</small></h2><ul class=\"quiet\">"
    )?;
    for promise in &entry.promises {
        let (says, source) = (escaped(&promise.says), escaped(&promise.source));
        write!(text, "<li>promised: {says} ({source})</li>")?;
    }
    for (level, promised) in &standing.promised {
        let (level, promised) = (escaped(level), escaped(promised));
        write!(text, "<li>tested at <code>{level}</code>: {promised}</li>")?;
    }
    for (name, value) in &entry.options {
        let (name, value) = (escaped(name), escaped(value));
        write!(text, "<li>setting: <code>{name}={value}</code></li>")?;
    }
    text.push_str("</ul>");
    if let Some(reason) = &standing.absent {
        return write!(text, "<p>Not tested: {}</p>", escaped(reason));
    }
    text.push_str(
        "<table><tr><th>faults<th>survived<th>detected<th>silent wrong data<th>cannot open<th>panics<th>hangs<th>verdict</tr>",
    );
    for row in &standing.rows {
        write!(text, "<tr><td>{}", escaped(&row.scenario))?;
        for number in row.numbers() {
            write!(text, "<td>{number}")?;
        }
        let open = row.to_be_confirmed + row.portability_warnings;
        let class = match (row.confirmed, open) {
            (0, 0) => "quiet",
            (0, _) => "open",
            _ => "bad",
        };
        write!(
            text,
            "<td class=\"{class}\">{}</tr>",
            escaped(&row.verdict())
        )?;
    }
    text.push_str("</table>");
    if standing.rows.iter().any(|row| !row.findings.is_empty()) {
        let id = escaped(&entry.id);
        write!(
            text,
            "<p><a href=\"findings/{id}.md\">What was found</a></p>"
        )?;
    }
    Ok(())
}

/// A text with what stands in backticks as code.
fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let parts: Vec<_> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // One has no partner.
        return text.clone();
    }
    let mut all = String::new();
    for (number, part) in parts.into_iter().enumerate() {
        if number % 2 == 1 {
            let _ = write!(all, "<code>{part}</code>");
        } else {
            all.push_str(part);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_backticks_is_code() {
        assert_eq!(escaped("`a<b` and c"), "<code>a&lt;b</code> and c");
        assert_eq!(escaped("a ` b"), "a ` b");
    }
}
