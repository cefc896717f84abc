//! How an engine fared.

use std::collections::BTreeMap;

use lightning_report::{Finding, ScenarioReport, ScenarioVerdict};
use serde::Serialize;

use super::entry::{Check, Entry};

/// The whole table.
#[derive(Clone, Debug, Serialize)]
pub struct League {
    /// The version of this form.
    pub schema: u32,
    /// All that was drawn was drawn from this.
    pub seed: u64,
    /// The code of the harness.
    pub harness: String,
    /// What was assumed, and what is not known.
    pub assumptions: Vec<String>,
    /// The scenarios, by id, with their titles and models.
    pub scenarios: BTreeMap<String, String>,
    /// Who took part, or could not.
    pub standings: Vec<Standing>,
}

/// One engine.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Who it is, and what it promises.
    pub entry: Entry,
    /// Its version, as it says itself.
    pub version: String,
    /// Why it was not tested, if it wasn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// What it promised in words of the driver protocol, by level of durability.
    pub promised: BTreeMap<String, String>,
    /// One for each class of faults.
    pub rows: Vec<Row>,
}

/// An engine under one class of faults.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// Why there is no verdict, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_verdict: Option<String>,
    /// How states ended.
    pub ends: Ends,
    /// Kinds of findings that were confirmed.
    pub confirmed: u64,
    /// Kinds of findings that only storage shows which keeps less order than any that was calibrated.
    pub portability_warnings: u64,
    /// Kinds of findings that are so, and break no promise.
    pub break_no_promise: u64,
    /// Kinds of findings that nobody has looked into.
    pub to_be_confirmed: u64,
    /// Wrong reads of damaged storage, of which nothing was promised.
    pub not_promised: u64,
    /// The findings.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// How many states ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// All that was promised was there.
    pub survived: u64,
    /// An error told of the damage.
    pub detected: u64,
    /// Something else was there, and no error.
    pub wrong: u64,
    /// The database was not opened.
    pub cannot_open: u64,
    /// The engine panicked, or its process ended.
    pub panicked: u64,
    /// It did not come back.
    pub hung: u64,
}

impl Ends {
    fn of(outcomes: &BTreeMap<String, u64>) -> Self {
        let count = |name: &str| outcomes.get(name).copied().unwrap_or(0);
        Self {
            survived: count("survived"),
            detected: count("detected"),
            wrong: count("wrong"),
            cannot_open: count("cannot-open"),
            panicked: count("panicked"),
            hung: count("hung"),
        }
    }

    /// In the order of the table's columns.
    pub fn columns(self) -> [(&'static str, u64); 6] {
        [
            ("survived", self.survived),
            ("detected", self.detected),
            ("silent wrong data", self.wrong),
            ("cannot open", self.cannot_open),
            ("panics", self.panicked),
            ("hangs", self.hung),
        ]
    }
}

/// What is known of a finding: what somebody found out who looked into it; else one that needs storage which no calibrated file system is, is a
/// portability warning.
pub(super) fn state_of(entry: &Entry, scenario: &str, finding: &Finding) -> Option<Check> {
    let checked = entry.checked(scenario, &finding.fingerprint);
    let checked = checked.map(|checked| checked.is);
    let is_of_no_file_system = !finding.assumptions.is_empty();
    checked.or(is_of_no_file_system.then_some(Check::PortabilityWarning))
}

impl Row {
    /// Of an engine under one scenario.
    pub(super) fn of(entry: &Entry, report: &ScenarioReport) -> Self {
        let findings = report.findings.iter();
        let count = |wanted| {
            let known = findings
                .clone()
                .map(|finding| state_of(entry, &report.id, finding));
            known.filter(|known| *known == wanted).count() as u64
        };
        let ends = Ends::of(&report.outcomes);
        let no_verdict = match report.verdict {
            ScenarioVerdict::Inconclusive | ScenarioVerdict::Skipped => report.reason.clone(),
            // Nothing passes vacuously, and nobody is accused of that.
            ScenarioVerdict::Fail if report.findings.is_empty() => report.reason.clone(),
            ScenarioVerdict::Pass | ScenarioVerdict::Fail => None,
        };
        let says_nothing = report.findings.is_empty() && report.unpromised > 0;
        Self {
            scenario: report.id.clone(),
            no_verdict,
            ends,
            confirmed: count(Some(Check::Confirmed)),
            portability_warnings: count(Some(Check::PortabilityWarning)),
            break_no_promise: count(Some(Check::NotPromised)),
            to_be_confirmed: count(None),
            not_promised: if says_nothing { ends.wrong } else { 0 },
            findings: report.findings.clone(),
        }
    }

    /// The columns of the table. Where not all that was found is confirmed it stands in brackets, with a question mark: it is counted as no failure.
    pub fn numbers(&self) -> [String; 6] {
        let is_doubtful =
            self.to_be_confirmed + self.portability_warnings + self.break_no_promise > 0;
        self.ends.columns().map(|(name, count)| {
            let is_good = name == "survived" || name == "detected";
            if is_doubtful && !is_good && count > 0 {
                format!("({count}?)")
            } else {
                count.to_string()
            }
        })
    }

    /// What the table says of it.
    pub fn verdict(&self) -> String {
        let mut parts = Vec::new();
        for (count, words) in [
            (self.confirmed, "confirmed"),
            (self.portability_warnings, "portability"),
            (self.break_no_promise, "breaking no promise"),
            (self.to_be_confirmed, "to be confirmed"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        if self.not_promised > 0 {
            parts.push("wrong reads, of which nothing is promised".to_owned());
        }
        match (&self.no_verdict, parts.is_empty()) {
            (Some(reason), _) => format!("no verdict: {reason}"),
            (None, true) => "nothing found".to_owned(),
            (None, false) => parts.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Checked, entries};
    use super::*;
    use lightning_report::Expect;

    fn report() -> ScenarioReport {
        let (id, file) = ("driver-power-loss".to_owned(), "f.toml".to_owned());
        let mut report = ScenarioReport::new(id, file, "t".to_owned(), Expect::Pass);
        report.verdict = ScenarioVerdict::Fail;
        report.outcomes.insert("survived".to_owned(), 7);
        report.outcomes.insert("wrong".to_owned(), 2);
        let finding = serde_json::json!({
            "fingerprint": "durability/acknowledged-lost/sync", "check": "durability", "title": "acknowledged-lost/sync",
            "replay": "chaos replay x", "count": 2, "case": "run 0, p1.s0", "expected": "e", "actual": "a",
        });
        report
            .findings
            .push(serde_json::from_value(finding).unwrap());
        report
    }

    #[test]
    fn a_finding_that_nobody_confirmed_is_no_failure() {
        let mut entry = entries().unwrap().remove(0);
        let row = Row::of(&entry, &report());
        assert_eq!((row.confirmed, row.to_be_confirmed), (0, 1));
        assert_eq!(row.verdict(), "1 to be confirmed");
        assert_eq!(row.numbers(), ["7", "0", "(2?)", "0", "0", "0"]);
        assert_eq!((row.ends.survived, row.ends.wrong), (7, 2));
        entry.checked.push(Checked {
            scenarios: vec!["driver-power-loss".to_owned()],
            fingerprint: "durability/acknowledged-lost/sync".to_owned(),
            is: Check::Confirmed,
            how: "on ext4".to_owned(),
        });
        assert_eq!(Row::of(&entry, &report()).verdict(), "1 confirmed");
        let mut after = report();
        after.findings[0]
            .fingerprint
            .push_str(", after read of db failed");
        assert_eq!(Row::of(&entry, &after).verdict(), "1 to be confirmed");
        entry.checked[0].fingerprint.push('*');
        assert_eq!(Row::of(&entry, &after).verdict(), "1 confirmed");
        entry.checked[0].is = Check::NotPromised;
        let row = Row::of(&entry, &report());
        assert_eq!(row.verdict(), "1 breaking no promise");
        assert_eq!(row.numbers()[2], "(2?)");
    }

    #[test]
    fn what_no_calibrated_file_system_shows_is_a_portability_warning() {
        let entry = entries().unwrap().remove(0);
        let mut report = report();
        report.findings[0].assumptions = vec!["a journal".to_owned()];
        assert_eq!(Row::of(&entry, &report).verdict(), "1 portability");
    }

    #[test]
    fn a_scenario_without_a_verdict_is_told_as_that() {
        let entry = entries().unwrap().remove(0);
        let mut report = report().skipped("no /dev/fuse".to_owned());
        report.findings.clear();
        assert_eq!(
            Row::of(&entry, &report).verdict(),
            "no verdict: no /dev/fuse"
        );
    }
}
