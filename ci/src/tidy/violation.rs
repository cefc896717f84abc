//! A broken rule, and where.

use std::fmt;

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path relative to the workspace, with forward slashes.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// All violations, one a line, sorted; empty if there is none.
pub fn report(mut violations: Vec<Violation>) -> String {
    violations.sort();
    violations.dedup();
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    lines.join(
        "
",
    )
}
