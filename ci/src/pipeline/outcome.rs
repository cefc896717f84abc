//! How a step ended, and the table at the end.

use std::fmt::Write as _;
use std::time::Duration;

use super::Step;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every command succeeded.
    Passed,
    /// A command failed; which one, and how.
    Failed(String),
    /// It did not run; why, and what would help.
    Skipped(String),
}

impl Outcome {
    /// The word for it. A skipped step never reads as a passed one.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "SKIPPED",
        }
    }

    /// Why, where there is something to say.
    pub fn reason(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(reason) | Self::Skipped(reason) => reason,
        }
    }
}

/// The closing table: a line a step, then the sums.
pub fn table(ended: &[(Step, Outcome, Duration)]) -> String {
    let mut text = String::new();
    for (step, outcome, took) in ended {
        let _ = writeln!(text, "{}", line(*step, outcome, *took));
    }
    let count = |word| {
        ended
            .iter()
            .filter(|(_, outcome, _)| outcome.word() == word)
            .count()
    };
    let (passed, failed, skipped) = (count("passed"), count("FAILED"), count("SKIPPED"));
    let total: Duration = ended.iter().map(|(_, _, took)| *took).sum();
    let _ = write!(
        text,
        "\n{passed} passed, {failed} failed, {skipped} skipped in {}",
        seconds(total)
    );
    text
}

/// One step on one line.
pub fn line(step: Step, outcome: &Outcome, took: Duration) -> String {
    let line = format!(
        "{:<10} {:<8} {:>9}  {}",
        step.name(),
        outcome.word(),
        seconds(took),
        outcome.reason()
    );
    line.trim_end().to_owned()
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_is_never_counted_as_passed() {
        let second = Duration::from_secs(1);
        let text = table(&[
            (Step::Fmt, Outcome::Passed, second),
            (
                Step::Deny,
                Outcome::Skipped("cargo-deny is not installed".into()),
                Duration::ZERO,
            ),
            (
                Step::Test,
                Outcome::Failed("cargo test: exit status: 101".into()),
                second,
            ),
        ]);
        let expected = "\
fmt        passed       1.0 s
deny       SKIPPED      0.0 s  cargo-deny is not installed
test       FAILED       1.0 s  cargo test: exit status: 101

1 passed, 1 failed, 1 skipped in 2.0 s";
        assert_eq!(text, expected);
    }
}
