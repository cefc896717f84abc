//! What is wrong with a scenario file, and where.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use super::did_you_mean;
use super::validate::{Step, span_of};

/// A scenario file that cannot be used: unreadable, or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioReadError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's text is wrong.
    #[error(transparent)]
    Invalid(#[from] Box<ScenarioError>),
}

impl ScenarioReadError {
    /// The whole message for a person, with the line where there is one.
    pub fn render(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("error: {self}: {source}\n"),
            Self::Invalid(error) => error.render(),
        }
    }
}

/// A mistake in a scenario's text. `Display` begins with `file:line:column`.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", self.location())]
pub struct ScenarioError {
    message: String,
    help: Option<String>,
    source_code: NamedSource<String>,
    span: Range<usize>,
}

impl ScenarioError {
    pub(super) fn new(file: &str, text: &str, problem: Problem) -> Self {
        Self {
            message: problem.message,
            help: problem.help,
            source_code: NamedSource::new(file, text.to_owned()),
            span: clamped(problem.span, text),
        }
    }

    /// A mistake in the value under a path of keys, or if it is not there in the table around it.
    pub fn at_key(file: &str, text: &str, path: &[&str], message: &str) -> Self {
        let steps: Vec<Step<'_>> = path.iter().map(|key| Step::Key(key)).collect();
        let (message, help) = translated(message);
        let span = span_of(text, &steps).unwrap_or(0..0);
        Self::new(
            file,
            text,
            Problem {
                message,
                help,
                span,
            },
        )
    }

    /// Where the mistake is, as `file:line:column`; lines and columns count from 1.
    pub fn location(&self) -> String {
        let text = self.source_code.inner();
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        format!("{}:{line}:{column}", self.source_code.name())
    }

    /// The whole message for a person: location, message, the line itself, and what was expected.
    pub fn render(&self) -> String {
        let mut text = format!("error: {self}\n{}", self.snippet());
        if let Some(help) = &self.help {
            text.push_str("  help: ");
            text.push_str(help);
            text.push('\n');
        }
        text
    }

    /// The marked line, without miette's own title line: the message stands before it already.
    fn snippet(&self) -> String {
        let mut drawn = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_width(100)
            .with_links(false);
        match handler.render_report(&mut drawn, &Snippet(self)) {
            Ok(()) => drawn
                .split_once('\n')
                .map_or(String::new(), |(_, rest)| rest.to_owned()),
            Err(_) => String::new(),
        }
    }
}

/// The part of the message that miette draws: the line, marked.
#[derive(Debug)]
struct Snippet<'a>(&'a ScenarioError);

impl std::fmt::Display for Snippet<'_> {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Snippet<'_> {}

impl Diagnostic for Snippet<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.0.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(
            Some("here".to_owned()),
            span,
        ))))
    }
}

/// A mistake, before it is known in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) span: Range<usize>,
}

impl Problem {
    pub(super) fn from_toml(error: &toml::de::Error) -> Self {
        let (message, help) = translated(error.message().trim_end());
        Self {
            message,
            help,
            span: error.span().unwrap_or(0..0),
        }
    }
}

/// Says in a file's terms what serde says in Rust's.
fn translated(message: &str) -> (String, Option<String>) {
    let parts = message
        .split_once(", expected ")
        .or_else(|| message.split_once(": expected "));
    let (found, expected) = parts.unwrap_or((message, ""));
    let known = backticked(expected);
    for (rust, file) in [
        ("unknown field", "unknown key"),
        ("unknown variant", "unknown name"),
    ] {
        if let Some(rest) = found.strip_prefix(rust) {
            let wrong = rest.trim().trim_matches('`');
            return (
                format!("{file} `{wrong}`"),
                Some(expectation(wrong, &known)),
            );
        }
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return (format!("missing key {rest}"), None);
    }
    match expected {
        "" | "nothing" => (found.to_owned(), None),
        _ => (
            found.to_owned(),
            Some(format!("expected {}", plain(expected))),
        ),
    }
}

fn expectation(wrong: &str, known: &[&str]) -> String {
    let meant = did_you_mean(wrong, known).map(|near| format!("did you mean `{near}`? "));
    let list = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let expected = match known {
        [] => "no key is expected here".to_owned(),
        [_] => format!("expected {list}"),
        _ => format!("expected one of {list}"),
    };
    meant.unwrap_or_default() + &expected
}

fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn plain(expected: &str) -> &str {
    match expected {
        "a nonzero u32" | "a nonzero u64" => "a whole number from 1 on",
        "u32" | "u64" => "a whole number",
        "a sequence" => "a list",
        other => other,
    }
}

fn clamped(span: Range<usize>, text: &str) -> Range<usize> {
    let start = (0..=span.start.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let start = start.unwrap_or(0);
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |len| start + len);
    start..span.end.clamp(start, line_end)
}
