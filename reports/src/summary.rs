//! The words that every renderer says about a report: its headline, and the sentences below it.

use crate::model::{
    Assumption, Expect, Finding, Histogram, Repair, Report, ScenarioReport, ScenarioVerdict,
    Verdict,
};
use crate::number::{counted, grouped};

/// A report, seen as a reader asks about it.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    report: &'a Report,
}

impl<'a> Summary<'a> {
    /// Looks at `report`.
    pub const fn new(report: &'a Report) -> Self {
        Self { report }
    }

    /// The verdict as one short sentence.
    pub fn headline(&self) -> String {
        match self.report.verdict {
            Verdict::Pass if self.sound().next().is_some() => "Nothing broke.".to_owned(),
            Verdict::Pass => "Every planted bug was caught.".to_owned(),
            Verdict::Inconclusive => "Not decided.".to_owned(),
            Verdict::Fail => self.failure_headline(),
        }
    }

    /// What was done and seen, in a few sentences.
    pub fn lede(&self) -> String {
        let sentences = [
            Some(self.what_was_done()),
            self.what_broke(),
            self.what_was_planted(),
            self.what_was_not_decided(),
            self.what_was_skipped(),
        ];
        sentences
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Scenarios that ran and in which every check should hold.
    pub fn sound(&self) -> impl Iterator<Item = &'a ScenarioReport> + use<'a> {
        self.ran().filter(|s| s.expect == Expect::Pass)
    }

    /// Scenarios that ran with a planted bug.
    pub fn planted(&self) -> impl Iterator<Item = &'a ScenarioReport> + use<'a> {
        self.ran().filter(|s| s.expect == Expect::Fail)
    }

    /// Scenarios that ran.
    pub fn ran(&self) -> impl Iterator<Item = &'a ScenarioReport> + use<'a> {
        self.report
            .scenarios
            .iter()
            .filter(|s| s.verdict != ScenarioVerdict::Skipped)
    }

    /// Scenarios with this verdict.
    pub fn with(
        &self,
        verdict: ScenarioVerdict,
    ) -> impl Iterator<Item = &'a ScenarioReport> + use<'a> {
        self.report
            .scenarios
            .iter()
            .filter(move |s| s.verdict == verdict)
    }

    /// Findings that count against the target, with their scenarios, in the report's order.
    pub fn findings(&self) -> Vec<(&'a ScenarioReport, &'a Finding)> {
        self.sound()
            .flat_map(|s| s.findings.iter().map(move |f| (s, f)))
            .collect()
    }

    /// Scenarios that failed without a finding to show for it: missed bugs, faults that never fired.
    pub fn failed_otherwise(&self) -> Vec<&'a ScenarioReport> {
        self.with(ScenarioVerdict::Fail)
            .filter(|s| s.expect == Expect::Fail || s.findings.is_empty())
            .collect()
    }

    /// Storage operations of every recovery of every scenario.
    pub fn recovery_operations(&self) -> Histogram {
        merged(self.ran().map(|s| &s.recovery_operations))
    }

    /// Wall-clock time of every recovery of every scenario, in microseconds.
    pub fn recovery_us(&self) -> Histogram {
        merged(
            self.ran()
                .filter_map(|s| s.timing.as_ref())
                .map(|t| &t.recovery_us),
        )
    }

    fn failure_headline(&self) -> String {
        let findings = self.findings();
        let missed = self.missed();
        if !findings.is_empty() {
            let mut ids: Vec<&str> = findings.iter().map(|(s, _)| s.id.as_str()).collect();
            ids.dedup();
            return format!(
                "{} in {}.",
                counted(count(findings.len()), "finding", "findings"),
                counted(count(ids.len()), "scenario", "scenarios")
            );
        }
        if missed > 0 {
            let were = if missed == 1 { "was" } else { "were" };
            return format!(
                "{} {were} missed.",
                counted(missed, "planted bug", "planted bugs")
            );
        }
        let failed = count(self.with(ScenarioVerdict::Fail).count());
        format!("{} failed.", counted(failed, "scenario", "scenarios"))
    }

    fn missed(&self) -> u64 {
        count(
            self.planted()
                .filter(|s| s.verdict == ScenarioVerdict::Fail)
                .count(),
        )
    }

    fn what_was_done(&self) -> String {
        let totals = &self.report.totals;
        let scenarios = counted(totals.scenarios, "scenario", "scenarios");
        if totals.counts.crash_points == 0 {
            let cases = counted(totals.counts.cases, "case", "cases");
            return format!("{scenarios} ran {cases} against {}.", self.report.target);
        }
        let states = &totals.counts.crash_states;
        format!(
            "{scenarios} tried {} at {}; {} were recovered and checked.",
            self.report.target,
            counted(totals.counts.crash_points, "point", "points"),
            counted(
                states.checked.min(states.distinct),
                "distinct crash state",
                "distinct crash states"
            ),
        )
    }

    fn what_broke(&self) -> Option<String> {
        self.sound().next()?;
        let mut checks: Vec<&str> = self
            .sound()
            .flat_map(ScenarioReport::broken_checks)
            .collect();
        checks.sort_unstable();
        checks.dedup();
        if !checks.is_empty() {
            return Some(format!("Broken: {}.", checks.join(", ")));
        }
        (self.report.verdict == Verdict::Pass).then(|| "Every check held.".to_owned())
    }

    fn what_was_planted(&self) -> Option<String> {
        let planted = count(self.planted().count());
        let caught = count(
            self.planted()
                .filter(|s| s.verdict == ScenarioVerdict::Pass)
                .count(),
        );
        (planted > 0).then(|| {
            let bugs = if planted == 1 {
                "planted bug was"
            } else {
                "planted bugs were"
            };
            format!("{} of {} {bugs} caught.", grouped(caught), grouped(planted))
        })
    }

    fn what_was_not_decided(&self) -> Option<String> {
        let open = count(self.with(ScenarioVerdict::Inconclusive).count());
        (open > 0).then(|| {
            format!(
                "{} ended undecided.",
                counted(open, "scenario", "scenarios")
            )
        })
    }

    fn what_was_skipped(&self) -> Option<String> {
        let skipped = count(self.report.skipped.len());
        let was = if skipped == 1 { "was" } else { "were" };
        (skipped > 0).then(|| {
            format!(
                "{} {was} skipped.",
                counted(skipped, "scenario", "scenarios")
            )
        })
    }
}

/// What a finding is called: its own title without the check that stands before it anyway, or else its scenario's.
pub fn finding_title<'a>(scenario: &'a ScenarioReport, finding: &'a Finding) -> &'a str {
    let title = finding.title.as_str();
    let own = title
        .strip_prefix(&finding.check)
        .and_then(|rest| rest.strip_prefix(": "));
    match own.unwrap_or(title) {
        "" => &scenario.title,
        own => own,
    }
}

/// A repair for readers: what it is, and how many failing states it takes away.
pub fn repair_text(repair: &Repair) -> String {
    let Repair {
        what,
        removed,
        failing,
        ..
    } = repair;
    format!("{what} removes {removed} of {failing} failing states")
}

/// An assumption for readers, with how many failing states violate it.
pub fn assumption_text(assumption: &Assumption) -> String {
    let Assumption {
        what,
        violated,
        failing,
    } = assumption;
    format!("{what} ({violated} of {failing} failing states)")
}

fn merged<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Histogram {
    let mut all = Histogram::default();
    for histogram in histograms {
        all.merge(histogram);
    }
    all
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CheckReport;

    fn report(scenarios: Vec<ScenarioReport>) -> Report {
        Report::new("1".into(), "engine".into(), scenarios)
    }

    fn scenario(expect: Expect, violations: u64) -> ScenarioReport {
        let mut s = ScenarioReport::new("id".into(), "f".into(), "t".into(), expect);
        s.checks.insert(
            "durability".into(),
            CheckReport {
                examined: 1,
                violations,
            },
        );
        if violations > 0 {
            s.findings.push(Finding {
                check: "durability".into(),
                ..Finding::default()
            });
        }
        s.judge(None);
        s
    }

    #[test]
    fn headlines_say_what_matters_most() {
        let headline = |scenarios| Summary::new(&report(scenarios)).headline();
        assert_eq!(headline(vec![scenario(Expect::Pass, 0)]), "Nothing broke.");
        assert_eq!(
            headline(vec![scenario(Expect::Fail, 1)]),
            "Every planted bug was caught."
        );
        assert_eq!(headline(vec![]), "Not decided.");
        assert_eq!(
            headline(vec![scenario(Expect::Fail, 0)]),
            "1 planted bug was missed."
        );
        let both = vec![scenario(Expect::Pass, 2), scenario(Expect::Fail, 0)];
        assert_eq!(headline(both), "1 finding in 1 scenario.");
    }

    #[test]
    fn a_planted_bug_is_not_a_finding_against_the_target() {
        let report = report(vec![scenario(Expect::Fail, 1)]);
        assert!(Summary::new(&report).findings().is_empty());
        assert!(
            Summary::new(&report)
                .lede()
                .contains("1 of 1 planted bug was caught.")
        );
    }

    #[test]
    fn a_finding_is_called_by_its_own_title_or_by_its_scenarios() {
        let scenario = scenario(Expect::Pass, 0);
        let called = |title: &str| {
            let (check, title) = ("durability".to_owned(), title.to_owned());
            let finding = Finding {
                check,
                title,
                ..Finding::default()
            };
            finding_title(&scenario, &finding).to_owned()
        };
        assert_eq!(called("durability: a row is lost"), "a row is lost");
        assert_eq!(called("a row is lost"), "a row is lost");
        assert_eq!(called(""), "t");
    }

    #[test]
    fn the_lede_names_what_broke_and_what_was_skipped() {
        let skipped = scenario(Expect::Pass, 0).skipped("no /dev/fuse".into());
        let report = report(vec![scenario(Expect::Pass, 2), skipped]);
        let lede = Summary::new(&report).lede();
        assert_eq!(
            lede,
            "1 scenario ran 0 cases against engine. Broken: durability. 1 scenario was skipped."
        );
    }
}
