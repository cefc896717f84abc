//! Verdicts, and which one wins where several meet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verdict of a whole run. The order of the variants is the precedence: the greatest wins.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every scenario that ran did what it was expected to do.
    Pass,
    /// Nothing is known to be broken, but something that was asked for was not decided.
    #[default]
    Inconclusive,
    /// An invariant is broken, a planted bug was missed, or a scenario exercised nothing.
    Fail,
}

/// The verdict of one scenario.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ScenarioVerdict {
    /// It did not run, for a stated reason. Never counted as passed.
    Skipped,
    /// It ran to its end and did what it was expected to do.
    Pass,
    /// It ended before it could decide.
    Inconclusive,
    /// It showed what it should not, or did not show what it should.
    Fail,
}

/// What a scenario's file says will happen.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Every check holds.
    #[default]
    Pass,
    /// A bug is planted, and the checks that the file names must see it.
    Fail,
}

impl Verdict {
    /// The verdict of a run from those of its scenarios: fail > inconclusive > pass.
    ///
    /// A run in which no scenario was decided (there was none, or all were skipped) has shown nothing:
    /// it is inconclusive.
    pub fn of_run(scenarios: impl IntoIterator<Item = ScenarioVerdict>) -> Self {
        scenarios
            .into_iter()
            .filter_map(ScenarioVerdict::decided)
            .max()
            .unwrap_or(Self::Inconclusive)
    }

    /// The word that `report.json` and every renderer use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

impl ScenarioVerdict {
    /// The verdict that this one contributes to a run; nothing if the scenario was skipped.
    pub const fn decided(self) -> Option<Verdict> {
        match self {
            Self::Skipped => None,
            Self::Pass => Some(Verdict::Pass),
            Self::Inconclusive => Some(Verdict::Inconclusive),
            Self::Fail => Some(Verdict::Fail),
        }
    }

    /// The word that `report.json` and every renderer use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

impl Expect {
    /// The word that `report.json` and every renderer use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_outranks_inconclusive_and_inconclusive_outranks_pass() {
        use ScenarioVerdict::{Fail, Inconclusive, Pass, Skipped};
        let cases: [(&[ScenarioVerdict], Verdict); 6] = [
            (&[Pass, Pass], Verdict::Pass),
            (&[Pass, Skipped], Verdict::Pass),
            (&[Pass, Inconclusive, Pass], Verdict::Inconclusive),
            (&[Inconclusive, Fail, Pass], Verdict::Fail),
            (&[Skipped, Fail], Verdict::Fail),
            (&[Inconclusive, Skipped], Verdict::Inconclusive),
        ];
        for (scenarios, expected) in cases {
            assert_eq!(
                Verdict::of_run(scenarios.iter().copied()),
                expected,
                "{scenarios:?}"
            );
        }
    }

    #[test]
    fn a_run_that_decided_nothing_is_inconclusive() {
        assert_eq!(Verdict::of_run([]), Verdict::Inconclusive);
        assert_eq!(
            Verdict::of_run([ScenarioVerdict::Skipped]),
            Verdict::Inconclusive
        );
    }
}
