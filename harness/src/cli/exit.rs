//! Exit codes, and which one wins.

use lightning_report::{Report, ScenarioReport, ScenarioVerdict, Verdict};

use crate::batch::ExploreError;
use crate::run::{Outcome, RunFailure};
use crate::scenario::CheckKind;

/// How the program ends. The order of the variants is the precedence: the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    Pass,
    Inconclusive,
    Hang,
    Broken,
    Usage,
    Interrupted,
    Internal,
}

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Usage => 1,
            Self::Broken => 2,
            Self::Hang => 3,
            Self::Inconclusive => 4,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    pub(super) fn of_run(outcome: &Outcome) -> Self {
        let interrupted = if outcome.interrupted {
            Self::Interrupted
        } else {
            Self::Pass
        };
        let failure = outcome
            .failure
            .as_ref()
            .map_or(Self::Pass, Self::of_failure);
        Self::of_report(&outcome.report)
            .max(interrupted)
            .max(failure)
    }

    pub(super) fn of_failure(failure: &RunFailure) -> Self {
        match failure {
            RunFailure::Explore { source, .. } => Self::of_explore_error(source),
            RunFailure::Workers(_) => Self::Internal,
        }
    }

    pub(super) fn of_explore_error(error: &ExploreError) -> Self {
        match error {
            ExploreError::UnknownTarget { .. }
            | ExploreError::Option { .. }
            | ExploreError::NothingPromised { .. }
            | ExploreError::NoThreads { .. }
            | ExploreError::UnknownCase(_) => Self::Usage,
            ExploreError::Internal(_) => Self::Internal,
        }
    }

    fn of_report(report: &Report) -> Self {
        let scenarios = report.scenarios.iter().map(Self::of_scenario);
        let run = match report.verdict {
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Pass | Verdict::Fail => Self::Pass,
        };
        scenarios.fold(run, Self::max)
    }

    fn of_scenario(scenario: &ScenarioReport) -> Self {
        match scenario.verdict {
            ScenarioVerdict::Pass | ScenarioVerdict::Skipped => Self::Pass,
            ScenarioVerdict::Inconclusive => Self::Inconclusive,
            ScenarioVerdict::Fail => {
                let mut broken = scenario.broken_checks().peekable();
                let hangs = broken.peek().is_some()
                    && broken.all(|check| check == CheckKind::NoHang.name());
                if hangs { Self::Hang } else { Self::Broken }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_several_codes_apply_the_order_is_the_documented_one() {
        let order = [
            Exit::Internal,
            Exit::Usage,
            Exit::Broken,
            Exit::Hang,
            Exit::Inconclusive,
        ];
        assert!(order.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(order.map(Exit::code), [70, 1, 2, 3, 4]);
    }
}
