//! The report of one scenario, and how its verdict follows from what was seen.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Expect, Finding, Histogram, ScenarioVerdict};

/// What one scenario did and showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// The scenario's id.
    pub id: String,
    /// Its file, relative to where the run began, with forward slashes.
    pub file: String,
    /// Its title.
    pub title: String,
    /// Its verdict; `ScenarioReport::judge` sets it.
    pub verdict: ScenarioVerdict,
    /// Why the verdict is not a plain pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its file says will happen.
    pub expect: Expect,
    /// The disk plane that it ran on.
    pub plane: String,
    /// The model of power loss, such as `posix`; `none` if it has no such fault.
    pub model: String,
    /// What the target promised and was judged by: for each durability level, what acknowledged transactions may
    /// expect after the end of the process and after a power cut.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promises: BTreeMap<String, String>,
    /// Crash states after which the target promised nothing: only panics and hangs were told of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpromised: u64,
    /// How states ended, by the name of the end: `survived`, `detected` (damage, by an error of a read), `cannot-open`, `wrong`, `panicked`, `hung`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, u64>,
    /// How much was done.
    pub totals: Counts,
    /// Every check that its file names, by name.
    pub checks: BTreeMap<String, CheckReport>,
    /// Every fault that its file names, by kind.
    pub faults: BTreeMap<String, FaultReport>,
    /// The same by variety, as `kind: variety`, where a kind has several: those that struck.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub varieties: BTreeMap<String, FaultReport>,
    /// Every elision that its file plants, by the rule as the file writes it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elisions: BTreeMap<String, ElisionReport>,
    /// Named places of the target at which something was to happen: how often each was reached, and how often it happened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failpoints: BTreeMap<String, FaultReport>,
    /// The checks of which its file says that one must see the planted bug; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_be_caught_by: Vec<String>,
    /// The checks that saw the planted bug; empty if `expect` is `pass`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caught_by: Vec<String>,
    /// How crash states were chosen.
    pub coverage: CoverageMethod,
    /// The number of legal states, summed over the different crash points, in decimal; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_states: Option<String>,
    /// Crash states that were run. With full coverage they stand for all legal ones.
    #[serde(default)]
    pub representatives: u64,
    /// The crash points of the scenario's traces, and those that were explored.
    pub crash_points: CrashPointCoverage,
    /// What was broken, most frequent first, then by fingerprint.
    pub findings: Vec<Finding>,
    /// Storage operations that each recovery took.
    pub recovery_operations: Histogram,
    /// How long it took. Not reproducible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<ScenarioTiming>,
}

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// Crash states, or runs, that it judged.
    pub examined: u64,
    /// Those in which it found the promise broken.
    pub violations: u64,
}

/// How often a fault could have struck, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultReport {
    /// Times that it was set up.
    pub armed: u64,
    /// Times that it struck.
    pub fired: u64,
}

/// How often a planted bug left an operation out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ElisionReport {
    /// Operations left out.
    pub fired: u64,
}

/// How many of the crash points were explored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CrashPointCoverage {
    /// Crash points that the scenario's traces hold.
    pub total: u64,
    /// Those that were explored.
    pub explored: u64,
    /// Explored crash points by what the target was doing: `commit`, `checkpoint`, `recovery`…
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_phase: BTreeMap<String, u64>,
}

/// How crash states were chosen.
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
#[serde(rename_all = "kebab-case")]
pub enum CoverageMethod {
    /// Drawn from the seed.
    #[default]
    Sampled,
    /// Every legal state is covered.
    Full,
    /// Every legal state is covered, mixtures inside one write merged.
    FullByUnit,
}

/// How long a scenario took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioTiming {
    /// Wall-clock time.
    pub wall_ms: u64,
    /// Distinct crash states checked per second of wall-clock time.
    pub states_per_second: u64,
    /// Wall-clock time that each recovery took, in microseconds.
    #[serde(default)]
    pub recovery_us: Histogram,
}

impl ScenarioReport {
    /// A scenario about which nothing is known yet; inconclusive until it is judged.
    pub fn new(id: String, file: String, title: String, expect: Expect) -> Self {
        Self {
            id,
            file,
            title,
            verdict: ScenarioVerdict::Inconclusive,
            reason: Some("it was not judged".to_owned()),
            expect,
            plane: "sim".to_owned(),
            model: "none".to_owned(),
            promises: BTreeMap::new(),
            unpromised: 0,
            outcomes: BTreeMap::new(),
            totals: Counts::default(),
            checks: BTreeMap::new(),
            faults: BTreeMap::new(),
            varieties: BTreeMap::new(),
            elisions: BTreeMap::new(),
            failpoints: BTreeMap::new(),
            must_be_caught_by: Vec::new(),
            caught_by: Vec::new(),
            coverage: CoverageMethod::default(),
            legal_states: None,
            representatives: 0,
            crash_points: CrashPointCoverage::default(),
            findings: Vec::new(),
            recovery_operations: Histogram::default(),
            timing: None,
        }
    }

    /// Marks the scenario as not run.
    #[must_use]
    pub fn skipped(mut self, reason: String) -> Self {
        self.verdict = ScenarioVerdict::Skipped;
        self.reason = Some(reason);
        self
    }

    /// Orders the findings and sets `caught_by`, `verdict` and `reason` from what was seen. `unfinished` says why
    /// the scenario ended early, if it did.
    ///
    /// Precedence: fail > inconclusive > pass. A fault or an elision that never fired, or a check that
    /// examined nothing, is a failure: nothing passes vacuously. If `expect` is `fail` the scenario
    /// passes if and only if a check that its file names saw the bug.
    pub fn judge(&mut self, unfinished: Option<String>) {
        self.findings.sort_by(|a, b| {
            b.count
                .cmp(&a.count)
                .then_with(|| a.fingerprint.cmp(&b.fingerprint))
        });
        self.caught_by = match self.expect {
            Expect::Pass => Vec::new(),
            Expect::Fail => self.broken_checks().map(str::to_owned).collect(),
        };
        (self.verdict, self.reason) = match self.expect {
            Expect::Pass => self.judge_sound(unfinished),
            Expect::Fail => self.judge_planted(unfinished),
        };
    }

    /// Checks that found a promise broken, in the order of their names.
    pub fn broken_checks(&self) -> impl Iterator<Item = &str> {
        self.checks
            .iter()
            .filter(|(_, c)| c.violations > 0)
            .map(|(name, _)| name.as_str())
    }

    fn judge_sound(&self, unfinished: Option<String>) -> (ScenarioVerdict, Option<String>) {
        let broken: Vec<&str> = self.broken_checks().collect();
        if !broken.is_empty() {
            return fail(format!("broken: {}", broken.join(", ")));
        }
        if !self.findings.is_empty() {
            return fail("a finding was recorded that no check counted".to_owned());
        }
        self.judge_unbroken(unfinished)
            .unwrap_or((ScenarioVerdict::Pass, None))
    }

    fn judge_planted(&self, unfinished: Option<String>) -> (ScenarioVerdict, Option<String>) {
        if self.is_caught() && self.elisions.values().all(|e| e.fired > 0) {
            return (ScenarioVerdict::Pass, None);
        }
        if self.is_caught() {
            return fail("a check failed although a planted elision never fired".to_owned());
        }
        if !self.caught_by.is_empty() {
            return fail(format!(
                "the planted bug was seen by {}, not by {}",
                self.caught_by.join(", "),
                self.must_be_caught_by.join(", ")
            ));
        }
        self.judge_unbroken(unfinished)
            .unwrap_or_else(|| fail("the planted bug was not caught".to_owned()))
    }

    /// The verdict where no check was broken; nothing if the scenario ran to its end and exercised all it names.
    fn judge_unbroken(
        &self,
        unfinished: Option<String>,
    ) -> Option<(ScenarioVerdict, Option<String>)> {
        if let Some(why) = unfinished.or_else(|| self.nothing_promised()) {
            return Some((ScenarioVerdict::Inconclusive, Some(why)));
        }
        self.vacuous().map(fail)
    }

    /// Why checks examined nothing, if that is because the target promised nothing.
    fn nothing_promised(&self) -> Option<String> {
        let idle = self.checks.iter().filter(|(_, check)| check.examined == 0);
        let idle: Vec<&str> = idle.map(|(name, _)| name.as_str()).collect();
        if self.unpromised == 0 || idle.is_empty() {
            return None;
        }
        Some(format!(
            "not exercised: {}; the target promises nothing after these crashes with these options ({} states)",
            idle.join(", "),
            self.unpromised
        ))
    }

    fn is_caught(&self) -> bool {
        let named = &self.must_be_caught_by;
        self.caught_by
            .iter()
            .any(|check| named.is_empty() || named.contains(check))
    }

    /// Names what the scenario asked for and did not exercise.
    fn vacuous(&self) -> Option<String> {
        if self.checks.is_empty() {
            return Some("it names no check".to_owned());
        }
        let fault = self.faults.iter().find(|(_, f)| f.fired == 0);
        let elision = self.elisions.iter().find(|(_, e)| e.fired == 0);
        let check = self.checks.iter().find(|(_, c)| c.examined == 0);
        fault
            .map(|(name, _)| format!("the fault {name} never fired"))
            .or_else(|| elision.map(|(rule, _)| format!("the elision {rule} never fired")))
            .or_else(|| check.map(|(name, _)| format!("the check {name} examined nothing")))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

const fn fail(reason: String) -> (ScenarioVerdict, Option<String>) {
    (ScenarioVerdict::Fail, Some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(expect: Expect) -> ScenarioReport {
        let mut s = ScenarioReport::new("id".into(), "f.toml".into(), "t".into(), expect);
        s.faults
            .insert("power-loss".into(), FaultReport { armed: 9, fired: 9 });
        s.checks.insert(
            "durability".into(),
            CheckReport {
                examined: 9,
                violations: 0,
            },
        );
        s.checks.insert(
            "atomicity".into(),
            CheckReport {
                examined: 9,
                violations: 0,
            },
        );
        if expect == Expect::Fail {
            s.elisions
                .insert("sync wal/*".into(), ElisionReport { fired: 3 });
        }
        s
    }

    fn judged(mut s: ScenarioReport, unfinished: Option<&str>) -> (ScenarioVerdict, String) {
        s.judge(unfinished.map(str::to_owned));
        (s.verdict, s.reason.unwrap_or_default())
    }

    fn violate(s: &mut ScenarioReport, check: &str) {
        s.checks.entry(check.to_owned()).or_default().violations += 1;
    }

    #[test]
    fn a_scenario_passes_when_all_it_names_was_exercised_and_held() {
        assert_eq!(
            judged(scenario(Expect::Pass), None),
            (ScenarioVerdict::Pass, String::new())
        );
    }

    #[test]
    fn checks_of_a_target_that_promises_nothing_are_neither_passed_nor_failed() {
        for expect in [Expect::Pass, Expect::Fail] {
            let mut s = scenario(expect);
            s.checks.entry("durability".into()).or_default().examined = 0;
            assert_eq!(judged(s.clone(), None).0, ScenarioVerdict::Fail);
            s.unpromised = 9;
            let (verdict, reason) = judged(s.clone(), None);
            assert_eq!(verdict, ScenarioVerdict::Inconclusive);
            assert!(reason.starts_with("not exercised: durability; the target promises nothing"));
        }
        let mut s = scenario(Expect::Pass);
        s.unpromised = 9;
        violate(&mut s, "no-panic");
        assert_eq!(judged(s, None).0, ScenarioVerdict::Fail);
    }

    #[test]
    fn a_broken_check_fails_even_when_the_budget_ended() {
        let mut s = scenario(Expect::Pass);
        violate(&mut s, "durability");
        let (verdict, reason) = judged(s, Some("time ran out"));
        assert_eq!(verdict, ScenarioVerdict::Fail);
        assert_eq!(reason, "broken: durability");
    }

    #[test]
    fn an_unfinished_scenario_is_inconclusive() {
        let got = judged(scenario(Expect::Pass), Some("time ran out"));
        assert_eq!(
            got,
            (ScenarioVerdict::Inconclusive, "time ran out".to_owned())
        );
    }

    #[test]
    fn nothing_passes_vacuously() {
        let mut no_fault = scenario(Expect::Pass);
        no_fault
            .faults
            .insert("power-loss".into(), FaultReport { armed: 4, fired: 0 });
        let mut no_check = scenario(Expect::Pass);
        no_check.checks.clear();
        let mut blind = scenario(Expect::Pass);
        blind
            .checks
            .insert("integrity".into(), CheckReport::default());
        for (s, reason) in [
            (no_fault, "the fault power-loss never fired"),
            (no_check, "it names no check"),
            (blind, "the check integrity examined nothing"),
        ] {
            assert_eq!(judged(s, None), (ScenarioVerdict::Fail, reason.to_owned()));
        }
    }

    #[test]
    fn a_finding_without_a_violation_is_not_swallowed() {
        let mut s = scenario(Expect::Pass);
        s.findings.push(Finding::default());
        assert_eq!(judged(s, None).0, ScenarioVerdict::Fail);
    }

    #[test]
    fn a_planted_bug_passes_if_and_only_if_it_is_caught() {
        let mut caught = scenario(Expect::Fail);
        violate(&mut caught, "atomicity");
        assert_eq!(
            judged(caught.clone(), Some("time ran out")).0,
            ScenarioVerdict::Pass
        );
        caught.judge(None);
        assert_eq!(caught.caught_by, ["atomicity"]);

        let (verdict, reason) = judged(scenario(Expect::Fail), None);
        assert_eq!(
            (verdict, reason.as_str()),
            (ScenarioVerdict::Fail, "the planted bug was not caught")
        );
        let undecided = judged(scenario(Expect::Fail), Some("time ran out"));
        assert_eq!(undecided.0, ScenarioVerdict::Inconclusive);
    }

    #[test]
    fn a_planted_bug_must_be_caught_by_the_check_that_its_file_names() {
        let mut s = scenario(Expect::Fail);
        s.must_be_caught_by = vec!["durability".into()];
        violate(&mut s, "atomicity");
        let (verdict, reason) = judged(s, None);
        assert_eq!(verdict, ScenarioVerdict::Fail);
        assert_eq!(
            reason,
            "the planted bug was seen by atomicity, not by durability"
        );
    }

    #[test]
    fn a_planted_bug_that_was_never_planted_does_not_count_as_caught() {
        let mut s = scenario(Expect::Fail);
        s.elisions
            .insert("sync_dir wal".into(), ElisionReport { fired: 0 });
        violate(&mut s, "atomicity");
        assert_eq!(judged(s, None).0, ScenarioVerdict::Fail);
    }

    #[test]
    fn findings_are_ordered_by_frequency_then_fingerprint() {
        let mut s = scenario(Expect::Pass);
        for (fingerprint, count) in [("b", 1), ("c", 7), ("a", 1)] {
            let fingerprint = fingerprint.to_owned();
            s.findings.push(Finding {
                fingerprint,
                count,
                ..Finding::default()
            });
        }
        s.judge(None);
        let order: Vec<&str> = s.findings.iter().map(|f| f.fingerprint.as_str()).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }
}
