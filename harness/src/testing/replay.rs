//! One case again, in the test that found it.

use std::env;
use std::fmt::Write as _;

use super::check::{Check, Failed, Passed};
use super::render;
use crate::case::CaseIdentity;
use crate::run::{Loaded, job_again};
use crate::worker::{CaseAnswer, JobEnd, Supervisor};

/// Names the case.
pub(super) const VARIABLE: &str = "CHAOS_REPLAY";

/// The case that is to be replayed, if one is.
pub(super) fn asked() -> Option<String> {
    env::var(VARIABLE).ok()
}

/// Runs one case of these scenarios. A case of other scenarios, or of another engine, fails: nothing was replayed.
pub(super) fn replay(check: &Check, scenarios: &[Loaded], case: &str) -> Result<Passed, Failed> {
    let identity: CaseIdentity = case
        .parse()
        .map_err(|error| Failed(format!("{VARIABLE}: {error}")))?;
    let is_it = |loaded: &&Loaded| {
        let digest = loaded.scenario.digest().to_string();
        digest == identity.scenario_digest && identity.target == check.target.name()
    };
    let loaded = scenarios.iter().find(is_it);
    let loaded = loaded.ok_or_else(|| {
        let text =
            "is a case of another engine, or of a scenario that this test does not have as it was";
        Failed(format!("{VARIABLE} {text}"))
    })?;
    let mut supervisor = Supervisor::new(check.limits());
    let answer = match supervisor.run(&job_again(&identity, loaded, None, None), &|| false) {
        JobEnd::Case(answer) => *answer,
        JobEnd::Explored(explored) => CaseAnswer {
            findings: explored
                .clusters
                .into_iter()
                .map(|one| one.finding)
                .collect(),
            ..CaseAnswer::default()
        },
        JobEnd::Failed(error) => return Err(Failed(error.to_string())),
        JobEnd::Broken(error) => return Err(Failed(error.to_string())),
        _ => return Err(Failed("the case came to no end".to_owned())),
    };
    judged(&answer)
}

fn judged(answer: &CaseAnswer) -> Result<Passed, Failed> {
    if let Some(reason) = &answer.inconclusive {
        return Err(Failed(format!("the case came to no verdict: {reason}")));
    }
    if answer.findings.is_empty() {
        let (scenarios, states) = (1, 1);
        return Ok(Passed { scenarios, states });
    }
    let mut text = "chaos: reproduced\n".to_owned();
    for finding in &answer.findings {
        let _ = writeln!(text, "  {}: {}", finding.check, finding.title);
        let _ = writeln!(text, "    expected: {}", finding.expected);
        let _ = writeln!(text, "    actual:   {}", finding.actual);
        render::timeline(&mut text, &finding.timeline);
    }
    Err(Failed(text))
}
